"""`workflow run`: starting, waiting, and being told what is wrong before anything starts."""

from __future__ import annotations

import codecs
import os
import pty
import signal
import subprocess
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress

import pytest
from tests.cli.conftest import Cli
from tests.cli.polling import line_with

STARTED = """\
'Order' started successfully.
Workflow ID: Order-<id>
Run ID: <run>
View it in the Temporal dashboard: http://localhost:8080/namespaces/default/workflows/Order-<id>/<run>/history
"""
LEFT = "\nnote: {run} goes on without you watching\nhint: moose-cli workflow status {run} --watch\n"


def test_run_starts_and_returns(cli: Cli) -> None:
    """The answer is on stdout, what to do next on stderr."""
    done = cli("workflow", "run", "Order", "--input", '{"order_id": "7"}')

    assert done.code == 0, done.err
    assert done.text == STARTED
    assert done.talk == "hint: moose-cli workflow status Order-<id> --watch\n"


def test_waiting_shows_a_line_per_task_and_the_result(cli: Cli) -> None:
    """In a pipe there is nothing but lines."""
    done = cli("w", "r", "Order", "-i", '{"order_id": "7"}', "--wait")

    assert (done.code, done.err) == (0, "")
    assert done.text == STARTED + (
        "\n"
        "<time>  check    completed  <span>\n"
        "<time>  charge   completed  <span>\n"
        "<time>  deliver  completed  <span>\n"
        "\n"
        "'Order' completed in <span>.\n"
        "{\n"
        '  "order_id": "7",\n'
        '  "status": "paid"\n'
        "}\n"
    )


def test_a_run_that_fails_shows_the_users_error_and_exits_1(cli: Cli) -> None:
    """Task, attempt, class, message, and the traceback from the user's first line on.

    When the next attempt comes is told as well, if the server was asked before it came.
    """
    done = cli("workflow", "run", "Order", "--input", '{"order_id": "offline"}', "--wait")

    assert done.code == 1
    assert done.text.replace(", next attempt in <span>", "") == STARTED + (
        "\n"
        "<time>  check    completed  <span>\n"
        "<time>  charge   retrying   attempt 1 of 2: ValueError: terminal offline\n"
        "<time>  charge   failed     <span>  ValueError: terminal offline\n"
        "<time>  deliver  skipped\n"
    )
    main = cli.folder.resolve() / "app" / "main.py"
    assert done.talk == (
        "error: run 'Order-<id>' failed: task 'charge' failed on attempt 2: ValueError: terminal offline\n"
        "Traceback (most recent call last):\n"
        f'  File "{main}", line 34, in charge\n'
        '    raise ValueError("terminal offline")\n'
        "ValueError: terminal offline\n"
        "hint: moose-cli workflow status Order-<id> --verbose\n"
    )


def test_a_run_that_begins_again_says_why_tasks_come_twice(cli: Cli) -> None:
    """The retries of a workflow start the run from its beginning."""
    done = cli("workflow", "run", "Stubborn", "--input", '{"order_id": "7"}', "--id", "stubborn", "--wait")
    watched, status = cli("workflow", "status", "stubborn", "--watch"), cli("workflow", "status", "stubborn")

    retry = "run failed: task 'refuse' failed on attempt 1: ValueError: no 7; retry 1 of 1 starts from the beginning\n"
    life = "<time>  open    completed  <span>\n<time>  refuse  failed     <span>  ValueError: no 7\n"
    assert (done.code, watched.code) == (1, 1)
    assert done.text.endswith(f"\n\n{life}<time>  {retry}{life}")
    assert watched.text.endswith(f"<time>  {retry}{life}")
    assert "  attempt      2 of 2, after task 'refuse' failed on attempt 1: ValueError: no 7\n" in status.out


def test_waiting_with_json_prints_one_object(cli: Cli) -> None:
    """Also for a run that fails: the exit code says it."""
    good = cli("workflow", "run", "Order", "--input", '{"order_id": "7"}', "--wait", "--json")
    bad = cli("workflow", "run", "Order", "--input", '{"order_id": "declined"}', "--wait", "--json")

    assert (good.code, good.err) == (0, "")
    document = good.document
    assert (document["name"], document["status"]) == ("Order", "WORKFLOW_EXECUTION_STATUS_COMPLETED")
    assert document["result"] == {"order_id": "7", "status": "paid"}
    assert [(task["name"], task["state"], task["attempts"]) for task in document["tasks"]] == [
        ("check", "completed", 1),
        ("charge", "completed", 1),
        ("deliver", "completed", 1),
    ]
    assert document["workflow_id"].startswith("Order-")
    assert document["error"] is None
    assert bad.code == 1
    error = bad.document["error"]
    assert (error["task"], error["type"], error["message"]) == ("charge", "NonRetryableError", "card declined")
    assert (error["attempt"], error["is_retryable"]) == (1, False)
    assert 'raise NonRetryableError("card declined")' in error["traceback"]
    assert [task["state"] for task in bad.document["tasks"]] == ["completed", "failed", "skipped"]


def test_starting_with_json_prints_the_ids(cli: Cli) -> None:
    """What a script needs to come back."""
    done = cli("workflow", "run", "Nightly", "--json")

    assert (done.code, done.err) == (0, "")
    assert set(done.document) == {"name", "workflow_id", "run_id", "status", "state", "has_worker", "url"}
    assert done.document["has_worker"] is True


@pytest.mark.parametrize(
    ("given", "code", "error", "hint"),
    [
        (
            ["--input", '{"order_id": 7, "total": "x"}'],
            2,
            (
                "input of workflow 'Order' is not a valid Order\n"
                "  order_id: input should be a valid string, got 7\n"
                "  total: input should be a valid number, unable to parse string as a number, got 'x'"
            ),
            """moose-cli workflow run Order --input '{"order_id": <str>}'""",
        ),
        (
            [],
            2,
            "input of workflow 'Order' is not a valid Order: order_id: is missing",
            """moose-cli workflow run Order --input '{"order_id": <str>}'""",
        ),
        (["--input", "[1, 2"], 2, "--input is not JSON: expecting ',' delimiter at line 1, column 6", None),
        (["--input", "@nope.json"], 2, "nope.json cannot be read: No such file or directory", None),
    ],
)
def test_a_wrong_input_starts_nothing(cli: Cli, given: list[str], code: int, error: str, hint: str | None) -> None:
    """Each fault has its field, the reason and what was given."""
    done = cli("workflow", "run", "Order", *given, "--id", "never-started")

    assert (done.code, done.out) == (code, "")
    assert done.err == f"error: {error}\n" + (f"hint: {hint}\n" if hint is not None else "")
    assert cli("workflow", "status", "never-started").code == 4


def test_an_unknown_name_exits_4_with_what_was_meant(cli: Cli) -> None:
    """And does not start anything that nobody would ever take up."""
    done = cli("workflow", "run", "Ordr")

    assert (done.code, done.out) == (4, "")
    assert done.err == "error: no workflow named 'Ordr'\nhint: did you mean: moose-cli workflow run Order\n"


def test_an_input_nobody_takes_is_mentioned(cli: Cli) -> None:
    """It is no mistake that could hurt."""
    done = cli("workflow", "run", "Nightly", "--input", "{}", "--wait")

    assert done.code == 0
    assert done.err == "note: Nightly takes no input: what was given is not used\n"
    assert done.text.endswith("<time>  clean  completed  <span>\n\n'Nightly' completed in <span>.\n")


def test_a_field_the_model_does_not_know_is_mentioned(cli: Cli) -> None:
    """The run starts all the same; a typing mistake is not silent. stdout stays one document."""
    done = cli("workflow", "run", "Order", "--input", '{"order_id": "7", "totl": 5}', "--json")

    assert (done.code, done.document["name"]) == (0, "Order")
    assert done.err == "note: the input has fields that Order does not know: totl (did you mean total?)\n"


def test_input_from_stdin(cli: Cli) -> None:
    """`-` reads it all."""
    done = cli("workflow", "run", "Order", "--input", "-", "--wait", "--json", stdin='{"order_id": "piped"}')

    assert done.document["result"]["order_id"] == "piped"


def test_an_id_that_is_open_is_refused(cli: Cli) -> None:
    """Afterwards it can be used again."""
    arguments = ["workflow", "run", "Waiting", "--id", "one-at-a-time"]
    assert cli(*arguments).code == 0

    refused = cli(*arguments)

    assert refused.code == 1
    assert refused.err == (
        "error: a run with the id 'one-at-a-time' is open\nhint: moose-cli workflow status one-at-a-time\n"
    )
    assert cli("workflow", "terminate", "one-at-a-time").code == 0
    assert cli(*arguments).code == 0
    assert cli("workflow", "terminate", "one-at-a-time").code == 0


def test_once_per_input_ignores_how_the_input_is_spelled(cli: Cli) -> None:
    """The second start is refused though its text differs: order, spaces, 1.0 for 1, a default said or not."""
    first = cli("workflow", "run", "Waiting", "--once-per-input", "--input", '{"until": "x", "lingers": 0.0}', "--json")
    others = ['{"lingers":0,"until":"x"}', '{ "until": "x" }']
    again = [cli("workflow", "run", "Waiting", "--once-per-input", "--input", other) for other in others]

    assert first.code == 0, first.err
    assert [it.code for it in again] == [1, 1]
    assert all(first.document["workflow_id"] in it.err for it in again)
    assert cli("workflow", "terminate", first.document["workflow_id"]).code == 0


def test_nobody_working_is_said(idle: Cli) -> None:
    """The run is there for whoever comes."""
    done = idle("workflow", "run", "Nightly", "--id", "unattended")

    assert done.code == 0
    assert done.err == (
        "note: no worker has taken the run yet: nobody works for task queue 'cli-tests-idle'\n"
        "hint: moose-cli dev   or, against this Temporal: moose-cli worker\n"
    )
    assert idle("workflow", "terminate", "unattended").code == 0


def test_waiting_goes_on_with_nobody_working(idle: Cli) -> None:
    """Somebody may come."""
    waiting = idle.start("workflow", "run", "Nightly", "--wait", "--id", "unattended-too")
    assert waiting.stderr is not None
    note = waiting.stderr.readline()
    waiting.send_signal(signal.SIGINT)
    _, err = waiting.communicate(timeout=60)

    assert note == (
        "note: no worker has taken the run yet: nobody works for task queue 'cli-tests-idle'; "
        "start one: moose-cli dev, or moose-cli worker\n"
    )
    assert (waiting.returncode, err) == (130, LEFT.format(run="unattended-too"))
    assert idle("workflow", "terminate", "unattended-too").code == 0


def test_waiting_ends_when_its_time_is_over(cli: Cli) -> None:
    """124 is what `timeout` says; the run goes on."""
    done = cli("workflow", "run", "Waiting", "--id", "long", "--wait", "--timeout", "1s")

    assert done.code == 124
    assert done.talk == "error: 'long' goes on after <span>\nhint: moose-cli workflow status long --watch\n"
    assert cli("workflow", "terminate", "long").code == 0


def test_who_gave_up_waiting_can_come_back(idle: Cli) -> None:
    """With --json the error carries the ids: there is nothing else to find the run by."""
    done = idle("workflow", "run", "Nightly", "--id", "given-up", "--wait", "--timeout", "1s", "--json")

    assert done.code == 124
    error = done.document["error"]
    assert (error["code"], error["workflow_id"]) == ("gave_up_waiting", "given-up")
    assert error["run_id"] == idle("workflow", "status", "given-up", "--json").document["run_id"]
    assert idle("workflow", "terminate", "given-up").code == 0


def test_ctrl_c_ends_the_waiting_not_the_run(cli: Cli) -> None:
    """It says how to come back."""
    waiting = cli.start("workflow", "run", "Waiting", "--wait", "--id", "left-alone")
    line_with("View it in the Temporal dashboard: ", waiting.stdout)
    waiting.send_signal(signal.SIGINT)
    _, err = waiting.communicate(timeout=60)

    assert (waiting.returncode, err) == (130, LEFT.format(run="left-alone"))
    assert cli("workflow", "status", "left-alone", "--json").document["state"] == "running"
    assert cli("workflow", "terminate", "left-alone").code == 0


def test_being_terminated_is_not_the_runs_end_either(cli: Cli) -> None:
    """143, as shells report it."""
    waiting = cli.start("workflow", "run", "Waiting", "--wait", "--id", "left-too")
    line_with("View it in the Temporal dashboard: ", waiting.stdout)
    waiting.terminate()
    waiting.communicate(timeout=60)

    assert waiting.returncode == 143
    assert cli("workflow", "terminate", "left-too").code == 0


def test_a_terminal_gets_a_table_that_moves(cli: Cli) -> None:
    """With colours; `--no-color` and NO_COLOR take them away."""
    text = on_terminal(cli, "workflow", "run", "Order", "--input", '{"order_id": "7"}', "--wait")
    plain = on_terminal(cli, "--no-color", "workflow", "run", "Order", "--input", '{"order_id": "7"}', "--wait")

    assert "✓ deliver" in text
    assert "\x1b[32m" in text
    assert "✓ deliver" in plain
    assert "\x1b[32m" not in plain


def test_a_terminal_shows_that_nobody_works(idle: Cli) -> None:
    """Under the table, as long as it is so."""
    note = "no worker has taken the run yet: nobody works for task queue 'cli-tests-idle'"
    text = interrupted(idle, "workflow", "run", "Nightly", "--wait", "--id", "unattended-here", at=note)

    assert note in text
    assert idle("workflow", "terminate", "unattended-here").code == 0


def test_a_name_no_worker_knows_is_said(cli: Cli) -> None:
    """Where the code is not here, only the workers can tell."""
    done = cli("workflow", "run", "Nobody", "--remote", "--id", "nobody-knows")

    assert done.code == 0
    assert done.err == (
        "note: no worker so far knows a workflow named 'Nobody'; the run waits for one\n"
        "hint: moose-cli dev   or, against this Temporal: moose-cli worker\n"
    )
    status = cli("workflow", "status", "nobody-knows")
    assert status.out.endswith("\n  no worker so far knows a workflow named 'Nobody'\n")
    assert cli("workflow", "terminate", "nobody-knows").code == 0


def on_terminal(cli: Cli, *arguments: str, code: int = 0) -> str:
    """What a terminal shows of a command."""
    with terminal(cli, *arguments) as (command, screen):
        text = "".join(_chunks(screen))
        assert command.wait(20) == code
    return text


def interrupted(cli: Cli, *arguments: str, at: str = "●") -> str:
    """What a terminal shows of a command that is interrupted once something is to be seen: that a task runs."""
    with terminal(cli, *arguments) as (command, screen):
        text = ""
        for chunk in _chunks(screen):
            is_new = at not in text
            text += chunk
            if is_new and at in text:
                command.send_signal(signal.SIGINT)
        assert command.wait(20) == 130
    return text


@contextmanager
def terminal(cli: Cli, *arguments: str) -> Generator[tuple[subprocess.Popen[bytes], int]]:
    """A command, and the terminal it runs in."""
    ours, theirs = pty.openpty()
    environment = {**cli.whole_environment, "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}
    command = subprocess.Popen(
        cli.command(*arguments), cwd=cli.folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    try:
        yield command, ours
    finally:
        os.close(ours)


def _chunks(screen: int) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    with suppress(OSError):  # Linux says so when the other side is closed
        while chunk := os.read(screen, 65536):
            yield decoder.decode(chunk)


def test_without_a_project_nothing_starts(cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A typing mistake must not become a run that waits for ever."""
    away = Cli(folder=tmp_path_factory.mktemp("nothing"), environment=cli.environment)
    done = away("workflow", "run", "Order", "--id", "never-begun")

    assert (done.code, done.out) == (2, "")
    assert done.err == (
        f"error: no moose.config.toml in {away.folder.resolve()} or above it, so nothing here knows 'Order'\n"
        "hint: moose-cli workflow run Order --file FILE   or, if a worker elsewhere knows it, add --remote\n"
    )
    assert away("workflow", "status", "never-begun").code == 4


def test_without_a_project_a_worker_brings_the_plan(cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Where the user says that the code is elsewhere."""
    away = Cli(folder=tmp_path_factory.mktemp("elsewhere"), environment=cli.environment)
    done = away("workflow", "run", "Order", "--remote", "--input", '{"order_id": "far"}', "--wait", "--json")

    assert (done.code, done.err) == (0, "")
    assert done.document["result"]["order_id"] == "far"
    assert [task["state"] for task in done.document["tasks"]] == ["completed"] * 3


def test_remote_does_not_look_at_the_code_here(cli: Cli) -> None:
    """The workers may have newer code than this folder; a bad input fails the run, not the call."""
    done = cli("workflow", "run", "Order", "--remote", "--input", '{"order_id": 5}', "--wait", "--json")

    assert done.code == 1
    assert done.document["error"]["kind"] == "input"
    assert done.document["tasks"] == []
