"""The command line as a user has it: real processes, a real Temporal, a real worker."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.cli.polling import unmeasured
from tests.integration.conftest import temporal_server

APP = Path(__file__).with_name("app.py")
BILLS = Path(__file__).with_name("bills.py")
QUEUE = "cli-tests"
_HEX = "[0-9a-f]"
#: What differs from run to run, and what the tests write for it.
_VARYING = (
    (re.compile(rf"{_HEX}{{8}}(-{_HEX}{{4}}){{3}}-{_HEX}{{12}}"), "<run>"),
    (re.compile(rf"(?<=[A-Za-z]-){_HEX}{{16}}\b"), "<id>"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"), "<date>"),
    (re.compile(r"\d\d:\d\d:\d\d"), "<time>"),
    (re.compile(r"\b\d+(ms|s)(?![a-z])"), "<span>"),
)


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:  # Any: JSON
        return json.loads(self.out)

    @property
    def text(self) -> str:
        """Its stdout without what differs from run to run."""
        return still(self.out)

    @property
    def talk(self) -> str:
        """Its stderr without what differs from run to run."""
        return still(self.err)


def still(text: str) -> str:
    for pattern, word in _VARYING:
        text = pattern.sub(word, text)
    return "".join(f"{line.rstrip()}\n" for line in re.sub(r"(<span>|<date>) +", r"\1  ", text).splitlines())


@dataclass(frozen=True, kw_only=True)
class Cli:
    """`moose-cli` in a folder, against a server."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def whole_environment(self) -> dict[str, str]:
        """That of this process, with what leads to the server."""
        return unmeasured({**os.environ, "PYTHONUNBUFFERED": "1", **self.environment})

    def __call__(self, *arguments: str, stdin: str | None = None, timeout: float = 60) -> Done:
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.whole_environment,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "moose_lib.cli", *arguments]

    def start(self, *arguments: str, pass_fds: tuple[int, ...] = ()) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            env=self.whole_environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=pass_fds,
        )


@pytest.fixture(scope="session")
def server() -> Iterator[int]:
    with temporal_server() as port:
        yield port


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder with the workflows of `app.py`."""
    root = tmp_path_factory.mktemp("shop")
    (root / "app").mkdir()
    (root / "moose.config.toml").write_text('language = "python"\n', encoding="utf-8")
    (root / "app" / "main.py").write_text(APP.read_text(encoding="utf-8"), encoding="utf-8")
    return root


@pytest.fixture(scope="session")
def idle(server: int, folder: Path) -> Cli:
    """The project against the server, with nobody working."""
    address = {"MOOSE_TEMPORAL_CONFIG__ADDRESS": f"127.0.0.1:{server}"}
    return Cli(folder=folder, environment={**address, "MOOSE_TEMPORAL_CONFIG__TASK_QUEUE": f"{QUEUE}-idle"})


@pytest.fixture(scope="session")
def cli(server: int, folder: Path) -> Iterator[Cli]:
    """The project against the server, with a worker."""
    environment = {
        "MOOSE_TEMPORAL_CONFIG__ADDRESS": f"127.0.0.1:{server}",
        "MOOSE_TEMPORAL_CONFIG__TASK_QUEUE": QUEUE,
        "MOOSE_WORKER__GRACE_PERIOD": "2s",
    }
    cli = Cli(folder=folder, environment=environment)
    worker = start_worker(cli)
    try:
        yield cli
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.communicate(timeout=30)


def start_worker(cli: Cli) -> subprocess.Popen[str]:
    """Start a worker and return once it polls."""
    for _ in range(100):
        reader, writer = os.pipe()
        worker = cli.start("worker", "--ready-fd", str(writer), pass_fds=(writer,))
        os.close(writer)
        with os.fdopen(reader) as ready:
            if ready.readline().startswith("ready"):
                return worker
        out, err = worker.communicate()
        assert worker.returncode == 3, out + err  # the server is still starting
    raise AssertionError("the server does not start")


@pytest.fixture(scope="session")
def bills(server: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """A project of its own with a worker."""
    root = tmp_path_factory.mktemp("bills")
    (root / "app").mkdir()
    (root / "moose.config.toml").write_text('language = "python"\n', encoding="utf-8")
    (root / "app" / "main.py").write_text(BILLS.read_text(encoding="utf-8"), encoding="utf-8")
    environment = {
        "MOOSE_TEMPORAL_CONFIG__ADDRESS": f"127.0.0.1:{server}",
        "MOOSE_TEMPORAL_CONFIG__TASK_QUEUE": "cli-bills",
        "MOOSE_WORKER__GRACE_PERIOD": "2s",
    }
    cli = Cli(folder=root, environment=environment)
    worker = start_worker(cli)
    try:
        yield cli
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.communicate(timeout=30)


@pytest.fixture
def broken(bills: Cli) -> Iterator[Path]:
    """While this file is there, nothing can be charged."""
    file = bills.folder / "app" / "broken"
    file.touch()
    yield file
    file.unlink(missing_ok=True)
