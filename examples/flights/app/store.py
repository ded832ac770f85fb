"""All departures as rows in the store: one task sends them, and SQL asks about them."""

from datetime import datetime
from typing import Any

from app import data
from pydantic import BaseModel

import moose_lib
from moose_lib import (
    IngestPipeline,
    IngestPipelineConfig,
    IngestResult,
    OlapConfig,
    Task,
    TaskConfig,
    TaskContext,
    Workflow,
    WorkflowConfig,
)

SHOWN_EVERY = 50_000


class Departure(BaseModel):
    """A flight; one without a departure delay never departed."""

    time_hour: datetime
    origin: str
    dest: str
    carrier: str
    flight: int
    tailnum: str | None
    dep_delay: int | None
    arr_delay: int | None
    air_time: int | None
    distance: int


COLUMNS = tuple(Departure.model_fields)


class Stored(BaseModel):
    departures: int


departures = IngestPipeline[Departure](
    "Departures", IngestPipelineConfig(table=OlapConfig(order_by_fields=["origin", "carrier", "time_hour"]))
)


def record(values: list[str]) -> dict[str, Any]:
    """A row of the file; what is missing there is absent here."""
    named = zip(COLUMNS, values, strict=True)
    return {name: None if value == data.MISSING else value for name, value in named}


def store_departures(ctx: TaskContext[None]) -> Stored:
    """Send all rows; a second attempt finds what the first one had stored."""
    shown = 0

    def show(done: IngestResult) -> None:
        nonlocal shown
        if done.stored >= shown + SHOWN_EVERY:
            shown = done.stored
            ctx.logger.info("%s departures stored", f"{done.stored:,}")

    with data.rows_of_flights(COLUMNS) as rows:
        done = moose_lib.ingest_sync(departures, map(record, rows), on_progress=show)
    return Stored(departures=done.stored)


store_workflow = Workflow(
    name="StoreFlights",
    config=WorkflowConfig(
        starting_task=Task[None, Stored](name="storeDepartures", config=TaskConfig(run=store_departures, timeout="10m"))
    ),
)
