"""Why a run failed, and its task once more, here: `workflow explain` and `workflow run-task`."""

from __future__ import annotations

import pytest
from tests.cli.conftest import Cli, Done
from tests.cli.polling import wait_for


@pytest.fixture(scope="module")
def refused(cli: Cli) -> Done:
    """A run of Order that failed."""
    return cli("workflow", "run", "Order", "-i", '{"order_id": "declined"}', "--id", "refused", "--wait", "--json")


def test_explain_shows_the_task_its_input_and_its_error(cli: Cli, refused: Done) -> None:
    """The whole text."""
    done = cli("workflow", "explain", "refused")

    main = cli.folder.resolve() / "app" / "main.py"
    assert (done.code, done.err) == (0, "")
    assert done.text == (
        "Order  failed ❌  in <span>\n"
        "  workflow id  refused\n"
        "  run id       <run>\n"
        "\n"
        "charge failed on attempt 1 of 2: NonRetryableError: card declined\n"
        "  attempts      1 used, none left: NonRetryableError is not tried again\n"
        "  wait for it   deliver\n"
        "\n"
        "Input (input of the run):\n"
        "  {\n"
        '    "order_id": "declined"\n'
        "  }\n"
        "\n"
        "Traceback of attempt 1:\n"
        "  Traceback (most recent call last):\n"
        f'    File "{main}", line 32, in charge\n'
        '      raise NonRetryableError("card declined")\n'
        "  moose_lib.errors.NonRetryableError: card declined\n"
        "\n"
        "# try it here, with this input and the code of now\n"
        "moose-cli workflow run-task Order charge --from-run <run>\n"
        "# see what is kept and what runs again\n"
        "moose-cli workflow resume <run> --dry-run\n"
        "# keep what is finished and run the rest\n"
        "moose-cli workflow resume <run>\n"
    )


def test_explain_as_json_has_the_same(cli: Cli, refused: Done) -> None:
    """For scripts."""
    document = cli("workflow", "explain", "Order", "--id", "refused", "--json").document

    assert (document["cause"], document["is_healthy"], document["blocked"]) == ("failed", False, ["deliver"])
    assert document["task"]["error"]["message"] == "card declined"
    assert document["input"]["value"] == {"order_id": "declined"}


def test_a_healthy_run_is_said_to_be(cli: Cli) -> None:
    """With what runs; and in the end that there is nothing to explain."""
    assert cli("workflow", "run", "Waiting", "--id", "healthy").code == 0
    wait_for(lambda: cli("workflow", "status", "healthy", "--json").document["tasks"][0]["state"] == "running")
    done = cli("workflow", "explain", "healthy")

    assert done.code == 0
    assert "Nothing blocks the run: wait has been running for <span>; 0 of 1 tasks completed.\n" in done.text
    assert done.text.endswith("# see it go on\nmoose-cli workflow status healthy --watch\n")
    assert cli("workflow", "terminate", "healthy").code == 0


def test_a_run_that_nobody_works_on_says_how_to_help(idle: Cli) -> None:
    """No worker has ever been there."""
    assert idle("workflow", "run", "Nightly", "--id", "lonely").code == 0
    done = idle("workflow", "explain", "lonely")

    assert "The run waits for a worker: nobody works for task queue 'cli-tests-idle'.\n" in done.out
    assert "\nmoose-cli dev\n" in done.out
    assert idle("workflow", "terminate", "lonely").code == 0


def test_explaining_what_is_not_there_exits_4(cli: Cli) -> None:
    """As every other verb."""
    done = cli("workflow", "explain", "nowhere")

    assert (done.code, done.err) == (4, "error: no run named 'nowhere'\nhint: moose-cli workflow history\n")


OFFLINE = {"MOOSE_TEMPORAL_CONFIG__ADDRESS": "127.0.0.1:1"}


@pytest.fixture(scope="module")
def offline(cli: Cli) -> Cli:
    """The project, and no Temporal anywhere."""
    return Cli(folder=cli.folder, environment={**cli.environment, **OFFLINE})


def test_a_task_runs_without_any_server(offline: Cli) -> None:
    """What it prints, then its output."""
    done = offline("workflow", "run-task", "Order", "check", "--input", '{"order_id": "7"}')

    assert (done.code, done.err) == (0, "note: runs check here, with the given input; no run is touched\n")
    assert done.out == 'checking 7\n{\n  "order_id": "7"\n}\n'


def test_with_json_stdout_is_one_document(offline: Cli) -> None:
    """What the handler prints goes to stderr then."""
    good = offline("workflow", "run-task", "Order", "check", "--input", "-", "--json", stdin='{"order_id": "7"}')
    bad = offline("workflow", "run-task", "Order", "charge", "--input", '{"order_id": "offline"}', "--json")

    assert (good.code, good.err) == (0, "checking 7\n")
    assert good.document == {
        "workflow_name": "Order",
        "task": "check",
        "workflow_id": "local",
        "run_id": "local",
        "output": {"order_id": "7"},
        "error": None,
    }
    assert (bad.code, bad.document["output"]) == (1, None)
    assert (bad.document["error"]["class"], bad.document["error"]["message"]) == (
        "builtins.ValueError",
        "terminal offline",
    )


def test_an_input_that_does_not_fit_is_refused_before_anything_runs(offline: Cli) -> None:
    """With what would fit."""
    done = offline("workflow", "run-task", "Order", "check", "--input", '{"total": 3, "ordr_id": "7"}')

    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "error: input of task 'check' is not a valid Order: order_id: is missing\n"
        """hint: moose-cli workflow run-task Order check --input '{"order_id": <str>}'\n"""
    )


@pytest.mark.parametrize(
    ("words", "code", "error", "hint"),
    [
        (["Ordr", "check"], 4, "no workflow named 'Ordr'", "did you mean: moose-cli workflow run-task Order"),
        (["Order", "chek"], 4, "workflow 'Order' has no task 'chek'", "did you mean: check"),
        (
            ["Order"],
            2,
            "name the task, or a run with --from-run: then it is the task that failed there",
            "moose-cli workflow run-task --help",
        ),
        (
            ["Order", "check", "--from-run", "x", "--input", "{}"],
            2,
            "--from-run and --input exclude each other",
            "moose-cli workflow run-task --help",
        ),
        (
            ["Order", "check", "--pdb", "--json"],
            2,
            "--pdb and --json exclude each other",
            "moose-cli workflow run-task --help",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(offline: Cli, words: list[str], code: int, error: str, hint: str) -> None:
    """Nothing ran."""
    done = offline("workflow", "run-task", *words)

    assert (done.code, done.err) == (code, f"error: {error}\nhint: {hint}\n")


def test_the_task_that_failed_runs_again_with_its_recorded_input(cli: Cli, refused: Done) -> None:
    """Without a name it is the one that explain names; the run is not touched."""
    run_id = refused.document["run_id"]
    done = cli("workflow", "run-task", "Order", "--from-run", "refused")

    main = cli.folder.resolve() / "app" / "main.py"
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        f"note: runs charge here, with its input of run {run_id}; no run is touched\n"
        "Traceback (most recent call last):\n"
        f'  File "{main}", line 32, in charge\n'
        '    raise NonRetryableError("card declined")\n'
        "moose_lib.errors.NonRetryableError: card declined\n"
    )
    assert cli("workflow", "status", run_id, "--json").document["tasks"] == refused.document["tasks"]


def test_an_input_that_the_run_never_had_is_told(cli: Cli, refused: Done) -> None:
    """The task before it did not complete."""
    done = cli("workflow", "run-task", "Order", "deliver", "--from-run", "refused")

    assert (done.code, done.err) == (
        4,
        (
            "error: the run has no input for task 'deliver': there is no output of charge\n"
            "hint: give one: moose-cli workflow run-task Order deliver --input JSON\n"
        ),
    )


def test_a_run_in_which_nothing_failed_needs_the_task_named(cli: Cli) -> None:
    """There is none that explain would name."""
    assert cli("workflow", "run", "Order", "-i", '{"order_id": "7"}', "--id", "fine", "--wait").code == 0
    unnamed = cli("workflow", "run-task", "Order", "--from-run", "fine")
    named = cli("workflow", "run-task", "Order", "deliver", "--from-run", "fine")

    assert (unnamed.code, unnamed.err) == (
        4,
        (
            "error: no task of run 'fine' failed or blocks it\n"
            "hint: name one: moose-cli workflow run-task Order TASK --from-run fine\n"
        ),
    )
    assert (named.code, named.out) == (0, '{\n  "order_id": "7",\n  "status": "paid"\n}\n')


def test_the_debugger_opens_in_the_users_frame(offline: Cli) -> None:
    """And `breakpoint()` would work too: the terminal is the handler's."""
    words = ("run-task", "Order", "charge", "--input", '{"order_id": "offline"}', "--pdb")
    done = offline("workflow", *words, stdin="p order.order_id\nq\n")

    assert done.code == 1
    assert "(34)charge()\n-> raise ValueError(" in done.out
    assert "(Pdb) 'offline'\n" in done.out
