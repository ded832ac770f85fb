"""The next rows of a table as the body of one insert."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from moose_lib.ingest.clickhouse.cells import Encoder, Unfit, encoder
from moose_lib.ingest.clickhouse.ddl import FoundTable, WantedTable
from moose_lib.ingest.clickhouse.texts import record_text
from moose_lib.ingest.clickhouse.types import is_nullable
from moose_lib.ingest.columns import Cell, Kind
from moose_lib.ingest.schema import ID, INGESTED_AT, quoted
from moose_lib.ingest.store import RejectedRecord
from moose_lib.plan.endpoints import TablePlan

_LAST: Final = 2**63 - 1
_OWN: Final = {ID: Kind.INTEGER, INGESTED_AT: Kind.DATETIME}
_json: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


@dataclass(frozen=True, kw_only=True)
class Packed:
    """Rows up to `last`: those with `ids` are the lines of `body`, `unfit` are not for this table."""

    last: int
    ids: Sequence[int]
    body: bytes
    unfit: Sequence[RejectedRecord]


class Packer:
    """Packs rows of one table for the columns that it has in ClickHouse."""

    def __init__(self, plan: TablePlan, kinds: Mapping[str, Kind], wanted: WantedTable, found: FoundTable) -> None:
        self._plan = plan
        self._kinds = {**kinds, **_OWN}
        #: The columns of an insert.
        self.columns = [name for name in self._kinds if name in found.columns]
        self._encoders = [
            (name, encode)
            for name in self.columns
            if (encode := encoder(self._kinds[name], found.columns[name])) is not None
        ]
        # What the model has no more may be missing; of a table of somebody else's, defaults may fill what is missing.
        required = [name for name in self.columns if name in wanted.columns] if wanted.is_ours else []
        self._required = [name for name in required if not _has_nothing(found.columns[name])]
        fields = ", ".join(map(quoted, self._kinds))
        rows = f"FROM {quoted(plan.name)} WHERE {ID} > ? AND {ID} <= ? ORDER BY {ID} LIMIT ?"
        self._statement = f"SELECT {ID}, {fields} {rows}"  # names are quoted

    def pack(
        self, connection: sqlite3.Connection, after: int, *, last: int | None, rows: int, size: int
    ) -> Packed | None:
        """The rows behind `after`, up to `last`, or else at most `rows` of about `size` bytes; or `None`."""
        lines, ids, unfit = list[bytes](), list[int](), list[RejectedRecord]()
        taken, reached = 0, None
        for number, *cells in connection.execute(self._statement, (after, last or _LAST, -1 if last else rows)):
            reached = number
            values = dict[str, Any](zip(self._kinds, cells, strict=True))  # Any: JSON, in place of each cell
            try:
                lines.append(_json(self._record(values)).encode(errors="surrogateescape"))
                ids.append(number)
                taken += len(lines[-1])
            except Unfit as error:
                unfit.append(self.refused(values, "UnfitValue", str(error)))
                taken += len(unfit[-1].text)
            if taken >= size and last is None:
                break
        if reached is None:
            return None
        return Packed(last=reached, ids=ids, body=b"\n".join(lines), unfit=unfit)

    def refused_row(self, connection: sqlite3.Connection, number: int, kind: str, reason: str) -> RejectedRecord:
        """A row as the record that it was, with the reason for which it is not taken."""
        row = connection.execute(self._statement, (number - 1, number, 1)).fetchone()
        return self.refused(dict(zip(self._kinds, row[1:], strict=True)), kind, reason)

    def refused(self, cells: Mapping[str, Cell], kind: str, reason: str) -> RejectedRecord:
        """The same for a row that was read."""
        text = record_text(self._plan.model, self._kinds, cells)
        return RejectedRecord(text=text, error_type=kind, message=reason, source="table")

    def _record(self, values: Mapping[str, Any]) -> Mapping[str, Any]:  # Any: a cell, JSON
        for name in self._required:
            if values[name] is None:
                raise Unfit(f"{name}: is missing, and its column has no NULL")
        found = {name: values[name] for name in self.columns}
        for name, encode in self._encoders:
            cell = found[name]
            if cell is not None:
                found[name] = _encoded(name, encode, cell)
        return found


def _has_nothing(type_name: str) -> bool:
    """NULL, or an empty array, which is what ClickHouse makes of NULL there."""
    return is_nullable(type_name) or type_name.startswith("Array(")


def _encoded(name: str, encode: Encoder, cell: Cell) -> Any:  # Any: JSON
    try:
        return encode(cell)
    except Unfit as error:
        raise Unfit(f"{name}: {error}") from None
