"""A project whose tasks write, and a worker of it."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.cli.conftest import Cli, start_worker

TALKING = Path(__file__).with_name("talking.py")


def project(root: Path, server: int, **variables: str) -> Cli:
    (root / "app").mkdir()
    (root / "moose.config.toml").write_text('language = "python"\n[logger]\nlevel = "warn"\n', encoding="utf-8")
    (root / "app" / "main.py").write_text(TALKING.read_text(encoding="utf-8"), encoding="utf-8")
    return Cli(
        folder=root,
        environment={
            "MOOSE_TEMPORAL_CONFIG__ADDRESS": f"127.0.0.1:{server}",
            "MOOSE_TEMPORAL_CONFIG__TASK_QUEUE": f"logs-{root.name}",
            "MOOSE_WORKER__GRACE_PERIOD": "1s",
            "MOOSE_LOGGER__LEVEL": "info",
            **variables,
        },
    )


@contextmanager
def worker_of(cli: Cli) -> Generator[subprocess.Popen[str]]:
    worker = start_worker(cli)
    try:
        yield worker
    finally:
        if worker.poll() is None:
            worker.send_signal(signal.SIGTERM)
            worker.communicate(timeout=30)
