"""How to start a worker for a task queue from the folder in which somebody asks: commands to paste."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from moose_lib.cli.session import Session
from moose_lib.project.running import find_running

__all__ = ["WorkerCommands", "worker_commands"]


_CHECK = "moose-cli check"


@dataclass(frozen=True, kw_only=True)
class WorkerCommands:
    """`dev` is None where it would be none for this Temporal, or where one runs already.

    `queue` is what a command needs that starts something for these workers: ` --task-queue jobs`, or nothing.
    `check` is there where the `dev` that runs has no worker, as its code was refused: any other worker would refuse it.
    """

    worker: str = "moose-cli worker"
    dev: str | None = "moose-cli dev"
    queue: str = ""
    check: str | None = None

    @property
    def hint(self) -> str:
        """What to do, as a hint says it."""
        if self.check is not None:
            return self.check
        return self.worker if self.dev is None else f"{self.dev}   or, against this Temporal: {self.worker}"

    @property
    def aside(self) -> str:
        """What to do, as the end of a note says it."""
        if self.check is not None:
            return f"moose-cli dev waits for code that loads: {self.check}"
        return f"start one: {self.worker}" if self.dev is None else f"start one: {self.dev}, or {self.worker}"


def worker_commands(session: Session, task_queue: str) -> WorkerCommands:
    """Return the commands for a queue; one that is not that of the settings has to be named."""
    is_own = task_queue == session.task_queue
    queue = "" if is_own else f" --task-queue {shlex.quote(task_queue)}"
    root = Path.cwd() if session.project is None else session.project.root
    is_here = session.target.address is None
    running = find_running(root) if is_here else None
    dev = f"moose-cli dev{queue}" if is_here and running is None else None
    is_waiting = is_own and running is not None and running.is_waiting_for_code
    check = _CHECK if is_waiting else None
    return WorkerCommands(worker=f"moose-cli worker{queue}", dev=dev, queue=queue, check=check)
