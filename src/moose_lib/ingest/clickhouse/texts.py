"""A row of the store as the JSON text of its record, as somebody would send it: for the dead letters."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from pydantic import AliasChoices, AliasPath, BaseModel

from moose_lib.ingest.clickhouse.types import allows_none
from moose_lib.ingest.columns import EXTRA, Cell, Kind


def record_text(model: type[BaseModel], kinds: Mapping[str, Kind], cells: Mapping[str, Cell]) -> str:
    """The record of a row; fields that the model has no more are left out, unless it takes what it does not know."""
    record = dict[str, Any]()  # Any: JSON
    for name, field in model.model_fields.items():
        cell = cells.get(name)
        if cell is not None or allows_none(field.annotation):
            record[_key(name, field.validation_alias or field.alias)] = _value(model, kinds.get(name), cell)
    extra = cells.get(EXTRA)
    if isinstance(extra, str):
        record |= json.loads(extra)
    return json.dumps(record, ensure_ascii=False)


def _key(name: str, alias: str | AliasPath | AliasChoices | None) -> str:
    """What JSON calls a field."""
    while isinstance(alias, AliasChoices):
        alias = alias.choices[0]
    if isinstance(alias, AliasPath):
        return str(alias.path[0])
    return name if alias is None else alias


def _value(model: type[BaseModel], kind: Kind | None, cell: Cell) -> Any:  # Any: JSON
    if isinstance(cell, bytes):
        return _bytes_text(cell, model.model_config.get("val_json_bytes"))
    if cell is None:
        return None
    if kind is Kind.JSON and isinstance(cell, str):
        return json.loads(cell)
    return bool(cell) if kind is Kind.BOOLEAN else cell


def _bytes_text(cell: bytes, mode: str | None) -> str:
    if mode == "base64":
        return base64.urlsafe_b64encode(cell).decode()
    return cell.hex() if mode == "hex" else cell.decode(errors="backslashreplace")
