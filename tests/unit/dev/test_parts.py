"""The small parts of a session."""

from __future__ import annotations

import asyncio
import math
from datetime import timedelta
from pathlib import Path

import pytest
from watchfiles import Change

from moose_lib.dev import watch
from moose_lib.dev.backoff import Backoff
from moose_lib.dev.events import DevEvent, WatchLost
from moose_lib.dev.logfile import LogFile
from moose_lib.dev.readiness import Ready, read_ready, ready_line
from moose_lib.dev.saves import Saves
from moose_lib.dev.waiting import first_of, forever
from moose_lib.dev.watch import Watcher

SHORT, LONG = timedelta(seconds=1), timedelta(seconds=10)


def test_pauses_double_up_to_half_a_minute() -> None:
    backoff = Backoff()

    assert [backoff.after(SHORT).seconds for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]


def test_a_process_that_lived_is_restarted_soon() -> None:
    backoff = Backoff()
    for _ in range(3):
        backoff.after(SHORT)

    assert backoff.after(LONG).seconds == 1
    assert backoff.after(SHORT).seconds == 2


def test_a_log_file_cannot_fill_the_disk(tmp_path: Path) -> None:
    file = tmp_path / "temporal.log"
    with LogFile(file, limit=100) as log:
        for number in range(100):
            log.write(f"line {number:03}")

    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert sizes.keys() == {"temporal.log", "temporal.log.1"}
    assert max(sizes.values()) <= 100
    assert file.read_text().endswith("line 099\n")


def test_a_log_file_goes_on_where_it_was(tmp_path: Path) -> None:
    for text in ("one", "two"):
        with LogFile(tmp_path / "log") as log:
            log.write(text)

    assert (tmp_path / "log").read_text() == "one\ntwo\n"


def test_the_ready_line_carries_workflows_schedules_and_files() -> None:
    line = ready_line(["orders"], Path(__file__).parent, {"orders": "@daily"})

    ready = read_ready(line.decode().rstrip("\n"))
    assert ready is not None
    assert ready.workflows == ("orders",)
    assert ready.schedules == {"orders": "@daily"}
    assert ready.files is not None
    assert Path(__file__) in ready.files


@pytest.mark.parametrize("line", ["ready", "ready {}", "ready now", 'ready {"workflows": 3}'])
def test_a_bare_ready_counts(line: str) -> None:
    assert read_ready(line) == Ready()


@pytest.mark.parametrize("line", ["", "failed", "readyish {}"])
def test_other_lines_are_not_ready(line: str) -> None:
    assert read_ready(line) is None


async def test_many_saves_are_taken_as_one() -> None:
    saves = Saves()
    saves.add([Path("b"), Path("a")])
    saves.add([Path("b")])
    await saves.wait()

    assert saves.take().files == (Path("a"), Path("b"))
    assert saves.take().files == ()


async def test_the_first_to_end_is_told_and_the_others_end() -> None:
    assert await first_of(forever(), asyncio.sleep(0), within=timedelta(seconds=30)) == (False, True)
    assert await first_of(forever(), within=timedelta()) == (False,)


async def test_an_error_of_the_first_is_raised() -> None:
    async def fail() -> None:
        math.sqrt(-1)

    with pytest.raises(ValueError, match="math domain"):
        await first_of(fail(), forever())


def watcher(root: Path, *, source: bool, events: list[DevEvent] | None = None) -> Watcher:
    return Watcher(
        root=root,
        source=root / "app" if source else None,
        entry=root / "app" / "main.py" if source else root / "flow.py",
        saves=Saves(),
        on_event=(events if events is not None else list[DevEvent]()).append,
    )


@pytest.mark.parametrize(
    ("path", "matters"),
    [
        ("app/main.py", True),
        ("app/deep/er/tasks.py", True),
        ("lib/shared.py", True),
        ("moose.config.toml", True),
        (".env", True),
        (".env.local", True),
        ("app/.env", False),
        ("app/moose.config.toml", False),
        (".moose/temporal.db-wal", False),
        (".moose/generated.py", False),
        (".venv/lib/module.py", False),
        ("app/__pycache__/main.py", False),
        ("node_modules/tool/setup.py", False),
        ("app/.#main.py", False),
        ("app/report.md", False),
        ("../elsewhere.py", False),
    ],
)
async def test_what_a_project_watches(tmp_path: Path, path: str, matters: bool) -> None:
    """Source and configuration; nothing that programs write."""
    changed = str((tmp_path / path).resolve())

    assert watcher(tmp_path, source=True).matters(Change.modified, changed) is matters


async def test_a_single_file_watches_what_it_has_loaded(tmp_path: Path) -> None:
    watching = watcher(tmp_path, source=False)
    own, other = str(tmp_path / "part.py"), str(tmp_path / "other.py")
    assert watching.matters(Change.modified, other)

    watching.note_loaded(Ready(files=frozenset({tmp_path / "part.py"})))
    assert watching.matters(Change.modified, own)
    assert not watching.matters(Change.modified, other)
    assert watching.matters(Change.modified, str(tmp_path / "flow.py"))

    watching.note_loaded(None)
    assert watching.matters(Change.added, other), "the missing import may be this one"


async def test_a_watch_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr(watch, "awatch", refuse)
    events: list[DevEvent] = []
    watching = watcher(tmp_path, source=False, events=events)
    await first_of(watching.run(), within=timedelta(milliseconds=20))

    assert [event.reason for event in events if isinstance(event, WatchLost)] == [
        "[Errno 28] inotify watch limit reached"
    ]


async def test_folders_that_come_later_are_watched_too(tmp_path: Path) -> None:
    """The source folder after a checkout, and those of modules outside of it."""
    saves = Saves()
    root = tmp_path
    watching = Watcher(root=root, source=root / "app", entry=root / "app" / "main.py", saves=saves, on_event=print)
    running = asyncio.create_task(watching.run())
    for _ in range(10):  # the watch is set up, with no event to tell it
        await asyncio.sleep(0)
    (root / "lib").mkdir()
    (root / "lib" / "shared.py").write_text("")
    watching.note_loaded(Ready(files=frozenset({root / "lib" / "shared.py"})))
    (root / "app").mkdir()
    async with asyncio.timeout(30):
        while not saves.take().files:
            (root / "app" / "main.py").write_text("")
            await first_of(saves.wait(), within=timedelta(milliseconds=100))
        (root / "lib" / "shared.py").write_text("x = 1")
        await saves.wait()

    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
