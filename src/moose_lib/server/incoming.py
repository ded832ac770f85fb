"""A request whose body is to be read, straight from the ASGI server.

What Starlette's request offers beyond this costs as much time as checking a small record.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.types import Receive, Scope

#: Of a scope: the connection has the whole body already, so nobody has to wait for it.
HAS_BODY: Final = "moose.has-body"


class Incoming:
    """Its headers by their names in lower case; the first one of a name counts."""

    __slots__ = ("_headers", "receive", "scope")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self.receive = receive
        self._headers: dict[bytes, bytes] = dict(reversed(scope["headers"]))

    @property
    def has_body(self) -> bool:
        """The next message has the body, all of it, and comes at once."""
        return HAS_BODY in self.scope

    def has_any(self, names: Mapping[bytes, object]) -> bool:
        """There is a header of one of these names."""
        return not self._headers.keys().isdisjoint(names)

    def header(self, name: bytes) -> str | None:
        """What a header says; `None` if it is not there."""
        value = self._headers.get(name)
        return None if value is None else value.decode("latin-1")
