"""Test a whole workflow like a function: no server, no waiting, and every task can be faked."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import BaseModel

from moose_lib import Task, TaskConfig, Workflow, WorkflowConfig
from moose_lib.errors import RunFailed
from moose_lib.testing import run_local, run_local_async


class Article(BaseModel):
    title: str


class Translation(BaseModel):
    title: str
    language: str


class Published(BaseModel):
    url: str


async def translate(article: Article) -> Translation:
    raise AssertionError("calls an expensive service: not in tests")


async def publish(translation: Translation) -> Published:
    await asyncio.sleep(2 * 3600)
    return Published(url=f"/{translation.language}/{translation.title.lower()}")


publish_task = Task[Translation, Published](name="publish", config=TaskConfig(run=publish, timeout="3h"))
translate_task = Task[Article, Translation](
    name="translate", config=TaskConfig(run=translate, on_complete=[publish_task])
)
newsroom = Workflow(name="GuideNewsroom", config=WorkflowConfig(starting_task=translate_task))

ARTICLE = Article(title="Moose")
FRENCH = Translation(title="Orignal", language="fr")


def test_fake_a_task_by_its_output() -> None:
    """`fakes` gives tasks another handler: an output, a function, or an exception; the others are your real code."""
    run = run_local(newsroom, ARTICLE, fakes={"translate": FRENCH})

    assert run.result == Published(url="/fr/orignal")


def test_fake_a_task_by_a_function() -> None:
    """A function is called like the handler it stands for."""

    def shout(article: Article) -> Translation:
        return Translation(title=article.title.upper(), language="en")

    assert run_local(newsroom, ARTICLE, fakes={"translate": shout}).task("translate").output == Translation(
        title="MOOSE", language="en"
    )


def test_let_the_first_attempts_fail() -> None:
    """`fail` says how many first attempts of a task fail, or with which exceptions; back-off takes no real time."""
    run = run_local(newsroom, ARTICLE, fakes={"translate": FRENCH}, fail={"translate": 2, "publish": [TimeoutError()]})

    assert run.state == "completed"
    assert len(run.task("translate").attempts) == 3
    assert len(run.task("publish").attempts) == 2


def test_a_failed_run_can_be_raised() -> None:
    """`raise_for_failure` turns a failed run into an exception, caused by the handler's own."""
    run = run_local(newsroom, ARTICLE, fakes={"translate": ValueError("unknown language")})

    with pytest.raises(RunFailed, match="task 'translate' failed: ValueError: unknown language"):
        run.raise_for_failure()


async def test_async_tests_await_the_run() -> None:
    """Inside an event loop, in async tests and notebooks, await `run_local_async`."""
    run = await run_local_async(newsroom, ARTICLE, fakes={"translate": FRENCH})

    run.raise_for_failure()
