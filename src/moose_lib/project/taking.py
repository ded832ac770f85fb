"""Whether `dev` has taken what was saved: that takes seconds, and meanwhile its processes have the code of before."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from moose_lib.project.code import last_change
from moose_lib.project.running import find_running

__all__ = ["NOT_TAKEN", "is_taking", "is_worker_ahead", "is_worker_behind", "is_worker_taking"]

#: Later than this after a save nobody waits for it any more: something else is wrong, which `dev` tells.
_LONGEST_SECONDS: Final = 30.0
#: What is said where `is_worker_behind`.
NOT_TAKEN: Final = "moose-cli dev has not taken the code of now, see its output; tasks may begin with that of before"


def is_taking(root: Path, since: float) -> bool:
    """Whether `dev` is about to replace a process of this project that loaded its code at the second `since`.

    Compared with what this process has imported; what `dev` has refused, it does not take.
    """
    running = find_running(root)
    if running is None:
        return False
    saved, refused = last_change(root), running.refused_since
    is_recent = saved <= time.time() < saved + _LONGEST_SECONDS
    return since < saved and is_recent and (refused is None or refused < saved)


def is_worker_taking(root: Path) -> bool:
    """Whether `dev` is about to replace its worker, which is older than a file that this process has imported."""
    running = find_running(root)
    return running is not None and running.worker_since is not None and is_taking(root, running.worker_since)


def is_worker_ahead(root: Path, since: float) -> bool:
    """Whether the worker of `dev` has a change that came after the second `since`, when this process loaded its own."""
    running = find_running(root)
    return running is not None and running.worker_since is not None and since < last_change(root) < running.worker_since


def is_worker_behind(root: Path) -> bool:
    """Whether the worker of `dev` is older than a file that this process has imported, for whatever reason.

    A change that is yet to come was made by another clock, and tells nothing.
    """
    running = find_running(root)
    if running is None or running.worker_since is None:
        return False
    return running.worker_since < last_change(root) <= time.time()
