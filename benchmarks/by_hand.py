"""The same graphs written by hand with Temporal's SDK, as its documentation would have it, without the sandbox.

`python -m benchmarks.by_hand ADDRESS` is their worker; it says `ready` on stdout and runs until it is terminated.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from pydantic import BaseModel
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from benchmarks import work
from benchmarks.work import WIDTH, FinishedOrder, Number, Order, Parts, ReadyOrder, Total

TASK_QUEUE = "by-hand"
POLLERS = 20  # for workflow tasks and for activities, as Moose's worker has them
RETRIES = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_attempts=4)

In = TypeVar("In", bound=BaseModel)
Out = TypeVar("Out", bound=BaseModel)

add_one = activity.defn(name="add_one")(work.add_one)
validate_order = activity.defn(name="validate_order")(work.validate_order)
check_inventory = activity.defn(name="check_inventory")(work.check_inventory)
process_payment = activity.defn(name="process_payment")(work.process_payment)
arrange_shipping = activity.defn(name="arrange_shipping")(work.arrange_shipping)
finalize_order = activity.defn(name="finalize_order")(work.finalize_order)
add_up = activity.defn(name="add_up")(work.add_up)
ACTIVITIES: list[Callable[..., Awaitable[Any]]] = [  # Any: each has models of its own
    add_one, validate_order, check_inventory, process_payment, arrange_shipping, finalize_order, add_up,
]  # fmt: skip


async def execute(task: Callable[[In], Awaitable[Out]], value: In) -> Out:
    return await workflow.execute_activity(task, value, start_to_close_timeout=timedelta(hours=1), retry_policy=RETRIES)


@workflow.defn(name="chain")
class Chain:
    @workflow.run
    async def run(self, number: Number) -> Number:
        for _ in range(3):
            number = await execute(add_one, number)
        return number


@workflow.defn(name="order")
class OrderProcessing:
    @workflow.run
    async def run(self, order: Order) -> FinishedOrder:
        valid = await execute(validate_order, order)
        await execute(check_inventory, valid)
        payment, shipping = await asyncio.gather(execute(process_payment, valid), execute(arrange_shipping, valid))
        return await execute(finalize_order, ReadyOrder(order=valid, payment=payment, shipping=shipping))


@workflow.defn(name="wide")
class Wide:
    @workflow.run
    async def run(self, number: Number) -> Total:
        forked = await execute(add_one, number)
        numbers = await asyncio.gather(*(execute(add_one, forked) for _ in range(WIDTH)))
        return await execute(add_up, Parts(numbers=numbers))


WORKFLOWS = [Chain, OrderProcessing, Wide]


@dataclass(frozen=True)
class ByHand:
    """Starts runs of the workflows above."""

    client: Client

    @classmethod
    async def connect(cls, address: str) -> "ByHand":
        return cls(await Client.connect(address, data_converter=pydantic_data_converter))

    async def run(self, name: str, workflow_id: str, run_input: BaseModel, result: type[Out]) -> Out:
        answer: Out = await self.client.execute_workflow(
            name, run_input, id=workflow_id, task_queue=TASK_QUEUE, result_type=result
        )
        return answer


async def run_worker(address: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    client = await Client.connect(address, data_converter=pydantic_data_converter)
    worker = Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=WORKFLOWS,
        activities=ACTIVITIES,
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_concurrent_workflow_task_polls=POLLERS,
        max_concurrent_activity_task_polls=POLLERS,
    )
    async with worker:
        print("ready", flush=True)
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(run_worker(sys.argv[1]))
    os._exit(0)  # Temporal's client can abort the interpreter's own shutdown (temporalio/sdk-python#300)
