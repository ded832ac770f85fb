"""What an error of ClickHouse means: it passes, somebody has to do something, or rows are refused."""

from __future__ import annotations

import pytest

from moose_lib.ingest.clickhouse.failures import Trouble, classify, hint_for, row_of, sentence


@pytest.mark.parametrize("code", [6, 27, 41, 53, 69, 72, 117, 321, 349, 376, 407, 467, 469, 691])
def test_what_is_about_values_is_about_rows(code: int) -> None:
    assert classify(code, "") is Trouble.ROWS


@pytest.mark.parametrize("code", [16, 47, 60, 62, 81, 115, 164, 193, 291, 452, 497, 516])
def test_what_somebody_has_to_change_blocks_the_table_and_says_what(code: int) -> None:
    assert classify(code, "") is Trouble.TABLE
    assert hint_for(code, "") is not None


@pytest.mark.parametrize("code", [None, 3, 33, 159, 202, 209, 210, 236, 241, 242, 252, 319, 999, 123456])
def test_all_else_passes(code: int | None) -> None:
    """Overload, read-only replicas, too many parts, Keeper, the network, and what we do not know: no row is refused."""
    assert classify(code, "") is Trouble.PASSING
    assert hint_for(code, "") is None


def test_a_view_that_fails_is_no_fault_of_rows() -> None:
    """The table may have the rows already, so other batches of them would double some."""
    text = "Cannot parse: while pushing to view db.v (0e0)"

    assert classify(27, text) is Trouble.TABLE
    assert hint_for(27, text) == "a view that reads from the table fails: repair or drop it"


@pytest.mark.parametrize(
    ("message", "row"),
    [
        ("Cannot parse input: (while reading the value of key a): (at row 12)", 12),
        ("Constraint `c` for table d.t (…) is violated at row 3. Expression: (a >= 0)", 3),
        ("Cannot parse input", None),
        ("at rowing 3", None),
    ],
)
def test_the_row_is_read_from_the_message(message: str, row: int | None) -> None:
    assert row_of(message) == row


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            (
                "Received ClickHouse exception, code: 27, server response: Code: 27. DB::Exception: Cannot parse input:"
                " expected '\"' before: 'x': (while reading the value of key a): (at row 1)\n: While executing"
                " JSONEachRowRowInputFormat: data. (CANNOT_PARSE) (version 26.5.1.1) (for url http://x:1)"
            ),
            "Cannot parse input: expected '\"' before: 'x': (while reading the value of key a) (CANNOT_PARSE)",
        ),
        (
            (
                "Code: 60. DB::Exception: Code: 60. DB::Exception: Table a.b does not exist. (UNKNOWN_TABLE)"
                " (version 26.5.1.1). (UNKNOWN_TABLE)"
            ),
            "Table a.b does not exist. (UNKNOWN_TABLE)",
        ),
        ("no more words", "no more words"),
    ],
)
def test_an_error_is_one_sentence(text: str, said: str) -> None:
    assert sentence(text) == said
