"""`workflow resume`: what it tells, what it does, and what it refuses."""

from __future__ import annotations

import re
from pathlib import Path

from tests.cli.conftest import Cli
from tests.cli.operating import hashes, start, status, still_runs, until_parked, until_state


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


def test_who_waits_for_a_resumed_run_may_give_up(bills: Cli, broken: Path) -> None:
    start(bills, "Failing", "impatient")
    until_state(bills, "failed", "impatient")

    done = bills("workflow", "resume", "impatient", "--wait", "--timeout", "1ms")

    told = "error: 'impatient' goes on after 1ms\nhint: moose-cli workflow status impatient --watch\n"
    assert (done.code, done.err) == (124, told)


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


def test_a_run_of_another_task_queue_is_resumed_on_that_of_the_project(bills: Cli) -> None:
    """Unless the command line says otherwise; it is told where it was."""
    given = ["--input", '{"bill_id": "astray"}', "--task-queue", "elsewhere"]
    assert bills("workflow", "run", "Failing", "--id", "astray", *given).code == 0
    assert bills("workflow", "terminate", "astray").code == 0
    shown = [bills("workflow", verb, "astray") for verb in ("status", "explain")]
    dry = bills("workflow", "resume", "astray", "--dry-run")
    kept = bills("workflow", "resume", "astray", "--dry-run", "--task-queue", "elsewhere")
    told = bills("workflow", "resume", "astray", "--dry-run", "--json").document

    queue, run = told["task_queue"], told["resumed_from"]["run_id"]
    for it in shown:
        assert it.out.endswith(f"moose-cli workflow resume {run} --task-queue elsewhere\n")
    assert dry.err.splitlines()[0] == (
        f"note: it ran on task queue 'elsewhere', and is resumed on {queue!r}; "
        "to keep it there, add --task-queue elsewhere"
    )
    assert "note: " not in kept.err
    assert told["resumed_from"]["task_queue"] == "elsewhere" != queue


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
    unknown_run = bills("workflow", "resume", "no-such-run")
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
        "error: workflow 'Failing' of run 'codeless' has no task 'chrage'\nhint: its tasks are check, charge, send\n",
    )
    assert (unknown_run.code, unknown_run.err.splitlines()[0]) == (4, "error: no run named 'no-such-run'")
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
