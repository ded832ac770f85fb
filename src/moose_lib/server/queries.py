"""Numbers in the query of a request; what is none is told with the name of its parameter."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import QueryParams

from moose_lib.server.refusals import BadRequest

#: Digits of the largest number that is looked at.
_MOST_DIGITS: Final = 20


def whole_number(query: QueryParams, name: str, default: int, *, most: int) -> int:
    """The number under `name`, from 1 to `most`.

    Raises:
        BadRequest: it is no such number.
    """
    text = query.get(name)
    if text is None:
        return default
    digits = text.lstrip("0")
    if not (text.isascii() and text.isdecimal() and digits):
        raise BadRequest(f"{name}: {text!r} is not a whole number above 0")
    if len(digits) > _MOST_DIGITS or int(digits) > most:
        raise BadRequest(f"{name}: {text[:_MOST_DIGITS]} is too large; {most} at most")
    return int(digits)
