"""Looking at runs and stopping them: status, history, result, cancel, terminate."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from tests.cli.conftest import Cli, Done
from tests.cli.polling import wait_for, without_measuring
from tests.cli.test_run import interrupted, on_terminal


@pytest.fixture(scope="module")
def paid(cli: Cli) -> Done:
    """A run of Order that completed."""
    return cli("workflow", "run", "Order", "--input", '{"order_id": "paid"}', "--id", "paid", "--wait", "--json")


@pytest.fixture(scope="module")
def declined(cli: Cli) -> Done:
    """A run of Order that failed."""
    done = cli(
        "workflow", "run", "Order", "--input", '{"order_id": "declined"}', "--id", "declined", "--wait", "--json"
    )
    assert done.code == 1
    return done


def until_listed(cli: Cli) -> None:
    """Both of them, with their ends: Temporal's list is a moment behind."""
    ended = ("workflow", "history", "--json", "-l", "500", "-s", "failed", "-s", "completed")
    wait_for(lambda: {"paid", "declined"} <= {row["workflow_id"] for row in cli(*ended).document})


def test_status_shows_every_task(cli: Cli, paid: Done) -> None:
    """Facts first, then a row per task."""
    done = cli("workflow", "status", "paid")

    assert (done.code, done.err) == (0, "")
    assert done.text == (
        "Order  completed ✅  in <span>\n"
        "  workflow id  paid\n"
        "  run id       <run>\n"
        "  started      <date>\n"
        "  dashboard    http://localhost:8080/namespaces/default/workflows/paid/<run>/history\n"
        "\n"
        "  TASK     STATE      ATTEMPTS  STARTED   DURATION\n"
        "✓ check    completed  1         <time>  <span>\n"
        "✓ charge   completed  1         <time>  <span>\n"
        "✓ deliver  completed  1         <time>  <span>\n"
    )


def test_a_run_is_found_by_any_of_its_names(cli: Cli, paid: Done, declined: Done) -> None:
    """Workflow id, run id, or the workflow's name for its latest run; --id narrows a name."""
    run_id = paid.document["run_id"]
    until_listed(cli)

    by_id, by_run, by_both = (
        cli("workflow", "status", *names, "--json").document
        for names in (["paid"], [run_id], ["Order", "--id", run_id])
    )
    latest = cli("workflow", "status", "Order", "--json").document

    assert {it["run_id"] for it in (by_id, by_run, by_both)} == {run_id}
    assert latest["name"] == "Order"
    wrong = cli("workflow", "status", "Waiting", "--id", run_id)
    assert (wrong.code, wrong.err) == (
        4,
        f"error: no run of workflow 'Waiting' named '{run_id}'\nhint: moose-cli workflow history\n",
    )


def test_status_of_a_failed_run_names_the_error(cli: Cli, declined: Done) -> None:
    """--verbose adds tracebacks and the events."""
    short, whole = cli("workflow", "status", "declined"), cli("workflow", "status", "declined", "--verbose")

    assert short.text.endswith(
        "✓ check    completed  1         <time>  <span>\n"
        "✗ charge   failed     1 of 2    <time>  <span>  NonRetryableError: card declined\n"
        "- deliver  skipped    -         -         -\n"
        "\n"
        "task 'charge' failed on attempt 1: NonRetryableError: card declined\n"
        "\n"
        "To keep what is finished and run the rest: moose-cli workflow resume <run>\n"
    )
    assert 'raise NonRetryableError("card declined")' not in short.out
    assert 'raise NonRetryableError("card declined")' in whole.out
    assert "events\n" in whole.out
    assert 'EVENT_TYPE_ACTIVITY_TASK_FAILED  activity="charge"' in whole.out


def test_status_as_json_has_events_with_verbose(cli: Cli, declined: Done) -> None:
    """Key names of the existing Moose."""
    document = cli("workflow", "status", "declined", "--verbose", "--json").document

    assert document["workflow_name"] == "Order"
    assert document["status"] == "WORKFLOW_EXECUTION_STATUS_FAILED"
    assert document["status_emoji"] == "❌"
    assert document["failure_summary"]["error_type"] == "NonRetryableError"
    failed = next(event for event in document["events"] if event["type"] == "EVENT_TYPE_ACTIVITY_TASK_FAILED")
    assert failed["activity"] == "charge"
    assert failed["error"] == "NonRetryableError: card declined"


def test_an_unknown_run_exits_4(cli: Cli) -> None:
    """After a second look: a new run takes a moment to be listed."""
    done = cli("workflow", "status", "it's not there")

    assert (done.code, done.out) == (4, "")
    assert done.err == 'error: no run named "it\'s not there"\nhint: moose-cli workflow history\n'
    assert cli("workflow", "status", "nope", "--json").document["error"]["code"] == "run_not_found"


def test_status_says_when_nobody_works(idle: Cli) -> None:
    """The run is open, and will stay so."""
    assert idle("workflow", "run", "Nightly", "--id", "nobody", "--json").document["has_worker"] is False
    done = idle("workflow", "status", "nobody")

    assert done.code == 0
    assert done.text.endswith("○ clean  waiting  -         -        -\n")
    assert done.err == (
        "note: nobody works for task queue 'cli-tests-idle'\n"
        "hint: moose-cli dev   or, against this Temporal: moose-cli worker\n"
    )
    assert idle("workflow", "terminate", "nobody").code == 0


def test_a_queue_that_is_not_of_the_settings_is_named_in_what_is_to_be_done(cli: Cli) -> None:
    """The worker of the project does not work for it."""
    started = cli("workflow", "run", "Nightly", "--id", "elsewhere", "--task-queue", "cli-tests-other")
    shown, explained = cli("workflow", "status", "elsewhere"), cli("workflow", "explain", "elsewhere")
    as_json = cli("workflow", "explain", "elsewhere", "--json").document
    asked = cli("workflow", "cancel", "elsewhere", "--wait", "--timeout", "3s")
    cli("workflow", "terminate", "elsewhere")

    queue = "--task-queue cli-tests-other"
    hint = f"moose-cli dev {queue}   or, against this Temporal: moose-cli worker {queue}"
    assert [started.err.splitlines()[-1], shown.err.splitlines()[-1]] == [f"hint: {hint}"] * 2
    assert "\nmoose-cli worker --task-queue cli-tests-other\n" in explained.out
    assert "moose-cli worker --task-queue cli-tests-other" in [step["command"] for step in as_json["commands"]]
    assert asked.err.splitlines()[0].endswith(f"start one: moose-cli dev {queue}, or moose-cli worker {queue}")


def test_what_is_to_be_done_names_the_file_again(cli: Cli) -> None:
    """All commands in all texts, also those of errors."""
    app = str(cli.folder / "app" / "main.py")
    started = cli("workflow", "run", "Nightly", "--id", "of-a-file", "-f", app)
    nobody = cli("workflow", "status", "no-such-run", "--file", app, "--json")

    assert (started.code, started.err) == (0, f"hint: moose-cli workflow status -f {app} of-a-file --watch\n")
    assert nobody.document["error"]["hint"] == f"moose-cli workflow history -f {app}"


def test_watching_ends_with_the_run(cli: Cli, paid: Done, declined: Done) -> None:
    """Also for a run that has ended already; the exit code is the run's."""
    good, bad = cli("workflow", "status", "paid", "--watch"), cli("workflow", "status", "declined", "--watch", "--json")

    assert (good.code, bad.code) == (0, 1)
    assert good.text.startswith("<time>  check    completed  <span>\n")
    assert bad.document["error"]["task"] == "charge"
    assert "✓ deliver" in on_terminal(cli, "workflow", "status", "paid", "--watch")


def test_ctrl_c_ends_the_watching(cli: Cli) -> None:
    """The run goes on, and can be watched again."""
    assert cli("workflow", "run", "Waiting", "--id", "watched").code == 0
    text = interrupted(cli, "workflow", "status", "watched", "--watch")

    assert "● wait" in text
    assert " watched goes on without you watching" in text
    assert cli("workflow", "terminate", "watched").code == 0


def test_list_without_a_project_shows_what_has_run(
    cli: Cli, paid: Done, declined: Done, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """An address is enough; without one, the missing project is the nearer reason."""
    until_listed(cli)
    away = Cli(folder=tmp_path_factory.mktemp("nowhere"), environment=cli.environment)
    done, document = away("workflow", "list"), away("workflow", "list", "--json").document

    assert done.err == "note: no project here: these are the workflows that have run lately\n"
    assert done.out.splitlines()[0] == "NAME"
    assert "Order" in done.out.splitlines()
    assert {"name": "Order", "schedule": None} in document
    assert away("workflow", "list", "--task-queue", "unused").out == ""
    nothing = away("workflow", "list", "--address", "127.0.0.1:1")
    assert (nothing.code, nothing.err.splitlines()[0].partition(" in ")[0]) == (2, "error: no moose.config.toml")


def test_history_lists_the_newest_first(cli: Cli, paid: Done, declined: Done) -> None:
    """Of all workflows or of one, in any state or in some."""
    until_listed(cli)
    failed = cli("workflow", "history", "Order", "--status", "failed", "--limit", "1")
    document = cli("w", "h", "--json", "-l", "500", "-s", "failed", "-s", "completed").document

    assert failed.code == 0
    header, row = (" ".join(line.split()) for line in failed.text.splitlines())
    assert header == "WORKFLOW WORKFLOW ID RUN ID STATUS STARTED AT DURATION"
    assert row.startswith("Order ")
    assert row.endswith("<run> failed <date> <span>")
    rows = {row["workflow_id"]: row for row in document}
    assert rows["paid"]["status"] == "WORKFLOW_EXECUTION_STATUS_COMPLETED"
    assert (rows["paid"]["name"], rows["paid"]["workflow_name"]) == ("paid", "Order")
    assert rows["paid"]["started_at"].endswith("Z")
    assert datetime.fromisoformat(rows["paid"]["started_at"]) <= datetime.fromisoformat(rows["paid"]["closed_at"])
    assert {row["state"] for row in document} == {"failed", "completed"}
    assert [row["started_at"] for row in document] == sorted((row["started_at"] for row in document), reverse=True)


def test_history_without_runs_says_so(cli: Cli) -> None:
    """On stderr: stdout has no rows."""
    empty = cli("workflow", "history", "--task-queue", "unused")
    none = cli("workflow", "history", "Order", "--task-queue", "unused")

    assert (empty.code, empty.out, empty.err) == (0, "", "no runs yet\n")
    assert (none.code, none.out, none.err) == (0, "", "no such runs\n")
    assert cli("workflow", "history", "Order", "--task-queue", "unused", "--json").document == []


def test_history_of_a_workflow_that_is_not_declared_is_refused(cli: Cli) -> None:
    """A typing mistake is not a workflow without runs."""
    none = cli("workflow", "history", "Ordr")

    assert (none.code, none.out) == (4, "")
    assert none.err == "error: no workflow named 'Ordr'\nhint: did you mean: moose-cli workflow history Order\n"


def test_result_prints_the_result_alone(cli: Cli, paid: Done, declined: Done) -> None:
    """Ready for `jq`; a failed run has its error instead."""
    good, bad = cli("workflow", "result", "paid"), cli("workflow", "result", "declined")

    assert (good.code, good.err) == (0, "")
    assert good.out == '{\n  "order_id": "paid",\n  "status": "paid"\n}\n'
    assert (bad.code, bad.out) == (1, "")
    assert bad.err.startswith("error: run 'declined' failed: task 'charge' failed on attempt 1: NonRetryableError")
    assert cli("workflow", "result", "paid", "--json").document["result"]["status"] == "paid"


def test_result_of_an_open_run_can_be_waited_for(cli: Cli) -> None:
    """Without --wait it says how."""
    flag = cli.folder / "flag-result"
    started = cli("workflow", "run", "Waiting", "--input", f'{{"until": "{flag}"}}', "--id", "later")
    assert started.code == 0, started.err

    early = cli("workflow", "result", "later")
    given_up = cli("workflow", "result", "later", "--wait", "--timeout", "1s")
    waiting = cli.start("workflow", "result", "later", "--wait")
    flag.touch()
    out, err = waiting.communicate(timeout=30)

    assert (early.code, early.err) == (
        1,
        "error: run 'later' has no result yet\nhint: moose-cli workflow result later --wait\n",
    )
    assert (given_up.code, given_up.out, given_up.err.splitlines()[0]) == (124, "", "error: 'later' goes on after 1s")
    assert (waiting.returncode, out, err) == (0, "null\n", "")


def open_runs(cli: Cli) -> list[str]:
    """Those of Waiting that Temporal's list has, the newest first."""
    rows = cli("workflow", "history", "Waiting", "-s", "running", "--json").document
    return [row["workflow_id"] for row in rows]


def test_cancel_asks_which_of_several_runs(cli: Cli) -> None:
    """Never a guess about something destructive."""
    for name in ("twin-1", "twin-2"):
        assert cli("workflow", "run", "Waiting", "--id", name).code == 0
    wait_for(lambda: open_runs(cli) == ["twin-2", "twin-1"])

    asked = cli("workflow", "cancel", "Waiting")
    one = cli("workflow", "cancel", "Waiting", "--id", "twin-1")
    wait_for(lambda: open_runs(cli) == ["twin-2"])
    rest = cli("workflow", "cancel", "Waiting", "--all", "--json")
    wait_for(lambda: cli("workflow", "status", "twin-2", "--json").document["state"] == "canceled")
    again = cli("workflow", "cancel", "twin-2")

    assert (asked.code, asked.err) == (
        2,
        (
            "error: 2 runs of 'Waiting' are open: twin-2, twin-1\n"
            "hint: moose-cli workflow cancel twin-2   or, for all of them, add --all\n"
        ),
    )
    assert (one.code, one.out) == (0, "'twin-1' cancellation requested successfully\n")
    assert [run["workflow_id"] for run in rest.document["runs"]] == ["twin-2"]
    assert (again.code, again.err) == (1, "error: run 'twin-2' has already been canceled\n")
    status = cli("workflow", "status", "twin-1").text
    assert status.startswith("Waiting  canceled 🚫  in <span>\n")
    assert "⊘ wait  canceled" in status


def test_terminate_says_why_in_the_status(cli: Cli) -> None:
    """The reason is the user's, or ours."""
    assert cli("workflow", "run", "Waiting", "--id", "wrong").code == 0
    wait_for(lambda: cli("workflow", "status", "wrong", "--json").document["tasks"][0]["state"] == "running")

    done = cli("workflow", "terminate", "wrong", "--reason", "wrong prices")

    assert (done.code, done.out) == (0, "'wrong' terminated successfully; interrupted: wait\n")
    assert cli("workflow", "status", "wrong").text.partition("terminated: ")[2].startswith("wrong prices\n")
    ended = cli("workflow", "result", "wrong")
    assert (ended.code, ended.err.splitlines()[0]) == (1, "error: run 'wrong' terminated: wrong prices")
    assert cli("workflow", "terminate", "wrong").err == "error: run 'wrong' has already been terminated\n"


def test_a_task_that_ran_when_its_run_was_terminated_keeps_its_start(cli: Cli) -> None:
    """Also when a newer run has the id: that one's tasks are others."""
    first = cli("workflow", "run", "Waiting", "--id", "ended", "--json").document["run_id"]
    wait_for(lambda: cli("workflow", "status", "ended", "--json").document["tasks"][0]["state"] == "running")
    running = cli("workflow", "status", "ended", "--json").document["tasks"][0]
    assert cli("workflow", "terminate", "ended").code == 0
    assert cli("workflow", "run", "Waiting", "--id", "ended").code == 0

    shown, watched = cli("workflow", "status", first), cli("workflow", "status", first, "--watch", "--json")

    assert "\n⊘ wait  interrupted  1         <time>  <span>\n" in shown.text
    [task] = watched.document["tasks"]
    assert (task["state"], task["started"], task["attempts"]) == ("canceled", running["started"], 1)
    assert cli("workflow", "terminate", "ended").code == 0


def test_nothing_to_connect_to_exits_3(cli: Cli) -> None:
    """It says where it looked and how to have one."""
    done = cli("workflow", "status", "x", "--address", "127.0.0.1:1")

    assert (done.code, done.out) == (3, "")
    assert done.err == "error: no Temporal server at 127.0.0.1:1: connection refused\nhint: moose-cli dev\n"
    assert cli("workflow", "history", "--address", "127.0.0.1:1", "--json").document["error"]["code"] == (
        "engine_unreachable"
    )


def test_a_reader_that_goes_away_is_no_error(cli: Cli, paid: Done) -> None:
    """`… | head` shows no traceback."""
    with cli.start("workflow", "status", "paid", "--verbose") as command:
        assert command.stdout is not None
        assert command.stderr is not None
        command.stdout.close()
        err = command.stderr.read()

    assert (command.returncode, err) == (141, "")


def test_a_command_that_used_temporal_never_aborts_at_its_end(cli: Cli, paid: Done) -> None:
    """temporalio/sdk-python#300: one process in thirty aborted at exit; a hundred have to end well."""
    with without_measuring():
        environment = cli.whole_environment

    def code(_: int) -> int:
        done = subprocess.run(
            cli.command("workflow", "status", "paid", "--json"),
            cwd=cli.folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        return done.returncode

    with ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(code, range(100)))

    assert set(codes) == {0}
