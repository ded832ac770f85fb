"""The ids of spans, made from those of runs: workers who never met write into one trace, and again after a crash."""

from __future__ import annotations

import hashlib

__all__ = ["attempt_span_id", "run_span_id", "task_span_id", "trace_id"]


def trace_id(first_run_id: str) -> int:
    """The trace of a run, the same for its retries and continuations."""
    return _number(16, "trace", first_run_id)


def run_span_id(first_run_id: str) -> int:
    """The span of a run."""
    return _number(8, "run", first_run_id)


def task_span_id(run_id: str, task: str, turn: int) -> int:
    """The span of a task; `turn` tells apart how often the run has handed it out."""
    return _number(8, "task", run_id, task, str(turn))


def attempt_span_id(run_id: str, task: str, turn: int, handed_out: int) -> int:
    """The span of an attempt."""
    return _number(8, "attempt", run_id, task, str(turn), str(handed_out))


def _number(size: int, *parts: str) -> int:
    """Never 0, which stands for no id."""
    digest = hashlib.sha256("\n".join(parts).encode(errors="replace")).digest()
    return int.from_bytes(digest[:size], "big") or 1
