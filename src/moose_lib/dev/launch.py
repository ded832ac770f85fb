"""Replace this process by a command that is killed when the process that started it dies.

Run as a script, before the command. The parent-death signal of Linux survives `exec`, and setting it here, not between
fork and exec, keeps Python code out of a forked, possibly threaded, process. Importing only the standard library, this
costs 10 ms. Other systems have no such signal: a killed `dev` leaves its children there.

    python -I -S launch.py PARENT_PID PROGRAM ARGUMENT…
"""

from __future__ import annotations

import os
import sys

_PR_SET_PDEATHSIG = 1
_SIGKILL = 9


def main(arguments: list[str]) -> None:
    """Tie this process to its parent and become the command."""
    parent, command = int(arguments[0]), arguments[1:]
    if sys.platform == "linux":
        die_with_parent()
    if os.getppid() != parent:  # it died before the signal was set
        sys.exit(1)
    os.execv(command[0], command)  # noqa: S606  # no shell is wanted


def die_with_parent(signal_number: int = _SIGKILL) -> None:
    """Ask the kernel to send the signal when the thread that started this process ends."""
    import ctypes  # 5 ms, and only Linux needs it

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal_number)


if __name__ == "__main__":
    main(sys.argv[1:])
