"""Questions to ClickHouse: SQL of its own dialect, which only reads, answered as the store's are."""

from __future__ import annotations

import json
import math
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Protocol

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError
from urllib3 import Timeout

from moose_lib.errors import NotFound
from moose_lib.ingest.clickhouse.client import ANSWER_SECONDS, CONNECT_SECONDS, arguments, failed, is_late
from moose_lib.ingest.clickhouse.ddl import Place, quoted
from moose_lib.ingest.clickhouse.failures import ClickHouseFailed, Trouble
from moose_lib.ingest.clickhouse.types import bare
from moose_lib.ingest.columns import Cell, Kind
from moose_lib.ingest.errors import InvalidQuery, QueryGivenUp
from moose_lib.ingest.querying import Answer, unique_names
from moose_lib.ingest.schema import ID, INGESTED_AT
from moose_lib.project.clickhouse import ClickHouseSettings

_FORMAT: Final = "JSONCompactEachRowWithNamesAndTypes"
#: Values as they are kept: all digits, times in UTC; and an answer that is whole or an error. With `readonly` 2, a
#: statement could still write files.
_READING: Final[Mapping[str, Any]] = {  # Any: as the driver has it
    "readonly": 1,
    "wait_end_of_query": 1,
    "date_time_output_format": "iso",
    "output_format_json_quote_decimals": 1,
    "output_format_decimal_trailing_zeros": 1,
    "output_format_json_quote_denormals": 1,
    "output_format_json_quote_64bit_integers": 0,
}
#: Types whose values are JSON themselves.
_NESTED: Final = ("Array", "Map", "Tuple", "JSON", "Object", "Nested", "Variant", "Dynamic")
_READONLY: Final = 164
_NO_DATABASE: Final = 81
_TIMEOUT_EXCEEDED: Final = 159


class DatabaseNotFound(NotFound):
    """Nothing has moved to ClickHouse yet: there is no database."""

    def __init__(self, settings: ClickHouseSettings) -> None:
        text = f"no database {settings.db_name!r} at {settings.url}"
        super().__init__(text, hint="moose-cli serve makes it, and moves what waits; --store sqlite asks the file")


@dataclass(frozen=True, kw_only=True)
class TypedAnswer(Answer):
    """An answer, and how its columns are kept where JSON has to know."""

    kinds: Mapping[str, Kind]


class _Client(Protocol):
    """What is used of the driver's client, whose own types are partly unknown."""

    timeout: Timeout

    def raw_stream(self, query: str, *, settings: Mapping[str, Any], fmt: str) -> Iterable[bytes]: ...

    def close(self) -> None: ...


_driver: Any = clickhouse_connect  # Any: as above


class Questions:
    """A connection that only reads. All methods raise `InvalidQuery`, `QueryGivenUp` and `ClickHouseFailed`."""

    def __init__(self, client: _Client, settings: ClickHouseSettings, patience: timedelta | None) -> None:
        self._client = client
        self._settings = settings
        self._patience = patience

    def query(self, statement: str) -> TypedAnswer:
        """Run a statement that reads."""
        text = statement.strip().removesuffix(";").strip()
        if not text:
            raise InvalidQuery("the query is empty", hint='moose-cli query "SELECT …"')
        with _told(self._settings, self._patience):
            lines = iter(self._client.raw_stream(text, settings=_limited(self._patience), fmt=_FORMAT))
            head = next(lines, None), next(lines, None)
        names, types = (_texts(line) for line in head)
        if not names:
            raise InvalidQuery("the statement has no rows as an answer", hint='moose-cli query "SELECT …"')
        columns = unique_names(names)
        kinds = {name: kind for name, it in zip(columns, types, strict=True) if (kind := _kind(it)) is not None}
        return TypedAnswer(columns=columns, rows=self._rows(lines), kinds=kinds)

    def tables(self) -> list[str]:
        """The tables of the database."""
        found = self.query("SELECT name FROM system.tables WHERE database = currentDatabase() ORDER BY name")
        return [str(row[0]) for row in found.rows]

    def latest(self, place: Place, count: int) -> TypedAnswer:
        """The rows of a table that came last, the latest first, with the columns in the store's order."""
        columns = self.query(f"SELECT * FROM {place} LIMIT 0").columns  # noqa: S608  # names are quoted
        names = [ID, *(it for it in columns if it not in (ID, INGESTED_AT)), INGESTED_AT]
        own = [it for it in names if it in columns]
        order = ", ".join(f"{it} DESC" for it in (INGESTED_AT, ID) if it in columns)
        fields = ", ".join(map(quoted, own))
        by = f" ORDER BY {order}" if order else ""
        return self.query(f"SELECT {fields} FROM {place}{by} LIMIT {count}")  # noqa: S608  # as above

    def _rows(self, lines: Iterator[bytes]) -> Iterator[tuple[Cell, ...]]:
        with _told(self._settings, self._patience):
            for line in lines:
                if line.strip():
                    yield tuple(map(_cell, json.loads(line.decode(errors="surrogateescape"))))


@contextmanager
def asking(settings: ClickHouseSettings, patience: timedelta | None = None) -> Generator[Questions]:
    """A connection that only reads, in the database of the settings; questions get an answer within `patience`.

    Raises:
        ClickHouseFailed: the server cannot be reached, or does not let us in.
        QueryGivenUp: it has not answered within `patience`.
    """
    limit = ANSWER_SECONDS if patience is None else _seconds(patience)
    # The driver asks for the server's version first: one that hangs is found out by that.
    first = min(CONNECT_SECONDS, limit)
    with _told(settings, patience if first == limit else None):
        given = arguments(settings) | {"send_receive_timeout": first, "database": settings.db_name}
        client: _Client = _driver.get_client(**given)
    client.timeout = Timeout(connect=CONNECT_SECONDS, read=limit)
    try:
        yield Questions(client, settings, patience)
    finally:
        client.close()


def _seconds(patience: timedelta) -> int:
    """Whole ones, as ClickHouse counts."""
    return max(1, math.ceil(patience.total_seconds()))


def _limited(patience: timedelta | None) -> Mapping[str, Any]:  # Any: as the driver has it
    return _READING if patience is None else {**_READING, "max_execution_time": _seconds(patience)}


@contextmanager
def _told(settings: ClickHouseSettings, patience: timedelta | None) -> Generator[None]:
    """Errors of ours: what is wrong with the connection or the user, and what with the query."""
    try:
        yield
    except (ClickHouseError, OSError) as error:
        found = failed(error, settings)
        if patience is not None and (found.code == _TIMEOUT_EXCEEDED or (found.code is None and is_late(error))):
            raise QueryGivenUp(patience) from error
        if found.code == _READONLY:
            hint = "records come in by POST /ingest/<name>, and go as the ttl of their OlapConfig says"
            raise InvalidQuery("the statement is refused: a query only reads", hint=hint) from error
        if found.code == _NO_DATABASE:
            raise DatabaseNotFound(settings) from error
        if found.code is None or found.code in _ACCESS or (found.trouble is Trouble.PASSING and found.code in _LOAD):
            raise _away(found) from error
        text = f"ClickHouse does not understand the query: {found.message}"
        raise InvalidQuery(text, hint="moose-cli ls shows the tables") from error


#: Codes that are about the connection's user or database.
_ACCESS: Final = frozenset({192, 193, 194, 291, 497, 516})
#: Codes that are about the server's state.
_LOAD: Final = frozenset({159, 202, 209, 210, 241, 242, 999})


def _away(found: ClickHouseFailed) -> ClickHouseFailed:
    hint = "--store sqlite asks for the rows that have not moved yet" if found.code is None else found.hint
    return ClickHouseFailed(found.message, code=found.code, name=found.name, hint=hint)


def _texts(line: bytes | None) -> list[str]:
    """A line of the head."""
    found: list[str] = [] if line is None else json.loads(line)
    return found


def _kind(type_name: str) -> Kind | None:
    name = bare(type_name)
    if name.partition("(")[0] in _NESTED:
        return Kind.JSON
    return Kind.BOOLEAN if name == "Bool" else None


def _cell(value: Any) -> Cell:  # Any: JSON
    """A value as the store's readers have it; texts that are no UTF-8 are bytes."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if isinstance(value, str) and not value.isascii():
        raw = value.encode(errors="surrogateescape")
        try:
            return raw.decode()
        except UnicodeDecodeError:
            return raw
    found: Cell = value
    return found
