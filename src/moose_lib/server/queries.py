"""Numbers in the query of a request; what is none is told with the name of its parameter."""

from __future__ import annotations

from starlette.datastructures import QueryParams

from moose_lib.server.refusals import BadRequest


def whole_number(query: QueryParams, name: str, default: int) -> int:
    """The number under `name`, 1 or above.

    Raises:
        BadRequest: it is no such number.
    """
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text) > 0):
        raise BadRequest(f"{name}: {text!r} is not a whole number above 0")
    return int(text)
