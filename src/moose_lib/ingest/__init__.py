"""Taking records in: checking them, and keeping them in a store. No HTTP server here.

The package is also the function to send records with, from a task or a script:

    async def report(orders: Orders) -> None:
        done = await moose_lib.ingest("Orders", orders.items)     # a name, a model, a pipeline, a table
        print(done.stored, done.repeated)

It checks the records against the model, all of them before one is sent, sends them in requests of some thousands to
the server of the project's settings, tries again what may pass for as long as `timeout` says ("1m"), and returns an
`IngestResult` when all are committed. In a task, what an earlier attempt or the resumed run has stored is not stored
again, and records that are others now are set aside, see `IngestResult`; `request="page 7"` names a request where the
order in which they are sent says nothing. In `def` handlers, and scripts without
`await`, use `moose_lib.ingest_sync`.

Raises:
    InvalidRecords: some records do not fit; nothing was sent.
    IngestRefused: the server does not take them: it wants a token, or runs other code.
    ServerUnreachable: it could not be reached, or had no room, in time.
    TableNotFound: no endpoint of that name or model is declared.
    MooseError: a thread of a handler calls it that does not know its task, without an `idempotency_key`.
"""

from __future__ import annotations

import sys
from collections.abc import Coroutine
from types import ModuleType
from typing import Any


class _CallablePackage(ModuleType):
    """The public name `moose_lib.ingest` is this package's name as well, so the package answers the call."""

    def __call__(self, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:  # Any: handed on as they are
        from moose_lib.ingest.client import ingest  # what only serves and queries needs no client

        return ingest(*args, **kwargs)


sys.modules[__name__].__class__ = _CallablePackage
