"""The commands with which a run goes on, as an explanation names them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.cli.test_explaining import CHARGE, ENDED, FAILED, LOST, RETRYING, RUN, explained

from moose_lib.cli.next_steps import next_steps
from moose_lib.cli.worker_commands import WorkerCommands
from moose_lib.operations.explaining import Cause, Explanation


def commands(explanation: Explanation) -> list[tuple[str, str]]:
    return [
        (it.command.removeprefix("moose-cli ").removeprefix("workflow "), it.what)
        for it in next_steps(explanation, WorkerCommands())
    ]


WATCH = ("status 'Order 1' --watch", "see it go on")
RESUME = [
    ("resume r1 --dry-run", "see what is kept and what runs again"),
    ("resume r1", "keep what is finished and run the rest"),
]
WORKERS = [
    ("dev", "a worker with everything around it, in the project's folder"),
    ("worker", "only a worker, for the Temporal of the settings"),
    ("cancel 'Order 1'", "do not wait any longer"),
]


@pytest.mark.parametrize(
    ("explanation", "said"),
    [
        (explained(Cause.COMPLETED), [("result 'Order 1'", "its result")]),
        (explained(Cause.RUNNING), [WATCH]),
        (explained(Cause.BLOCKED), [WATCH, ("cancel 'Order 1'", "do not wait any longer")]),
        (explained(Cause.PAUSED), [("unpause 'Order 1'", "let it go on")]),
        (explained(Cause.RETRYING, RETRYING), [WATCH, ("cancel 'Order 1'", "do not try again")]),
        (explained(Cause.NO_WORKER), WORKERS),
        (explained(Cause.UNKNOWN), WORKERS),
        (explained(Cause.LOST, LOST), WORKERS),
        (explained(Cause.CANCELING), [WATCH, ("terminate 'Order 1'", "end it at once, without on_cancel")]),
        (
            explained(Cause.CANCELING, workers=0),
            [*WORKERS[:2], WATCH, ("terminate 'Order 1'", "end it at once, without on_cancel")],
        ),
        (
            explained(Cause.PARKED, CHARGE),
            [
                ("retry 'Order 1' charge", "run it again, with all its attempts"),
                ("skip 'Order 1' charge", "go on as if it had completed"),
                ("fail 'Order 1'", "give it up, and so the run"),
            ],
        ),
        (explained(Cause.FAILED, FAILED, status=ENDED), RESUME),
        (explained(Cause.TIMED_OUT, FAILED, status=ENDED), RESUME),
        (
            explained(Cause.FAILED, FAILED, status=replace(ENDED, resumed_as="r2")),
            [("explain r2", "how the run that resumed it stands")],
        ),
        (explained(Cause.FAILED, status=ENDED), [("run Order --input JSON", "start a new run")]),
        (
            explained(Cause.FAILED, FAILED),
            [*WORKERS[:2], WATCH, ("terminate 'Order 1'", "end it at once")],
        ),
        (
            explained(Cause.FAILED, FAILED, beside=(RETRYING,), status=replace(RUN, is_paused=True)),
            [
                WATCH,
                ("cancel 'Order 1'", "do not wait for its other tasks"),
                ("unpause 'Order 1'", "the run is paused, too: let it go on"),
            ],
        ),
    ],
)
def test_the_commands_that_help_can_be_pasted(explanation: Explanation, said: list[tuple[str, str]]) -> None:
    """Each with what it does; ids with blanks are quoted; nothing is tried here whose input is not known."""
    assert commands(explanation) == said


@pytest.mark.parametrize(
    ("explanation", "said"),
    [
        (explained(Cause.FAILED, FAILED, status=ENDED), "moose-cli workflow resume r1 --task-queue jobs"),
        (explained(Cause.FAILED, status=ENDED), "moose-cli workflow run Order --task-queue jobs --input JSON"),
    ],
)
def test_what_starts_a_run_names_the_queue_that_is_not_of_the_settings(explanation: Explanation, said: str) -> None:
    """Or the workers of another queue would have it."""
    assert next_steps(explanation, WorkerCommands(queue=" --task-queue jobs"))[-1].command == said


def test_where_dev_waits_for_code_that_loads_no_worker_is_started() -> None:
    steps = next_steps(explained(Cause.NO_WORKER), WorkerCommands(check="moose-cli check"))

    assert [(it.command, it.what) for it in steps] == [
        ("moose-cli check", "see why the code does not load, which moose-cli dev waits for"),
        ("moose-cli workflow cancel 'Order 1'", "do not wait any longer"),
    ]
