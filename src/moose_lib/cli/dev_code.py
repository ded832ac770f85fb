"""Waiting for the `dev` that runs here, where a command is about the code of now: a save takes seconds to arrive."""

from __future__ import annotations

import time
from typing import Final

from moose_lib.cli.output import Output
from moose_lib.cli.session import Session
from moose_lib.errors import MooseError
from moose_lib.project.running import find_running
from moose_lib.project.taking import NOT_TAKEN, is_worker_behind, is_worker_taking

__all__ = ["await_dev_code"]

_PAUSE_SECONDS: Final = 0.1


def await_dev_code(output: Output, session: Session, *, is_loaded: bool) -> None:
    """Return when the worker of `dev` has the files as they are now. If it refuses them or that takes too long, say so.

    Its old worker may have tasks to finish, but the new one begins beside it. Where no `dev` runs, or another Temporal
    is asked for, there is nothing to wait for; nor where the code does not load: then `dev` keeps the worker that it
    has, which is said, too. `is_loaded`: this process has imported it.
    """
    root = None if session.project is None else session.project.root
    running = None if root is None or session.target.address is not None else find_running(root)
    if root is None or running is None:
        return
    try:
        if not is_loaded:
            session.load()
    except MooseError:
        then = "nobody works until it does" if running.worker_since is None else "tasks begin with the code of before"
        output.note(f"the code of now does not load (moose-cli check says why); {then}")
        return
    if is_worker_taking(root):
        output.note("moose-cli dev is taking the code of now")
    while is_worker_taking(root):
        time.sleep(_PAUSE_SECONDS)
    if is_worker_behind(root):
        output.note(NOT_TAKEN)
