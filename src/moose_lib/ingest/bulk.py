"""The rows of many records at once: column by column, in loops that run in C.

A call per cell is most of what a batch costs in Python. Here one call looks at a whole column, as far as the values are
of exactly the type that the column is for; all others take the way of `RowMaker`, a cell at a time. Both give the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import repeat
from operator import attrgetter, itemgetter
from types import NoneType
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel

from moose_lib.ingest.columns import CELLS, Cell, Kind, RowMaker, Unstorable

#: Below this, looking at columns costs more than it saves.
_FEW: Final = 4
_SMALLEST: Final = -(2**63)
_LARGEST: Final = 2**63 - 1
#: `2026-01-01T10:00:00.000000+00:00`
_UTC_LENGTH: Final = 32


def rows_of(maker: RowMaker, records: Sequence[BaseModel]) -> list[tuple[Cell, ...]]:
    """The rows of records of one model, in their order.

    Raises:
        UnstorableRecord: some value cannot be kept; `RowMaker.row` says of each record whether it is the one.
    """
    if len(records) < _FEW or not maker.is_plain:
        return [maker.row(record) for record in records]
    values = list(map(attrgetter("__dict__"), records))
    try:
        columns = [_column(it.kind, list(map(itemgetter(it.name), values))) for it in maker.columns]
        return list(zip(*columns, strict=True))  # the cells are made here
    except Unstorable:
        return [maker.row(record) for record in records]  # raises, with the field


def _column(kind: Kind, values: Sequence[Any]) -> Iterable[Cell]:  # Any: pydantic has checked them
    types = set(map(type, values))
    if NoneType in types:
        kept = iter(_column(kind, [it for it in values if it is not None]))
        return [None if it is None else next(kept) for it in values]
    exact, together = _TOGETHER[kind]
    cells = together(values) if types == {exact} else None
    return map(CELLS[kind], values) if cells is None else cells


def _texts(values: Sequence[str]) -> Iterable[Cell] | None:
    joined = "".join(values)
    return values if joined.isascii() or _is_unicode(joined) else None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _integers(values: Sequence[int]) -> Iterable[Cell] | None:
    return values if min(values) >= _SMALLEST and max(values) <= _LARGEST else None


def _reals(values: Sequence[float]) -> Iterable[Cell] | None:
    return None if any(map(math.isnan, values)) else values


def _datetimes(values: Sequence[datetime]) -> Iterable[Cell] | None:
    """Where all are in UTC, what is written behind each is the same and can be replaced in one go."""
    joined = "\n".join(map(datetime.isoformat, values, repeat("T"), repeat("microseconds")))
    is_utc = len(joined) == (_UTC_LENGTH + 1) * len(values) - 1 and joined.count("+00:00") == len(values)
    return joined.replace("+00:00", "Z").split("\n") if is_utc else None


def _durations(values: Sequence[timedelta]) -> Iterable[Cell]:
    return map(CELLS[Kind.DURATION], values)


def _as_they_are(values: Sequence[bytes]) -> Iterable[Cell]:
    return values


def _made_by(make: Callable[[Any], Cell]) -> Callable[[Sequence[Any]], Iterable[Cell]]:  # Any: of the type in question
    return lambda values: map(make, values)


_TOGETHER: Mapping[Kind, tuple[type, Callable[[Sequence[Any]], Iterable[Cell] | None]]] = {  # Any: as above
    Kind.TEXT: (str, _texts),
    Kind.INTEGER: (int, _integers),
    Kind.REAL: (float, _reals),
    Kind.BOOLEAN: (bool, _made_by(int)),
    Kind.DECIMAL: (Decimal, _made_by(str)),
    Kind.DATETIME: (datetime, _datetimes),
    Kind.DATE: (date, _made_by(date.isoformat)),
    Kind.TIME: (time, _made_by(time.isoformat)),
    Kind.DURATION: (timedelta, _durations),
    Kind.UUID: (UUID, _made_by(str)),
    Kind.BYTES: (bytes, _as_they_are),
}
