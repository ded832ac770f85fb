"""What a request with records is answered, and what is in the store then."""

from __future__ import annotations

import gzip
import json
import sqlite3
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import zstandard
from pydantic import BaseModel

from moose_lib import IngestApi, IngestConfig, IngestPipeline, IngestPipelineConfig, OlapTable
from moose_lib.dmv2 import _registry
from moose_lib.ingest.errors import StoreBusy, StoreFailed
from moose_lib.ingest.sqlite import SqliteStore
from moose_lib.ingest.store import Batch, Receipt
from moose_lib.plan.endpoints import compile_tables, try_compile_endpoints
from moose_lib.project.loader import LoadedProject, Project
from moose_lib.project.settings import Settings
from moose_lib.server.app import build_apps
from moose_lib.server.ingest import Targets

Connect = Callable[..., AbstractAsyncContextManager[httpx2.AsyncClient]]
ONE = {"user": "a"}


class Click(BaseModel):
    user: str
    count: int = 1


@pytest.fixture(autouse=True)
def declared() -> Iterator[None]:
    _registry.clear()
    IngestPipeline[Click]("Clicks")
    IngestApi[Click]("Plain", IngestConfig(table=OlapTable[Click]("Plain"), path="shop/plain"))
    for version in ("1.9", "1.10"):
        IngestPipeline[Click]("Views", IngestPipelineConfig(version=version))
    yield
    _registry.clear()


@pytest.fixture
def connect(tmp_path: Path) -> Connect:
    @asynccontextmanager
    async def connected(store: object = None, **sections: Any) -> AsyncGenerator[httpx2.AsyncClient]:  # Any: settings
        settings = Settings.model_validate({"root": tmp_path, **sections})
        project = Project(root=tmp_path, entry=tmp_path / "app.py", settings=settings, is_single_file=True)
        endpoints, _ = try_compile_endpoints(_registry.registered_ingest_apis().values())
        tables = compile_tables(_registry.registered_tables().values())
        loaded = LoadedProject(project=project, workflows={}, plans={}, tables=tables, endpoints=endpoints)
        with SqliteStore(tmp_path / "store.db", tables.values()) as real:
            app = build_apps(loaded, store or real).main  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # a stand-in
            async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://server") as http:
                yield http

    return connected


def rows(tmp_path: Path, query: str) -> list[Any]:
    connection = sqlite3.connect(tmp_path / "store.db")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


async def test_an_object_an_array_and_lines_are_kept(connect: Connect, tmp_path: Path) -> None:
    async with connect() as http:
        answers = [
            await http.post("/ingest/Clicks", json=ONE),
            await http.post("/ingest/clicks/", json=[ONE, {"user": "b", "count": 2}]),
            await http.post(
                "/ingest/CLICKS", content=b'{"user": "c"}\n', headers={"Content-Type": "application/x-ndjson"}
            ),
            await http.post("/ingest/Clicks", json=[]),
            await http.post("/ingest/shop/plain", json=ONE),
        ]

    assert [(it.status_code, it.text) for it in answers] == [(200, "SUCCESS")] * 5
    assert [it.headers["moose-stored"] for it in answers] == ["1", "2", "1", "0", "1"]
    assert rows(tmp_path, "SELECT user, count FROM Clicks ORDER BY _id") == [("a", 1), ("a", 1), ("b", 2), ("c", 1)]
    assert rows(tmp_path, "SELECT count(*) FROM Plain") == [(1,)]


async def test_a_name_without_a_version_is_its_highest(connect: Connect, tmp_path: Path) -> None:
    async with connect() as http:
        assert (await http.post("/ingest/Views", json=ONE)).status_code == 200
        assert (await http.post("/ingest/Views/1.9", json=ONE)).status_code == 200
        assert (await http.post("/ingest/View", json=ONE)).status_code == 404

    counts = [rows(tmp_path, f"SELECT count(*) FROM Views_1_{minor}")[0][0] for minor in (9, 10)]  # a constant
    assert counts == [1, 1]


async def test_bad_records_go_to_the_dead_letters_and_the_good_ones_are_kept(connect: Connect, tmp_path: Path) -> None:
    sent = [ONE, {"user": "b", "count": 2**63}, {"user": 7}, {}]
    async with connect() as http:
        plain = await http.post("/ingest/Clicks", json=sent)
        detailed = await http.post("/ingest/Clicks?errors=detail", json=sent)

    assert (plain.status_code, plain.text) == (207, "PARTIAL: 1 stored, 3 rejected")
    assert (plain.headers["moose-stored"], plain.headers["moose-rejected"]) == ("1", "3")
    assert detailed.json() == {
        "stored": 1,
        "rejected": 3,
        "is_repeat": False,
        "set_aside": 0,
        "faults": [
            {"index": 1, "path": "count", "reason": "9223372036854775808 does not fit 64 bits"},
            {"index": 2, "path": "user", "reason": "input should be a valid string, got 7"},
            {"index": 3, "path": "user", "reason": "is missing"},
        ],
        "faults_left_out": 0,
        "ignored_fields": [],
    }
    letters = rows(tmp_path, "SELECT record, error_message FROM _moose_dead_letters ORDER BY id LIMIT 3")
    assert letters[1] == ('{"user":7}', "user: input should be a valid string, got 7")


async def test_without_dead_letters_a_batch_is_kept_whole_or_not_at_all(connect: Connect, tmp_path: Path) -> None:
    async with connect() as http:
        plain = await http.post("/ingest/shop/plain", json=[ONE, {}])
    async with connect(ingest={"partial": False}) as http:
        whole = await http.post("/ingest/Clicks", json=[ONE, {}])

    assert (plain.status_code, plain.text) == (400, "Invalid JSON: Missing fields: user at line 1 column 15")
    assert (whole.status_code, whole.headers["moose-stored"]) == (400, "0")
    assert rows(tmp_path, "SELECT count(*) FROM Plain") + rows(tmp_path, "SELECT count(*) FROM Clicks") == [(0,), (0,)]


@pytest.mark.parametrize(
    ("body", "text", "code"),
    [
        (b"{}", "Invalid JSON: Missing fields: user at line 1 column 1", "invalid-records"),
        (
            b'\n {"user": 7}',
            "Invalid JSON: user: input should be a valid string, got 7 at line 2 column 2",
            "invalid-records",
        ),
        (b'{"user"', "Invalid JSON: EOF while parsing an object at line 1 column 7", "unreadable-body"),
        (b"7", "Invalid JSON: expected an object or an array of objects at line 1 column 1", "unreadable-body"),
        (b"[" * 50_000, "Invalid JSON: recursion limit exceeded at line 1 column", "unreadable-body"),
    ],
)
async def test_what_cannot_be_read_says_where(connect: Connect, body: bytes, text: str, code: str) -> None:
    async with connect() as http:
        plain = await http.post("/ingest/Clicks", content=body)
        detailed = await http.post("/ingest/Clicks", content=body, headers={"Accept": "application/problem+json"})

    assert (plain.status_code, plain.text[: len(text)]) == (400, text)
    assert detailed.status_code == 400
    assert detailed.headers["content-type"] == "application/problem+json"
    problem = detailed.json()
    assert (problem["status"], problem["title"], problem["code"]) == (400, "Bad Request", code)
    assert problem["detail"] in plain.text
    assert problem["faults"]


async def test_an_unknown_model_is_told_with_what_was_meant(connect: Connect) -> None:
    async with connect() as http:
        answer = await http.post("/ingest/Cliks", json=ONE)
        as_json = await http.post("/ingest/Cliks", json=ONE, headers={"Accept": "application/json"})
        in_detail = await http.post("/ingest/Cliks?errors=detail", json=ONE)

    assert (answer.status_code, answer.text) == (
        404,
        (
            "Please run `moose ls` to view your routes: nothing takes 'Cliks' (did you mean Clicks?); "
            "there are Clicks, Views/1.10, Views/1.9, shop/plain"
        ),
    )
    assert as_json.json()["error"]["code"] == in_detail.json()["error"]["code"] == "unknown-model"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (
            "ingest/Views/1.3",
            "nothing takes 'Views/1.3' (did you mean Views/1.10?); there are Views/1.10, Views/1.2, my/shop",
        ),
        ("ingest/Shop", "nothing takes 'Shop' (did you mean my/shop?)"),
        ("ingest/my/shap", "nothing takes 'my/shap' (did you mean my/shop?)"),
        ("ingest/vews", "nothing takes 'vews' (did you mean Views/1.10?)"),
        ("ingest/Weather", "nothing takes 'Weather'; there are Views/1.10, Views/1.2, my/shop"),
    ],
)
def test_an_unknown_version_or_path_is_told_with_those_there_are(asked: str, told: str) -> None:
    _registry.clear()
    apis = [
        *(
            IngestApi[Click](
                "Views", IngestConfig(version=version, table=OlapTable[Click]("V" + version.replace(".", "_")))
            )
            for version in ("1.2", "1.10")
        ),
        IngestApi[Click]("Shop", IngestConfig(path="my/shop", table=OlapTable[Click]("Shop"))),
    ]
    endpoints, _ = try_compile_endpoints(apis)
    assert told in Targets(endpoints).unknown(asked).message


async def test_a_key_stores_once(connect: Connect, tmp_path: Path) -> None:
    key = {"Idempotency-Key": "k"}
    async with connect() as http:
        first = await http.post("/ingest/Clicks", json=[ONE, {}], headers=key)
        second = await http.post("/ingest/Clicks", json=[ONE, {}], headers=key)
        other = await http.post("/ingest/Clicks", json=ONE, headers=key)

    assert (
        (first.status_code, first.text) == (second.status_code, second.text) == (207, "PARTIAL: 1 stored, 1 rejected")
    )
    assert other.status_code == 422
    assert rows(tmp_path, "SELECT count(*) FROM Clicks") == [(1,)]


@pytest.mark.parametrize("name", ["Idempotency-Key", "Moose-Place", "Moose-Attempt"])
async def test_a_key_that_is_empty_is_none(connect: Connect, tmp_path: Path, name: str) -> None:
    """Two requests that had lost their keys would be one."""
    headers = {"Idempotency-Key": "k", name: ""}
    async with connect() as http:
        plain = await http.post("/ingest/Clicks", json=ONE, headers=headers)
        detailed = await http.post("/ingest/Clicks", json=ONE, headers={**headers, "Accept": "application/json"})
        alone = await http.post("/ingest/Clicks", json=ONE, headers={name: ""})

    text = f"{name} is empty: leave it out, or give it a value"
    assert (plain.status_code, plain.text) == (400, text)
    assert (alone.status_code, alone.text) == (400, text)
    assert detailed.json()["error"] == {"code": "bad-request", "message": text, "hint": None}
    assert rows(tmp_path, "SELECT count(*) FROM Clicks") == [(0,)]


async def test_other_records_in_a_place_that_is_taken_are_set_aside(connect: Connect, tmp_path: Path) -> None:
    """They are told apart from refused ones, and their own texts are kept."""
    place = {"Moose-Place": "task%20%C3%A4 of run r, request 1"}
    one, two, three = ({**place, "Idempotency-Key": key} for key in "123")
    async with connect() as http:
        first = await http.post("/ingest/Clicks", json=[ONE, ONE], headers=one)
        second = await http.post("/ingest/Clicks", json=[{}, {"user": "b"}], headers=two)
        told = await http.post("/ingest/Clicks?errors=detail", json={"user": "c"}, headers=three)
        json_wanted = {"Accept": "application/json"}
        answers = [
            await http.post("/ingest/shop/plain", json=ONE, headers={**headers, **json_wanted})
            for headers in (one, two)
        ]

    assert (first.status_code, first.text) == (200, "SUCCESS")
    assert (second.status_code, second.text) == (207, "PARTIAL: 2 stored, 1 rejected, 1 set aside")
    assert (second.headers["Moose-Set-Aside"], second.headers["Moose-Repeated"]) == ("1", "true")
    assert (told.status_code, told.json()["set_aside"], told.json()["faults"]) == (207, 1, [])
    assert [it.status_code for it in answers] == [200, 422]
    assert "an earlier attempt has sent other records: task ä of run r, request 1" in answers[1].text
    assert answers[1].json()["error"]["code"] == "place-taken"
    assert rows(tmp_path, "SELECT count(*) FROM Clicks") == [(2,)]
    assert rows(tmp_path, "SELECT record FROM _moose_dead_letters") == [("{}",), ('{"user":"b"}',), ('{"user":"c"}',)]


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("zstd", zstandard.compress)])
async def test_packed_bodies_are_read_within_the_limit(
    connect: Connect, encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    headers = {"Content-Encoding": encoding}
    async with connect(http_server_config={"max_request_body_size": 1000}) as http:
        good = await http.post("/ingest/Clicks", content=pack(json.dumps(ONE).encode()), headers=headers)
        bomb = await http.post("/ingest/Clicks", content=pack(b" " * 10_000_000), headers=headers)
        cut = await http.post("/ingest/Clicks", content=pack(json.dumps([ONE] * 9).encode())[:-3], headers=headers)
        wrong = await http.post("/ingest/Clicks", content=b'{"user": "a"}', headers=headers)

    assert (good.status_code, bomb.status_code, cut.status_code, wrong.status_code) == (200, 413, 400, 400)
    assert bomb.text == "Request body too large. Maximum size is 1000 bytes"
    assert cut.text == "Failed to read request body: its packed form ends in the middle"
    assert "it is not what its Content-Encoding says" in wrong.text


async def test_bodies_over_the_limit_and_of_unknown_packing_are_refused(connect: Connect) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 600

    async with connect(http_server_config={"max_request_body_size": 1000}) as http:
        told = await http.post("/ingest/Clicks", content=b" " * 2000)
        streamed = await http.post("/ingest/Clicks", content=endless())
        packed = await http.post("/ingest/Clicks", content=zlib.compress(b"{}"), headers={"Content-Encoding": "br"})

    assert (told.status_code, streamed.status_code) == (413, 413)
    assert (packed.status_code, packed.text) == (415, "Content-Encoding 'br' is not read here")


async def test_more_bodies_than_there_is_memory_for_are_told_to_come_back(connect: Connect) -> None:
    async with connect(http_server_config={"max_bodies_in_flight": 10}) as http:
        answer = await http.post("/ingest/Clicks", json={"user": "a" * 20})

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


class Broken:
    """A store that takes nothing."""

    def __init__(self, error: Exception) -> None:
        self._error = error
        self.lag = self.waiting = 0

    async def check(self) -> None:
        raise self._error

    async def put(self, batch: Batch) -> Receipt:  # the protocol's
        raise self._error


async def test_a_store_that_takes_nothing_is_not_answered_as_a_success(connect: Connect) -> None:
    async with connect(store=Broken(StoreBusy(timedelta(seconds=3)))) as http:
        busy = await http.post("/ingest/Clicks", json=ONE)
    async with connect(store=Broken(StoreFailed("the disk is full"))) as http:
        failed = await http.post("/ingest/Clicks", json=ONE)

    assert (busy.status_code, busy.headers["retry-after"]) == (503, "3")
    assert (failed.status_code, failed.text) == (500, "the disk is full")


async def test_a_prefix_goes_before_all_paths(connect: Connect) -> None:
    async with connect(http_server_config={"path_prefix": "/api/"}) as http:
        assert (await http.post("/api/ingest/Clicks", json=ONE)).status_code == 200
        assert (await http.post("/ingest/Clicks", json=ONE)).status_code == 404


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("zstd", zstandard.compress)])
async def test_packed_parts_that_follow_each_other_are_all_read(
    connect: Connect, tmp_path: Path, encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    """Log shippers write a member for each flush; wherever the pieces of the body are cut."""
    headers = {"Content-Encoding": encoding, "Content-Type": "application/x-ndjson"}
    body = pack(b'{"user": "a"}\n') + pack(b'{"user": "b"}\n') + pack(b'{"user": "c"}\n')

    async def cut(size: int) -> AsyncIterator[bytes]:
        for begin in range(0, len(body), size):
            yield body[begin : begin + size]

    async with connect(http_server_config={"max_request_body_size": 1000}) as http:
        whole = await http.post("/ingest/Clicks", content=body, headers=headers)
        pieces = [await http.post("/ingest/Clicks", content=cut(size), headers=headers) for size in (1, 7, 40)]
        garbage = await http.post("/ingest/Clicks", content=body + b"garbage", headers=headers)
        bomb = await http.post("/ingest/Clicks", content=body + pack(b" " * 10_000_000), headers=headers)

    assert [it.headers["moose-stored"] for it in (whole, *pieces)] == ["3"] * 4
    assert (garbage.status_code, bomb.status_code) == (400, 413)
    assert rows(tmp_path, "SELECT count(*) FROM Clicks") == [(12,)]
