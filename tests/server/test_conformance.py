"""Whatever a client sends, the server answers as its own OpenAPI document says, and never with a failure of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from pydantic import BaseModel, Field
from schemathesis import GenerationMode
from schemathesis import checks as basic
from schemathesis.specs.openapi import checks as openapi

from moose_lib import IngestApi, IngestConfig, IngestPipeline, IngestPipelineConfig, OlapTable
from moose_lib.dmv2 import _registry
from moose_lib.ingest.sqlite import SqliteStore
from moose_lib.plan.endpoints import compile_tables, try_compile_endpoints
from moose_lib.project.loader import LoadedProject, Project
from moose_lib.project.settings import Settings
from moose_lib.server.app import build_apps

SLOW = (HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large)
NAMES = ("status_code_conformance", "content_type_conformance", "response_schema_conformance")
CHECKS: list[Any] = [getattr(basic, "not_a_server_error"), *(getattr(openapi, name) for name in NAMES)]  # noqa: B009  # their types are generic in what they do not say


class Item(BaseModel):
    sku: str = Field(max_length=20)
    price: Decimal


class Order(BaseModel):
    order_id: str
    count: int = 1
    share: float | None = None
    kind: Literal["new", "old"] = "new"
    at: datetime | None = None
    items: list[Item] = []
    notes: dict[str, Any] = {}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Generator[Any]:  # Any: an ASGI app
    _registry.clear()
    IngestPipeline[Order]("Orders")
    IngestPipeline[Item]("Items", IngestPipelineConfig(version="1.2"))
    IngestApi[Order]("Plain", IngestConfig(table=OlapTable[Order]("Plain")))
    endpoints, _ = try_compile_endpoints(_registry.registered_ingest_apis().values())
    tables = compile_tables(_registry.registered_tables().values())
    _registry.clear()
    folder: Path = tmp_path_factory.mktemp("shop")
    project = Project(
        root=folder, entry=folder / "app.py", settings=Settings.model_validate({"root": folder}), is_single_file=True
    )
    loaded = LoadedProject(project=project, workflows={}, plans={}, tables=tables, endpoints=endpoints)
    with SqliteStore(folder / "store.db", tables.values()) as store:
        yield build_apps(loaded, store).main


def operations(app: Any) -> list[Any]:  # Any: schemathesis' operations
    loader: Any = schemathesis.openapi  # Any: their types are generic in what they do not say
    schema = loader.from_asgi("/openapi.json", app).exclude(tag="admin")
    return [found.ok() for found in schema.get_all_operations()]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_answer_is_one_that_the_document_names(app: Any, mode: GenerationMode) -> None:
    """With requests as the document wants them, and with others."""
    seen = Counter[int]()
    for operation in operations(app):
        if mode is GenerationMode.NEGATIVE and operation.method != "post":
            continue  # there is nothing to send wrongly

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(max_examples=30, deadline=None, suppress_health_check=SLOW, database=None, derandomize=True)
        def ask(case: Any) -> None:  # Any: as above
            answer = case.call()
            seen[answer.status_code] += 1
            case.validate_response(answer, checks=CHECKS)

        ask()

    assert seen[400 if mode is GenerationMode.NEGATIVE else 200]
