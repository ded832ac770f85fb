"""What Temporal's server refuses, in words of our own."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from moose_lib.errors import EngineUnreachable, MooseError

__all__ = ["told_by_server"]

_GONE = {RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED}


@contextmanager
def told_by_server(client: Client) -> Generator[None]:
    """Turn what is left of Temporal's errors into ours: nobody above knows Temporal's.

    Raises:
        EngineUnreachable: the server went away.
        MooseError: anything else it refused, in its words.
    """
    try:
        yield
    except RPCError as error:
        address = client.service_client.config.target_host
        if error.status in _GONE:
            raise EngineUnreachable(address, error.message) from error
        raise MooseError(f"Temporal at {address} refused: {error.message} ({error.status.name.lower()})") from error
