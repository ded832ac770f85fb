"""Rows of the store as a table for people, as JSON, CSV or Parquet."""

from __future__ import annotations

import importlib
import importlib.util
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from moose_lib.errors import MooseError
from moose_lib.ingest.columns import Cell, Kind
from moose_lib.ingest.errors import InvalidQuery
from moose_lib.ingest.querying import Answer, json_value

if TYPE_CHECKING:
    from moose_lib.cli.output import Output

__all__ = ["RowFormat", "cell_text", "show_rows", "write_rows"]

RowFormat = Literal["table", "json", "csv", "parquet"]

#: Characters of a cell on a terminal; in a pipe cells are never cut.
_WIDEST = 60
#: Rows printed at once.
_BATCH = 500


class MissingPackage(MooseError):
    """A format needs a package that is not installed."""


class UnwritableFile(MooseError):
    """Rows are to go to a place that cannot have them."""


def show_rows(
    output: Output, answer: Answer, form: RowFormat, *, limit: int | None, kinds: Mapping[str, Kind] | None = None
) -> int:
    """Print rows; returns how many. `kinds`: how columns are kept, so that JSON has their values as they were.

    Raises:
        MissingPackage: Parquet without pyarrow.
    """
    rows = islice(answer.rows, limit)
    if form == "parquet":
        output.binary(_parquet(answer.columns, rows))
        return 0
    count = 0
    if form == "table":
        found = [[cell_text(cell, is_cut=output.is_live) for cell in row] for row in rows]
        output.table([_printable(name) for name in answer.columns], found)
        count = len(found)
    for text in _lines(answer.columns, rows, form, kinds or {}):
        output.text(text)
    if next(answer.rows, None) is not None:
        output.note(f"only the first {limit} rows: --limit 0 shows all")
    return count


def write_rows(
    file: Path, answer: Answer, form: RowFormat, *, limit: int | None, kinds: Mapping[str, Kind] | None = None
) -> None:
    """Write rows to a file, whole or not at all.

    Raises:
        MissingPackage: as `show_rows`.
        UnwritableFile: its folder is not there, or not for us.
    """
    rows = islice(answer.rows, limit)
    part = file.with_name(f"{file.name}.part")
    try:
        part.touch()
    except OSError as error:
        raise UnwritableFile(f"{file} cannot be written: {error.strerror}") from error
    try:
        if form == "parquet":
            part.write_bytes(_parquet(answer.columns, rows))
        else:
            with part.open("w", encoding="utf-8", newline="") as to:
                to.writelines(f"{text}\n" for text in _lines(answer.columns, rows, form, kinds or {}))
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def cell_text(cell: Cell, *, is_cut: bool) -> str:
    """A cell for people: on one line, with nothing that a terminal obeys."""
    if cell is None:
        return "NULL"
    text = _printable(f"x'{cell.hex()}'" if isinstance(cell, bytes) else str(cell))
    return f"{text[: _WIDEST - 1]}…" if is_cut and len(text) > _WIDEST else text


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(it if it.isprintable() else it.encode("unicode_escape").decode() for it in text)


def _lines(
    columns: Sequence[str], rows: Iterator[tuple[Cell, ...]], form: RowFormat, kinds: Mapping[str, Kind]
) -> Iterator[str]:
    """Several lines at once, as printing has its price."""
    lines = _json(columns, rows, kinds) if form == "json" else _csv(columns, rows) if form == "csv" else iter(())
    while batch := list(islice(lines, _BATCH)):
        yield "\n".join(batch)


def _json(columns: Sequence[str], rows: Iterator[tuple[Cell, ...]], kinds: Mapping[str, Kind]) -> Iterator[str]:
    """One array, with a record on each line."""
    import json

    waiting = "["
    for row in rows:
        record = {name: json_value(cell, kinds.get(name)) for name, cell in zip(columns, row, strict=True)}
        text = json.dumps(record, ensure_ascii=False)
        if waiting == "[":
            yield waiting
        else:
            yield f"{waiting},"
        waiting = f"  {text}"
    if waiting == "[":
        yield "[]"
    else:
        yield waiting
        yield "]"


def _csv(columns: Sequence[str], rows: Iterable[tuple[Cell, ...]]) -> Iterator[str]:
    """RFC 4180; NULL is nothing, an empty text is two quotes."""
    for row in chain([tuple(columns)], rows):
        yield ",".join(map(_csv_cell, row))


def _csv_cell(cell: Cell) -> str:
    if cell is None:
        return ""
    text = str(json_value(cell))
    if isinstance(cell, str) and (not text or any(it in text for it in ',"\r\n') or text != text.strip()):
        escaped = text.replace('"', '""')
        return f'"{escaped}"'
    return text


def _parquet(columns: Sequence[str], rows: Iterator[tuple[Cell, ...]]) -> bytes:
    if importlib.util.find_spec("pyarrow") is None:
        raise MissingPackage("Parquet needs pyarrow, which is not installed", hint="pip install pyarrow")
    pyarrow: Any = importlib.import_module("pyarrow")  # Any: not installed with us, as it has 40 MB
    parquet: Any = importlib.import_module("pyarrow.parquet")  # Any: as above
    values = list(zip(*rows, strict=True)) or [() for _ in columns]
    arrays = dict[str, Any]()  # Any: pyarrow's
    for name, cells in zip(columns, values, strict=True):
        try:
            arrays[name] = pyarrow.array(cells)
        except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError) as error:
            text = f"column {name!r} has values of several types, and Parquet takes one"
            raise InvalidQuery(text, hint=f'SELECT CAST("{name}" AS TEXT)') from error
    file = io.BytesIO()
    parquet.write_table(pyarrow.table(arrays), file)
    return file.getvalue()
