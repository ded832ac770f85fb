"""Why a request is refused: each reason with its status, a code for programs, and the existing Moose's sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from moose_lib.errors import MooseError


class Refusal(MooseError):
    """A request that is answered with an error; `code` never changes, `status` is HTTP's."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "bad-request"

    @property
    def headers(self) -> dict[str, str]:
        """Headers that go with the answer."""
        return {}


class BadRequest(Refusal):
    """A query or a body that means nothing here; the text says what was expected."""


class EmptyHeader(BadRequest):
    """A header without a value: most likely the variable that should have been in it was empty."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is empty: leave it out, or give it a value")


class Unauthorized(Refusal):
    """No key or token, or a wrong one."""

    status = 401
    code = "unauthorized"

    def __init__(self, message: str = "Unauthorized: Invalid or missing token") -> None:
        super().__init__(message)

    @property
    def headers(self) -> dict[str, str]:
        """What a client should bring."""
        return {"WWW-Authenticate": "Bearer"}


class BodyTooLarge(Refusal):
    """The body is over the limit."""

    status = 413
    code = "body-too-large"

    def __init__(self, reason: int | str) -> None:
        """`reason`: the limit in bytes, or another sentence."""
        size = f"Maximum size is {reason} bytes" if isinstance(reason, int) else reason
        super().__init__(f"Request body too large. {size}")


class BodyIncomplete(Refusal):
    """The body did not come whole."""

    code = "body-incomplete"

    def __init__(self, reason: str) -> None:
        super().__init__(f"Failed to read request body: {reason}")


class UnknownEncoding(Refusal):
    """The body is packed in a way that is not read here."""

    status = 415
    code = "unknown-encoding"

    def __init__(self, encoding: str) -> None:
        super().__init__(f"Content-Encoding {encoding[:40]!r} is not read here", hint="use gzip, zstd or none")


class ServerBusy(Refusal):
    """As much is on its way as may be in memory; nothing of the request was kept."""

    status = 503
    code = "busy"

    def __init__(self, seconds: int = 1) -> None:
        self._seconds = seconds
        super().__init__("the server is busy", hint=f"try again in {seconds} s")

    @property
    def headers(self) -> dict[str, str]:
        """When to try again."""
        return {"Retry-After": str(self._seconds)}


class _OtherServer(Refusal):
    """Not this server answers, but the next one, which is on its way or may be soon."""

    status = 503

    @property
    def headers(self) -> dict[str, str]:
        """When to try again, on a connection of its own: this one leads to the server that goes."""
        return {"Retry-After": "1", "Connection": "close"}


class NotServing(_OtherServer):
    """No server runs, because the code does not load or for another reason; the next save may mend that."""

    code = "not-serving"

    def __init__(self, reason: str) -> None:
        super().__init__(f"no server runs: {reason}", hint="mend it and save; moose-cli dev shows all of it")


class TakingCode(_OtherServer):
    """What was saved is not loaded yet; the next server, which is on its way, has it."""

    code = "taking-code"

    def __init__(self) -> None:
        super().__init__("moose-cli dev is taking the code of now", hint="ask again in a few seconds")


class Stopping(_OtherServer):
    """The server stopped before this was done; nobody knows how far it came."""

    code = "stopping"

    def __init__(self) -> None:
        hint = "ask again; with the same Idempotency-Key nothing is done twice"
        super().__init__("the server stopped before this was done", hint=hint)


class CodeBehind(Refusal):
    """The worker has what was saved, and the server could not take it, as where a model does not go with its table."""

    status = 503
    code = "code-behind"

    def __init__(self) -> None:
        super().__init__(
            "the worker has newer code than this server, which could not take it",
            hint="moose-cli dev tells why; mend it and save",
        )


class UnknownModel(Refusal):
    """Nothing is declared at the path."""

    status = 404
    code = "unknown-model"

    def __init__(self, name: str, close: Sequence[str], known: Sequence[str]) -> None:
        meant = f" (did you mean {close[0]}?)" if close else ""
        listed = f"; there are {', '.join(known)}" if known else "; none is declared"
        told = f"nothing takes {name!r}{meant}" if name else "the path names no model"
        super().__init__(f"Please run `moose ls` to view your routes: {told}{listed}")


class IdempotencyConflict(Refusal):
    """The key of the request was used for another one."""

    status = 422
    code = "idempotency-key-reused"


class PlaceConflict(Refusal):
    """Other records came to the place of the request before, and there are no dead letters to set these aside in."""

    status = 422
    code = "place-taken"


class StoreUnavailable(Refusal):
    """The store could not commit; nothing of the request was kept."""

    status = 500
    code = "store-failed"
