"""The streams of a process that runs tasks."""

from __future__ import annotations

import gc
import io

from moose_lib.logs.streams import TaskStream


def test_a_stream_that_goes_leaves_the_one_behind_alone() -> None:
    """Python's own destructor flushes; behind may be closed by then (an unraisable error is an error in tests)."""
    behind = io.StringIO()
    stream = TaskStream("stdout", behind, lambda run, which, text: None)
    stream.write("kept")
    assert behind.getvalue() == "kept"

    behind.close()
    del stream
    gc.collect()
    other = io.StringIO()
    TaskStream("stdout", other, lambda run, which, text: None)
    gc.collect()

    assert not other.closed
