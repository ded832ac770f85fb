"""`moose_lib.ingest` and its likes against a server: all arrives once, or nothing is sent and every fault is told."""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from tests.integration.conftest import free_port
from tests.server.test_process import server

import moose_lib
from moose_lib import IngestApi, IngestPipeline, IngestPipelineConfig, IngestResult, MooseError, OlapTable
from moose_lib.dmv2 import RunInfo, _registry
from moose_lib.dmv2.deliveries import Deliveries, numbered_task
from moose_lib.ingest.errors import IngestRefused, InvalidRecords, ServerUnreachable, TableNotFound
from moose_lib.ingest.querying import reading
from moose_lib.logs.attribution import current_run


class Click(BaseModel):
    number: int
    price: Decimal = Decimal(1)
    share: float = 0.5


SHOP = (
    "from pydantic import BaseModel\nfrom decimal import Decimal\nfrom moose_lib import IngestPipeline\n"
    "class Click(BaseModel):\n    number: int\n    price: Decimal = Decimal(1)\n    share: float = 0.5\n"
    'IngestPipeline[Click]("Clicks")\n'
)


@dataclass
class Web:
    """What a server was asked, and what it answers: (status, headers) in turn, the last one for ever."""

    port: int
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=lambda: [taken()])
    asked: list[tuple[str, str, bytes]] = field(default_factory=list[tuple[str, str, bytes]])
    places: list[str | None] = field(default_factory=list[str | None])
    tokens: list[str | None] = field(default_factory=list[str | None])


def taken(stored: int = 1, **more: str) -> tuple[int, dict[str, str]]:
    return 200, {"Moose-Stored": str(stored), "Moose-Rejected": "0", **more}


@pytest.fixture
def clicks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[IngestPipeline[Click]]:
    monkeypatch.chdir(tmp_path)
    _registry.clear()
    yield IngestPipeline[Click]("Clicks")
    _registry.clear()


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.asked.append((self.path, self.headers["Idempotency-Key"], body))
            state.tokens.append(self.headers["Authorization"])
            state.places.append(self.headers["Moose-Place"])
            status, headers = state.answers.pop(0) if len(state.answers) > 1 else state.answers[0]
            if not status:  # taken, and the answer is lost
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in {**headers, "Content-Length": "4"}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"text")

        def log_message(self, format: str, *args: Any) -> None:
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state = Web(listener.server_port)
    thread = threading.Thread(target=listener.serve_forever, args=(0.02,))
    thread.start()
    monkeypatch.setenv("MOOSE_HTTP_SERVER_CONFIG__PORT", str(state.port))
    yield state
    listener.shutdown()
    thread.join()
    listener.server_close()


def numbers(folder: Path) -> list[int]:
    with reading(folder / ".moose" / "store.db") as connection:
        return [row[0] for row in connection.execute("SELECT number FROM Clicks ORDER BY number")]


def a_run(attempt: int = 1, origin: str | None = "r1") -> RunInfo:
    """An attempt whose handler begins here."""
    deliveries = Deliveries(origin)
    deliveries.begin()
    return RunInfo(
        workflow="W", workflow_id="W-1", run_id=f"r{attempt}", task="t", attempt=attempt, deliveries=deliveries
    )


@pytest.fixture
def in_run() -> Iterator[Callable[[RunInfo], None]]:
    token = current_run.set(None)
    begun = list[RunInfo]()

    def begin(run: RunInfo) -> None:
        begun.append(run)
        current_run.set(run)

    yield begin
    for run in begun:
        run.deliveries.end()
    current_run.reset(token)


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


def test_an_attempt_names_what_it_sends_as_the_one_before_did(
    clicks: IngestPipeline[Click], web: Web, in_run: Callable[[RunInfo], None]
) -> None:
    """In another order, too; the same content twice is two requests."""
    for attempt, order in ((1, [1, 2, 2]), (2, [2, 1, 2])):
        run = a_run(attempt)
        in_run(run)
        for number in order:
            moose_lib.ingest_sync("Clicks", Click(number=number))
        assert run.deliveries.stored == {"Clicks": 3}
    in_run(a_run(origin="r7"))
    moose_lib.ingest_sync("Clicks", Click(number=1))
    for _ in range(2):
        in_run(a_run(origin=None))
        moose_lib.ingest_sync("Clicks", Click(number=1))

    keys = [key for _, key, _ in web.asked]
    assert sorted(keys[:3]) == sorted(keys[3:6])
    assert len(set(keys)) == 6  # three of the work that began with r1, another work's, and two of nobody's


def test_what_a_handler_sends_has_a_place_in_its_order(
    clicks: IngestPipeline[Click], web: Web, in_run: Callable[[RunInfo], None]
) -> None:
    """By endpoint; a request that has a key of its own has no place, and takes none."""
    IngestPipeline[Click]("Views")
    in_run(a_run(2))
    moose_lib.ingest_sync("Clicks", [Click(number=n) for n in range(5001)])
    moose_lib.ingest_sync("Clicks", Click(number=1), idempotency_key="mine")
    moose_lib.ingest_sync("Views", Click(number=1))
    moose_lib.ingest_sync("Clicks", Click(number=1))

    assert web.places == [
        "task t of run W-1 (r1), request 1",
        "task t of run W-1 (r1), request 2",
        None,
        "task t of run W-1 (r1), request 1",
        "task t of run W-1 (r1), request 3",
    ]


def test_what_comes_in_any_order_has_no_place(
    clicks: IngestPipeline[Click], web: Web, in_run: Callable[[RunInfo], None]
) -> None:
    """In threads of a `def` handler, and tasks of an event loop of its own; then content alone names a request."""
    in_run(a_run())

    async def several() -> None:
        await asyncio.gather(*(moose_lib.ingest("Clicks", Click(number=number)) for number in range(3)))

    asyncio.run(several())
    with ThreadPoolExecutor() as pool:
        pool.submit(contextvars.copy_context().run, moose_lib.ingest_sync, "Clicks", Click(number=7)).result()
    assert web.places == [None] * 4
    moose_lib.ingest_sync("Clicks", Click(number=8))

    assert web.places[4:] == ["task t of run W-1 (r1), request 1"]


def test_what_asyncio_tasks_of_a_handler_send_has_a_place_in_the_order_in_which_they_were_started(
    clicks: IngestPipeline[Click], web: Web, in_run: Callable[[RunInfo], None]
) -> None:
    """Whichever of them sends first."""

    async def send(number: int) -> None:
        await asyncio.sleep(0.01 * (3 - number))
        await moose_lib.ingest("Clicks", Click(number=number))
        await asyncio.wait_for(moose_lib.ingest("Clicks", Click(number=10 + number)), 60)
        await asyncio.to_thread(moose_lib.ingest_sync, "Clicks", Click(number=20 + number))

    async def handler() -> None:
        asyncio.get_running_loop().set_task_factory(numbered_task)
        in_run(a_run())
        await asyncio.gather(*(send(number) for number in range(3)))
        await asyncio.to_thread(moose_lib.ingest_sync, "Clicks", Click(number=7))

    asyncio.run(handler())

    sent = [(json.loads(body)[0]["number"], place) for (_, _, body), place in zip(web.asked, web.places, strict=True)]
    wanted = {number: f"{number + 1}, 1" for number in range(3)} | {20 + n: f"{n + 1}, 2" for n in range(3)} | {7: "1"}
    in_wait_for = {10 + number: wanted_of_wait_for(number) for number in range(3)}
    assert dict(sent) == {n: f"task t of run W-1 (r1), request {it}" for n, it in (wanted | in_wait_for).items()}


def wanted_of_wait_for(number: int) -> str:
    """`wait_for` makes a task up to Python 3.11, and none later."""
    return f"{number + 1}.1, 1" if sys.version_info < (3, 12) else f"{number + 1}, 2"


def test_a_thread_that_does_not_know_its_task_is_refused(
    clicks: IngestPipeline[Click], web: Web, in_run: Callable[[RunInfo], None]
) -> None:
    """What it sends could not be named again; with a key, or the handler's context, it can."""
    run = a_run()
    in_run(run)
    with ThreadPoolExecutor() as pool:
        with pytest.raises(MooseError, match="records for Clicks are sent from a thread") as caught:
            pool.submit(moose_lib.ingest_sync, "Clicks", Click(number=1)).result()
        pool.submit(moose_lib.ingest_sync, "Clicks", Click(number=2), idempotency_key="mine").result()
        run.deliveries.end()
        pool.submit(moose_lib.ingest_sync, "Clicks", Click(number=3)).result()

    assert "contextvars.copy_context().run" in str(caught.value.hint)
    assert "idempotency_key=" in str(caught.value.hint)
    assert [json.loads(body)[0]["number"] for _, _, body in web.asked] == [2, 3]


def test_what_is_stored_after_all_is_counted_once(
    clicks: IngestPipeline[Click], web: Web, in_run: Callable[[RunInfo], None], caplog: pytest.LogCaptureFixture
) -> None:
    """Two requests are set aside in the place of one record, and stored when that comes."""
    caplog.set_level(logging.INFO)
    aside = (207, {**taken(1)[1], "Moose-Repeated": "true", "Moose-Set-Aside": "2"})
    released = taken(1, **{"Moose-Repeated": "true", "Moose-Released": "4", "Moose-Released-Requests": "2"})
    web.answers = [aside, aside, released]
    run = a_run(2)
    in_run(run)

    for number in range(2):
        moose_lib.ingest_sync("Clicks", [Click(number=number)] * 2)
    assert (run.deliveries.stored, run.deliveries.set_aside) == ({"Clicks": 2}, {"Clicks": 4})
    moose_lib.ingest_sync("Clicks", Click(number=7))

    assert (run.deliveries.stored, run.deliveries.set_aside) == ({"Clicks": 5}, {})
    assert caplog.records[-1].getMessage() == (
        "4 records for Clicks that were set aside are stored: the attempt sends what it sent before, in another order"
    )


def test_what_is_set_aside_is_told(
    clicks: IngestPipeline[Click],
    web: Web,
    in_run: Callable[[RunInfo], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    web.answers = [(207, {**taken(2)[1], "Moose-Repeated": "true", "Moose-Set-Aside": "1"})]
    in_run(a_run(2))

    assert moose_lib.ingest_sync("Clicks", Click(number=1)) == IngestResult(stored=2, repeated=2, set_aside=1)

    (warning,) = (record.getMessage() for record in caplog.records if record.levelname == "WARNING")
    assert warning == (
        "1 of the records for Clicks are set aside, as an earlier attempt has sent others in their place: "
        "moose-cli dead-letters Clicks"
    )


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

    loose = OlapTable[Other]("Loose")
    IngestPipeline[Click]("Copies", IngestPipelineConfig(version="1"))
    IngestPipeline[Other]("Others", IngestPipelineConfig(version="1.9"))
    IngestPipeline[Other]("Others", IngestPipelineConfig(version="1.10"))

    with pytest.raises(TableNotFound, match="no declared endpoint named 'Clickz'"):
        moose_lib.ingest_sync("Clickz", [])
    with pytest.raises(TableNotFound, match="no declared endpoint named 'Loose'"):
        loose.insert([])
    with pytest.raises(MooseError, match="model Click has several endpoints: Clicks, Copies"):
        moose_lib.ingest_sync(Click, [])
    assert moose_lib.ingest_sync(Other, []) == IngestResult()
    assert isinstance(clicks.get_ingest_api(), IngestApi)
