"""For a second or two after a save the server of `dev` has the code of before: it says so, and the next one answers."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from moose_lib.dev.lock import dev_lock
from moose_lib.ingest.sqlite import SqliteStore
from moose_lib.project import taking
from moose_lib.project.loader import LoadedProject, find_project, load_project
from moose_lib.project.running import RunningDev
from moose_lib.project.taking import NOT_TAKEN
from moose_lib.server.app import build_apps
from moose_lib.server.declared import Declared

FLOW = """
from moose_lib import Task, TaskConfig, Workflow, WorkflowConfig

first = Task[None, None]("first", TaskConfig(run=lambda: None))
Workflow("Flow", WorkflowConfig(starting_task=first))
"""
VERBS = [
    "workflows/Flow/trigger",
    "workflows/runs/Flow/resume",
    "workflows/runs/Flow/retry",
    "workflows/runs/Flow/skip",
    "schedules/Flow/trigger",
]


@pytest.fixture
def project(tmp_path: Path) -> LoadedProject:
    (tmp_path / "flow.py").write_text(FLOW)
    return load_project(find_project(tmp_path, Path("flow.py")))


@pytest.fixture
async def note(project: LoadedProject) -> AsyncGenerator[Callable[[RunningDev], None]]:
    """A `dev` in the project, whose record can be changed."""
    record = RunningDev(pid=os.getpid(), worker_since=project.since)
    async with dev_lock(project.project.settings, record) as write:
        yield write


@pytest.fixture
def http(project: LoadedProject, tmp_path: Path) -> Iterator[httpx2.AsyncClient]:
    with SqliteStore(tmp_path / "store.db", []) as store:
        transport = httpx2.ASGITransport(build_apps(project, store).main, client=("127.0.0.1", 1))
        yield httpx2.AsyncClient(transport=transport, base_url="http://localhost:4000/admin")


def save(project: LoadedProject) -> float:
    project.project.entry.write_text(FLOW + "\n")
    return project.project.entry.stat().st_ctime


@pytest.mark.usefixtures("note")
@pytest.mark.parametrize("verb", VERBS)
async def test_what_is_about_the_code_of_now_is_put_off_after_a_save(
    http: httpx2.AsyncClient, project: LoadedProject, verb: str
) -> None:
    """Otherwise it would start what was saved over, or a plan whose tasks the new worker does not know."""
    save(project)

    answer = await http.post(f"/{verb}")

    assert answer.status_code == 503
    assert (answer.headers["retry-after"], answer.headers["connection"]) == ("1", "close")
    assert answer.json()["error"] == {
        "code": "taking-code",
        "message": "moose-cli dev is taking the code of now",
        "hint": "ask again in a few seconds",
    }


async def test_what_dev_has_refused_does_not_stop_the_code_that_works(
    http: httpx2.AsyncClient, project: LoadedProject, note: Callable[[RunningDev], None]
) -> None:
    saved = save(project)
    note(RunningDev(pid=os.getpid(), worker_since=project.since, refused_since=saved + 1))

    answer = await http.post("/workflows/Nothing/trigger")

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "workflow-not-found")


@pytest.mark.parametrize("verb", VERBS)
async def test_a_server_that_the_worker_has_left_behind_starts_nothing(
    http: httpx2.AsyncClient,
    project: LoadedProject,
    note: Callable[[RunningDev], None],
    verb: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its plan may have tasks that the worker does not know any more: such a run would wait for ever."""
    saved = save(project)
    monkeypatch.setattr(taking, "_LONGEST_SECONDS", 0.0)
    note(RunningDev(pid=os.getpid(), worker_since=saved + 1))

    answer = await http.post(f"/{verb}")

    assert answer.status_code == 503
    assert answer.json()["error"] == {
        "code": "code-behind",
        "message": "the worker has newer code than this server, which could not take it",
        "hint": "moose-cli dev tells why; mend it and save",
    }


@pytest.mark.parametrize(("refused", "note_told"), [(True, {"note": NOT_TAKEN}), (False, {})])
async def test_answers_say_that_what_was_saved_was_refused(
    project: LoadedProject, note: Callable[[RunningDev], None], refused: bool, note_told: dict[str, str]
) -> None:
    """Worker and server go on with the code of before, and nothing else here tells."""
    saved = save(project)
    since = (project.since, saved + 0.001) if refused else (saved + 0.001, None)
    note(RunningDev(pid=os.getpid(), worker_since=since[0], refused_since=since[1]))

    assert Declared(project).note() == note_told


async def test_a_server_without_dev_has_the_code_that_it_has(http: httpx2.AsyncClient, project: LoadedProject) -> None:
    save(project)

    answer = await http.post("/workflows/Nothing/trigger")

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "workflow-not-found")
