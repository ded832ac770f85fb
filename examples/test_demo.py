"""`make demo`, from a copy of the examples."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # ships no types
import pytest


@pytest.fixture
def demo(tmp_path: Path) -> list[str]:
    """The command of the demo of a copy, so that a `dev` in the original folders is in nobody's way."""
    ignored = shutil.ignore_patterns("out", ".moose", "__pycache__", "test_*", "conftest.py")
    shutil.copytree(Path(__file__).parent, tmp_path / "examples", ignore=ignored)
    return [sys.executable, str(tmp_path / "examples" / "demo.py")]


def test_the_demo_shows_tasks_results_and_links(demo: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 0; each task with its time, both results, the link, and an order that is refused.

    A user of Temporal has `TEMPORAL_ADDRESS` set, perhaps to production; the demo stays on its own engine.
    """
    monkeypatch.setenv("TEMPORAL_ADDRESS", "temporal.example.com:7233")
    monkeypatch.setenv("MOOSE_TEMPORAL_CONFIG__TEMPORAL_PORT", "1")
    done = subprocess.run(demo, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for task in ("validateOrder", "finalizeOrder", "delaysEWR", "delaysJFK", "delaysLGA", "writeReport"):
        assert any(task in line and "completed" in line and line.endswith("s") for line in done.stdout.splitlines())
    for words in ('"payment_id": "txn_ord_0003"', '"flights": 336776', "is not a valid Order", "/history"):
        assert words in done.stdout


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("after", ["ready in", "validateOrder"])
def test_an_interrupted_demo_leaves_no_process(demo: list[str], how: signal.Signals, after: str) -> None:
    """Ctrl-C while an engine runs: exit code 130, and all that was started is gone."""
    with _started(demo) as process:
        assert process.stdout is not None
        assert any(after in line for line in process.stdout)
        family = psutil.Process(process.pid).children(recursive=True)
        assert family
        process.send_signal(how)
        process.communicate(timeout=60)
        assert process.returncode == 130
        gone, alive = psutil.wait_procs(family, timeout=10)
        assert (len(gone), alive) == (len(family), [])


@contextmanager
def _started(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            yield process
        finally:
            process.kill()
