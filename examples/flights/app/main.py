"""Departure delays of a year of New York flights: load, one task per airport side by side, join, report."""

import re
from collections.abc import Callable
from pathlib import Path

from app import data
from app.models import AllOrigins, Flights, OriginDelays, Report, Request, Summary
from app.report import write_report
from app.store import store_workflow

from moose_lib import Task, TaskConfig, TaskContext, Workflow, WorkflowConfig

__all__ = ["flights_workflow", "store_workflow"]

OUT = Path(__file__).parent.parent / "out"


def load_flights(ctx: TaskContext[Request]) -> Flights:
    """Split the flights by origin into a folder of this run's own, so that parallel runs never mix."""
    folder = re.sub(r"[^\w.-]", "_", ctx.run.workflow_id)
    return data.split_by_origin(ctx.input, OUT / folder)


def delays_at(origin: str) -> Callable[[Flights], OriginDelays]:
    """Make the handler for one airport: a handler is any function with the right annotations."""

    def delays(flights: Flights) -> OriginDelays:
        return data.count_delays(flights, origin)

    return delays


def join_origins(parts: AllOrigins) -> Summary:
    """Put the airports together again and check that no flight was lost on the way."""
    counted = sum(cell.delays.scheduled for part in parts.origins for cell in part.cells)
    if counted != parts.loaded.flights:
        raise data.UnexpectedData(f"loaded {parts.loaded.flights:,} flights, the airports counted {counted:,}")
    return Summary(
        directory=parts.loaded.directory,
        flights=counted,
        late_after_minutes=parts.loaded.late_after_minutes,
        airlines=data.airlines(),
        origins=parts.origins,
    )


load_task = Task[Request, Flights](name="loadFlights", config=TaskConfig(run=load_flights, timeout="2m"))
origin_tasks = [
    Task[Flights, OriginDelays](name=f"delays{origin}", config=TaskConfig(run=delays_at(origin), timeout="1m"))
    for origin in data.ORIGINS
]
join_task = Task[AllOrigins, Summary](name="joinOrigins", config=TaskConfig(run=join_origins, timeout="1m"))
report_task = Task[Summary, Report](name="writeReport", config=TaskConfig(run=write_report, timeout="2m"))

load_task.config.on_complete = [*origin_tasks]
for task in origin_tasks:
    task.config.on_complete = [join_task]
join_task.config.on_complete = [report_task]

flights_workflow = Workflow(
    name="FlightsWorkflow",
    config=WorkflowConfig(starting_task=load_task, timeout="10m"),
)
