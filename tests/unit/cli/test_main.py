"""The command line without a server: help, usage, errors, exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from moose_lib.cli import main as entry
from moose_lib.cli.failing import report
from moose_lib.cli.groups import LazyGroup
from moose_lib.cli.main import cli, main
from moose_lib.cli.output import Output, OutputClosed
from moose_lib.errors import (
    AmbiguousRun,
    EngineUnreachable,
    Fault,
    FieldFault,
    GaveUpWaiting,
    ImportFailed,
    InvalidDefinition,
    InvalidInput,
    Location,
    RunNotFound,
)


def commands(command: click.Command, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """All commands, as one types them."""
    if not isinstance(command, LazyGroup):
        return [path]
    context = click.Context(command)
    children = [(name, command.get_command(context, name)) for name in command.list_commands(context)]
    return [path, *(it for name, child in children if child is not None for it in commands(child, (*path, name)))]


@pytest.mark.parametrize("path", commands(cli), ids=" ".join)
def test_every_command_has_help_with_examples(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Examples are calls that can be pasted."""
    assert main([*path, "--help"]) == 0

    text = capsys.readouterr().out
    assert f"Usage: {' '.join(('moose-cli', *path))}" in text
    assert "Examples:" in text or not path
    assert "moose-cli " in text.partition("Examples:" if path else "Start here:")[2]


def test_the_first_page_says_where_to_start_and_what_the_exit_codes_mean(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0

    assert [line.strip() for line in capsys.readouterr().out.splitlines()[-9:]] == [
        "Start here:",
        "moose-cli dev app.py                       engine, worker and UI for one file",
        "moose-cli workflow run NAME --wait         run a workflow and watch its tasks",
        "moose-cli workflow status NAME             every task of the latest run",
        "moose-cli logs NAME                        what its tasks printed and logged",
        "",
        "Exit codes:",
        "0 done   1 the run or the operation failed   2 wrong usage or definition",
        "3 nothing to connect to   4 not found   124 gave up waiting   130 interrupted",
    ]


@pytest.mark.parametrize("alias", ["r", "l", "s", "h", "c", "t", "g"])
def test_the_short_names_work(alias: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Those of the existing Moose, and ours in their manner."""
    assert main(["w", alias, "--help"]) == 0
    assert f"Usage: moose-cli w {alias}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "error", "hint"),
    [
        (["workfow"], "no such command 'workfow'", "did you mean: moose-cli workflow"),
        (["zzz"], "no such command 'zzz'", "moose-cli --help"),
        (["workflow", "statu"], "no such command 'statu'", "did you mean: moose-cli workflow status"),
        (["workflow", "run"], "missing argument 'NAME'", "moose-cli workflow run --help"),
        (["workflow", "run", "X", "--no-such"], "no such option '--no-such'", "moose-cli workflow run --help"),
        (
            ["workflow", "run", "X", "--id", "a", "--once-per-input"],
            "--id and --once-per-input exclude each other",
            "moose-cli workflow run --help",
        ),
        (["workflow", "run", "X", "--timeout", "5s"], "--timeout needs --wait", "moose-cli workflow run --help"),
        (["workflow", "resume", "X", "--timeout", "5s"], "--timeout needs --wait", "moose-cli workflow resume --help"),
        (["workflow", "result", "X", "--timeout", "5s"], "--timeout needs --wait", "moose-cli workflow result --help"),
        (
            ["workflow", "history", "--limit", "0"],
            "invalid value for '-l' / '--limit': 0 is not in the range x>=1",
            "moose-cli workflow history --help",
        ),
        (
            ["workflow", "run", "X", "--wait", "--timeout", "5"],
            "'5' is not a duration: a unit is missing, as in '5s'",
            'write "30s", "5m", "1h30m", "1d" or "never"',
        ),
    ],
)
def test_wrong_calls_exit_2_with_a_line_and_a_hint(
    arguments: list[str], error: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """stdout stays empty; with `--json` it has the same error as a document."""
    assert main(arguments) == 2
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", f"error: {error}\nhint: {hint}\n")

    assert main([*arguments, "--json"]) == 2
    document = json.loads(capsys.readouterr().out)["error"]
    assert (document["message"], document["hint"]) == (error, hint)
    assert document["code"] in {"usage", "invalid_duration"}


def test_a_group_alone_shows_its_help_and_exits_2(capsys: pytest.CaptureFixture[str]) -> None:
    """As the existing Moose does; it is no answer, so it goes to stderr."""
    assert main(["workflow"]) == 2

    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("Usage: moose-cli workflow")


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    """One line."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("moose-cli 0.")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_printed(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """They call this command back."""
    assert main(["completion", shell]) == 0
    assert "_MOOSE_CLI_COMPLETE" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (
            RunNotFound("no run named 'x'", hint="moose-cli workflow history"),
            4,
            "error: no run named 'x'\nhint: moose-cli workflow history\n",
        ),
        (EngineUnreachable("h:1", "refused"), 3, "error: no Temporal server at h:1: refused\nhint: moose-cli dev\n"),
        (
            GaveUpWaiting("x", "r1", "5s"),
            124,
            "error: 'x' goes on after 5s\nhint: moose-cli workflow status x --watch\n",
        ),
        (AmbiguousRun("x", ["x-1", "x-2"]), 2, "error: 2 runs of 'x' are open: x-1, x-2\n"),
        (
            InvalidInput("workflow 'x'", "Order", [FieldFault(path="a", reason="is missing")]),
            2,
            "error: input of workflow 'x' is not a valid Order: a: is missing\n",
        ),
        (
            InvalidInput("workflow 'x'", "Order", [FieldFault(path=it, reason="is missing") for it in ("a", "b")]),
            2,
            "error: input of workflow 'x' is not a valid Order\n  a: is missing\n  b: is missing\n",
        ),
        (
            ImportFailed("/x/app.py", "Traceback (most recent call last):\nKeyError: 'a'\n"),
            2,
            (
                "error: /x/app.py does not import\nTraceback (most recent call last):\nKeyError: 'a'\n"
                "hint: python /x/app.py\n"
            ),
        ),
        (click.ClickException("Something broke."), 1, "error: something broke\n"),
        (KeyboardInterrupt(), 130, ""),
        (click.Abort(), 130, ""),
        (SystemExit(5), 5, ""),
        (SystemExit("text"), 1, ""),
        (click.exceptions.Exit(7), 7, ""),
    ],
)
def test_an_error_has_its_text_and_its_exit_code(
    error: BaseException, code: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, then what belongs to it, then what to do."""
    assert report(error, Output()) == code
    assert capsys.readouterr().err == text


def test_mistakes_in_definitions_are_told_one_by_one_with_their_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Places in the current folder are relative, so that lines stay short."""
    monkeypatch.chdir(tmp_path)
    error = InvalidDefinition(
        [
            Fault(
                code="cycle", message="a → a", location=Location(f"{tmp_path}/app.py", 3), hint="remove one", task="a"
            ),
            Fault(code="cycle", message="b → b", location=Location("/elsewhere/b.py", 4)),
            Fault(code="name", message="no name"),
        ]
    )

    assert report(error, Output(is_json=True)) == 2
    told = capsys.readouterr()
    assert told.err == ("error: app.py:3: a → a\nhint: remove one\nerror: /elsewhere/b.py:4: b → b\nerror: no name\n")
    faults = json.loads(told.out)["error"]["faults"]
    assert faults[0] == {
        "code": "cycle",
        "message": "a → a",
        "hint": "remove one",
        "file": f"{tmp_path}/app.py",
        "line": 3,
        "workflow": None,
        "task": "a",
    }
    assert (faults[2]["file"], faults[2]["line"]) == (None, None)


@pytest.mark.parametrize(
    ("error", "extra"),
    [
        (AmbiguousRun("x", ["x-1"]), {"code": "ambiguous_run", "runs": ["x-1"]}),
        (
            InvalidInput("w", "M", [FieldFault(path="a", reason="no")]),
            {"code": "invalid_input", "faults": [{"path": "a", "reason": "no"}]},
        ),
        (ImportFailed("f.py", "tb"), {"code": "import_failed", "traceback": "tb"}),
        (ValueError("odd"), {"code": "internal", "message": "odd", "hint": None}),
    ],
)
def test_an_error_as_json_has_what_a_program_needs(
    error: BaseException, extra: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    """A stable code and the parts of the message."""
    report(error, Output(is_json=True))

    document = json.loads(capsys.readouterr().out)["error"]
    assert {key: document[key] for key in extra} == extra


def test_a_mistake_of_ours_shows_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """And asks to be reported."""
    assert report(ZeroDivisionError("oops"), Output()) == 1

    assert capsys.readouterr().err == (
        "ZeroDivisionError: oops\nerror: ZeroDivisionError: oops\n"
        "hint: this is a mistake in moose-cli itself; please report it with the lines above\n"
    )


def test_nobody_reading_any_more_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """`moose-cli … | head` ends quietly, as programs do whose reader has gone."""

    def gone(*args: object, **kwargs: object) -> None:
        raise OutputClosed

    monkeypatch.setattr(cli, "main", gone)

    assert main(["check"]) == 141


def test_the_process_ends_with_the_code_and_its_output_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Through os._exit, which flushes nothing by itself."""
    ended = list[int]()
    monkeypatch.setattr("os._exit", ended.append)
    monkeypatch.setattr("sys.argv", ["moose-cli", "--version"])

    entry.run()

    assert ended == [0]


def test_help_and_usage_load_neither_temporal_nor_rich() -> None:
    """That is what keeps them at a tenth of a second."""
    code = (
        "import sys; from moose_lib.cli.main import main; "
        "codes = [main(['--help']), main(['workflow', 'run', '--help']), main(['workflow', 'run'])]; "
        "print([name for name in ('temporalio', 'rich', 'asyncio') if name in sys.modules], codes)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[] [0, 0, 2]"
