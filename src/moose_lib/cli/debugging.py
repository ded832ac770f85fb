"""Python's debugger on an error of the user's code, standing where that code is."""

from __future__ import annotations

import pdb
from pathlib import Path
from types import FrameType, TracebackType

__all__ = ["post_mortem"]


def post_mortem(trace: TracebackType | None, root: Path) -> None:
    """Look at a traceback in the debugger, in the innermost frame of the code below `root`; `up` and `down` move."""
    if trace is not None:
        debugger = _Debugger(root)
        debugger.reset()
        debugger.interaction(None, trace)


class _Debugger(pdb.Pdb):
    """Begins in the user's frame, where Python's own begins in the innermost one, of a library perhaps."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self._root = root

    def setup(self, f: FrameType | None, tb: TracebackType | None) -> None:
        super().setup(f, tb)
        theirs = [index for index, (frame, _) in enumerate(self.stack) if self._is_users(frame)]
        if theirs:
            self.curindex = theirs[-1]
            self.curframe = self.stack[self.curindex][0]
            self.curframe_locals = self.curframe.f_locals

    def _is_users(self, frame: FrameType) -> bool:
        file = Path(frame.f_code.co_filename)
        return file.is_relative_to(self._root) and "site-packages" not in file.parts
