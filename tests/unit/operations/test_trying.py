"""One task, here: whatever kind of handler it has."""

from __future__ import annotations

import asyncio
import bdb
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from moose_lib import Task, TaskConfig, TaskContext
from moose_lib.cli.debugging import post_mortem
from moose_lib.dmv2.workflow import RunInfo
from moose_lib.errors import InputNotRecorded, InvalidInput, InvalidOutput
from moose_lib.operations.trying import given_input, recorded_input, try_task
from moose_lib.plan.model import Source, ValueRef

RUN = RunInfo(workflow="Order", workflow_id="Order-1", run_id="r1", task="t", attempt=1)


class Number(BaseModel):
    value: int


def made(run: Callable[..., object]) -> Task[Any, Any]:  # Any: tests look at the values only
    return Task[Number, Number](name="t", config=TaskConfig(run=run))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def same(number: Number) -> Number:
    return number


async def later(number: Number) -> Number:
    await asyncio.sleep(0)
    return number


def promised(number: Number) -> object:
    return later(number)


@pytest.mark.parametrize("run", [same, later, promised])
def test_every_kind_of_handler_runs_in_this_thread(run: Callable[..., object]) -> None:
    """Debuggers work in the thread that has the terminal."""
    threads = list[threading.Thread]()

    def noting(number: Number) -> object:
        threads.append(threading.current_thread())
        return run(number)

    assert try_task(made(noting), Number(value=3), RUN).output == b'{"value":3}'
    assert threads == [threading.current_thread()]


def test_the_context_is_that_of_the_run() -> None:
    """Its ids, and attempt 1."""
    seen = list[RunInfo]()

    async def look(context: TaskContext[Number]) -> Number:
        seen.append(context.run)
        return context.input

    assert try_task(made(look), Number(value=3), RUN).error is None
    assert seen == [RUN]


def boom(number: Number) -> Number:
    raise SystemExit(number.value)


async def boom_later(number: Number) -> Number:
    raise ValueError(number.value)


def boom_promised(number: Number) -> object:
    return boom_later(number)


@pytest.mark.parametrize(("run", "kind"), [(boom, SystemExit), (boom_later, ValueError), (boom_promised, ValueError)])
def test_what_the_handler_raises_is_its_outcome(run: Callable[..., object], kind: type[BaseException]) -> None:
    """Whatever it is."""
    assert type(try_task(made(run), Number(value=3), RUN).error) is kind


def test_an_output_of_another_type_is_refused() -> None:
    """As on a worker."""

    def wrong(number: Number) -> object:
        return {"value": "three"}

    assert isinstance(try_task(made(wrong), Number(value=3), RUN).error, InvalidOutput)


@pytest.mark.parametrize("end", [KeyboardInterrupt, bdb.BdbQuit])
@pytest.mark.parametrize("is_async", [True, False])
def test_leaving_it_is_no_outcome(end: type[BaseException], is_async: bool) -> None:
    """Ctrl-C, and `q` in a debugger."""

    def leave(number: Number) -> Number:
        raise end

    async def leave_async(number: Number) -> Number:
        raise end

    with pytest.raises(end):
        try_task(made(leave_async if is_async else leave), Number(value=3), RUN)


def test_an_input_from_a_person_is_read_as_one() -> None:
    """And refused with the fields that are wrong."""
    assert given_input(made(same), b'{"value": "3"}') == Number(value=3)
    with pytest.raises(InvalidInput, match="input of task 't' is not a valid Number: value: is missing"):
        given_input(made(same), None)


def test_an_input_of_a_run_has_to_be_there() -> None:
    """A hook gets what no run has recorded."""
    source = Source(kind="task", values=(ValueRef(task="before"),))

    assert recorded_input(made(same), source, None, {"before": b'{"value":3}'}) == Number(value=3)
    with pytest.raises(InputNotRecorded, match="the run has no input for task 't': there is no output of before"):
        recorded_input(made(same), source, b"{}", {})
    with pytest.raises(InputNotRecorded, match="there is no outcome of the run"):
        recorded_input(made(same), Source(kind="outcome"), b"{}", {})


def test_the_debugger_stands_in_the_users_frame(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not in the library's that raised; where nothing is theirs, it stands in the last one."""

    def parse(number: Number) -> object:
        return int(f"x{Number.model_validate({}).value}{number}")

    def quit_at_once(prompt: str = "") -> str:
        return "q"

    monkeypatch.setattr("builtins.input", quit_at_once)
    error = try_task(made(parse), Number(value=3), RUN).error
    assert error is not None
    post_mortem(error.__traceback__, Path(__file__).parent)
    inside = capsys.readouterr().out
    post_mortem(error.__traceback__, Path("/nowhere"))
    outside = capsys.readouterr().out
    post_mortem(None, Path("/nowhere"))

    assert "test_trying.py" in inside
    assert "-> return int(f" in inside
    assert "pydantic" in outside
