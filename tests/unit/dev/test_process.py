"""Child processes: output, end, group."""

from __future__ import annotations

import asyncio
import contextlib
import os
import runpy
import signal
import sys
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from moose_lib.dev import launch
from moose_lib.dev.process import Child, Command, Stream, start_child


class Output:
    """Lines by stream."""

    def __init__(self) -> None:
        self.lines: list[tuple[Stream, str]] = []
        self._changed = asyncio.Event()

    def take(self, stream: Stream, text: str) -> None:
        self.lines.append((stream, text))
        self._changed.set()

    async def first(self) -> str:
        async with asyncio.timeout(30):
            while not self.lines:
                await self._changed.wait()
        return self.lines[0][1]


async def start(code: str, output: Output | None = None) -> Child:
    command = Command(
        arguments=(sys.executable, "-I", "-S", "-u", "-c", code), directory=Path.cwd(), environment={"WHO": "child"}
    )
    return await start_child(command, (output or Output()).take)


async def test_output_arrives_as_lines_and_the_rest_at_the_end() -> None:
    output = Output()
    child = await start("import sys; print('a\\nb'); print('c', end=''); print('bad \\udcff', file=sys.stderr)", output)
    exit_ = await child.wait()

    assert (exit_.code, exit_.signal, str(exit_)) == (0, None, "exit code 0")
    assert [text for stream, text in output.lines if stream == "stdout"] == ["a", "b", "c"]
    assert [text for stream, text in output.lines if stream == "stderr"] == ["bad \\udcff"]
    assert not child.is_alive


async def test_a_line_without_end_is_cut() -> None:
    output = Output()
    await (await start("print('x' * 200_000)", output)).wait()

    assert len(output.lines) > 1
    assert sum(len(text) for _, text in output.lines) == 200_000


async def test_it_gets_exactly_the_environment_it_was_given() -> None:
    output = Output()
    await (await start("import os; print(os.environ.get('WHO'), 'HOME' in os.environ)", output)).wait()

    assert output.lines == [("stdout", "child False")]


async def test_a_death_by_signal_has_its_name() -> None:
    child = await start("import os; os.kill(os.getpid(), 9)")

    exit_ = await child.wait()
    assert (exit_.code, exit_.signal, str(exit_)) == (None, "SIGKILL", "SIGKILL")


async def test_a_nameless_signal_has_its_number() -> None:
    number = 35
    child = await start(f"import os; os.kill(os.getpid(), {number})")

    assert (await child.wait()).signal == f"signal {number}"


async def test_it_is_in_a_session_of_its_own() -> None:
    """A terminal's Ctrl-C does not reach it."""
    child = await start("import time; time.sleep(600)")

    assert os.getsid(child.pid) == child.pid
    exit_, killed = await child.stop(timedelta(seconds=30))
    assert (exit_.signal, killed) == ("SIGTERM", False)


async def test_what_ignores_sigterm_is_killed() -> None:
    output = Output()
    child = await start("import signal, time; signal.signal(15, signal.SIG_IGN); print(1); time.sleep(600)", output)
    await output.first()

    exit_, killed = await child.stop(timedelta(milliseconds=50))
    assert (exit_.signal, killed) == ("SIGKILL", True)
    child.kill()  # again: nothing is there
    child.terminate()


async def test_a_grandchild_that_left_the_group_does_not_hold_the_end_back() -> None:
    """It keeps the pipes open; the wait for the last output is bounded."""
    output = Output()
    code = "import subprocess; print(subprocess.Popen(['/bin/sleep', '600'], start_new_session=True).pid)"
    child = await start(code, output)
    async with asyncio.timeout(30):
        await child.wait()

    os.kill(int(await output.first()), signal.SIGKILL)


async def test_a_program_that_is_not_there_ends_at_once() -> None:
    output = Output()
    command = Command(arguments=("/nowhere/program",), directory=Path.cwd(), environment={})

    child = await start_child(command, output.take)
    assert (await child.wait()).code == 1
    assert any("FileNotFoundError" in text for _, text in output.lines)


async def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    command = Command(arguments=(sys.executable,), directory=tmp_path / "nowhere", environment={})
    with pytest.raises(FileNotFoundError):
        await start_child(command, Output().take, on_ready=lambda _: None)


async def test_a_cancelled_start_leaves_no_process() -> None:
    before = set(psutil.Process().children())
    command = Command(
        arguments=(sys.executable, "-c", "import time; time.sleep(600)"), directory=Path.cwd(), environment={}
    )
    starting = asyncio.create_task(start_child(command, Output().take, on_ready=lambda _: None))
    await asyncio.sleep(0)
    starting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await starting

    assert starting.cancelled()
    assert set(psutil.Process().children()) == before


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    calls: list[tuple[str, list[str]]] = []

    def execute(program: str, arguments: list[str]) -> None:
        calls.append((program, arguments))

    monkeypatch.setattr(os, "execv", execute)
    return calls


def test_the_launcher_becomes_the_command(
    executed: list[tuple[str, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    tied: list[bool] = []
    monkeypatch.setattr(launch, "die_with_parent", lambda: tied.append(True))
    launch.main([str(os.getppid()), "/bin/program", "argument"])

    assert executed == [("/bin/program", ["/bin/program", "argument"])]
    assert tied == ([True] if sys.platform == "linux" else [])


def test_the_launcher_gives_up_when_its_parent_is_gone(
    executed: list[tuple[str, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "die_with_parent", lambda: None)
    with pytest.raises(SystemExit):
        launch.main(["1" if os.getppid() != 1 else "2", "/bin/program"])

    assert executed == []


def test_without_a_parent_death_signal_the_launcher_does_without(
    executed: list[tuple[str, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(sys, "argv", ["launch.py", str(os.getppid()), "/bin/program"])
    runpy.run_path(launch.__file__, run_name="__main__")

    assert executed == [("/bin/program", ["/bin/program"])]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a parent-death signal")
def test_the_kernel_takes_the_request() -> None:
    launch.die_with_parent(0)  # 0 takes it back
