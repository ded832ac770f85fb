"""How to start a worker for a task queue from the folder in which somebody asks: commands to paste."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from moose_lib.cli.session import Session
from moose_lib.project.running import find_running

__all__ = ["WorkerCommands", "worker_commands"]


@dataclass(frozen=True, kw_only=True)
class WorkerCommands:
    """`dev` is None where it would be none for this Temporal, or where one runs already.

    `queue` is what a command needs that starts something for these workers: ` --task-queue jobs`, or nothing.
    """

    worker: str = "moose-cli worker"
    dev: str | None = "moose-cli dev"
    queue: str = ""

    @property
    def hint(self) -> str:
        """Both, as a hint says it."""
        return self.worker if self.dev is None else f"{self.dev}   or, against this Temporal: {self.worker}"

    @property
    def aside(self) -> str:
        """Both, as the end of a note says it."""
        return f"start one: {self.worker}" if self.dev is None else f"start one: {self.dev}, or {self.worker}"


def worker_commands(session: Session, task_queue: str) -> WorkerCommands:
    """Return the commands for a queue; one that is not that of the settings has to be named."""
    queue = "" if task_queue == session.task_queue else f" --task-queue {shlex.quote(task_queue)}"
    root = Path.cwd() if session.project is None else session.project.root
    has_dev = session.target.address is None and find_running(root) is None
    dev = f"moose-cli dev{queue}" if has_dev else None
    return WorkerCommands(worker=f"moose-cli worker{queue}", dev=dev, queue=queue)
