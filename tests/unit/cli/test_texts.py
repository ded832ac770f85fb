"""How times, names and inputs are written and read."""

from __future__ import annotations

import io
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from moose_lib.cli.inputs import read_input
from moose_lib.cli.naming import workflow_not_found
from moose_lib.cli.remembering import remembered_file, remembering_file
from moose_lib.cli.texts import duration_text, json_time, seconds
from moose_lib.errors import InvalidJson


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (-5, "0ms"),
        (0, "0ms"),
        (123, "123ms"),
        (999, "999ms"),
        (7_000, "7s"),
        (59_999, "59s"),
        (64_000, "1m 4s"),
        (60_000, "1m 0s"),
        (3_723_000, "1h 2m 3s"),
        (3_600_000, "1h 0m 0s"),
        (90_000_000, "25h 0m 0s"),
    ],
)
def test_a_span_of_time_is_written_as_users_know_it(milliseconds: int, text: str) -> None:
    """The existing Moose writes it so."""
    assert duration_text(timedelta(milliseconds=milliseconds)) == text


def test_absent_times_are_absent() -> None:
    """A dash for people, null for programs."""
    assert (duration_text(None), json_time(None), seconds(None)) == ("-", None, None)


def test_times_for_programs_are_utc() -> None:
    """ISO 8601, with the zone."""
    time = datetime(2026, 11, 22, 20, 31, 58, 861551, tzinfo=timezone(timedelta(hours=1)))

    assert json_time(time) == "2026-11-22T19:31:58.861551Z"
    assert seconds(timedelta(milliseconds=1234.6)) == 1.235


def test_an_input_comes_from_the_call_a_file_or_stdin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing given is not the same as `null`."""
    file = tmp_path / "order.json"
    file.write_text('{"a": "é"}', encoding="utf-8")
    monkeypatch.setattr("sys.stdin", io.StringIO("[1]"))

    assert read_input(None) is None
    assert read_input("null") == b"null"
    assert read_input(f"@{file}") == '{"a": "é"}'.encode()
    assert read_input("-") == b"[1]"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "--input is not JSON: expecting value at line 1, column 1"),
        ('{"a": 1,\n "b" 2}', "--input is not JSON: expecting ':' delimiter at line 2, column 6"),
        ('{"a": "b}', "--input is not JSON: unterminated string at line 1, column 7"),
        ('{"a": "\n"}', "--input is not JSON: invalid control character at line 1, column 8"),
        ('{"a": NaN}', "--input is not JSON: NaN is no JSON number"),
        ("@nowhere.json", "nowhere.json cannot be read: No such file or directory"),
    ],
)
def test_what_is_no_json_is_refused_with_its_place(text: str, message: str) -> None:
    """Line and column are counted from one, as editors do."""
    with pytest.raises(InvalidJson) as refused:
        read_input(text)

    assert (refused.value.message, refused.value.exit_code) == (message, 2)


def test_files_and_stdin_are_named_in_the_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The place alone would not say where to look."""
    bad, binary = tmp_path / "bad.json", tmp_path / "binary.json"
    bad.write_text("{", encoding="utf-8")
    binary.write_bytes(b"\xff\xfe")
    monkeypatch.setattr("sys.stdin", io.StringIO("x"))

    with pytest.raises(InvalidJson, match=r"bad\.json is not JSON: expecting property name"):
        read_input(f"@{bad}")
    with pytest.raises(InvalidJson, match=r"binary\.json cannot be read: it is not UTF-8"):
        read_input(f"@{binary}")
    with pytest.raises(InvalidJson, match="stdin is not JSON: expecting value at line 1, column 1"):
        read_input("-")


def test_a_forgotten_at_sign_is_noticed() -> None:
    """`--input order.json` is the commonest slip."""
    with pytest.raises(InvalidJson) as refused:
        read_input("order.json")

    assert refused.value.hint == "--input @order.json"


@pytest.mark.parametrize(
    ("name", "known", "message", "hint"),
    [
        (
            "orderprocesing",
            ["OrderProcessing", "Other"],
            "no workflow named 'orderprocesing'",
            "did you mean: run OrderProcessing",
        ),
        ("zzz", ["B", "A"], "no workflow named 'zzz'; there are: A, B", "moose-cli workflow list"),
        ("zzz", [], "no workflow named 'zzz'; none is declared", "moose-cli check"),
    ],
)
def test_an_unknown_name_is_answered_with_the_known_ones(name: str, known: list[str], message: str, hint: str) -> None:
    """Capitals do not matter for what was meant."""
    error = workflow_not_found(name, known, "run")

    assert (error.message, error.hint, error.exit_code) == (message, hint, 4)


def test_the_file_of_a_running_dev_is_remembered_and_forgotten(tmp_path: Path) -> None:
    """The folder is as it was before, unless somebody else keeps things there."""
    file = tmp_path / "my app.py"
    file.write_text("", encoding="utf-8")

    assert remembered_file(tmp_path) is None
    with remembering_file(tmp_path, file):
        assert remembered_file(tmp_path) == file
    assert remembered_file(tmp_path) is None
    assert not (tmp_path / ".moose").exists()


def test_the_newest_dev_counts_and_an_older_one_leaves_its_note_alone(tmp_path: Path) -> None:
    """Two sessions in one folder are about two files."""
    one, two = tmp_path / "one.py", tmp_path / "two.py"
    for file in (one, two):
        file.write_text("", encoding="utf-8")

    with remembering_file(tmp_path, two):
        with remembering_file(tmp_path, one):
            (tmp_path / ".moose" / "dev-file").write_text(f"1 {two}", encoding="utf-8")
        assert remembered_file(tmp_path) == two
    two.unlink()
    assert remembered_file(tmp_path) is None
