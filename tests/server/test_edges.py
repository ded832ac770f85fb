"""What a server tells of itself, to whom, and what it answers where nothing is."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import BaseModel, ConfigDict, field_validator
from tests.integration.conftest import free_port

from moose_lib import IngestApi, IngestConfig, IngestPipeline, OlapTable
from moose_lib.dmv2 import _registry
from moose_lib.errors import SettingsError
from moose_lib.ingest.errors import StoreFailed
from moose_lib.ingest.reading import Format, RecordReader, Records
from moose_lib.ingest.sqlite import SqliteStore
from moose_lib.plan.endpoints import compile_tables, try_compile_endpoints
from moose_lib.project.loader import LoadedProject, Project
from moose_lib.project.settings import Settings
from moose_lib.server.app import build_apps

Connect = Callable[..., AbstractAsyncContextManager[httpx2.AsyncClient]]


class Item(BaseModel):
    sku: str


class Order(BaseModel):
    """An order of the shop."""

    order_id: str
    items: list[Item] = []
    at: datetime | None = None

    @field_validator("order_id")
    @classmethod
    def fail(cls, value: str) -> str:
        if value == "broken":
            raise KeyError(value)
        return value


class Odd(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    call: Callable[[], int] | None = None


@pytest.fixture(autouse=True)
def declared() -> Iterator[None]:
    _registry.clear()
    IngestPipeline[Order]("Orders")
    IngestApi[Order]("Plain", IngestConfig(table=OlapTable[Order]("Plain"), authenticate=False))
    yield
    _registry.clear()


@pytest.fixture
def connect(tmp_path: Path) -> Connect:
    @asynccontextmanager
    async def connected(
        *, is_management: bool = False, with_workflow: bool = False, **sections: Any
    ) -> AsyncGenerator[httpx2.AsyncClient]:  # Any: settings
        settings = Settings.model_validate({"root": tmp_path, **sections})
        project = Project(root=tmp_path, entry=tmp_path / "app.py", settings=settings, is_single_file=True)
        endpoints, _ = try_compile_endpoints(_registry.registered_ingest_apis().values())
        tables = compile_tables(_registry.registered_tables().values())
        workflows: Any = {"w": object()} if with_workflow else {}  # Any: only that there is one counts
        loaded = LoadedProject(project=project, workflows=workflows, plans={}, tables=tables, endpoints=endpoints)
        with SqliteStore(tmp_path / "store.db", tables.values()) as store:
            apps = build_apps(loaded, store)
            app = apps.management if is_management else apps.main
            async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://server") as http:
                yield http

    return connected


async def test_fields_that_nobody_knows_are_told_on_request(connect: Connect) -> None:
    sent = [{"order_id": "1", "orderid": "x"}, {}, {"order_id": "2", "items": [{"sku": "a", "skuu": 1}]}]
    async with connect() as http:
        answer = await http.post("/ingest/Orders?errors=detail", json=sent)

    assert answer.status_code == 207
    assert answer.json()["ignored_fields"] == [
        {"index": 0, "path": "orderid", "meant": None},
        {"index": 2, "path": "items.0.skuu", "meant": None},
    ]


async def test_a_misspelt_field_is_told_where_its_record_was_refused_for_it(connect: Connect) -> None:
    """The record misses what was misspelt: the field that was meant is the cause."""
    async with connect() as http:
        answer = await http.post("/ingest/Orders?errors=detail", json=[{"ordr_id": "1"}, 7])
        lines = '{"ordr_id": 1}\n{nothing\n'
        kind = {"Content-Type": "application/x-ndjson"}
        ndjson = await http.post("/ingest/Orders?errors=detail", content=lines, headers=kind)

    told = [{"index": 0, "path": "ordr_id", "meant": "order_id"}]
    assert (answer.status_code, answer.json()["ignored_fields"]) == (400, told)
    assert (ndjson.status_code, ndjson.json()["ignored_fields"]) == (400, told)


async def test_a_validator_that_breaks_is_the_fault_of_its_record_and_the_log_says_where(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """The others are kept; the log has one traceback, however many records there were."""
    sent = [{"order_id": it} for it in ("1", "broken", "2", "broken")]
    async with connect() as http:
        answer = await http.post("/ingest/Orders", json=sent)
        logged = caplog.text
        one = await http.post("/ingest/Orders", json={"order_id": "broken"})
        detailed = await http.post("/ingest/Orders?errors=detail", json={"order_id": "broken"})

    assert (answer.status_code, answer.text) == (207, "PARTIAL: 2 stored, 2 rejected")
    assert (one.status_code, one.text) == (400, "Invalid JSON: KeyError: 'broken' at line 1 column 1")
    assert detailed.json()["faults"] == [{"index": 0, "path": "", "reason": "KeyError: 'broken'"}]
    assert logged.count("Traceback (most recent call last)") == 1
    assert "raise KeyError(value)" in logged


async def test_what_breaks_in_the_server_itself_is_answered_and_the_log_says_where(
    connect: Connect, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def put(*_: object) -> None:
        raise RuntimeError("our mistake")

    monkeypatch.setattr(SqliteStore, "put", put)
    async with connect() as http:
        answer = await http.post("/ingest/Orders", json={"order_id": "1"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    assert "RuntimeError: our mistake" in caplog.text


async def test_more_records_than_may_come_at_once_are_refused_early(connect: Connect) -> None:
    async with connect() as http:
        array = await http.post("/ingest/Orders", content=b"[" + b"1," * 2_000_000 + b"1]")
        headers = {"Content-Type": "application/jsonl"}
        lines = await http.post("/ingest/Orders", content=b"{}\n" * 100_001, headers=headers)

    assert (array.status_code, lines.status_code) == (413, 413)
    assert array.text == "Request body too large. more than 100000 records in one request"


@pytest.mark.parametrize(
    ("content", "thread"), [(b"[" + b"1," * 30_000 + b"1]", "moose-reader_0"), (b"[1]", "MainThread")]
)
async def test_many_values_are_read_apart_however_short_they_are(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, content: bytes, thread: str
) -> None:
    """Everybody else would wait: 60 kB of them are as much work as megabytes of long ones."""
    threads = list[str]()
    read = RecordReader.read

    def noted(self: RecordReader, body: bytes, form: Format) -> Records:
        threads.append(threading.current_thread().name)
        return read(self, body, form)

    monkeypatch.setattr(RecordReader, "read", noted)
    async with connect() as http:
        await http.post("/ingest/Orders", content=content)

    assert threads == [thread]


async def test_health_is_told_with_reasons(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    temporal = {"temporal_host": "127.0.0.1", "temporal_port": free_port()}
    async with connect(with_workflow=True, temporal_config=temporal) as http:
        alive, health, ready = [await http.get(path) for path in ("/liveness", "/health", "/ready")]

    assert alive.json() == {"healthy": ["server"], "unhealthy": [], "reasons": {}}
    assert (health.status_code, health.json()["healthy"]) == (200, ["store", "queue"])
    assert (ready.status_code, ready.json()["unhealthy"]) == (503, ["temporal"])
    assert ready.json()["reasons"]["temporal"]
    assert ready.json()["lag_seconds"] == {"store": 0.0}


async def test_a_store_that_cannot_commit_is_not_healthy(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(store: SqliteStore) -> None:
        raise StoreFailed("the disk is full")

    monkeypatch.setattr(SqliteStore, "check", fail)
    monkeypatch.setattr(SqliteStore, "lag", property(lambda _: 31.0))
    async with connect() as http:
        answer = await http.get("/health")

    assert answer.status_code == 503
    assert answer.json()["reasons"] == {
        "store": "the disk is full",
        "queue": "records wait for 31 s to be committed",
    }


@pytest.mark.parametrize("is_management", [False, True])
async def test_documents_and_metrics_are_on_both_ports(connect: Connect, is_management: bool) -> None:
    async with connect(is_management=is_management) as http:
        document = (await http.get("/openapi.json")).json()
        yaml = await http.get("/openapi.yaml")
        page = await http.get("/docs")
        root = await http.get("/")
        front = await http.get("/", headers={"Accept": "text/html"})
        metrics = await http.get("/metrics")

    assert document["openapi"] == "3.1.1"
    assert json.loads(yaml.text) == document
    assert "POST /ingest/Orders" in page.text
    assert "script" not in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert root.json() == {"name": "app.py", "status": "ok", "docs": "/docs", "info": "moose-cli ls"}
    assert front.text == page.text
    assert 'moose_ingested_records_total{endpoint="Orders"} 0.0' in metrics.text


async def test_what_is_asked_and_stored_is_counted(connect: Connect) -> None:
    async with connect() as http:
        await http.post("/ingest/Orders", json=[{"order_id": "1"}, {}])
        await http.get("/nowhere")
        text = (await http.get("/metrics")).text

    assert 'moose_ingested_records_total{endpoint="Orders"} 1.0' in text
    assert 'moose_rejected_records_total{endpoint="Orders"} 1.0' in text
    assert 'moose_http_requests_total{method="POST",route="/ingest/Orders",status="207"} 1.0' in text
    assert 'moose_http_requests_total{method="GET",route="(none)",status="404"} 1.0' in text
    assert "moose_store_waiting_bytes 0.0" in text
    assert "moose_store_lag_seconds 0.0" in text


async def test_the_document_says_what_a_record_is_and_who_may_send_it(connect: Connect) -> None:
    IngestApi[Odd]("Odd", IngestConfig(table=OlapTable[Odd]("Odd")))
    async with connect(authentication={"ingest_api_key": "0" * 40}) as http:
        document = (await http.get("/openapi.json")).json()

    orders, plain = document["paths"]["/ingest/Orders"]["post"], document["paths"]["/ingest/Plain"]["post"]
    assert orders["requestBody"]["content"]["application/json"]["schema"]["oneOf"][0] == {
        "$ref": "#/components/schemas/Order"
    }
    assert document["components"]["schemas"]["Order"]["properties"]["at"]["anyOf"][0]["format"] == "date-time"
    assert (orders["security"], "401" in orders["responses"], "207" in orders["responses"]) == (
        [{"bearer": []}],
        True,
        True,
    )
    assert ("security" in plain, "401" in plain["responses"], "207" in plain["responses"]) == (False, False, False)
    odd = document["paths"]["/ingest/Odd"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert odd["oneOf"][0] == {"type": "object", "title": "Odd"}


async def test_the_document_has_the_parameters_of_queries_and_headers(connect: Connect) -> None:
    async with connect() as http:
        paths = (await http.get("/openapi.json")).json()["paths"]

    def names(path: str, method: str = "get", place: str = "query") -> list[str]:
        return [it["name"] for it in paths[path][method]["parameters"] if it["in"] == place]

    assert names("/admin/workflows/history") == ["status", "name", "limit"]
    assert names("/admin/workflows/runs/{run}") == ["wait"]
    assert names("/admin/workflows/{name}/trigger", "post") == ["wait"]
    assert names("/admin/workflows/{name}/trigger", "post", "header") == ["Idempotency-Key"]
    assert names("/admin/logs") == ["run", "task", "attempt", "level", "since", "tail"]
    assert names("/admin/workflows") == []


async def test_where_nothing_is_a_program_gets_json_and_a_person_a_sentence(connect: Connect) -> None:
    async with connect() as http:
        program = await http.get("/nowhere")
        person = await http.get("/nowhere", headers={"Accept": "text/plain"})
        method = await http.get("/ingest/Orders")

    assert (program.status_code, program.json()["error"]["code"]) == (404, "not-found")
    assert person.text.startswith("MooseStack: 404 Not Found\n")
    assert (method.status_code, method.headers["allow"]) == (405, "POST")
    assert method.json()["error"]["code"] == "method-not-allowed"


async def test_browsers_of_any_origin_may_ask_unless_origins_are_named(connect: Connect) -> None:
    ours, theirs = {"Origin": "https://shop.example"}, {"Origin": "https://evil.example"}
    async with connect() as http:
        asked = await http.options("/whatever", headers=theirs)
        failed = await http.post("/ingest/Nothing", headers=theirs)
    async with connect(http_server_config={"cors_origins": "https://shop.example"}) as http:
        allowed = await http.get("/health", headers=ours)
        refused = await http.get("/health", headers=theirs)

    assert (asked.status_code, asked.text) == (200, "Success")
    sent = set(asked.headers["access-control-allow-headers"].split(", "))
    assert {"Authorization", "Idempotency-Key", "Moose-Place"} <= sent
    assert {"Moose-Repeated", "Location"} <= set(failed.headers["access-control-expose-headers"].split(", "))
    assert asked.headers.get_list("access-control-expose-headers") == [failed.headers["access-control-expose-headers"]]
    assert asked.headers["access-control-allow-origin"] == failed.headers["access-control-allow-origin"] == "*"
    assert (allowed.headers["access-control-allow-origin"], allowed.headers["vary"]) == (ours["Origin"], "Origin")
    assert "access-control-allow-origin" not in refused.headers


KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
JWT = {"secret": PUBLIC.decode(), "issuer": "shop", "audience": "moose"}


def token(key: Any = KEY, algorithm: str = "RS256", **claims: object) -> dict[str, str]:  # Any: a key, or a text
    soon = datetime.now(UTC) + timedelta(minutes=5)
    told = {"iss": "shop", "aud": "moose", "exp": soon} | claims
    content = {name: value for name, value in told.items() if value is not None}
    return {"Authorization": f"Bearer {jwt.encode(content, key, algorithm=algorithm)}"}


async def test_tokens_open_where_they_are_enforced(connect: Connect) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    long_ago = datetime.now(UTC) - timedelta(minutes=5)
    bad = [
        {},
        {"Authorization": "Bearer x.y.z"},
        token(other),
        token(iss="other"),
        token(aud="other"),
        token(exp=long_ago),
        token(exp=None),
        token("secret" * 10, "HS256"),
    ]
    async with connect(jwt={**JWT, "enforce_on_all_ingest_apis": True}) as http:
        good = await http.post("/ingest/Orders", json={"order_id": "1"}, headers=token())
        refused = [(await http.post("/ingest/Orders", json=[], headers=it)).status_code for it in bad]
        unlocked = await http.post("/ingest/Plain", json=[])

    assert (good.status_code, unlocked.status_code) == (200, 200)
    assert refused == [401] * len(bad)


async def test_a_token_or_a_key_opens_where_tokens_are_not_enforced(connect: Connect) -> None:
    async with connect(jwt=JWT, authentication={"ingest_api_key": "0" * 40}) as http:
        by_token = await http.post("/ingest/Orders", json=[], headers=token())
        by_nothing = await http.post("/ingest/Orders", json=[])

    assert (by_token.status_code, by_nothing.status_code) == (200, 401)


async def test_an_endpoint_that_asks_by_itself_takes_a_token(connect: Connect) -> None:
    """Also where the project asks nobody; the document says which one it is."""
    IngestApi[Item]("Closed", IngestConfig(table=OlapTable[Item]("Closed"), authenticate=True))
    async with connect(jwt=JWT) as http:
        refused = [
            (await http.post(path, json={"sku": "a"})).status_code for path in ("/ingest/Closed", "/ingest/closed")
        ]
        allowed = await http.post("/ingest/Closed", json={"sku": "a"}, headers=token())
        others = await http.post("/ingest/Orders", json={"order_id": "1"})
        paths = (await http.get("/openapi.json")).json()["paths"]

    assert (refused, allowed.status_code, others.status_code) == ([401, 401], 200, 200)
    assert ["security" in paths[f"/ingest/{it}"]["post"] for it in ("Closed", "Orders", "Plain")] == [
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"enforce_on_all_ingest_apis": True}, "[jwt] lacks secret, issuer, audience"),
        ({**JWT, "secret": "shared"}, "secret in [jwt] is not the public key of RSA, as PEM text"),
    ],
)
async def test_token_settings_that_would_not_protect_are_refused(
    connect: Connect, settings: dict[str, object], text: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        async with connect(jwt=settings):
            pass

    assert caught.value.message == text
