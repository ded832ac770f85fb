"""The verbs of those who operate one run: what they print, in every case."""

from __future__ import annotations

import functools
import re
import signal
from pathlib import Path

from tests.cli.conftest import Cli
from tests.cli.operating import is_running, listed, start, status, until_parked, until_state
from tests.cli.polling import line_with, wait_for


def test_a_parked_run_says_what_can_be_done(bills: Cli, broken: Path) -> None:
    """The commands are there to be pasted; JSON names the task."""
    start(bills, "Parking", "says")
    until_parked(bills, "says")
    done, document = bills("workflow", "status", "says"), status(bills, "says")
    wait_for(lambda: listed(bills, "Parking")["last_run"]["workflow_id"] == "says")
    row, in_list = bills("workflow", "list").text, listed(bills, "Parking")["last_run"]
    history = bills("workflow", "history", "Parking", "--limit", "1")
    in_history = bills("workflow", "history", "Parking", "--json").document[0]
    ended = bills("workflow", "terminate", "says")
    why = bills("workflow", "explain", "says")

    lines = done.text.splitlines()
    assert lines[0].startswith("Parking  parked ")
    assert lines[lines.index("✓ check   completed  1         <time>  <span>") :] == [
        "✓ check   completed  1         <time>  <span>",
        "! charge  parked     1 of 1    <time>  <span>  ValueError: terminal offline",
        "○ send    waiting    -         -         -         for charge",
        "",
        "charge is parked. Decide how it goes on:",
        "  moose-cli workflow retry says charge",
        "  moose-cli workflow skip says charge --output JSON",
        "  moose-cli workflow fail says",
    ]
    assert (document["state"], document["parked"], document["is_paused"]) == ("running", ["charge"], False)
    assert re.search(r"^Parking +parked +<date>", row, re.MULTILINE)
    assert (in_list["state"], in_list["parked"], in_list["is_paused"]) == ("running", ["charge"], False)
    assert re.search(r"^Parking +says +<run> +parked +<date>", history.text, re.MULTILINE)
    assert (in_history["state"], in_history["parked"], in_history["is_paused"]) == ("running", ["charge"], False)
    assert [task["state"] for task in document["tasks"]] == ["completed", "parked", "waiting"]
    assert (ended.code, ended.out) == (0, "'says' terminated successfully; parked: charge; not started: send\n")
    assert "terminated: terminated from the command line; " in why.out


def test_retry_runs_the_parked_task_again(bills: Cli, broken: Path) -> None:
    """One of them by name, or all of the run."""
    start(bills, "Parking", "again")
    until_parked(bills, "again")
    first = bills("workflow", "retry", "again", "charge")

    def is_parked_again() -> bool:
        run = status(bills, "again")
        return bool(run["tasks"][1]["decision"] == "retry" and run["parked"])

    wait_for(is_parked_again)
    broken.unlink()
    second = bills("workflow", "retry", "again", "--json")
    until_state(bills, "completed", "again")

    assert (first.code, first.out, first.err) == (0, "'again' retries charge\n", "")
    document = second.document
    assert (second.code, document["dry_run"]) == (0, False)
    assert document["runs"] == [
        {
            "name": "Parking",
            "workflow_id": "again",
            "run_id": status(bills, "again")["run_id"],
            "error": None,
            "tasks": ["charge"],
        }
    ]


def test_what_is_not_parked_is_not_decided_about(bills: Cli, broken: Path) -> None:
    """Each says what is the case and what to do; nothing happens."""
    start(bills, "Parking", "wrong")
    until_parked(bills, "wrong")

    finished = bills("workflow", "retry", "wrong", "check")
    unknown = bills("workflow", "retry", "wrong", "chrage")
    nobody = bills("workflow", "retry", "no-such-run")
    assert bills("workflow", "fail", "wrong").code == 0
    until_state(bills, "failed", "wrong")
    ended = bills("workflow", "retry", "wrong")

    assert (finished.code, finished.out) == (1, "")
    assert finished.err == "error: task 'check' of run 'wrong' is not parked: it is completed\nhint: parked: charge\n"
    assert (unknown.code, unknown.err) == (
        4,
        "error: run 'wrong' has no task 'chrage'\nhint: its tasks are check, charge, send\n",
    )
    assert (nobody.code, nobody.err.splitlines()[0]) == (4, "error: no run named 'no-such-run'")
    assert (ended.code, ended.err) == (1, "error: run 'wrong' has already failed\n")


def test_skip_checks_the_output_against_the_model(bills: Cli, broken: Path) -> None:
    """A wrong one is refused with its faults; the right one goes on."""
    start(bills, "Parking", "skipped")
    until_parked(bills, "skipped")

    wrong = bills("workflow", "skip", "skipped", "charge", "--output", '{"number": "x"}')
    missing = bills("workflow", "skip", "skipped", "charge")
    not_json = bills("workflow", "skip", "skipped", "charge", "--output", "{")
    elsewhere = Cli(folder=bills.folder.parent, environment=bills.environment)
    without_project = elsewhere("workflow", "skip", "skipped", "charge", "--output", "{}")
    renamed = Cli(folder=bills.folder.parent / f"{bills.folder.name}-renamed", environment=bills.environment)
    renamed.folder.mkdir()
    code = (bills.folder / "app" / "main.py").read_text(encoding="utf-8")
    (renamed.folder / "main.py").write_text(code.replace('name="charge"', 'name="pay"'), encoding="utf-8")
    without_task = renamed("workflow", "skip", "skipped", "charge", "--output", "{}", "--file", "main.py")
    assert status(bills, "skipped")["parked"] == ["charge"]
    good = bills("workflow", "skip", "skipped", "charge", "-o", "-", stdin='{"bill_id": "by phone", "number": 1}')
    until_state(bills, "completed", "skipped")

    assert (wrong.code, wrong.out) == (2, "")
    assert wrong.err == (
        "error: output of task 'charge' is not a valid Receipt: bill_id: is missing; "
        "number: input should be a valid integer, unable to parse string as an integer, got 'x'\n"
        """hint: moose-cli workflow skip skipped charge --output '{"bill_id": <str>, "number": <int>}'\n"""
    )
    assert (missing.code, missing.err) == (
        2,
        (
            "error: task 'charge' has an output, so give one: a Receipt (bill_id: str, number: int)\n"
            """hint: moose-cli workflow skip skipped charge --output '{"bill_id": <str>, "number": <int>}'\n"""
        ),
    )
    assert (not_json.code, not_json.err.splitlines()[0][:23]) == (2, "error: --output is not ")
    assert without_project.code == 2
    assert without_project.err == (
        "error: the output cannot be checked: the project is not here\nhint: add --file FILE\n"
    )
    assert (without_task.code, without_task.err) == (
        4,
        "error: the code of now has no task 'charge' in workflow 'Parking'\n",
    )
    assert (good.code, good.out, good.err) == (0, "'skipped' goes on after charge with the given output\n", "")
    assert (
        "✓ charge  completed  1 of 1    <time>  <span>  skipped by hand, with a given output"
        in bills("workflow", "status", "skipped").text
    )


def test_a_task_without_an_output_is_skipped_without_one(bills: Cli) -> None:
    """And takes none."""
    mail = bills.folder / "app" / "mail-broken"
    mail.touch()
    start(bills, "Parking", "unsent")
    until_parked(bills, "unsent")
    mail.unlink()

    given = bills("workflow", "skip", "unsent", "send", "--output", '{"sent": true}')
    done = bills("workflow", "skip", "unsent", "send", "--json")
    until_state(bills, "completed", "unsent")

    assert (given.code, given.err.splitlines()[0]) == (2, "error: task 'send' has no output: leave --output out")
    assert (done.code, done.document["runs"][0]["tasks"]) == (0, ["send"])


def test_fail_gives_up_and_resume_goes_on(bills: Cli, broken: Path) -> None:
    """The reason is told wherever the failure is; what was finished is not lost."""
    start(bills, "Parking", "gone")
    until_parked(bills, "gone")
    done = bills("workflow", "fail", "gone", "--reason", "the customer is gone")
    until_state(bills, "failed", "gone")
    shown, explained = bills("workflow", "status", "gone", "--verbose").text, bills("workflow", "explain", "gone").text
    document, result = status(bills, "gone"), bills("workflow", "result", "gone")
    broken.unlink()
    resumed = bills("workflow", "resume", "gone", "--wait")

    assert (done.code, done.out) == (0, "'gone' fails: gave up charge\n")
    given_up = "ValueError: terminal offline; given up: the customer is gone"
    assert f"✗ charge  failed     1 of 1    <time>  <span>  {given_up}\n" in shown
    assert f"\ntask 'charge' failed on attempt 1: {given_up}\n" in shown
    assert 'EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED  signal="moose-fail"  reason="the customer is gone"\n' in shown
    assert f"\ncharge failed on attempt 1 of 1: {given_up}\n" in explained
    assert [document["error"]["reason"], document["tasks"][1]["reason"]] == ["the customer is gone"] * 2
    assert result.err.startswith(f"error: run 'gone' failed: task 'charge' failed on attempt 1: {given_up}\n")
    assert resumed.code == 0, resumed.err
    assert (bills.folder / "app" / "checked").read_text().split().count("gone") == 1


def test_watching_a_run_that_parks_says_so_each_time(bills: Cli, broken: Path) -> None:
    """In a pipe: a line when the task parks, what can be done on stderr, and a line when it has parked again."""
    start(bills, "Parking", "watched")
    watching = bills.start("workflow", "status", "watched", "--watch")
    assert watching.stdout is not None
    lines = [watching.stdout.readline() for _ in range(2)]
    assert bills("workflow", "retry", "watched", "charge").code == 0
    lines.append(watching.stdout.readline())
    broken.unlink()
    assert bills("workflow", "retry", "watched", "charge").code == 0
    out, err = watching.communicate(timeout=30)

    told = [line.split()[1:3] for line in (*lines, *out.splitlines()) if re.match(r"\d\d:", line)]
    assert told == [
        ["check", "completed"],
        ["charge", "parked"],
        ["charge", "parked"],
        ["charge", "completed"],
        ["send", "completed"],
    ]
    assert watching.returncode == 0
    assert "charge is parked. Decide how it goes on:\n  moose-cli workflow retry watched charge\n" in err


def test_pause_holds_the_run_until_unpause(bills: Cli) -> None:
    """What runs finishes; the status says why nothing goes on."""
    start(bills, "Lasting", "held")
    wait_for(functools.partial(is_running, bills, "held"))
    early = bills("workflow", "unpause", "held")
    paused = bills("workflow", "pause", "held", "--note", "the bank is closed")
    (bills.folder / "app" / "go-held").touch()
    wait_for(lambda: status(bills, "held")["tasks"][0]["state"] == "completed")
    shown, document = bills("workflow", "status", "held"), status(bills, "held")
    explained = bills("workflow", "explain", "held").text
    again, told = bills("workflow", "pause", "held"), bills("workflow", "pause", "held", "--json")
    unpaused = bills("workflow", "unpause", "Lasting", "--id", "held", "--json")
    until_state(bills, "completed", "held")
    late = bills("workflow", "pause", "held")

    assert (early.code, early.out, early.err) == (0, "'held' was not paused\n", "")
    assert (paused.code, paused.err) == (0, "")
    assert paused.out == "'held' paused successfully; to go on: moose-cli workflow unpause held\n"
    assert (document["is_paused"], document["tasks"][1]["state"]) == (True, "waiting")
    assert shown.text.startswith("Lasting  paused ")
    by = document["pause"]["by"]
    since = f"since <date>  by {by} (the bank is closed)"
    assert explained.splitlines()[4] == f"The run is paused {since}: after starts when it is unpaused."
    assert explained.endswith("\n# let it go on\nmoose-cli workflow unpause held\n")
    assert document["pause"]["note"] == "the bank is closed"
    assert shown.text.endswith(
        "✓ wait   completed  1         <time>  <span>\n"
        "○ after  waiting    -         -         -         until the run is unpaused\n"
        "\n"
        f"Paused {since}: no further task starts until: moose-cli workflow unpause held\n"
    )
    assert (again.code, again.out) == (0, paused.out)
    assert re.sub(r"since [0-9-]+ [0-9:]+", "since <date> ", again.err) == f"note: 'held' was paused already {since}\n"
    assert [(run["workflow_id"], run["was_paused"]) for run in unpaused.document["runs"]] == [("held", True)]
    assert told.document["runs"][0]["was_paused"] is True
    assert (late.code, late.err) == (1, "error: run 'held' has already completed\n")


def test_cancel_can_wait_until_everything_is_tidy(bills: Cli) -> None:
    """`--wait` returns when on_cancel has ended."""
    start(bills, "Lasting", "tidied")
    wait_for(functools.partial(is_running, bills, "tidied"))
    done = bills("workflow", "cancel", "tidied", "--wait")

    assert (bills.folder / "app" / "tidied-tidied").exists()
    assert (done.code, done.out, done.err) == (0, "'tidied' was canceled\n", "")
    assert status(bills, "tidied")["state"] == "canceled"


def test_leaving_a_canceled_run_says_that_the_request_stays(idle: Cli) -> None:
    """Ctrl-C ends the waiting only."""
    assert idle("workflow", "run", "Nightly", "--id", "left").code == 0
    waiting = idle.start("workflow", "cancel", "left", "--wait")
    line_with("no worker has heard of it yet", waiting.stderr)
    waiting.send_signal(signal.SIGINT)
    _, err = waiting.communicate(timeout=30)
    asked = status(idle, "left")["is_cancel_requested"]
    idle("workflow", "terminate", "left")

    assert (waiting.returncode, asked) == (130, True)
    assert err == (
        "\nnote: left is still being canceled: what was asked for stays\nhint: moose-cli workflow status left --watch\n"
    )


def test_terminate_says_what_was_left_undone(bills: Cli) -> None:
    """The task that ran, and those that never did."""
    for run in ("ended-1", "ended-2"):
        start(bills, "Lasting", run)
        wait_for(functools.partial(is_running, bills, run))
    done = bills("workflow", "terminate", "ended-1")
    document = bills("workflow", "terminate", "ended-2", "--json").document
    explained = bills("workflow", "explain", "ended-1").text.splitlines()

    assert (done.code, done.out) == (
        0,
        "'ended-1' terminated successfully; interrupted: wait; not started: after\n",
    )
    assert document["runs"][0]["left_undone"] == {
        "interrupted": ["wait"],
        "parked": [],
        "not_started": ["after"],
    }
    assert explained[4:6] == [
        "The run ended: terminated: terminated from the command line; wait was interrupted by the termination.",
        "  attempts      1 of 4 used when it was interrupted",
    ]


def test_who_waits_for_a_canceled_run_is_told_that_nobody_works(idle: Cli) -> None:
    """And does not have to wait for ever; explain and status say the same."""
    assert idle("workflow", "run", "Waiting", "--id", "unheard").code == 0
    done = idle("workflow", "cancel", "unheard", "--wait", "--timeout", "7s")
    explained = idle("workflow", "explain", "unheard").out
    many = idle("workflow", "cancel", "--workflow", "Waiting", "--wait", "--timeout", "1s", "--json")
    odd = idle("workflow", "cancel", "unheard", "--timeout", "1s")
    idle("workflow", "terminate", "unheard")

    assert (done.code, done.out) == (124, "")
    assert done.err == (
        "note: no worker has heard of it yet: nobody works for task queue 'cli-tests-idle'; "
        "start one: moose-cli dev, or moose-cli worker\n"
        "error: 'unheard' goes on after 7s\n"
        "hint: moose-cli workflow status unheard --watch\n"
    )
    assert "The run is being canceled; nobody works for task queue 'cli-tests-idle'.\n" in explained
    assert "\nmoose-cli worker\n" in explained
    assert (many.code, [run["error"] for run in many.document["runs"]]) == (124, ["'unheard' goes on after 1s"])
    assert (odd.code, odd.err.splitlines()[0]) == (2, "error: --timeout needs --wait")
