"""The commands with which a run goes on, for each reason why it does not go on by itself."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from moose_lib.cli.worker_commands import WorkerCommands
from moose_lib.operations.explaining import Cause, Explanation

__all__ = ["Step", "next_steps"]


@dataclass(frozen=True, kw_only=True)
class Step:
    """A command to paste, and what it does."""

    command: str
    what: str


def next_steps(explanation: Explanation, workers: WorkerCommands) -> list[Step]:
    """Return the commands that help, the likeliest first; `workers` are those that start one for the run's queue."""
    steps = _steps(explanation, workers)
    if explanation.status.is_paused and explanation.cause is not Cause.PAUSED:
        steps.append(_verb(explanation, "unpause", "the run is paused, too: let it go on"))
    return steps


def _steps(explanation: Explanation, workers: WorkerCommands) -> list[Step]:
    cause = explanation.cause
    match cause:
        case Cause.PARKED:
            return [*_trial(explanation), *_decisions(explanation)]
        case Cause.FAILED | Cause.CANCELED | Cause.TERMINATED | Cause.TIMED_OUT:
            return _after_the_end(explanation, workers)
        case Cause.RETRYING:
            return [*_trial(explanation), _watch(explanation), _verb(explanation, "cancel", "do not try again")]
        case Cause.PAUSED:
            return [_verb(explanation, "unpause", "let it go on")]
        case Cause.LOST | Cause.NO_WORKER | Cause.UNKNOWN:
            return [*_starting(workers), _verb(explanation, "cancel", "do not wait any longer")]
        case Cause.CANCELING:
            at_once = _verb(explanation, "terminate", "end it at once, without on_cancel")
            return [*([] if explanation.workers != 0 else _starting(workers)), _watch(explanation), at_once]
        case Cause.RUNNING:
            return [_watch(explanation)]
        case Cause.BLOCKED:
            return [_watch(explanation), _verb(explanation, "cancel", "do not wait any longer")]
        case Cause.COMPLETED:
            return [_verb(explanation, "result", "its result")]


def _workflow(verb: str, *words: str) -> str:
    return shlex.join(["moose-cli", "workflow", verb, *words])


def _verb(explanation: Explanation, verb: str, what: str) -> Step:
    return Step(command=_workflow(verb, explanation.status.workflow_id), what=what)


def _watch(explanation: Explanation) -> Step:
    return Step(command=_workflow("status", explanation.status.workflow_id, "--watch"), what="see it go on")


def _trial(explanation: Explanation) -> list[Step]:
    """Run the task here, with the same input: where it has one that is known."""
    task, status = explanation.task, explanation.status
    is_fed = explanation.input is not None and not explanation.input.missing
    if task is None or not task.attempts or not is_fed:
        return []
    command = _workflow("run-task", status.name, task.name, "--from-run", status.run_id)
    return [Step(command=command, what="try it here, with this input and the code of now")]


def _decisions(explanation: Explanation) -> list[Step]:
    task = explanation.task
    assert task is not None, "what is parked is a task"
    run, name = explanation.status.workflow_id, task.name
    takes_output = explanation.planned is not None and explanation.planned.output_type is not None
    output = " --output JSON" if takes_output else ""
    return [
        Step(command=_workflow("retry", run, name), what="run it again, with all its attempts"),
        Step(command=_workflow("skip", run, name) + output, what="go on as if it had completed"),
        Step(command=_workflow("fail", run), what="give it up, and so the run"),
    ]


def _after_the_end(explanation: Explanation, workers: WorkerCommands) -> list[Step]:
    status = explanation.status
    if status.is_open and not status.has_open_tasks:  # nobody is there to see that it has failed
        at_once = _verb(explanation, "terminate", "end it at once")
        return [*_starting(workers), *_trial(explanation), _watch(explanation), at_once]
    if status.is_open:  # other branches go on
        return [
            *_trial(explanation),
            _watch(explanation),
            _verb(explanation, "cancel", "do not wait for its other tasks"),
        ]
    if status.resumed_as is not None:
        return [Step(command=_workflow("explain", status.resumed_as), what="how the run that resumed it stands")]
    if not status.tasks:
        return [Step(command=f"{_workflow('run', status.name)}{workers.queue} --input JSON", what="start a new run")]
    resume = f"{_workflow('resume', status.run_id)}{workers.queue}"
    return [
        *_trial(explanation),
        Step(command=f"{resume} --dry-run", what="see what is kept and what runs again"),
        Step(command=resume, what="keep what is finished and run the rest"),
    ]


def _starting(workers: WorkerCommands) -> list[Step]:
    if workers.check is not None:
        return [Step(command=workers.check, what="see why the code does not load, which moose-cli dev waits for")]
    whole = "a worker with everything around it, in the project's folder"
    dev = [] if workers.dev is None else [Step(command=workers.dev, what=whole)]
    return [*dev, Step(command=workers.worker, what="only a worker, for the Temporal of the settings")]
