"""Run whole workflows in your own tests: no server, no waiting, any task faked or made to fail.

Example:
    from moose_lib.testing import run_local

    def test_a_declined_card_fails_the_order() -> None:
        run = run_local(orders, Order(order_id="7"), fakes={"charge": Declined("no funds")})
        assert run.state == "failed"
        assert run.error.task == "charge"
"""

from moose_lib.errors import InjectedFailure, RunTimedOut, TaskTimedOut
from moose_lib.plan.progress import TaskState
from moose_lib.testing.decisions import Decision, Fail, Retry, Skip
from moose_lib.testing.local import run_local, run_local_async
from moose_lib.testing.records import Attempt, LocalRun, RunError, RunState, TaskRun

__all__ = [
    "Attempt",
    "Decision",
    "Fail",
    "InjectedFailure",
    "LocalRun",
    "Retry",
    "RunError",
    "RunState",
    "RunTimedOut",
    "Skip",
    "TaskRun",
    "TaskState",
    "TaskTimedOut",
    "run_local",
    "run_local_async",
]
