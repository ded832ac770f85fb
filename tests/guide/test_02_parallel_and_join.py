"""Tasks that do not depend on each other run at the same time; a task that depends on several waits for all of them."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from pydantic import BaseModel

from moose_lib import Task, TaskConfig, Workflow, WorkflowConfig
from moose_lib.testing import run_local


class City(BaseModel):
    name: str


class Weather(BaseModel):
    degrees: float


class Population(BaseModel):
    people: int


class Facts(BaseModel):
    city: City
    weather: Weather
    population: Population


async def look_up(city: City) -> City:
    return City(name=city.name.title())


async def ask_weather(city: City) -> Weather:
    await asyncio.sleep(60)
    return Weather(degrees=21.5)


async def count_people(city: City) -> Population:
    await asyncio.sleep(45)
    return Population(people=3_700_000)


async def put_together(facts: Facts) -> Facts:
    return facts


report_task = Task[Facts, Facts](name="report", config=TaskConfig(run=put_together))
weather_task = Task[City, Weather](name="weather", config=TaskConfig(run=ask_weather, on_complete=[report_task]))
people_task = Task[City, Population](name="people", config=TaskConfig(run=count_people, on_complete=[report_task]))
start_task = Task[City, City](name="start", config=TaskConfig(run=look_up, on_complete=[weather_task, people_task]))
city_facts = Workflow(name="GuideCityFacts", config=WorkflowConfig(starting_task=start_task))


def test_children_of_a_task_start_together() -> None:
    """All tasks of one `on_complete` start at once, so a run is as long as its longest branch."""
    run = run_local(city_facts, City(name="berlin"))

    assert run.task("weather").started == run.task("people").started
    assert run.duration == timedelta(seconds=60)


def test_a_task_with_several_parents_runs_once_after_all_of_them() -> None:
    """A task that appears in several `on_complete` lists is a join."""
    run = run_local(city_facts, City(name="berlin"))

    assert run.executed == ("start", "weather", "people", "report")
    assert run.task("report").started == timedelta(seconds=60)


def test_a_join_gets_the_outputs_of_its_parents_in_one_model() -> None:
    """Each field of its input model is filled by the nearest output of the field's type."""
    assert run_local(city_facts, City(name="berlin")).result == Facts(
        city=City(name="Berlin"), weather=Weather(degrees=21.5), population=Population(people=3_700_000)
    )


def test_a_branch_that_fails_lets_its_siblings_finish() -> None:
    """Healthy branches run to their end; what comes after the failed task never starts, and the run fails."""
    run = run_local(city_facts, City(name="berlin"), fakes={"weather": ConnectionError("offline")})

    assert run.state == "failed"
    assert run.task("people").state == "completed"
    assert run.task("report").state == "skipped"
