"""A development session as text."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from moose_lib.cli.dev_text import DevText
from moose_lib.cli.output import Output
from moose_lib.dev.events import (
    CodeRefused,
    DevEvent,
    DevFacts,
    DevReady,
    Exit,
    OutputLine,
    ProcessDied,
    ProcessReady,
    ProcessStarted,
    ProcessStopped,
    Reloaded,
    Reloading,
    Stopping,
    TemporalVersionChanged,
    WatchLost,
)

FILE = Path("/elsewhere/app.py")
EXIT = Exit(code=None, signal="SIGKILL", lived=timedelta(seconds=9))
FACTS = DevFacts(
    root=Path("/elsewhere"),
    entry=FILE,
    temporal_address="127.0.0.1:7233",
    namespace="default",
    task_queue="moose",
    ui_url="http://localhost:8080",
    db_file=Path("/elsewhere/.moose/temporal.db"),
    temporal_log=None,
    temporal_version="1.9.1",
    temporal_pid=1,
    worker_pid=2,
    server_pid=3,
    workflows=("Order", "Nightly"),
)
READY = DevReady(facts=FACTS, took=timedelta(milliseconds=862))


def test_the_banner_says_what_runs_and_where(capsys: pytest.CaptureFixture[str]) -> None:
    """At most 15 lines."""
    DevText(Output(), "app.py").tell(READY)

    text = capsys.readouterr().out
    assert text == (
        "moose-cli dev  app.py, ready in 862ms\n"
        "\n"
        "  Temporal   127.0.0.1:7233  (namespace default, 1.9.1)\n"
        "  Dashboard  http://localhost:8080\n"
        "  Data       /elsewhere/.moose/temporal.db\n"
        "  Worker     task queue moose, workflows Order, Nightly\n"
        "\n"
        "  Run one    moose-cli workflow run Order --wait\n"
        "  Stop       Ctrl-C; runs go on at the next start\n"
        "\n"
    )
    assert len(text.splitlines()) <= 15


def test_schedules_are_shown_with_their_next_times(capsys: pytest.CaptureFixture[str]) -> None:
    """In the banner, which stays short; after a save, those that it changed."""
    told = DevText(Output(), "app.py")
    nightly = "0 0 * * *, next 2027-01-02 00:00:00 +00:00"
    facts = replace(FACTS, schedules={"Nightly": nightly}, notes=("look after this",))
    told.tell(DevReady(facts=facts, took=timedelta(seconds=1)))
    banner = capsys.readouterr().out
    many = replace(FACTS, schedules={f"Flow{number}": nightly for number in range(5)})
    told.tell(DevReady(facts=many, took=timedelta(seconds=1)))
    long = capsys.readouterr().out
    reloaded = Reloaded(pid=3, took=timedelta(seconds=1), files=(), workflows=("Order",))
    told.tell(reloaded)
    same = capsys.readouterr().out
    told.tell(replace(reloaded, news="schedules: Nightly changed (was @daily)", notes=("look after this",)))
    changed = capsys.readouterr().out

    assert f"\n  Schedules  Nightly  {nightly}\n\n  note: look after this\n\n  Run one" in banner
    assert len(long.splitlines()) <= 15
    assert f"Flow1  {nightly}\n             and 3 more: moose-cli schedule list\n" in long
    assert same.count("\n") == 1
    assert changed.splitlines()[1:] == [
        "dev      │ schedules: Nightly changed (was @daily)",
        "dev      │ note: look after this",
    ]


@pytest.mark.parametrize(
    ("changes", "worker"),
    [
        ({"workflows": ("Order",)}, "workflow Order"),
        ({"workflows": ()}, "no workflows declared yet"),
        ({"workflows": None}, "process 2"),
        ({"workflows": None, "worker_pid": None}, "waiting for code that loads"),
    ],
)
def test_the_banner_says_what_is_served(
    changes: dict[str, object], worker: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where nothing is."""
    facts = replace(FACTS, **changes)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    DevText(Output(), "app.py").tell(DevReady(facts=facts, took=timedelta(seconds=1)))

    assert f"  Worker     task queue moose, {worker}\n" in capsys.readouterr().out


def test_somebody_elses_temporal_has_no_page_and_no_file(capsys: pytest.CaptureFixture[str]) -> None:
    """What is not known is not told."""
    facts = replace(FACTS, ui_url=None, db_file=None, temporal_version=None)
    DevText(Output(), "app.py").tell(DevReady(facts=facts, took=timedelta(seconds=1)))

    text = capsys.readouterr().out
    assert "Dashboard" not in text
    assert "Data" not in text
    assert "(namespace default)\n" in text


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (OutputLine(source="worker", pid=2, stream="stdout", text="hello"), "worker   │ hello\n"),
        (OutputLine(source="temporal", pid=1, stream="stderr", text="oh"), "temporal │ oh\n"),
        (ProcessStarted(source="worker", pid=2), ""),
        (ProcessReady(source="server", pid=2, took=timedelta(1)), "dev      │ server is up (process 2)\n"),
        (
            ProcessDied(source="worker", pid=2, exit=EXIT, restart_in=timedelta(seconds=2)),
            "dev      │ worker died (SIGKILL); starting it again in 2s\n",
        ),
        (
            ProcessDied(source="worker", pid=1, exit=replace(EXIT, code=0, signal=None), restart_in=None),
            "dev      │ worker ended by itself (exit code 0)\n",
        ),
        (ProcessDied(source="temporal", pid=1, exit=EXIT, restart_in=None), "dev      │ temporal died (SIGKILL)\n"),
        (ProcessStopped(source="worker", pid=2, exit=EXIT, killed=False), ""),
        (
            ProcessStopped(source="worker", pid=2, exit=EXIT, killed=True),
            "dev      │ worker did not stop in time and was killed (process 2)\n",
        ),
        (Reloading(files=(FILE,)), ""),
        (
            Reloaded(pid=3, took=timedelta(milliseconds=800), files=(FILE,), workflows=("Order",)),
            "dev      │ reloaded /elsewhere/app.py in 800ms: Order\n",
        ),
        (
            Reloaded(pid=3, took=timedelta(seconds=1), files=(), workflows=()),
            "dev      │ reloaded code in 1s: no workflows\n",
        ),
        (
            WatchLost(reason="no more inotify watches"),
            "dev      │ saves are not noticed any more (no more inotify watches); restart moose-cli dev to see them\n",
        ),
        (
            TemporalVersionChanged(db_file=Path("/x.db"), before="1.8", now="1.9", older=False),
            "dev      │ Temporal 1.9 is newer than the one that wrote /x.db (1.8)\n",
        ),
        (
            TemporalVersionChanged(db_file=Path("/x.db"), before="1.9", now="1.8", older=True),
            "dev      │ Temporal 1.8 is older than the one that wrote /x.db (1.9)\n",
        ),
        (
            Stopping(grace_period=timedelta(seconds=5)),
            "dev      │ stopping; running tasks continue at the next start (Ctrl-C again to hurry)\n",
        ),
    ],
)
def test_what_happens_is_one_line(event: DevEvent, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each child's lines under its name."""
    told = DevText(Output(), "app.py")
    told.tell(READY)
    capsys.readouterr()

    told.tell(event)

    assert capsys.readouterr().out == text


def test_before_the_banner_readiness_is_no_news(capsys: pytest.CaptureFixture[str]) -> None:
    """The banner says it."""
    DevText(Output(), "app.py").tell(ProcessReady(source="worker", pid=2, took=timedelta(1)))

    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "first",
    [
        ProcessReady(source="worker", pid=2, took=timedelta(1)),
        Reloaded(pid=2, took=timedelta(1), files=(), workflows=()),
    ],
)
def test_what_was_there_before_is_back(first: DevEvent, capsys: pytest.CaptureFixture[str]) -> None:
    """However it came the first time."""
    told = DevText(Output(), "app.py")
    told.tell(READY)
    told.tell(first)
    capsys.readouterr()

    told.tell(ProcessReady(source="worker", pid=3, took=timedelta(1)))

    assert capsys.readouterr().out == "dev      │ worker is back (process 3)\n"


@pytest.mark.parametrize(
    ("pid", "told"), [(3, "http://localhost:4000"), (None, "http://localhost:4000  (no server runs yet)")]
)
def test_the_banner_says_where_records_go(pid: int | None, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And whether somebody takes them."""
    facts = replace(FACTS, api_url="http://localhost:4000", server_pid=pid)
    DevText(Output(), "app.py").tell(DevReady(facts=facts, took=timedelta(seconds=1)))

    assert f"  API        {told}\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("serving", "kept"), [(2, "the worker goes on with the code it has"), (None, "no worker runs")]
)
def test_code_that_does_not_load_is_shown_as_python_shows_it(
    serving: int | None, kept: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And what that means for runs."""
    DevText(Output(), "app.py").tell(CodeRefused(text="Traceback\nboom\n", serving=serving, files=(FILE,)))

    told = capsys.readouterr()
    assert told.err == "Traceback\nboom\n"
    assert told.out == f"dev      │ {kept}; the next save is tried again\n"


def test_an_event_nobody_knows_is_a_mistake_of_ours() -> None:
    """Never silently dropped."""
    with pytest.raises(TypeError):
        DevText(Output(), "app.py").tell("news")  # pyright: ignore[reportArgumentType]  # on purpose
