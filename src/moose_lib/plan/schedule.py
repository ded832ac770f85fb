"""The schedule of a workflow as plain data: what a `Schedule`, or a text, comes to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic_core import to_json

from moose_lib.dmv2 import _rules
from moose_lib.dmv2.schedule import Catchup, Overlap, Schedule
from moose_lib.dmv2.workflow import Task, Workflow
from moose_lib.durations import format_duration, parse_duration
from moose_lib.errors import Fault, InvalidInput
from moose_lib.schedules import check_schedule
from moose_lib.values import read_run_input, write_run_input

__all__ = ["AnySchedule", "PlannedSchedule", "input_of", "plan_schedule", "schedule_input_faults"]


class PlannedSchedule(BaseModel):
    """When a workflow runs by itself.

    At any of `crons` (5 fields, of `timezone`), or each `every`; one of the two is set. `input` is JSON. `text` is what
    the user wrote, or close to it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    text: str
    crons: tuple[str, ...] = ()
    every: timedelta | None = None
    timezone: str = "UTC"
    overlap: Overlap = "skip"
    catchup: Catchup = "last"
    jitter: timedelta | None = None
    paused: bool = False
    input: str | None = None

    def __str__(self) -> str:
        """One line for people: `30 6 * * mon-fri (Europe/Berlin), overlap buffer_one`."""
        said = [self.text]
        said += [f"overlap {self.overlap}"] if self.overlap != "skip" else []
        said += [f"catch-up {self.catchup}"] if self.catchup != "last" else []
        said += [f"jitter {format_duration(self.jitter)}"] if self.jitter is not None else []
        said += ["paused"] if self.paused else []
        return ", ".join(said)


def _from_text(value: object) -> object:
    """Plans recorded by earlier versions have the text alone."""
    return plan_schedule(value, None) if isinstance(value, str) else value


AnySchedule = Annotated[PlannedSchedule, BeforeValidator(_from_text)]


def plan_schedule(declared: str | Schedule, input_type: type[BaseModel] | None) -> PlannedSchedule:
    """The data of a declared schedule, which has been checked."""
    if isinstance(declared, str):
        spec = check_schedule(declared)
        return PlannedSchedule(text=declared, crons=spec.crons, every=spec.every)
    spec = declared.spec()
    data = input_of(declared, input_type)
    return PlannedSchedule(
        text=str(declared),
        crons=spec.crons,
        every=spec.every,
        timezone=declared.timezone,
        overlap=declared.overlap or ("buffer_all" if declared.catchup == "all" else "skip"),
        catchup=declared.catchup,
        jitter=None if declared.jitter is None else parse_duration(declared.jitter),
        paused=declared.paused,
        input=None if data is None else data.decode(),
    )


def input_of(declared: str | Schedule, input_type: type[BaseModel] | None) -> bytes | None:
    """The JSON of the input that scheduled runs get, `None` where there is none.

    Raises:
        InvalidInput: the starting task would not take it, or needs one that is not given.
    """
    given = None if isinstance(declared, str) else declared.input
    data = None if given is None else _json(given, input_type)
    read_run_input(input_type, data)
    return data


def schedule_input_faults(workflow: Workflow) -> list[Fault]:
    """What is wrong with the input that the schedule of a workflow gives its runs.

    Nothing is said of a schedule or a model that is wrong itself.
    """
    declared, start = workflow.config.schedule, workflow.config.starting_task
    if declared is None or _rules.schedule_faults(declared) or not isinstance(start, Task):  # pyright: ignore[reportUnnecessaryIsInstance]  # users' configs are not type-checked
        return []
    model = start.input_type
    if not start.is_input_known or (model is not None and not model.__pydantic_complete__):
        return []
    try:
        input_of(declared, model)
    except InvalidInput as error:
        has_input = isinstance(declared, Schedule) and declared.input is not None
        text, hint = _input_fault(error, start, has_input=has_input)
        message = f"workflow {workflow.name!r}: {text}"
        return [
            Fault(
                code="bad-schedule-input",
                message=message,
                hint=hint,
                location=workflow.location,
                workflow=workflow.name,
                task=start.name,
            )
        ]
    return []


def _input_fault(
    error: InvalidInput, start: Task[Any, Any], *, has_input: bool
) -> tuple[str, str | None]:  # Any: its models
    if start.input_type is None:
        return f"schedule gives an input, but task {start.name!r} takes none", "leave input=… out"
    name = start.input_type.__name__
    reasons = "; ".join(map(str, error.faults))
    if has_input:
        return f"input of the schedule is not a valid {name}: {reasons}", error.hint
    text = f"schedule gives no input, but task {start.name!r} needs one of {name}: {reasons}"
    return text, f"write schedule=Schedule(…, input={name}(…))"


def _json(given: BaseModel | Mapping[str, object], input_type: type[BaseModel] | None) -> bytes:
    return write_run_input(input_type, given) if isinstance(given, BaseModel) else to_json(given)
