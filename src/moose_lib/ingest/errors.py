"""What can go wrong between a record and its store.

MooseError
├── UnreadableBody         a request is not JSON, or no records
├── TooManyRecords         a request brings more records than may come at once
├── UnstorableRecord       a valid record that no column can keep
├── StoreBusy              the queue of the store is full: try again later
├── StoreFailed            the store did not take what it was given
├── KeyReused              an idempotency key came with another body
├── PlaceTaken             a repeated attempt sends other records
├── LossyMigration         a model's change would lose what its table holds
├── InvalidRecords         what a task or script wants to ingest does not fit the model
├── IngestRefused          the server does not take records of ours
├── ServerUnreachable      the server does not answer, or has no room, for as long as we try
├── InvalidQuery           a query that writes, or that the store does not understand
├── QueryGivenUp           a query has no answer after the time that it was given
└── NotFound
    ├── StoreNotFound      nothing has been stored yet
    └── TableNotFound      the store has no table, or the code no endpoint, of that name
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path

from moose_lib.durations import format_duration
from moose_lib.errors import MooseError, NonRetryableError, NotFound
from moose_lib.faults import FieldFault

#: Faults that are written out in an error's text.
_SHOWN_FAULTS = 20


class UnreadableBody(MooseError, ValueError):
    """A request is not JSON, or it is JSON of another kind than records; `line` and `column` count from 1."""

    def __init__(self, reason: str, *, line: int, column: int) -> None:
        self.reason = reason
        self.line = line
        self.column = column
        super().__init__(f"Invalid JSON: {reason} at line {line} column {column}")

    @classmethod
    def from_text(cls, text: str) -> UnreadableBody:
        """From the parser's sentence: `EOF while parsing a list at line 1 column 7`."""
        found = re.fullmatch(r"(?s)(.*) at line (\d+) column (\d+)", text)
        if found is None:
            return cls(text, line=1, column=1)
        return cls(found[1], line=int(found[2]), column=int(found[3]))


class TooManyRecords(MooseError, ValueError):
    """A request brings more records than may come at once."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"more than {limit} records in one request", hint="send them in several")


class UnstorableRecord(MooseError, ValueError):
    """A record is valid, and still no column can keep one of its values; `fault` names the field."""

    def __init__(self, fault: FieldFault) -> None:
        self.fault = fault
        super().__init__(str(fault))


class StoreBusy(MooseError):
    """The store has as much to write as it may hold in memory; `retry_after` is a good time to try again."""

    def __init__(self, retry_after: timedelta) -> None:
        self.retry_after = retry_after
        super().__init__("the store is busy", hint=f"try again in {retry_after.total_seconds():g} s")


class StoreFailed(MooseError):
    """The store could not commit, because its disk is full, say. Nothing of the batch was kept."""


class KeyReused(MooseError, ValueError):
    """An idempotency key that was used before came with another body."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"idempotency key {key!r} was used for another body")


class PlaceTaken(MooseError, ValueError):
    """A repeated attempt sends other records than the one before, and its endpoint has no dead letters for them."""

    def __init__(self, place: str) -> None:
        self.place = place
        super().__init__(f"an earlier attempt has sent other records: {place}")


class LossyMigration(MooseError):
    """A model's change would lose what its table holds; `changes` are told column by column."""

    exit_code = 2

    def __init__(self, table: str, changes: Iterable[str]) -> None:
        self.table = table
        self.changes = tuple(changes)
        super().__init__(
            f"table {table!r} holds rows of another shape: {'; '.join(self.changes)}",
            hint='give the new shape a version of its own: version="2"',
        )

    @classmethod
    def together(cls, losses: Sequence[LossyMigration]) -> LossyMigration:
        """Those of several tables as one."""
        if len(losses) == 1:
            return losses[0]
        error = cls(losses[0].table, [change for loss in losses for change in loss.changes])
        lines = [f"{len(losses)} tables hold rows of another shape:", *(f"  {loss.message}" for loss in losses)]
        error.message = "\n".join(lines)
        return error


class InvalidRecords(NonRetryableError, ValueError):
    """Records do not fit the model of their endpoint; nothing was sent. `faults` has all of them, by record.

    `limit`: what `InsertOptions` allow, as "allow_errors=3".
    """

    exit_code = 2

    def __init__(self, endpoint: str, model: str, faults: Sequence[tuple[int, FieldFault]], limit: str = "") -> None:
        self.endpoint = endpoint
        self.faults = tuple(faults)
        shown = [f"  record {index}: {fault}" for index, fault in self.faults[:_SHOWN_FAULTS]]
        more = len(self.faults) - len(shown)
        shown += [f"  and {more} more"] if more else []
        count = len({index for index, _ in self.faults})
        which = "1 record is" if count == 1 else f"{count} records are"
        over = f", more than {limit}" if limit else ""
        super().__init__("\n".join([f"{which} no valid {model} for {endpoint}{over}; nothing was sent", *shown]))


class IngestRefused(NonRetryableError):
    """The server answered that it does not take the records; `status` is HTTP's. Trying again would not help."""

    def __init__(self, url: str, status: int, text: str, hint: str | None = None) -> None:
        self.url = url
        self.status = status
        super().__init__(f"{url} answered {status}: {text}", hint=hint)


class ServerUnreachable(MooseError):
    """The server did not take the records for as long as we tried; some may be stored, and repeating them is safe."""

    exit_code = 3

    def __init__(self, url: str, reason: str) -> None:
        self.url = url
        super().__init__(f"{url} cannot be reached: {reason}", hint="moose-cli dev, or moose-cli serve")


class InvalidQuery(MooseError, ValueError):
    """A query would write, or the store does not understand it."""

    exit_code = 2


class QueryGivenUp(MooseError):
    """A query has no answer after the time that it was given."""

    exit_code = 124

    def __init__(self, patience: timedelta) -> None:
        self.patience = patience
        longer = format_duration(patience * 10)
        super().__init__(f"no answer after {format_duration(patience)}", hint=f"--timeout {longer} waits longer")


class StoreNotFound(NotFound):
    """Nothing has been stored yet: there is no file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"no store at {path}", hint="moose-cli serve makes it, and POST /ingest/<name> fills it")


class TableNotFound(NotFound):
    """There is nothing of that name; the hint says what was meant, or what there is.

    `command` asks for one by its name, which it ends with, or has in the place of `{}`.
    """

    def __init__(self, name: str, known: Iterable[str], command: str, what: str = "table") -> None:
        self.name = name
        names = {it.lower(): it for it in sorted(known)}
        close = get_close_matches(name.lower(), names, n=1, cutoff=0.5)
        hint = f"there are: {', '.join(names.values())}" if names else "moose-cli ls"
        if close:
            usage = command if "{}" in command else f"{command} {{}}"
            hint = f"did you mean: {usage.format(names[close[0]])}"
        super().__init__(f"no {what} named {name!r}", hint=hint)
