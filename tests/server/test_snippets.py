"""Plain `httpx` against the endpoints, as people write it: a task that posts its result, a whole order workflow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.cli.conftest import Cli
from tests.integration.conftest import free_port
from tests.server.test_process import server

from moose_lib.project.loader import find_project, load_project
from moose_lib.testing import LocalRun, run_local

RESULTS = '''\
from datetime import datetime
from pydantic import BaseModel
from moose_lib import IngestPipeline, Workflow, WorkflowConfig

class ProcessingResult(BaseModel):
    id: str
    processed_at: datetime
    records_processed: int
    success: bool

class StoredResult(BaseModel):
    id: str
    timestamp: datetime
    records_count: int
    success: bool

IngestPipeline[StoredResult]("ProcessingResults")

import httpx
from moose_lib.dmv2.workflow import Task, TaskConfig

async def ingest_processed_data(result: ProcessingResult) -> None:
    """Send processed data to Moose ingestion endpoint"""

    # Transform result to match your data model
    ingestion_data = {
        "id": result.id,
        "timestamp": result.processed_at.isoformat(),
        "records_count": result.records_processed,
        "success": result.success
    }

    # Send to ingestion endpoint
    async with httpx.AsyncClient() as client:
        response = await client.post(
            "http://localhost:4000/ingest/ProcessingResults",
            json=ingestion_data,
            timeout=30.0
        )

        if not response.is_success:
            raise Exception(f"Failed to ingest data: {response.status_code}")

# Create ingestion task
ingest_task = Task[ProcessingResult, None](
    name="ingestResults",
    config=TaskConfig(
        run=ingest_processed_data,
        retries=3,
        timeout="1m"
    )
)

Workflow(name="Ingesting", config=WorkflowConfig(starting_task=ingest_task))
'''
ORDERS = '''\
import httpx
from moose_lib.dmv2.workflow import Workflow, Task, WorkflowConfig, TaskConfig
from pydantic import BaseModel
from datetime import datetime
from typing import Optional

# Data models
class Order(BaseModel):
    order_id: str
    user_id: str
    items: list[dict]
    total_amount: float

class PaymentResult(BaseModel):
    success: bool
    transaction_id: Optional[str] = None
    error_message: Optional[str] = None

class InventoryResult(BaseModel):
    available: bool
    reserved_items: list[str]

class ShippingResult(BaseModel):
    shipping_id: str
    estimated_delivery: datetime

class OrderResult(BaseModel):
    order_id: str
    status: str
    payment_id: Optional[str] = None
    shipping_id: Optional[str] = None

# Task functions
async def validate_order(order: Order) -> Order:
    """Validate order data"""
    if not order.items or order.total_amount <= 0:
        raise ValueError("Invalid order data")
    return order

async def check_inventory(order: Order) -> InventoryResult:
    """Check and reserve inventory"""
    # Simulate inventory check
    return InventoryResult(
        available=True,
        reserved_items=[item["id"] for item in order.items]
    )

async def process_payment(order: Order) -> PaymentResult:
    """Process payment"""
    # Simulate payment processing
    return PaymentResult(
        success=True,
        transaction_id=f"txn_{order.order_id}"
    )

async def arrange_shipping(order: Order) -> ShippingResult:
    """Arrange shipping"""
    return ShippingResult(
        shipping_id=f"ship_{order.order_id}",
        estimated_delivery=datetime.now()
    )

async def finalize_order(order: Order) -> OrderResult:
    """Finalize order and send to ingestion"""
    # Create final result
    result = OrderResult(
        order_id=order.order_id,
        status="completed"
    )

    # Ingest into Moose
    async with httpx.AsyncClient() as client:
        await client.post(
            "http://localhost:4000/ingest/Orders",
            json=result.dict()
        )

    return result

# Create tasks
validate_task = Task[Order, Order](
    name="validateOrder",
    config=TaskConfig(run=validate_order, timeout="30s", retries=2)
)

inventory_task = Task[Order, InventoryResult](
    name="checkInventory",
    config=TaskConfig(run=check_inventory, timeout="1m", retries=3)
)

payment_task = Task[Order, PaymentResult](
    name="processPayment",
    config=TaskConfig(run=process_payment, timeout="2m", retries=2)
)

shipping_task = Task[Order, ShippingResult](
    name="arrangeShipping",
    config=TaskConfig(run=arrange_shipping, timeout="1m", retries=3)
)

finalize_task = Task[Order, OrderResult](
    name="finalizeOrder",
    config=TaskConfig(run=finalize_order, timeout="30s", retries=2)
)

# Chain tasks
validate_task.config.on_complete = [inventory_task]
inventory_task.config.on_complete = [payment_task, shipping_task]  # Parallel execution
payment_task.config.on_complete = [finalize_task]
shipping_task.config.on_complete = [finalize_task]

# Create workflow
order_workflow = Workflow(
    name="OrderProcessingWorkflow",
    config=WorkflowConfig(
        starting_task=validate_task,
        timeout="30m",
        retries=1
    )
)
from moose_lib import IngestPipeline

IngestPipeline[OrderResult]("Orders")
'''


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str, dict[str, Any]], LocalRun]:
    """Run a workflow of some code here, with a server whose port stands for 4000."""
    port = free_port()
    send = httpx.AsyncHTTPTransport.handle_async_request

    async def redirected(self: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        assert (request.url.host, request.url.port) == ("localhost", 4000)
        request.url = request.url.copy_with(host="127.0.0.1", port=port)
        return await send(self, request)

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", redirected)

    def run(code: str, workflow: str, given: dict[str, Any]) -> LocalRun:
        (tmp_path / "shop.py").write_text(code, encoding="utf-8")
        with server(tmp_path, port):
            project = load_project(find_project(tmp_path, Path("shop.py")))
            model = project.workflows[workflow].config.starting_task.input_type
            assert model is not None
            return run_local(project.workflows[workflow], model.model_validate(given))

    return run


Run = Callable[[str, str, dict[str, Any]], LocalRun]


def test_a_task_that_posts_its_result(run: Run, tmp_path: Path) -> None:
    given = {"id": "r1", "processed_at": "2026-01-02T03:04:05", "records_processed": 7, "success": True}

    run(RESULTS, "Ingesting", given).raise_for_failure()

    (found,) = Cli(folder=tmp_path)("peek", "ProcessingResults", "--json").document
    del found["_id"], found["_ingested_at"]
    assert found == {"id": "r1", "timestamp": "2026-01-02T03:04:05.000000Z", "records_count": 7, "success": True}


@pytest.mark.filterwarnings("ignore:The `dict` method is deprecated")
def test_a_whole_order_workflow(run: Run, tmp_path: Path) -> None:
    order = {"order_id": "o1", "user_id": "u", "items": [{"id": "lamp"}], "total_amount": 9.5}

    run(ORDERS, "OrderProcessingWorkflow", order).raise_for_failure()

    query = "SELECT order_id, status, payment_id, shipping_id FROM Orders"
    found = Cli(folder=tmp_path)("query", query, "--json").document
    assert found == [{"order_id": "o1", "status": "completed", "payment_id": None, "shipping_id": None}]
