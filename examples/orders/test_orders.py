"""The order-processing example, from a file of orders of which some are wrong in every way an order can be."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError
from temporalio.client import WorkflowHistory
from tests.cli.conftest import Cli
from tests.cli.serving import free_server_ports, serving
from tests.integration.engine.support import Engine, failure, result

import moose_lib
from moose_lib import IngestResult
from moose_lib.dmv2.workflow import Workflow
from moose_lib.errors import InvalidInput
from moose_lib.project.loader import LoadedProject
from moose_lib.testing import LocalRun, run_local_async

LINES = Path(__file__).with_name("orders.jsonl").read_text(encoding="utf-8").splitlines()
COMPLETED = LINES[:12]
FAILED = LINES[12:18]
REFUSED = LINES[18:]
WHY_FAILED = [
    ("validateOrder", "InvalidOrder", "has no items"),
    ("validateOrder", "InvalidOrder", "add up to 13.50"),
    ("checkInventory", "OutOfStock", "globe"),
    ("checkInventory", "OutOfStock", "2 ordered, 1 in stock"),
    ("checkInventory", "OutOfStock", "hammock"),
    ("processPayment", "PaymentDeclined", "declined for 34.90"),
]


@pytest.fixture
def project(load_example: Callable[[str], LoadedProject]) -> LoadedProject:
    return load_example("orders")


@pytest.fixture
def workflow(project: LoadedProject) -> Workflow:
    return project.workflows["OrderProcessingWorkflow"]


@pytest.fixture
def finished(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the orders that local runs have kept, with no server."""
    orders = list[str]()

    async def keep(place: str, order: BaseModel) -> IngestResult:
        assert place == "Orders"
        orders.append(order.model_dump()["order_id"])
        return IngestResult(stored=1)

    monkeypatch.setattr(moose_lib, "ingest", keep)
    return orders


@pytest.fixture
def store(project: LoadedProject, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cli]:
    """The command line of a project whose server is running."""
    for name, port in free_server_ports().items():
        monkeypatch.setenv(name, port)
    cli = Cli(folder=project.project.root)
    with serving(cli):
        yield cli


async def run(workflow: Workflow, line: str) -> LocalRun:
    return await run_local_async(workflow, line.encode())


@pytest.mark.parametrize("line", COMPLETED, ids=[json.loads(line)["order_id"] for line in COMPLETED])
async def test_a_good_order_is_paid_shipped_and_written_down(
    workflow: Workflow, finished: list[str], line: str
) -> None:
    """The result names the payment and the parcel, and the order is kept once."""
    order = json.loads(line)["order_id"]
    done = await run(workflow, line)
    done.raise_for_failure()
    assert json.loads(done.result_json or b"") == {
        "order_id": order,
        "status": "completed",
        "payment_id": f"txn_{order}",
        "shipping_id": f"ship_{order}",
    }
    assert finished == [order]


@pytest.mark.parametrize(("line", "why"), list(zip(FAILED, WHY_FAILED, strict=True)))
async def test_an_order_that_cannot_be_fulfilled_fails_at_once(
    workflow: Workflow, finished: list[str], line: str, why: tuple[str, str, str]
) -> None:
    """No retry of the task or of the run: another try would find the same."""
    task, error, words = why
    done = await run(workflow, line)
    assert done.error is not None
    assert (done.error.task, done.error.type) == (task, error)
    assert words in done.error.message
    assert (len(done.task(task).attempts), done.starts) == (1, 1)
    assert finished == []


@pytest.mark.parametrize("line", REFUSED)
async def test_an_order_that_is_no_order_never_starts(workflow: Workflow, line: str) -> None:
    """A missing or wrong field, or broken JSON, is refused before anything runs."""
    with pytest.raises((InvalidInput, ValidationError)):
        await run(workflow, line)


async def test_a_slow_payment_gateway_is_asked_again(workflow: Workflow, finished: list[str]) -> None:
    """The first attempt times out, the second goes through; shipping is not asked twice for it."""
    done = await run(workflow, LINES[2])
    done.raise_for_failure()
    assert len(done.task("processPayment").attempts) == 2
    assert len(done.task("arrangeShipping").attempts) == 1
    assert len(finished) == 1


async def test_a_declined_card_does_not_stop_the_sibling(workflow: Workflow) -> None:
    """Shipping ends as it would have, the join after both never starts."""
    done = await run(workflow, LINES[17])
    assert [str(done.task(name).state) for name in ("processPayment", "arrangeShipping", "finalizeOrder")] == [
        "failed",
        "completed",
        "skipped",
    ]


async def test_all_orders_at_once_on_the_real_engine(workflow: Workflow, store: Cli, engine: Engine) -> None:
    """Every good order is finished and in the store exactly once, every other one fails for its own reason."""
    async with engine.worker(workflow):
        runs = [await engine.start(workflow, json.loads(line)) for line in (*COMPLETED, *FAILED)]
        results = await asyncio.gather(*(result(handle) for handle in runs[: len(COMPLETED)]))
        failures = await asyncio.gather(*(failure(handle) for handle in runs[len(COMPLETED) :]))
        histories = await asyncio.gather(*(handle.fetch_history() for handle in runs[: len(COMPLETED)]))
    orders = [json.loads(line)["order_id"] for line in COMPLETED]
    assert [done["order_id"] for done in results] == orders
    rows = store("query", "SELECT order_id FROM Orders ORDER BY order_id", "--json").document
    assert [row["order_id"] for row in rows] == orders
    for found, (task, error, words) in zip(failures, WHY_FAILED, strict=True):
        assert (found.task, found.class_name.rpartition(".")[2]) == (task, error)
        assert words in found.message
    for history in histories:
        assert set(scheduled(history).values()) == {1}
        assert overlap(history, "processPayment", "arrangeShipping")


def scheduled(history: WorkflowHistory) -> Counter[str]:
    """How often each task was scheduled."""
    return Counter(
        event.activity_task_scheduled_event_attributes.activity_type.name
        for event in history.events
        if event.HasField("activity_task_scheduled_event_attributes")
    )


def overlap(history: WorkflowHistory, one: str, other: str) -> bool:
    """Whether both tasks were scheduled before either of them was completed."""
    ids: dict[int, str] = {}
    for event in history.events:
        if event.HasField("activity_task_scheduled_event_attributes"):
            ids[event.event_id] = event.activity_task_scheduled_event_attributes.activity_id
        if event.HasField("activity_task_completed_event_attributes"):
            ended = ids[event.activity_task_completed_event_attributes.scheduled_event_id]
            if ended in (one, other):
                return {one, other} <= set(ids.values())
    return False
