"""`moose_lib.ingest` and its likes against a server: all arrives once, or nothing is sent and every fault is told."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pydantic import AliasChoices, BaseModel, Field
from tests.integration.conftest import free_port
from tests.server.clicks import Click, Web, a_run, taken
from tests.server.test_process import server

import moose_lib
from moose_lib import IngestApi, IngestPipeline, IngestPipelineConfig, IngestResult, MooseError
from moose_lib.dmv2 import RunInfo
from moose_lib.ingest.errors import IngestRefused, InvalidRecords, ServerUnreachable, TableNotFound
from moose_lib.ingest.querying import reading

SHOP = (
    "from pydantic import BaseModel\nfrom decimal import Decimal\nfrom moose_lib import IngestPipeline\n"
    "class Click(BaseModel):\n    number: int\n    price: Decimal = Decimal(1)\n    share: float = 0.5\n"
    'IngestPipeline[Click]("Clicks")\n'
)


def numbers(folder: Path) -> list[int]:
    with reading(folder / ".moose" / "store.db") as connection:
        return [row[0] for row in connection.execute("SELECT number FROM Clicks ORDER BY number")]


def test_records_arrive_by_name_model_pipeline_and_table(
    clicks: IngestPipeline[Click], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("MOOSE_HTTP_SERVER_CONFIG__PORT", str(port))
    (tmp_path / "shop.py").write_text(SHOP)
    with server(tmp_path, port):
        assert moose_lib.ingest_sync("clicks", Click(number=1)) == IngestResult(stored=1)
        assert moose_lib.ingest_sync(Click, [{"number": 2}, Click(number=3)]) == IngestResult(stored=2)
        assert clicks.get_table().insert(Click(number=number) for number in (4, 5)) == IngestResult(stored=2)
        assert asyncio.run(moose_lib.ingest(clicks, [Click(number=6)])) == IngestResult(stored=1)
        assert moose_lib.ingest_sync(clicks.get_ingest_api(), []) == IngestResult()
        many = list[IngestResult]()
        moose_lib.ingest_sync("Clicks", [Click(number=n) for n in range(10, 12_010)], on_progress=many.append)

    assert numbers(tmp_path) == [1, 2, 3, 4, 5, 6, *range(10, 12_010)]
    assert [it.stored for it in many] == [5000, 10_000, 12_000]


def test_a_server_that_is_killed_on_the_way_gets_the_rest_when_it_is_back(
    clicks: IngestPipeline[Click], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each record is there once: what had no answer is sent again under its key."""
    port, count = free_port(), 40_000
    monkeypatch.setenv("MOOSE_HTTP_SERVER_CONFIG__PORT", str(port))
    (tmp_path / "shop.py").write_text(SHOP)
    begun = threading.Event()
    with ThreadPoolExecutor() as threads:
        with server(tmp_path, port):
            sent = threads.submit(
                moose_lib.ingest_sync,
                "Clicks",
                (Click(number=number) for number in range(count)),
                on_progress=lambda done: begun.set(),
            )
            assert begun.wait(30)
        for _ in range(3):  # killed as the block ends
            with server(tmp_path, port):
                begun.clear()
                begun.wait(0.2)
        with server(tmp_path, port):
            assert sent.result(60).stored == count

    assert numbers(tmp_path) == list(range(count))


async def test_calls_at_the_same_time_are_told_apart(
    clicks: IngestPipeline[Click], web: Web, in_run: Callable[[RunInfo], None]
) -> None:
    in_run(a_run())
    await asyncio.gather(*(moose_lib.ingest("Clicks", Click(number=number % 4)) for number in range(8)))

    assert len({key for _, key, _ in web.asked}) == len(web.asked) == 8


def test_all_faults_are_told_and_nothing_is_sent(clicks: IngestPipeline[Click], web: Web) -> None:
    bad: list[Any] = [
        Click(number=1),
        {"number": "x", "price": "y"},
        {},
        {"number": 2**70},
        {"number": {1}, "share": object()},
    ]
    with pytest.raises(InvalidRecords) as caught:
        moose_lib.ingest_sync("Clicks", bad)

    lines = str(caught.value).splitlines()
    assert lines[0] == "4 records are no valid Click for Clicks; nothing was sent"
    assert [(index, fault.path) for index, fault in sorted(caught.value.faults, key=lambda it: it[0])] == [
        (1, "number"), (1, "price"), (2, "number"), (3, "number"), (4, ""),
    ]  # fmt: skip
    assert web.asked == []


def test_infinity_is_no_null(clicks: IngestPipeline[Click], web: Web) -> None:
    moose_lib.ingest_sync("Clicks", Click(number=1, share=float("inf")))

    assert web.asked[0][2] == b'[{"number":1,"price":"1","share":Infinity}]'


class Inner(BaseModel):
    depth: int = Field(default=0, validation_alias=AliasChoices("d", "depth_m"))


class Renamed(BaseModel):
    name: str = Field(default="nobody", validation_alias="userName")
    note: str = Field(default="", exclude=True)
    both: int = Field(default=0, alias="BOTH")
    inner: Inner = Inner()


def test_a_record_that_its_model_writes_as_another_one_is_refused(clicks: IngestPipeline[Click], web: Web) -> None:
    """It would be stored with defaults, as none of its names is read; a dict has the names that are read."""
    IngestPipeline[Renamed]("Renamed")
    lost = "would be lost, as the model excludes it, or writes it under a name it does not read; send a dict"
    given: dict[str, Any] = {"userName": "ada", "note": "hi", "BOTH": 3, "inner": {"d": 4}}
    with pytest.raises(InvalidRecords) as caught:
        moose_lib.ingest_sync("Renamed", [Renamed.model_validate(given), Renamed.model_validate({"inner": {"d": 5}})])
    assert [str(fault) for _, fault in caught.value.faults] == [f"name, note, inner: {lost}", f"inner: {lost}"]
    assert web.asked == []

    moose_lib.ingest_sync("Renamed", [given, Renamed(BOTH=7)])
    assert web.asked[0][2] == (
        b'[{"userName":"ada","note":"hi","BOTH":3,"inner":{"d":4}},{"name":"nobody","BOTH":7,"inner":{"depth":0}}]'
    )


def test_what_passes_is_tried_again_under_the_same_key(clicks: IngestPipeline[Click], web: Web) -> None:
    web.answers = [
        (503, {"Retry-After": "0"}),
        (429, {"Retry-After": "Mon, 23 Nov 2020 02:00:00 GMT"}),
        (0, {}),
        taken(),
    ]

    assert moose_lib.ingest_sync("Clicks", Click(number=1)) == IngestResult(stored=1)

    assert len(web.asked) == 4
    assert len({key for _, key, _ in web.asked}) == 1


def test_a_server_that_never_takes_them_is_given_up_in_time(clicks: IngestPipeline[Click], web: Web) -> None:
    web.answers = [(503, {"Retry-After": "3600"})]

    with pytest.raises(ServerUnreachable, match="cannot be reached: it answered 503: text"):
        moose_lib.ingest_sync("Clicks", Click(number=1), timeout="5s")


def test_no_server_says_what_starts_one(clicks: IngestPipeline[Click], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOOSE_HTTP_SERVER_CONFIG__PORT", str(free_port()))

    with pytest.raises(ServerUnreachable) as caught:
        moose_lib.ingest_sync("Clicks", Click(number=1), timeout="100ms")

    assert (caught.value.hint, caught.value.exit_code) == ("moose-cli dev, or moose-cli serve", 3)


@pytest.mark.parametrize(("status", "hint"), [(401, "[ingest] token"), (404, "other code"), (422, None), (200, None)])
def test_what_does_not_pass_is_told_at_once(
    clicks: IngestPipeline[Click], web: Web, status: int, hint: str | None
) -> None:
    web.answers = [(status, {})]

    with pytest.raises(IngestRefused, match=f"/ingest/Clicks answered {status}: text") as caught:
        moose_lib.ingest_sync("Clicks", Click(number=1))

    assert hint is None or hint in str(caught.value.hint)
    assert len(web.asked) == 1


def test_url_and_token_are_settings(clicks: IngestPipeline[Click], web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOOSE_INGEST__URL", f"http://localhost:{web.port}/behind/")
    monkeypatch.setenv("MOOSE_INGEST__TOKEN", "secret")

    moose_lib.ingest_sync("Clicks", Click(number=1))

    assert (web.asked[0][0], web.tokens) == ("/behind/ingest/Clicks", ["Bearer secret"])


def test_what_was_stored_before_is_told_as_repeated(
    clicks: IngestPipeline[Click], web: Web, in_run: Callable[[RunInfo], None]
) -> None:
    web.answers = [taken(2, **{"Moose-Repeated": "true"})]
    in_run(a_run(2))

    assert moose_lib.ingest_sync("Clicks", [Click(number=1), Click(number=2)]) == IngestResult(stored=2, repeated=2)


def test_a_key_of_ones_own_names_each_request(clicks: IngestPipeline[Click], web: Web) -> None:
    moose_lib.ingest_sync("Clicks", Click(number=1), idempotency_key="monday")
    moose_lib.ingest_sync("Clicks", [Click(number=n) for n in range(5001)], idempotency_key="tuesday")

    assert [key for _, key, _ in web.asked] == ["monday", "tuesday/0", "tuesday/1"]


async def test_the_blocking_call_is_refused_in_async_code(clicks: IngestPipeline[Click]) -> None:
    with pytest.raises(MooseError, match="would block") as caught:
        moose_lib.ingest_sync("Clicks", Click(number=1))

    assert caught.value.hint == "await moose_lib.ingest(…) instead"


async def test_a_canceled_call_stops(clicks: IngestPipeline[Click], web: Web) -> None:
    web.answers = [(503, {})]
    call = asyncio.create_task(moose_lib.ingest("Clicks", Click(number=1)))
    async with asyncio.timeout(10):
        while not web.asked:  # noqa: ASYNC110  # the server is in another thread
            await asyncio.sleep(0.01)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


def test_a_place_that_is_not_declared(clicks: IngestPipeline[Click]) -> None:
    class Other(BaseModel):
        number: int

    IngestPipeline[Click]("Copies", IngestPipelineConfig(version="1"))
    IngestPipeline[Other]("Others", IngestPipelineConfig(version="1.9"))
    IngestPipeline[Other]("Others", IngestPipelineConfig(version="1.10"))

    with pytest.raises(TableNotFound, match="no declared endpoint named 'Clickz'"):
        moose_lib.ingest_sync("Clickz", [])
    with pytest.raises(MooseError, match="model Click has several endpoints: Clicks, Copies"):
        moose_lib.ingest_sync(Click, [])
    assert moose_lib.ingest_sync(Other, []) == IngestResult()
    assert isinstance(clicks.get_ingest_api(), IngestApi)
