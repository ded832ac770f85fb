"""Verbs about many runs at once, and how a verb says which runs it is about."""

from __future__ import annotations

import functools
import shlex
from pathlib import Path

import pytest
from tests.cli.conftest import Cli
from tests.cli.operating import is_running, start, status, still_runs, until_listed, until_parked, until_state
from tests.cli.polling import wait_for


def test_many_parked_runs_at_once(bills: Cli, broken: Path) -> None:
    """`retry --status parked` finds them by their histories; those that are not parked are left alone."""
    runs = ["many-1", "many-2"]
    for run in runs:
        start(bills, "ManyParking", run)
    until_parked(bills, *runs)
    until_listed(bills, "ManyParking", 2)
    dry = bills("workflow", "retry", "--status", "parked", "--workflow", "ManyParking", "--dry-run")
    dry_failing = bills("workflow", "fail", "--status", "parked", "--workflow", "ManyParking", "--dry-run")
    one_dry = bills("workflow", "retry", "many-1", "--dry-run")
    none = bills("workflow", "retry", "-s", "parked", "--workflow", "ManyMixed")
    none_json = bills("workflow", "retry", "-s", "parked", "--workflow", "ManyMixed", "--json")
    one_task = bills("workflow", "retry", "--workflow", "ManyParking", "--since", "1h", "--json")
    wait_for(lambda: all(status(bills, run)["parked"] for run in runs))
    failed = bills("workflow", "fail", "--workflow", "ManyParking", "--reason", "enough")
    until_state(bills, "failed", *runs)
    nothing_left = bills("workflow", "retry", "--workflow", "ManyParking")

    assert (dry.code, sorted(dry.out.splitlines())) == (0, [f"'{run}' parked, would be retried" for run in runs])
    assert sorted(dry_failing.out.splitlines()) == [f"'{run}' parked, would fail" for run in runs]
    assert one_dry.out == "'many-1' parked, would be retried\n"
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
    until_listed(bills, "ManyFailing", 3, "-s", "failed")
    broken.unlink()
    select = ["--status", "failed", "--workflow", "ManyFailing", "--since", "2h"]
    dry = bills("workflow", "resume", *select, "--dry-run")
    first = bills("workflow", "resume", "ended-a")
    until_state(bills, "completed", "ended-a")
    done = bills("workflow", "resume", *select)
    until_state(bills, "completed", "ended-b", "ended-c")
    wait_for(lambda: not bills("workflow", "resume", *select, "--json").document["runs"])
    nothing_left = bills("workflow", "resume", *select)

    assert sorted(dry.out.splitlines()) == [
        f"'{run}' failed, would be resumed: 1 kept, 2 re-run" for run in ("ended-a", "ended-b", "ended-c")
    ]
    assert first.code == 0
    assert (nothing_left.code, nothing_left.out) == (0, "")
    assert nothing_left.err == (
        "no such runs left: 3 would fit, but went on in newer runs with the same ids (resumed, or started)\n"
    )
    lines = sorted(line for line in still_runs(done.out).splitlines() if "ended-a" not in line)
    assert lines == [f"'{run}' resumed as <run>: 1 kept, 2 re-run" for run in ("ended-b", "ended-c")]


def test_one_that_refuses_does_not_stop_the_others(bills: Cli, broken: Path) -> None:
    """Exit code 1, an error line for the one, and in JSON the error beside its run."""
    start(bills, "ManyMixed", "fits")
    until_state(bills, "failed", "fits")
    done = bills("workflow", "run", "ManyMixed", "--id", "too-old", "--input", '{"bill_id": "x", "cents": -5}')
    assert done.code == 0
    until_state(bills, "failed", "too-old")
    until_listed(bills, "ManyMixed", 2, "-s", "failed")
    main = bills.folder / "app" / "main.py"
    source = main.read_text(encoding="utf-8")
    changed = source.replace("cents: int = 100", "cents: int = Field(default=100, ge=0)")
    main.write_text(changed.replace("import BaseModel", "import BaseModel, Field"), encoding="utf-8")
    select = ["--workflow", "ManyMixed", "--since", "1h", "--json"]
    try:
        dry = bills("workflow", "resume", *select, "--dry-run")
        done = bills("workflow", "resume", *select)
    finally:
        main.write_text(source, encoding="utf-8")

    assert (dry.code, done.code) == (1, 1)
    errors = {run["workflow_id"]: run["error"] for run in done.document["runs"]}
    assert {run["workflow_id"]: run["error"] for run in dry.document["runs"]} == errors
    assert errors["fits"] is None
    (told,) = [run for run in dry.document["runs"] if run["workflow_id"] == "fits"]
    (did,) = [run for run in done.document["runs"] if run["workflow_id"] == "fits"]
    assert (told["state"], [it["verdict"] for it in told["tasks"]]) == ("failed", ["re-run"] * 3)
    assert (did["plan"], did["tasks"]) == (told["plan"], told["tasks"])
    assert errors["too-old"].startswith("input of run 'too-old' is not a valid Bill: cents: ")


def test_many_open_runs_at_once(bills: Cli) -> None:
    """pause, unpause, cancel and terminate by filter, or all of a name."""
    runs = ["open-1", "open-2"]
    for run in runs:
        start(bills, "ManyLasting", run)
    for run in runs:
        wait_for(functools.partial(is_running, bills, run))
    until_listed(bills, "ManyLasting", 2)
    would = {
        verb: bills("workflow", verb, "--workflow", "ManyLasting", "--dry-run").out.splitlines()
        for verb in ("pause", "unpause", "terminate", "cancel")
    }
    paused = bills("workflow", "pause", "--workflow", "ManyLasting")
    unpaused = bills("workflow", "unpause", "ManyLasting", "--all")
    several = bills("workflow", "pause", "ManyLasting", "--dry-run")
    dry = bills("workflow", "terminate", "--status", "running", "--workflow", "ManyLasting", "--dry-run", "--json")
    canceled = bills("workflow", "cancel", "ManyLasting", "--all", "--wait")

    for verb, text in (
        ("pause", "would be paused"),
        ("unpause", "would go on"),
        ("terminate", "would be terminated"),
        ("cancel", "would be canceled"),
    ):
        assert sorted(would[verb]) == [f"'{run}' running, {text}" for run in runs]
    assert sorted(paused.out.splitlines()) == [
        f"'{run}' paused successfully; to go on: moose-cli workflow unpause {run}" for run in runs
    ]
    assert sorted(unpaused.out.splitlines()) == [f"'{run}' unpaused successfully" for run in runs]
    assert several.code == 2
    assert several.err == (
        "error: 2 runs of 'ManyLasting' are open: open-2, open-1\n"
        "hint: moose-cli workflow pause --dry-run open-2   or, for all of them, add --all\n"
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
    never = bills("workflow", verb, "--workflow", "Parking", "--since", "never")
    state = bills("workflow", verb, "--status", "nonsense")

    assert (nothing.code, both.code, since.code, state.code) == (2, 2, 2, 2)
    assert nothing.err.startswith(
        "error: name a run, or say which ones: --status STATE, --workflow NAME, --since DURATION\n"
    )
    assert both.err.startswith(
        "error: --status, --workflow and --since are for many runs; name one run, or use these\n"
    )
    assert "yesterday" in since.err
    assert (never.code, never.err) == (
        2,
        (
            "error: 'never' is not a duration: a span of time is wanted here\n"
            'hint: write "30s", "5m", "1h30m" or "1d"\n'
        ),
    )
    assert "nonsense" in state.err


@pytest.mark.parametrize("verb", ["cancel", "terminate", "pause", "unpause", "retry", "fail"])
def test_who_asks_for_ended_runs_is_told_of_resume(bills: Cli, verb: str) -> None:
    done = bills("workflow", verb, "--status", "failed")
    assert done.code == 2
    assert "these runs have ended; to go on with them: moose-cli workflow resume --status failed\n" in done.err


def test_options_that_are_for_one_run(bills: Cli) -> None:
    """Said at once, before anything is looked up."""
    for options in (["--plan", "abc"], ["--wait"]):
        done = bills("workflow", "resume", "--status", "failed", *options)
        assert (done.code, done.err.splitlines()[0]) == (2, "error: --plan and --wait are for one run")
    done = bills("workflow", "resume", "Failing", "--all")
    assert (done.code, done.err.splitlines()[0]) == (2, "error: no such option '--all'")
    assert "--all" not in bills("workflow", "resume", "--help").out


@pytest.mark.parametrize(
    ("verb", "options"),
    [
        ("cancel", ""),
        ("retry", " --since 2h --dry-run"),
        ("resume", " --status failed --dry-run --from 'the end'"),
        ("pause", " --dry-run --note 'till noon'"),
    ],
)
def test_a_workflow_that_nobody_knows_is_told_with_the_one_that_was_meant(bills: Cli, verb: str, options: str) -> None:
    """It would be taken for one without such runs. What is pasted is as dry as what was typed."""
    done = bills("workflow", verb, "--workflow", "manyparkin", *shlex.split(options))

    assert (done.code, done.out) == (4, "")
    assert done.err == (
        "error: no workflow named 'manyparkin'\n"
        f"hint: did you mean: moose-cli workflow {verb}{options} --workflow ManyParking\n"
    )


def test_a_dry_run_says_of_a_run_without_parked_tasks_that_nothing_would_be_done(bills: Cli) -> None:
    start(bills, "Lasting", "not-parked")
    done = bills("workflow", "retry", "not-parked", "--dry-run")
    bills("workflow", "terminate", "not-parked")

    assert done.out == "'not-parked' running, and no task of it is parked\n"


@pytest.mark.parametrize("verb", ["cancel", "terminate", "pause", "unpause", "retry", "skip", "fail", "resume"])
def test_every_verb_has_a_help_with_examples(bills: Cli, verb: str) -> None:
    done = bills("workflow", verb, "--help")
    assert (done.code, done.err) == (0, "")
    assert f"moose-cli workflow {verb} " in done.out.partition("Examples")[2]
