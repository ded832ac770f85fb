"""The process that starts runs and waits for their results: `python -m benchmarks.client SIDE ADDRESS`.

One order per line on stdin, one answer per line on stdout, both JSON, so that no import is measured.
"""

import asyncio
import os
import sys
import time
from typing import Protocol, TypeVar
from uuid import uuid4

from pydantic import BaseModel

from benchmarks.cases import CASES, Case

Result = TypeVar("Result", bound=BaseModel)


class Side(Protocol):
    """A way to run the graphs."""

    async def run(self, name: str, workflow_id: str, run_input: BaseModel, result: type[Result]) -> Result: ...


class Ask(BaseModel):
    """Run `workflow` `runs` times, at most `in_flight` at once."""

    workflow: str
    runs: int
    in_flight: int


class Timing(BaseModel):
    """Seconds from start to result of each run, and of all of them together."""

    runs: list[float]
    total: float


async def measure(side: Side, ask: Ask) -> Timing:
    """Run and time; a wrong result ends the benchmark, as figures of wrong work say nothing."""
    case = CASES[ask.workflow]
    left = iter(range(ask.runs))
    seconds: list[float] = []

    async def one_after_another() -> None:
        for _ in left:
            seconds.append(await _timed(side, case))  # noqa: PERF401  # workers share one list

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(ask.in_flight):
            group.create_task(one_after_another())
    return Timing(runs=seconds, total=time.perf_counter() - begun)


async def _timed(side: Side, case: Case) -> float:
    begun = time.perf_counter()
    result = await side.run(case.workflow, f"{case.workflow}-{uuid4().hex[:16]}", case.run_input, type(case.result))
    taken = time.perf_counter() - begun
    if result != case.result:
        raise RuntimeError(f"{case.title}: got {result!r}, expected {case.result!r}")
    return taken


async def connect(side: str, address: str) -> Side:
    if side == "moose":
        from benchmarks.with_moose import WithMoose

        return await WithMoose.connect(address)
    from benchmarks.by_hand import ByHand

    return await ByHand.connect(address)


async def main(side: str, address: str) -> None:
    connected = await connect(side, address)
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        timing = await measure(connected, Ask.model_validate_json(line))
        print(timing.model_dump_json(), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
    sys.stdout.flush()
    os._exit(0)  # Temporal's client can abort the interpreter's own shutdown (temporalio/sdk-python#300)
