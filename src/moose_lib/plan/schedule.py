"""The schedule of a workflow as plain data: what a `Schedule`, or a text, comes to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic_core import to_json

from moose_lib.dmv2.schedule import Catchup, Overlap, Schedule
from moose_lib.durations import format_duration, parse_duration
from moose_lib.schedules import check_schedule
from moose_lib.values import read_run_input, write_run_input

__all__ = ["AnySchedule", "PlannedSchedule", "input_of", "plan_schedule"]


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


def _json(given: BaseModel | Mapping[str, object], input_type: type[BaseModel] | None) -> bytes:
    return write_run_input(input_type, given) if isinstance(given, BaseModel) else to_json(given)
