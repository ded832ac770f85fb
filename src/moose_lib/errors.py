"""Every exception a user of Moose can meet.

    MooseError
    ├── InvalidDefinition      faults in declared workflows and tasks, all of a project together
    ├── InvalidDuration        a text that is not a duration
    ├── InvalidSchedule        a text that is not a schedule
    ├── InvalidInput           the input of a run or a task does not fit its model
    ├── InvalidJson            what was given as input is not JSON at all
    ├── InvalidOutput          what a handler returned does not fit the declared output
    ├── ValueTooLarge          an input or output over the hard limit
    ├── StoreUnreachable       the store of large values does not answer, or refuses
    ├── NonRetryableError      raised by users' handlers: this attempt was the last one
    ├── SettingsError          a value in moose.config.toml, the environment or a flag
    ├── ProjectNotFound        no project where one was looked for
    ├── ImportFailed           the user's own code does not import
    ├── EngineUnreachable      no Temporal server at the address
    ├── EngineFailed           the embedded Temporal is missing or does not start
    ├── NotFound
    │   ├── WorkflowNotFound
    │   ├── TaskNotFound
    │   ├── RunNotFound
    │   ├── InputNotRecorded   a run has no input for a task
    │   └── ScheduleNotFound
    ├── AmbiguousRun           several runs fit and the verb needs one
    ├── RunAlreadyStarted      a run with this id is open
    ├── RunNotOpen             the verb needs an open run and this one has ended
    ├── UnfitOutput            an output given by hand does not fit the task's model
    ├── NotParked              a decision about a task that does not wait for one
    ├── NotResumable           the run is open, or completed
    ├── PlanChanged            the code or the run changed since the plan that was looked at
    ├── RunFailed              the run ended, but not well
    ├── TaskTimedOut           an attempt took longer than its task's timeout
    ├── TotalTimedOut          all attempts of a task took longer than its total_timeout
    ├── QueueTimedOut          no worker took a task within its queue_timeout
    ├── RunTimedOut            a run took longer than its workflow's timeout
    ├── InjectedFailure        a test told an attempt to fail
    ├── GaveUpWaiting          the run goes on, the wait does not
    ├── RunNotSeen             a schedule was told to fire, and its run cannot be seen yet
    ├── PortBusy               another process listens where we have to
    └── AlreadyRunning         a second `moose-cli dev` in one project

`moose_lib.RetryLater`, with which a handler asks to be run again, stands with the declarations; what can happen to a
record on its way to the store is in `moose_lib.ingest.errors`.
`exit_code` is what the command line ends with when the error reaches it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from moose_lib.faults import Fault, FieldFault, Location

__all__ = [
    "AlreadyRunning",
    "AmbiguousRun",
    "EngineFailed",
    "EngineUnreachable",
    "Fault",
    "FieldFault",
    "GaveUpWaiting",
    "ImportFailed",
    "InjectedFailure",
    "InputNotRecorded",
    "InvalidDefinition",
    "InvalidDuration",
    "InvalidInput",
    "InvalidJson",
    "InvalidOutput",
    "InvalidSchedule",
    "Location",
    "MooseError",
    "NonRetryableError",
    "NotFound",
    "NotParked",
    "NotResumable",
    "PlanChanged",
    "PortBusy",
    "ProjectNotFound",
    "QueueTimedOut",
    "RunAlreadyStarted",
    "RunFailed",
    "RunNotFound",
    "RunNotOpen",
    "RunNotSeen",
    "RunTimedOut",
    "ScheduleNotFound",
    "SettingsError",
    "StoreUnreachable",
    "TaskNotFound",
    "TaskTimedOut",
    "TotalTimedOut",
    "UnfitOutput",
    "ValueTooLarge",
    "WorkflowNotFound",
]


class MooseError(Exception):
    """The root: one line that says what happened, and a hint that can be pasted; Python's tracebacks end with it."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint
        if hint is not None:
            self.add_note(f"hint: {hint}")


class InvalidDefinition(MooseError, ValueError):
    """Workflows or tasks are declared wrongly; `faults` has every mistake found, in the order of the code."""

    exit_code = 2

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        lines = [str(fault) + (f" ({fault.hint})" if fault.hint is not None else "") for fault in self.faults]
        super().__init__("\n".join(lines))


class InvalidDuration(MooseError, ValueError):
    """A text that is not a duration; `value` is what was given."""

    exit_code = 2

    def __init__(self, value: object, reason: str, *, may_be_never: bool = True) -> None:
        self.value, self.reason = value, reason
        known = '"30s", "5m", "1h30m", "1d" or "never"' if may_be_never else '"30s", "5m", "1h30m" or "1d"'
        super().__init__(f"{value!r} is not a duration: {reason}", hint=f"write {known}")


class InvalidSchedule(MooseError, ValueError):
    """A text that is not a schedule; `value` is what was given."""

    exit_code = 2

    def __init__(self, value: object, reason: str) -> None:
        self.value = value
        super().__init__(
            f"{value!r} is not a schedule: {reason}", hint='write "0 0 * * *" (cron), "@daily", "@every 36h" or "5m"'
        )


class InvalidInput(MooseError, ValueError):
    """The input of a run or of a task does not fit its model; `faults` has a path and a reason per field."""

    exit_code = 2

    def __init__(self, owner: str, model: str, faults: Iterable[FieldFault], *, hint: str | None = None) -> None:
        self.owner = owner
        self.model = model
        self.faults = tuple(faults)
        reasons = "; ".join(map(str, self.faults))
        is_refused = model == "None"  # there is nothing that it could be a valid one of
        text = f"{owner} takes no input" if is_refused else f"input of {owner} is not a valid {model}: {reasons}"
        super().__init__(text, hint=hint)


class InvalidOutput(MooseError):
    """What a handler returned does not fit the declared output; never retried, the handler has run."""

    def __init__(self, task: str, model: str, faults: Iterable[FieldFault], *, hint: str | None = None) -> None:
        self.task = task
        self.model = model
        self.faults = tuple(faults)
        reasons = "; ".join(map(str, self.faults))
        super().__init__(f"output of task {task!r} is not a valid {model}: {reasons}", hint=hint)


class ValueTooLarge(MooseError):
    """An input or output over the hard limit; `size` and `limit` are bytes of JSON, `field` is the largest one."""

    def __init__(self, owner: str, *, field: str | None, size: int, limit: int) -> None:
        self.owner = owner
        self.field = field
        self.size = size
        self.limit = limit
        largest = "" if field is None else f", most of it in field {field!r}"
        super().__init__(
            f"{owner} is {size:,} bytes{largest}; the limit is {limit:,} bytes",
            hint="store the data in a file or table and pass its path between tasks",
        )


class StoreUnreachable(MooseError):
    """The project's store of large values cannot be read or written now; it is tried again."""


class NonRetryableError(MooseError):
    """Raise it in a handler when another attempt cannot help; the task fails at once.

    Example:
        raise NonRetryableError("card was declined")
    """


class SettingsError(MooseError):
    """A setting has a wrong name or value; the text names the file, variable or flag it came from."""

    exit_code = 2


class ProjectNotFound(MooseError):
    """No `moose.config.toml`, entry module or file where the project was looked for."""

    exit_code = 2


class ImportFailed(MooseError):
    """The user's code raised at import; `traceback` is theirs, whole, starting at their file.

    `faults` are the mistakes in what had been declared before.
    """

    exit_code = 2

    def __init__(self, file: str, traceback: str, *, hint: str | None = None, faults: Iterable[Fault] = ()) -> None:
        self.file = file
        self.traceback = traceback
        self.faults = tuple(faults)
        super().__init__(f"{file} does not import", hint=f"python {file}" if hint is None else hint)


class EngineUnreachable(MooseError):
    """No Temporal server answers at `address`."""

    exit_code = 3

    def __init__(self, address: str, reason: str, *, hint: str | None = None) -> None:
        self.address = address
        super().__init__(f"no Temporal server at {address}: {reason}", hint=hint or "moose-cli dev")


class NotFound(MooseError):
    """The named thing does not exist."""

    exit_code = 4


class WorkflowNotFound(NotFound):
    """No workflow of this name is declared."""


class TaskNotFound(NotFound):
    """The workflow has no task of this name."""


class RunNotFound(NotFound):
    """No run has this workflow name, workflow id or run id."""


class InputNotRecorded(NotFound):
    """A run has no input for a task: it has not got that far, or the values are not on this machine."""


class ScheduleNotFound(NotFound):
    """The workflow has no schedule on the server."""


class AmbiguousRun(MooseError):
    """Several runs are open and the verb would hit one of them; `runs` are their workflow ids, newest first."""

    exit_code = 2

    def __init__(self, name: str, runs: Iterable[str], *, hint: str | None = None) -> None:
        self.runs = tuple(runs)
        super().__init__(f"{len(self.runs)} runs of {name!r} are open: {', '.join(self.runs)}", hint=hint)


class RunAlreadyStarted(MooseError):
    """A run with this workflow id is open."""


class RunNotOpen(MooseError):
    """The verb needs an open run, and this one has ended."""


class NotParked(MooseError):
    """The task is not parked, so there is nothing to decide about it."""


class NotResumable(MooseError):
    """The run is still open, or it completed: nothing is there to resume."""


class PlanChanged(MooseError):
    """What resuming would do is not what was looked at before: `expected` and `found` are hashes."""

    def __init__(self, expected: str, found: str, *, hint: str | None = None) -> None:
        self.expected = expected
        self.found = found
        super().__init__(f"the code or the run has changed: the plan is {found!r}, not {expected!r}", hint=hint)


class UnfitOutput(InvalidOutput):
    """An output that somebody gave for a task by hand does not fit its model."""

    exit_code = 2


class RunFailed(MooseError):
    """The run failed, was canceled or terminated, or timed out."""


class GaveUpWaiting(MooseError):
    """The time to wait is over; the run goes on."""

    exit_code = 124

    def __init__(self, workflow_id: str, run_id: str, waited: str) -> None:
        self.workflow_id = workflow_id
        self.run_id = run_id
        hint = f"moose-cli workflow status {workflow_id} --watch"
        super().__init__(f"{workflow_id!r} goes on after {waited}", hint=hint)


class RunNotSeen(MooseError):
    """A schedule was told to fire, and neither its run nor a reason for having none can be seen yet."""

    exit_code = 124


class PortBusy(MooseError):
    """Another process listens on `port`; `holder` says which, if it can be known."""

    def __init__(self, port: int, *, holder: str | None, setting: str) -> None:
        self.port = port
        self.holder = holder
        self.setting = setting
        by = "" if holder is None else f" by {holder}"
        super().__init__(f"port {port} is in use{by}", hint=setting)


class AlreadyRunning(MooseError):
    """A second `moose-cli dev` in one project; `pid` is the first one's, if it can be known."""

    def __init__(self, project: str, pid: int | None) -> None:
        self.pid = pid
        by = "another process" if pid is None else f"process {pid}"
        super().__init__(f"moose-cli dev is already running in {project} ({by})", hint="stop it with Ctrl-C first")


class EngineFailed(MooseError):
    """The embedded Temporal is not installed, or ended before it was ready."""

    exit_code = 3


class TaskTimedOut(MooseError, TimeoutError):
    """An attempt took longer than its task's timeout, which the text says (`1m30s`)."""

    def __init__(self, timeout: str) -> None:
        super().__init__(f"took longer than its timeout of {timeout}")


class TotalTimedOut(MooseError, TimeoutError):
    """All attempts of a task with their waits took longer than its total_timeout (`1h30m`).

    With `due`, the time is not over, but the next attempt would come too late and is not waited for; its cause is the
    error of the `last` one then.
    """

    def __init__(
        self, timeout: str, *, attempts: int, due: str | None = None, last: BaseException | None = None
    ) -> None:
        tries = "1 attempt" if attempts == 1 else f"{attempts} attempts"
        text = f"total_timeout of {timeout} is over after {tries}"
        if attempts == 0:
            text = f"total_timeout of {timeout} is over before any attempt: no worker took the task"
        if due is not None:
            text = f"total_timeout of {timeout} leaves no time for another attempt in {due}, after {tries}"
        super().__init__(text if last is None else f"{text}; the last one: {type(last).__name__}: {last}")
        self.__cause__ = last


class QueueTimedOut(MooseError, TimeoutError):
    """No worker took a task within its queue_timeout, which the text says (`1m30s`)."""

    def __init__(self, timeout: str) -> None:
        super().__init__(
            f"no worker took the task within {timeout} (queue_timeout)", hint="moose-cli dev, or moose-cli worker"
        )


class RunTimedOut(MooseError, TimeoutError):
    """A run took longer than its workflow's timeout, its retries included; the text says the timeout (`1m30s`)."""

    def __init__(self, timeout: str) -> None:
        super().__init__(f"took longer than its timeout of {timeout}")


class InjectedFailure(MooseError):
    """A test told this attempt to fail: `run_local(…, fail={"charge": 2})`."""


class InvalidJson(MooseError, ValueError):
    """What was given as a run's input is not JSON; the text says where."""

    exit_code = 2
