"""The verbs of those who operate runs: what they print, in every case."""

from __future__ import annotations

import functools
import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Cli, start_worker
from tests.cli.test_run import wait_for

BILLS = Path(__file__).with_name("bills.py")


@pytest.fixture(scope="module")
def bills(server: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """A project of its own with a worker."""
    root = tmp_path_factory.mktemp("bills")
    (root / "app").mkdir()
    (root / "moose.config.toml").write_text('language = "python"\n', encoding="utf-8")
    (root / "app" / "main.py").write_text(BILLS.read_text(encoding="utf-8"), encoding="utf-8")
    environment = {
        "MOOSE_TEMPORAL_CONFIG__ADDRESS": f"127.0.0.1:{server}",
        "MOOSE_TEMPORAL_CONFIG__TASK_QUEUE": "cli-bills",
        "MOOSE_WORKER__GRACE_PERIOD": "2s",
    }
    cli = Cli(folder=root, environment=environment)
    worker = start_worker(cli)
    try:
        yield cli
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.communicate(timeout=30)


@pytest.fixture
def broken(bills: Cli) -> Iterator[Path]:
    """While this file is there, nothing can be charged."""
    file = bills.folder / "app" / "broken"
    file.touch()
    yield file
    file.unlink(missing_ok=True)


def start(cli: Cli, workflow: str, run: str) -> None:
    done = cli("workflow", "run", workflow, "--id", run, "--input", json.dumps({"bill_id": run}))
    assert done.code == 0, done.err


def status(cli: Cli, run: str) -> Any:  # Any: JSON
    return cli("workflow", "status", run, "--json").document


def is_running(cli: Cli, run: str) -> bool:
    """Its first task does."""
    return bool(status(cli, run)["tasks"][0]["state"] == "running")


def until_parked(cli: Cli, *runs: str) -> None:
    wait_for(lambda: all(status(cli, run)["parked"] for run in runs))


def until_state(cli: Cli, state: str, *runs: str) -> None:
    wait_for(lambda: all(status(cli, run)["state"] == state for run in runs))


def until_listed(cli: Cli, workflow: str, count: int) -> None:
    """Temporal's lists lag a little behind."""
    wait_for(lambda: len(cli("workflow", "history", workflow, "--json").document) == count)


def hashes(text: str) -> str:
    return re.sub(r"\b[0-9a-f]{12}\b", "<hash>", text)


def test_a_parked_run_says_what_can_be_done(bills: Cli, broken: Path) -> None:
    """The commands are there to be pasted; JSON names the task."""
    start(bills, "Parking", "says")
    until_parked(bills, "says")
    done, document = bills("workflow", "status", "says"), status(bills, "says")
    assert bills("workflow", "terminate", "says").code == 0

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
    assert [task["state"] for task in document["tasks"]] == ["completed", "parked", "waiting"]


def test_retry_runs_the_parked_task_again(bills: Cli, broken: Path) -> None:
    """One of them by name, or all of the run."""
    start(bills, "Parking", "again")
    until_parked(bills, "again")
    first = bills("workflow", "retry", "again", "charge")
    wait_for(lambda: "retry" in str(status(bills, "again")["tasks"][1]) and bool(status(bills, "again")["parked"]))
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
    nobody = bills("workflow", "retry", "nobody")
    assert bills("workflow", "fail", "wrong").code == 0
    until_state(bills, "failed", "wrong")
    ended = bills("workflow", "retry", "wrong")

    assert (finished.code, finished.out) == (1, "")
    assert finished.err == "error: task 'check' of run 'wrong' is not parked: it is completed\nhint: parked: charge\n"
    assert (unknown.code, unknown.err) == (
        4,
        "error: run 'wrong' has no task 'chrage'\nhint: its tasks are check, charge, send\n",
    )
    assert (nobody.code, nobody.err.splitlines()[0]) == (4, "error: no run named 'nobody'")
    assert (ended.code, ended.err) == (1, "error: workflow 'wrong' has already failed\n")


def test_skip_checks_the_output_against_the_model(bills: Cli, broken: Path) -> None:
    """A wrong one is refused with its faults; the right one goes on."""
    start(bills, "Parking", "skipped")
    until_parked(bills, "skipped")

    wrong = bills("workflow", "skip", "skipped", "charge", "--output", '{"number": "x"}')
    missing = bills("workflow", "skip", "skipped", "charge")
    not_json = bills("workflow", "skip", "skipped", "charge", "--output", "{")
    elsewhere = Cli(folder=bills.folder.parent, environment=bills.environment)
    without_project = elsewhere("workflow", "skip", "skipped", "charge", "--output", "{}")
    assert status(bills, "skipped")["parked"] == ["charge"]
    good = bills("workflow", "skip", "skipped", "charge", "-o", "-", stdin='{"bill_id": "by phone", "number": 1}')
    until_state(bills, "completed", "skipped")

    assert (wrong.code, wrong.out) == (2, "")
    assert wrong.err == (
        "error: output of task 'charge' is not a valid Receipt: bill_id: is missing; "
        "number: input should be a valid integer, unable to parse string as an integer, got 'x'\n"
        """hint: moose-cli workflow skip skipped charge --output '{"bill_id": <str>, "number": <int>}'\n"""
    )
    assert missing.code == 2
    assert missing.err.startswith("error: output of task 'charge' is not a valid Receipt")
    assert (not_json.code, not_json.err.splitlines()[0][:23]) == (2, "error: --output is not ")
    assert without_project.code == 2
    assert without_project.err == (
        "error: the output cannot be checked: the project is not here\nhint: add --file FILE\n"
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
    """The reason is kept in the history; what was finished is not lost."""
    start(bills, "Parking", "gone")
    until_parked(bills, "gone")
    done = bills("workflow", "fail", "gone", "--reason", "the customer is gone")
    until_state(bills, "failed", "gone")
    broken.unlink()
    resumed = bills("workflow", "resume", "gone", "--wait")

    assert (done.code, done.out) == (0, "'gone' fails: gave up charge\n")
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
    paused = bills("workflow", "pause", "held")
    (bills.folder / "app" / "go-held").touch()
    wait_for(lambda: status(bills, "held")["tasks"][0]["state"] == "completed")
    shown, document = bills("workflow", "status", "held"), status(bills, "held")
    unpaused = bills("workflow", "unpause", "Lasting", "--id", "held", "--json")
    until_state(bills, "completed", "held")
    late = bills("workflow", "pause", "held")

    assert (paused.code, paused.err) == (0, "")
    assert paused.out == "'held' paused successfully; to go on: moose-cli workflow unpause held\n"
    assert (document["is_paused"], document["tasks"][1]["state"]) == (True, "waiting")
    assert shown.text.startswith("Lasting  paused ")
    assert shown.text.endswith(
        "✓ wait   completed  1         <time>  <span>\n"
        "○ after  waiting    -         -         -         until the run is unpaused\n"
        "\n"
        "Paused: no further task starts until: moose-cli workflow unpause held\n"
    )
    assert [run["workflow_id"] for run in unpaused.document["runs"]] == ["held"]
    assert (late.code, late.err) == (1, "error: workflow 'held' has already completed\n")


def test_cancel_can_wait_until_everything_is_tidy(bills: Cli) -> None:
    """`--wait` returns when on_cancel has ended."""
    start(bills, "Lasting", "tidied")
    wait_for(functools.partial(is_running, bills, "tidied"))
    done = bills("workflow", "cancel", "tidied", "--wait")

    assert (bills.folder / "app" / "tidied-tidied").exists()
    assert (done.code, done.out, done.err) == (0, "'tidied' was canceled\n", "")
    assert status(bills, "tidied")["state"] == "canceled"


def test_terminate_says_what_was_left_undone(bills: Cli) -> None:
    """The task that ran, and those that never did."""
    for run in ("ended-1", "ended-2"):
        start(bills, "Lasting", run)
        wait_for(functools.partial(is_running, bills, run))
    done = bills("workflow", "terminate", "ended-1")
    document = bills("workflow", "terminate", "ended-2", "--json").document

    assert (done.code, done.out) == (
        0,
        "'ended-1' terminated successfully; interrupted: wait; not started: after\n",
    )
    assert document["runs"][0]["left_undone"] == {"interrupted": ["wait"], "not_started": ["after"]}


def test_resume_tells_what_it_does_and_does_it(bills: Cli, broken: Path) -> None:
    """First only what would be done, then exactly that; the runs know each other."""
    start(bills, "Failing", "failing")
    until_state(bills, "failed", "failing")
    old = status(bills, "failing")
    hint = bills("workflow", "status", "failing").text.splitlines()[-1]
    dry = bills("workflow", "resume", "failing", "--dry-run")
    still_failed = status(bills, "failing")["run_id"]
    broken.unlink()
    plan = re.findall(r"^Plan ([0-9a-f]{12}):", dry.out, re.MULTILINE)[0]
    done = bills("workflow", "resume", old["run_id"], "--plan", plan, "--wait")
    new = status(bills, "failing")

    told = (
        "Resuming failing (failed, run <run>)\n"
        "  kept     check   completed\n"
        "  re-run   charge  failed: ValueError: terminal offline\n"
        "  re-run   send    did not run\n"
        "Plan <hash>: 1 kept, 2 re-run\n"
    )
    assert hint == "To keep what is finished and run the rest: moose-cli workflow resume <run>"
    assert (dry.code, hashes(dry.text)) == (0, told)
    assert hashes(dry.talk) == "hint: moose-cli workflow resume <run> --plan <hash>\n"
    assert still_failed == old["run_id"]
    assert (done.code, done.err) == (0, "")
    assert hashes(done.text) == told + (
        "\n"
        "'Failing' resumed successfully.\n"
        "Workflow ID: failing\n"
        "Run ID: <run>\n"
        "View it in the Temporal dashboard: "
        "http://localhost:8080/namespaces/default/workflows/failing/<run>/history\n"
        "\n"
        "<time>  check   completed  kept from the run before\n"
        "<time>  charge  completed  <span>\n"
        "<time>  send    completed  <span>\n"
        "\n"
        "'Failing' completed in <span>.\n"
    )
    assert (new["resumed_from"], status(bills, old["run_id"])["resumed_as"]) == (old["run_id"], new["run_id"])
    assert f"  resumed      from {old['run_id']}\n" in bills("workflow", "status", "failing").out
    assert f"  resumed as   {new['run_id']}\n" in bills("workflow", "status", old["run_id"]).out
    assert (bills.folder / "app" / "checked").read_text().split().count("failing") == 1


def test_resume_with_json(bills: Cli, broken: Path) -> None:
    """The same decision for a script, and the run if one was started."""
    start(bills, "Failing", "scripted")
    until_state(bills, "failed", "scripted")
    dry = bills("workflow", "resume", "scripted", "--dry-run", "--json")
    broken.unlink()
    done = bills("workflow", "resume", "scripted", "--json")
    again = bills("workflow", "resume", done.document["resumed_from"]["run_id"])
    until_state(bills, "completed", "scripted")
    nothing = bills("workflow", "resume", "scripted")
    waited = bills("workflow", "resume", "scripted", "--from", "send", "--wait", "--json")

    assert (dry.code, dry.err) == (0, "")
    assert dry.document["run"] is None
    assert dry.document["dry_run"] is True
    assert dry.document["tasks"] == [
        {"name": "check", "verdict": "kept", "reason": "completed"},
        {"name": "charge", "verdict": "re-run", "reason": "failed: ValueError: terminal offline"},
        {"name": "send", "verdict": "re-run", "reason": "did not run"},
    ]
    assert (done.code, done.err, done.document["plan"]) == (0, "", dry.document["plan"])
    run = done.document["run"]
    assert (run["workflow_id"], done.document["resumed_from"]["state"]) == ("scripted", "failed")
    assert (again.code, again.out) == (1, "")
    assert again.err == (
        f"error: run '{done.document['resumed_from']['run_id']}' was resumed already, as '{run['run_id']}'\n"
        f"hint: moose-cli workflow status {run['run_id']}\n"
    )
    assert (nothing.code, nothing.err) == (
        1,
        (
            "error: run 'scripted' completed, so there is nothing to resume\n"
            f"hint: name the first task to run again: moose-cli workflow resume {run['run_id']} --from TASK\n"
        ),
    )
    assert (waited.code, waited.document["state"], waited.document["resumed_from"]) == (
        0,
        "completed",
        run["run_id"],
    )


def test_a_plan_of_other_code_is_refused(bills: Cli, broken: Path) -> None:
    """Between looking and doing, somebody saved a file."""
    start(bills, "Failing", "edited")
    until_state(bills, "failed", "edited")
    plan = bills("workflow", "resume", "edited", "--dry-run", "--json").document["plan"]
    main = bills.folder / "app" / "main.py"
    source = main.read_text(encoding="utf-8")
    main.write_text(f"{source}\n# mended\n", encoding="utf-8")
    try:
        refused = bills("workflow", "resume", "edited", "--plan", plan)
    finally:
        main.write_text(source, encoding="utf-8")
    broken.unlink()
    done = bills("workflow", "resume", "edited", "--plan", plan)

    assert (refused.code, refused.out) == (1, "")
    assert hashes(still_runs(refused.err)) == (
        "error: the code or the run has changed: the plan is '<hash>', not '<hash>'\n"
        "hint: moose-cli workflow resume <run> --dry-run\n"
    )
    assert done.code == 0, done.err


def still_runs(text: str) -> str:
    return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<run>", text)


def test_an_open_run_is_not_resumed(bills: Cli, broken: Path) -> None:
    """The hint is what helps: decide about the parked task, or cancel the run."""
    start(bills, "Parking", "open")
    start(bills, "Lasting", "busy")
    until_parked(bills, "open")
    parked, busy = bills("workflow", "resume", "open"), bills("workflow", "resume", "busy")
    for run in ("open", "busy"):
        assert bills("workflow", "terminate", run).code == 0

    assert (parked.code, parked.err) == (
        1,
        "error: run 'open' is open: task 'charge' is parked\nhint: moose-cli workflow retry open charge\n",
    )
    assert (busy.code, busy.err) == (
        1,
        "error: run 'busy' is still open\nhint: moose-cli workflow cancel busy\n",
    )


def test_resume_needs_the_code(bills: Cli, broken: Path) -> None:
    """No project, no such workflow any more, no such task, no such run."""
    start(bills, "Failing", "codeless")
    until_state(bills, "failed", "codeless")
    elsewhere = Cli(folder=bills.folder.parent, environment=bills.environment)
    without_project = elsewhere("workflow", "resume", "codeless")
    main = bills.folder / "app" / "main.py"
    source = main.read_text(encoding="utf-8")
    main.write_text(source.replace('"Failing"', '"Falling"'), encoding="utf-8")
    try:
        renamed = bills("workflow", "resume", "codeless")
    finally:
        main.write_text(source, encoding="utf-8")
    unknown_task = bills("workflow", "resume", "codeless", "--from", "chrage")
    unknown_run = bills("workflow", "resume", "nobody")
    no_server = bills("workflow", "resume", "codeless", "--address", "127.0.0.1:1")

    assert (without_project.code, without_project.err) == (
        2,
        (
            "error: a run is resumed with the code of now, and there is no project here\n"
            "hint: cd into the project, or add --file FILE\n"
        ),
    )
    assert (renamed.code, renamed.err) == (
        4,
        (
            "error: run 'codeless' is of workflow 'Failing', which the code of now does not declare\n"
            "hint: moose-cli workflow list\n"
        ),
    )
    assert (unknown_task.code, unknown_task.err) == (
        4,
        "error: workflow 'Failing' has no task 'chrage'\nhint: its tasks are check, charge, send\n",
    )
    assert (unknown_run.code, unknown_run.err.splitlines()[0]) == (4, "error: no run named 'nobody'")
    assert (no_server.code, no_server.err.splitlines()[-1]) == (3, "hint: moose-cli dev")


def test_an_input_that_does_not_fit_any_more_starts_nothing(bills: Cli, broken: Path) -> None:
    """Said as for a new run, with exit code 2."""
    start(bills, "Failing", "misfit")
    until_state(bills, "failed", "misfit")
    main = bills.folder / "app" / "main.py"
    source = main.read_text(encoding="utf-8")
    main.write_text(source.replace("    cents: int = 100", "    cents: int = 100\n    customer: str"), encoding="utf-8")
    try:
        refused = bills("workflow", "resume", "misfit")
    finally:
        main.write_text(source, encoding="utf-8")

    assert (refused.code, refused.out) == (2, "")
    assert refused.err == (
        "error: input of run 'misfit' is not a valid Bill: customer: is missing\n"
        "hint: the run's input does not fit the code of now; start a new one: moose-cli workflow run Failing\n"
    )
    assert status(bills, "misfit")["resumed_as"] is None


def test_many_parked_runs_at_once(bills: Cli, broken: Path) -> None:
    """`retry --status parked` finds them by their histories; those that are not parked are left alone."""
    runs = ["many-1", "many-2"]
    for run in runs:
        start(bills, "ManyParking", run)
    until_parked(bills, *runs)
    until_listed(bills, "ManyParking", 2)
    dry = bills("workflow", "retry", "--status", "parked", "--workflow", "ManyParking", "--dry-run")
    none = bills("workflow", "retry", "-s", "parked", "--workflow", "Nothing")
    none_json = bills("workflow", "retry", "-s", "parked", "--workflow", "Nothing", "--json")
    one_task = bills("workflow", "retry", "--workflow", "ManyParking", "--since", "1h", "--json")
    wait_for(lambda: all(status(bills, run)["parked"] for run in runs))
    failed = bills("workflow", "fail", "--workflow", "ManyParking", "--reason", "enough")
    until_state(bills, "failed", *runs)
    nothing_left = bills("workflow", "retry", "--workflow", "ManyParking")

    assert (dry.code, sorted(dry.out.splitlines())) == (0, [f"'{run}' running, would be retried" for run in runs])
    assert (none.code, none.out, none.err) == (0, "", "no such runs\n")
    assert none_json.document == {"dry_run": False, "runs": []}
    assert [run["tasks"] for run in one_task.document["runs"]] == [["charge"], ["charge"]]
    assert sorted(failed.out.splitlines()) == [f"'{run}' fails: gave up charge" for run in runs]
    assert (nothing_left.code, nothing_left.err) == (0, "no such runs\n")


def test_many_ended_runs_at_once(bills: Cli, broken: Path) -> None:
    """One that refuses does not keep the others from being resumed; the exit code tells."""
    for run in ("ended-a", "ended-b", "ended-c"):
        start(bills, "ManyFailing", run)
    until_state(bills, "failed", "ended-a", "ended-b", "ended-c")
    until_listed(bills, "ManyFailing", 3)
    broken.unlink()
    select = ["--status", "failed", "--workflow", "ManyFailing", "--since", "2h"]
    dry = bills("workflow", "resume", *select, "--dry-run")
    first = bills("workflow", "resume", "ended-a")
    until_state(bills, "completed", "ended-a")
    done = bills("workflow", "resume", *select)
    until_state(bills, "completed", "ended-b", "ended-c")
    wait_for(lambda: bills("workflow", "resume", *select).err == "no such runs\n")

    assert sorted(dry.out.splitlines()) == [
        f"'{run}' failed, would be resumed" for run in ("ended-a", "ended-b", "ended-c")
    ]
    assert first.code == 0
    lines = sorted(line for line in still_runs(done.out).splitlines() if "ended-a" not in line)
    assert lines == [f"'{run}' resumed as <run>: 1 kept, 2 re-run" for run in ("ended-b", "ended-c")]


def test_one_that_refuses_does_not_stop_the_others(bills: Cli, broken: Path) -> None:
    """Exit code 1, an error line for the one, and in JSON the error beside its run."""
    start(bills, "ManyFailing", "fits")
    until_state(bills, "failed", "fits")
    done = bills("workflow", "run", "ManyFailing", "--id", "too-old", "--input", '{"bill_id": "x", "cents": -5}')
    assert done.code == 0
    until_state(bills, "failed", "too-old")
    wait_for(lambda: len(bills("workflow", "history", "ManyFailing", "-s", "failed", "--json").document) >= 2)
    main = bills.folder / "app" / "main.py"
    source = main.read_text(encoding="utf-8")
    changed = source.replace("cents: int = 100", "cents: int = Field(default=100, ge=0)")
    main.write_text(changed.replace("import BaseModel", "import BaseModel, Field"), encoding="utf-8")
    try:
        done = bills("workflow", "resume", "--workflow", "ManyFailing", "--since", "1h", "--json")
    finally:
        main.write_text(source, encoding="utf-8")

    assert done.code == 1
    errors = {run["workflow_id"]: run["error"] for run in done.document["runs"]}
    assert errors["fits"] is None
    assert errors["too-old"].startswith("input of run 'too-old' is not a valid Bill: cents: ")


def test_many_open_runs_at_once(bills: Cli) -> None:
    """pause, unpause, cancel and terminate by filter, or all of a name."""
    runs = ["open-1", "open-2"]
    for run in runs:
        start(bills, "ManyLasting", run)
    for run in runs:
        wait_for(functools.partial(is_running, bills, run))
    until_listed(bills, "ManyLasting", 2)
    paused = bills("workflow", "pause", "--workflow", "ManyLasting")
    unpaused = bills("workflow", "unpause", "ManyLasting", "--all")
    several = bills("workflow", "pause", "ManyLasting")
    dry = bills("workflow", "terminate", "--status", "running", "--workflow", "ManyLasting", "--dry-run", "--json")
    canceled = bills("workflow", "cancel", "ManyLasting", "--all", "--wait")

    assert sorted(paused.out.splitlines()) == [
        f"'{run}' paused successfully; to go on: moose-cli workflow unpause {run}" for run in runs
    ]
    assert sorted(unpaused.out.splitlines()) == [f"'{run}' unpaused successfully" for run in runs]
    assert several.code == 2
    assert several.err == (
        "error: 2 runs of 'ManyLasting' are open: open-2, open-1\n"
        "hint: moose-cli workflow pause open-2   or, for all of them, add --all\n"
    )
    assert dry.document["dry_run"] is True
    assert sorted(run["workflow_id"] for run in dry.document["runs"]) == runs
    assert sorted(canceled.out.splitlines()) == [f"'{run}' was canceled" for run in runs]


@pytest.mark.parametrize("verb", ["cancel", "terminate", "pause", "unpause", "retry", "fail", "resume"])
def test_a_verb_says_which_runs_it_is_about(bills: Cli, verb: str) -> None:
    """No run and no filter, or both, is a mistake; so is a duration that is none."""
    nothing = bills("workflow", verb)
    both = bills("workflow", verb, "x", "--workflow", "Parking")
    since = bills("workflow", verb, "--since", "yesterday")
    state = bills("workflow", verb, "--status", "nonsense")

    assert (nothing.code, both.code, since.code, state.code) == (2, 2, 2, 2)
    assert nothing.err.startswith(
        "error: name a run, or say which ones: --status STATE, --workflow NAME, --since DURATION\n"
    )
    assert both.err.startswith(
        "error: --status, --workflow and --since are for many runs; name one run, or use these\n"
    )
    assert "yesterday" in since.err
    assert "nonsense" in state.err


def test_options_that_are_for_one_run(bills: Cli) -> None:
    """Said at once, before anything is looked up."""
    for options in (["--plan", "abc"], ["--wait"]):
        done = bills("workflow", "resume", "--status", "failed", *options)
        assert (done.code, done.err.splitlines()[0]) == (2, "error: --plan and --wait are for one run")
    done = bills("workflow", "resume", "Failing", "--all")
    assert (done.code, done.err.splitlines()[0]) == (
        2,
        "error: --all is for open runs; say which ones with --status, --workflow or --since",
    )


@pytest.mark.parametrize("verb", ["cancel", "terminate", "pause", "unpause", "retry", "skip", "fail", "resume"])
def test_every_verb_has_a_help_with_examples(bills: Cli, verb: str) -> None:
    done = bills("workflow", verb, "--help")
    assert (done.code, done.err) == (0, "")
    assert f"moose-cli workflow {verb} " in done.out.partition("Examples")[2]
