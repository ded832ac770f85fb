"""Workflows over HTTP, on a real Temporal: what a caller sends, and what comes back."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import BaseModel
from temporalio.client import Client, WorkflowExecution
from tests.integration.conftest import client as client  # the session's server
from tests.integration.conftest import engine_settings as engine_settings
from tests.integration.conftest import temporal_port as temporal_port
from tests.integration.engine.support import Engine, loaded

from moose_lib import RunInfo, Schedule, Task, TaskConfig, TaskContext, Workflow, WorkflowConfig
from moose_lib.ingest.sqlite import SqliteStore
from moose_lib.logs.lines import Line
from moose_lib.logs.store import LOGS_DIRECTORY, LogStore
from moose_lib.operations import schedules
from moose_lib.operations.reconcile import reconcile
from moose_lib.operations.schedule_records import Owner
from moose_lib.plan.build import compile_workflow
from moose_lib.project.settings import Settings
from moose_lib.server.app import build_apps


class Order(BaseModel):
    order_id: str


class Receipt(BaseModel):
    number: str


@dataclass
class Shop:
    """A workflow whose first task fails, parks or waits as the test says."""

    name: str = field(default_factory=lambda: f"Shop{uuid.uuid4().hex[:8]}")
    is_bad: bool = False
    on_failure: str = "fail"
    waits: asyncio.Event | None = None

    def workflow(self) -> Workflow:
        async def charge(ctx: TaskContext[Order]) -> Receipt:
            while self.waits is not None and not self.waits.is_set():  # noqa: ASYNC110  # it is set from another loop
                await asyncio.sleep(0.01)
            if self.is_bad:
                raise ValueError("declined")
            return Receipt(number=ctx.input.order_id)

        def ship(receipt: Receipt) -> Receipt:
            return receipt

        last = Task[Receipt, Receipt]("ship", TaskConfig(run=ship))
        config = TaskConfig(run=charge, retries=0, on_complete=[last], on_failure=self.on_failure)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # one of two words
        return Workflow(self.name, WorkflowConfig(starting_task=Task[Order, Receipt]("charge", config)))


@pytest.fixture
def engine(client: Client, engine_settings: Settings) -> Engine:
    temporal = engine_settings.temporal.model_copy(update={"task_queue": f"queue-{uuid.uuid4().hex[:8]}"})
    return Engine(client, engine_settings.model_copy(update={"temporal": temporal}))


@pytest.fixture
def shop(request: pytest.FixtureRequest) -> Shop:
    return Shop(on_failure=getattr(request, "param", "fail"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with SqliteStore(tmp_path / "store.db", []) as store:
        yield store


@pytest.fixture
async def http(
    engine: Engine, shop: Shop, store: SqliteStore, stop: asyncio.Event
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the server, with a worker beside it."""
    workflow = shop.workflow()
    app = build_apps(loaded(engine.settings, workflow), store, stop=stop).main
    transport = httpx2.ASGITransport(app, client=("127.0.0.1", 1))
    async with (
        engine.worker(workflow),
        httpx2.AsyncClient(transport=transport, base_url="http://localhost:4000/admin") as http,
    ):
        yield http


async def ended(http: httpx2.AsyncClient, run: str) -> dict[str, Any]:
    document: dict[str, Any] = (await http.get(f"/workflows/runs/{run}?wait=30s")).json()
    return document


async def history(http: httpx2.AsyncClient, name: str) -> list[str]:
    answer = await http.get("/workflows/history", params={"status": "completed", "name": name})
    return [it["run_id"] for it in answer.json()]


async def deploy(engine: Engine, shop: Shop) -> None:
    workflow = shop.workflow()
    workflow.config.schedule = Schedule(every="7d", input={"order_id": "9"})
    plan = compile_workflow(workflow)
    owner = Owner(
        project=loaded(engine.settings, workflow).project.name, task_queue=engine.settings.temporal.task_queue
    )
    await reconcile(engine.client, {plan.workflow: plan}, owner, removes=False)


async def until_parked(http: httpx2.AsyncClient, run: str, decision: str | None = None) -> None:
    """After `decision`, which the server may know a moment later."""
    async with asyncio.timeout(30):
        while not is_parked((await http.get(f"/workflows/runs/{run}")).json(), decision):  # noqa: ASYNC110  # over HTTP
            await asyncio.sleep(0.05)


def is_parked(run: Mapping[str, Any], decision: str | None) -> bool:
    return bool(run["parked"] == ["charge"] and run["tasks"][0]["decision"] == decision)


async def test_a_run_is_started_and_looked_at(http: httpx2.AsyncClient, shop: Shop) -> None:
    started = await http.post(f"/workflows/{shop.name}/trigger", json={"order_id": "7"})

    assert started.status_code == 202
    assert started.json()["workflowId"] == started.json()["workflow_id"]
    run = await ended(http, started.json()["workflow_id"])
    assert (run["state"], run["result"]) == ("completed", {"number": "7"})
    assert [task["name"] for task in run["tasks"]] == ["charge", "ship"]
    async with asyncio.timeout(30):  # the list may be a moment behind
        while (await history(http, shop.name)) != [run["run_id"]]:  # noqa: ASYNC110  # as above
            await asyncio.sleep(0.05)
    assert await ended(http, started.json()["run_id"]) == run


async def test_waiting_answers_the_result(http: httpx2.AsyncClient, shop: Shop) -> None:
    answer = await http.post(f"/workflows/{shop.name}/trigger?wait=30s", json={"order_id": "8"})

    assert (answer.status_code, answer.json()["result"]) == (200, {"number": "8"})


async def test_waiting_needs_no_list(http: httpx2.AsyncClient, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server's list of runs may be behind, the more the busier it is."""

    async def nothing(*_: object, **__: object) -> AsyncIterator[WorkflowExecution]:
        for run in list[WorkflowExecution]():
            yield run

    monkeypatch.setattr(Client, "list_workflows", nothing)
    answer = await http.post(f"/workflows/{shop.name}/trigger?wait=30s", json={"order_id": "8"})

    assert (answer.status_code, answer.json().get("result")) == (200, {"number": "8"})


async def test_waiting_has_an_end(http: httpx2.AsyncClient, shop: Shop) -> None:
    shop.waits = asyncio.Event()

    answer = await http.post(f"/workflows/{shop.name}/trigger?wait=1s", json={"order_id": "8"})

    assert (answer.status_code, answer.json()["state"]) == (200, "running")
    shop.waits.set()
    assert (await ended(http, answer.json()["workflow_id"]))["state"] == "completed"


async def test_the_same_key_starts_once(http: httpx2.AsyncClient, shop: Shop) -> None:
    sent = {"json": {"order_id": "7"}, "headers": {"Idempotency-Key": "order-7"}}
    first = await http.post(f"/workflows/{shop.name}/trigger", **sent)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # keywords
    await ended(http, first.json()["workflow_id"])
    second = await http.post(f"/workflows/{shop.name}/trigger", **sent)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # as above

    assert second.json()["run_id"] == first.json()["run_id"]


async def test_a_bad_input_starts_nothing(http: httpx2.AsyncClient, shop: Shop) -> None:
    answer = await http.post(f"/workflows/{shop.name}/trigger", json={"order_id": 7})

    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["code"] == "invalid-input"
    assert error["faults"] == [{"path": "order_id", "reason": "input should be a valid string, got 7"}]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/workflows/Nothing/trigger", b"", 404, "workflow-not-found"),
        ("GET", "/workflows/runs/nothing", b"", 404, "run-not-found"),
        ("GET", "/workflows/runs/no%00thing", b"", 404, "run-not-found"),
        ("GET", "/logs?run=no%00thing", b"", 404, "run-not-found"),
        ("POST", "/workflows/no%00thing/terminate", b"", 404, "run-not-found"),
        ("POST", "/workflows/runs/nothing/cancel", b"", 404, "run-not-found"),
        ("POST", "/workflows/runs/nothing/frobnicate", b"", 400, "bad-request"),
        ("POST", "/workflows/runs/nothing/pause", b"[", 400, "bad-request"),
        ("POST", "/workflows/runs/nothing/pause", b'{"tusk": 1}', 400, "bad-request"),
        ("GET", "/workflows/history?limit=many", b"", 400, "bad-request"),
        ("GET", "/workflows/history?status=lost", b"", 400, "bad-request"),
        ("GET", "/workflows/runs/nothing?wait=soon", b"", 404, "bad-request"),
    ],
)
async def test_what_is_wrong_has_a_status_and_a_code(
    http: httpx2.AsyncClient, method: str, path: str, body: bytes, status: int, code: str
) -> None:
    answer = await http.request(method, path, content=body)

    expected = (400, code) if code == "bad-request" else (status, code)
    assert (answer.status_code, answer.json()["error"]["code"]) == expected


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/workflows/history?limit=many", "limit: 'many' is not a whole number above 0"),
        ("/workflows/history?limit=0", "limit: '0' is not a whole number above 0"),
        ("/workflows/history?limit=1001", "limit: 1001 is too large; 1000 at most"),
        ("/workflows/history?limit=99999999999999", "limit: 99999999999999 is too large; 1000 at most"),
        (f"/workflows/history?limit={'9' * 5000}", f"limit: {'9' * 20} is too large; 1000 at most"),
        ("/workflows/history?status=lost", "status: no state 'lost'; there are running, completed, failed, "),
        ("/workflows/history?count=3", "count: no such parameter; there are status, name, limit"),
        ("/workflows?limit=3", "limit: no such parameter; there are none here"),
        ("/workflows/runs/nothing?limit=3", "limit: no such parameter; there are wait"),
        ("/schedules?limit=3", "limit: no such parameter; there are none here"),
        ("/logs?limit=3", "limit: no such parameter; there are run, task, attempt, level, since, tail"),
        ("/logs?tail=-1", "tail: '-1' is not a whole number above 0"),
        ("/logs?tail=10001", "tail: 10001 is too large; 10000 at most"),
        ("/logs?attempt=2147483648", "attempt: 2147483648 is too large; 2147483647 at most"),
        ("/workflows/runs/nothing?wait=10m", "wait: '10m' is too long; 5m at most"),
        ("/workflows/runs/nothing?wait=never", "wait: 'never' is too long; 5m at most"),
        ("/logs?attempt=first", "attempt: 'first' is not a whole number above 0"),
        ("/logs?since=monday", "since: 'monday' is not a duration"),
        ("/logs?level=loud", "level: no level 'loud'; there are "),
    ],
)
async def test_a_wrong_query_is_told_with_its_parameter(http: httpx2.AsyncClient, path: str, message: str) -> None:
    answer = await http.get(path)

    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith(message)


async def test_an_open_run_is_paused_and_goes_on(http: httpx2.AsyncClient, shop: Shop) -> None:
    shop.waits = asyncio.Event()
    run = (await http.post(f"/workflows/{shop.name}/trigger", json={"order_id": "7"})).json()["workflow_id"]

    assert (await http.post(f"/workflows/runs/{run}/pause", json={"note": "the bank is closed"})).status_code == 202
    shop.waits.set()
    assert (await http.get(f"/workflows/runs/{run}")).json()["pause"]["note"] == "the bank is closed"
    assert (await http.post(f"/workflows/runs/{run}/unpause")).status_code == 202
    assert (await ended(http, run))["state"] == "completed"
    again = await http.post(f"/workflows/runs/{run}/pause")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "run-not-open")


@pytest.mark.parametrize(
    ("verb", "body", "state"), [("cancel", {}, "canceled"), ("terminate", {"reason": "enough"}, "terminated")]
)
async def test_a_run_is_ended(
    http: httpx2.AsyncClient, shop: Shop, verb: str, body: dict[str, str], state: str
) -> None:
    shop.waits = asyncio.Event()
    run = (await http.post(f"/workflows/{shop.name}/trigger", json={"order_id": "7"})).json()["workflow_id"]

    assert (await http.post(f"/workflows/runs/{run}/{verb}", json=body)).status_code == 202
    assert (await ended(http, run))["state"] == state


async def test_the_existing_way_of_terminating(http: httpx2.AsyncClient, shop: Shop) -> None:
    shop.waits = asyncio.Event()
    run = (await http.post(f"/workflows/{shop.name}/trigger", json={"order_id": "7"})).json()["workflow_id"]

    answer = await http.post(f"/workflows/{run}/terminate")

    assert (answer.status_code, answer.json()["status"]) == (200, "terminated")


@pytest.mark.parametrize("shop", ["park"], indirect=True)
async def test_parked_tasks_are_decided_about(http: httpx2.AsyncClient, shop: Shop) -> None:
    shop.is_bad = True
    run = (await http.post(f"/workflows/{shop.name}/trigger", json={"order_id": "7"})).json()["workflow_id"]
    await until_parked(http, run)

    retried = await http.post(f"/workflows/runs/{run}/retry")
    await until_parked(http, run, "retry")
    unfit = await http.post(f"/workflows/runs/{run}/skip", json={"task": "charge", "output": {"number": 7}})
    nameless = await http.post(f"/workflows/runs/{run}/skip", json={"output": {"number": "7"}})
    other = await http.post(f"/workflows/runs/{run}/skip", json={"task": "ship", "output": {"number": "7"}})
    skipped = await http.post(f"/workflows/runs/{run}/skip", json={"task": "charge", "output": {"number": "by hand"}})

    assert (retried.status_code, retried.json()["tasks"]) == (202, ["charge"])
    assert (unfit.status_code, unfit.json()["error"]["code"]) == (400, "invalid-output")
    assert nameless.status_code == 400
    assert (other.status_code, other.json()["error"]["code"]) == (409, "not-parked")
    assert skipped.status_code == 202
    assert (await ended(http, run))["result"] == {"number": "by hand"}


@pytest.mark.parametrize("shop", ["park"], indirect=True)
async def test_the_list_of_runs_tells_what_is_parked(http: httpx2.AsyncClient, shop: Shop) -> None:
    """As `moose-cli workflow history --json` does."""
    shop.is_bad = True
    run = (await http.post(f"/workflows/{shop.name}/trigger", json={"order_id": "7"})).json()["workflow_id"]
    await until_parked(http, run)

    (listed,) = (await http.get("/workflows/history", params={"name": shop.name})).json()

    assert (listed["is_paused"], listed["parked"]) == (False, ["charge"])


@pytest.mark.parametrize("shop", ["park"], indirect=True)
async def test_a_parked_run_is_given_up(http: httpx2.AsyncClient, shop: Shop) -> None:
    shop.is_bad = True
    run = (await http.post(f"/workflows/{shop.name}/trigger", json={"order_id": "7"})).json()["workflow_id"]
    await until_parked(http, run)

    assert (await http.post(f"/workflows/runs/{run}/fail", json={"reason": "gone"})).json()["tasks"] == ["charge"]
    assert (await ended(http, run))["state"] == "failed"


async def test_a_failed_run_is_resumed(http: httpx2.AsyncClient, engine: Engine, shop: Shop) -> None:
    shop.is_bad = True
    run = (await http.post(f"/workflows/{shop.name}/trigger", json={"order_id": "7"})).json()["workflow_id"]
    assert (await ended(http, run))["state"] == "failed"
    shop.is_bad = False

    looked = await http.post(f"/workflows/runs/{run}/resume", json={"dry_run": True})
    refused = await http.post(f"/workflows/runs/{run}/resume", json={"plan": "000000000000"})
    resumed = await http.post(f"/workflows/runs/{run}/resume", json={"plan": looked.json()["plan"]})

    assert [it["verdict"] for it in looked.json()["tasks"]] == ["re-run", "re-run"]
    assert looked.json()["run"] is None
    queue = engine.settings.temporal.task_queue
    assert (looked.json()["resumed_from"]["state"], looked.json()["resumed_from"]["task_queue"]) == ("failed", queue)
    assert looked.json()["task_queue"] == queue
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "plan-changed")
    assert resumed.status_code == 202
    assert (await ended(http, resumed.json()["run"]["workflow_id"]))["result"] == {"number": "7"}


async def test_the_declared_workflows_are_listed(http: httpx2.AsyncClient, shop: Shop) -> None:
    (document,) = (await http.get("/workflows")).json()

    assert (document["name"], document["tasks"]) == (shop.name, ["charge", "ship"])


async def test_logs_of_a_run_are_read(http: httpx2.AsyncClient, engine: Engine) -> None:
    run = RunInfo(workflow="Shop", workflow_id="Shop-1", run_id="r1", task="charge", attempt=1)
    line = Line(time=1.0, level="warning", logger="shop", stream="log", message="low on paper", run=run)
    directory = engine.settings.state_directory / LOGS_DIRECTORY
    with closing(LogStore(directory, max_size=1_000_000)) as logs:
        logs.write([line])

    lines = (await http.get("/logs", params={"run": "Shop", "level": "warning", "tail": "5"})).json()
    nothing = await http.get("/logs", params={"run": "Nobody"})
    odd = [await http.get("/logs", params=params) for params in ({"level": "loud"}, {"tail": "x"}, {"since": "x"})]

    assert [it["message"] for it in lines] == ["low on paper"]
    assert (nothing.status_code, nothing.json()["error"]["code"]) == (404, "run-not-found")
    assert [it.status_code for it in odd] == [400, 400, 400]


async def test_schedules_are_looked_at_and_steered(http: httpx2.AsyncClient, engine: Engine, shop: Shop) -> None:
    await deploy(engine, shop)

    described = (await http.get(f"/schedules/{shop.name}")).json()
    paused = (await http.post(f"/schedules/{shop.name}/pause", json={"note": "the feed is down"})).json()
    unpaused = (await http.post(f"/schedules/{shop.name}/unpause")).json()
    triggered = await http.post(f"/schedules/{shop.name}/trigger")
    missing = await http.get("/schedules/Nothing")

    assert described["name"] == shop.name
    assert (paused["is_paused"], unpaused["is_paused"]) == (True, False)
    assert (paused["note"], unpaused["note"]) == ("the feed is down", "unpaused over HTTP")
    assert triggered.status_code == 202
    assert (await ended(http, triggered.json()["workflow_id"]))["result"] == {"number": "9"}
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "schedule-not-found")
    async with asyncio.timeout(30):  # the list may be a moment behind
        while not (rows := (await http.get("/schedules")).json()):  # noqa: ASYNC110  # over HTTP
            await asyncio.sleep(0.1)
    assert [(it["name"], it["state"], it["schedule"]) for it in rows] == [(shop.name, "not declared", "every 7d")]
    assert rows[0]["next_time"] == described["next_times"][0]
    assert triggered.json()["is_started"] is True


async def test_a_trigger_of_which_nothing_is_to_be_seen_yet(
    http: httpx2.AsyncClient, engine: Engine, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not said to be held back by an open run: there is none."""
    await deploy(engine, shop)
    monkeypatch.setattr(schedules, "_LOOKS", 0)

    answer = await http.post(f"/schedules/{shop.name}/trigger")

    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "run-not-seen")
