"""`InsertOptions`: what happens to records that do not fit their model."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.integration.conftest import free_port
from tests.server.clicks import Click, Web, a_run, taken
from tests.server.test_client import SHOP, numbers
from tests.server.test_process import server

import moose_lib
from moose_lib import IngestApi, IngestPipeline, IngestResult, InsertOptions, NonRetryableError, OlapTable
from moose_lib.dmv2 import IngestConfig, RunInfo
from moose_lib.dmv2.deliveries import FailedRecord, Tally
from moose_lib.ingest.errors import IngestRefused, InvalidRecords, TableNotFound
from moose_lib.ingest.querying import reading

RECORDS: list[dict[str, Any]] = [  # Any: as users give them
    {"number": 1},
    {"number": "x"},
    {"number": 3},
    {},
    {"number": object()},
]
FAILED = (
    FailedRecord(
        index=1,
        reason="number: input should be a valid integer, unable to parse string as an integer, got 'x'",
    ),
    FailedRecord(index=3, reason="number: is missing"),
    FailedRecord(index=4, reason="cannot be written as JSON: Unable to serialize unknown type: <class 'object'>"),
)


def letters(folder: Path) -> list[str]:
    with reading(folder / ".moose" / "store.db") as connection:
        return [row[0] for row in connection.execute("SELECT record FROM _moose_dead_letters ORDER BY id")]


def test_records_that_do_not_fit_fail_all_or_are_discarded_or_isolated(
    clicks: IngestPipeline[Click], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a table and by name, in `def` and in `async` code; a generator is read once."""
    port = free_port()
    monkeypatch.setenv("MOOSE_HTTP_SERVER_CONFIG__PORT", str(port))
    (tmp_path / "shop.py").write_text(SHOP)
    table, isolate = clicks.get_table(), InsertOptions(strategy="isolate")
    with server(tmp_path, port):
        with pytest.raises(InvalidRecords, match="3 records are no valid Click for Clicks; nothing was sent"):
            table.insert(RECORDS, InsertOptions())
        assert table.insert(iter(RECORDS), InsertOptions(strategy="discard")) == IngestResult(
            stored=2, rejected=3, failed_records=FAILED
        )
        assert (numbers(tmp_path), letters(tmp_path)) == ([1, 3], [])
        assert table.insert([{}], InsertOptions(strategy="discard")).rejected == 1  # and nothing is sent

        isolated = asyncio.run(moose_lib.ingest("Clicks", iter(RECORDS), options=isolate))
        assert isolated == IngestResult(stored=2, rejected=3, failed_records=FAILED)
        assert (numbers(tmp_path), letters(tmp_path)) == ([1, 1, 3, 3], ['{"number":"x"}', "{}"])
        unchecked = InsertOptions(strategy="isolate", validate=False, skip_validation_on_retry=True)
        assert table.insert([{"number": 5}, {"number": "y"}], unchecked) == IngestResult(stored=1, rejected=1)
        assert table.insert([{"number": "z"}], unchecked) == IngestResult(rejected=1)  # a request of nothing else

    assert numbers(tmp_path) == [1, 1, 3, 3, 5]
    assert letters(tmp_path) == ['{"number":"x"}', "{}", '{"number":"y"}', '{"number":"z"}']


@pytest.mark.parametrize("strategy", ["discard", "isolate"])
@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"allow_errors": 2}, "allow_errors=2"),
        ({"allow_errors_ratio": 0.5}, "allow_errors_ratio=0.5"),
        ({"allow_errors": 0, "allow_errors_ratio": 1}, "allow_errors=0"),
    ],
)
def test_no_more_are_left_out_than_is_allowed(
    clicks: IngestPipeline[Click], web: Web, strategy: Any, limits: dict[str, Any], told: str
) -> None:
    with pytest.raises(InvalidRecords) as caught:
        clicks.get_table().insert(RECORDS, InsertOptions(strategy=strategy, **limits))

    assert str(caught.value).splitlines()[0] == (
        f"3 records are no valid Click for Clicks, more than {told}; nothing was sent"
    )
    assert web.asked == []


def test_as_many_as_allowed_are_left_out(clicks: IngestPipeline[Click], web: Web) -> None:
    options = InsertOptions(strategy="discard", allow_errors=3, allow_errors_ratio=0.6)
    clicks.get_table().insert(RECORDS, options)

    assert [json.loads(body) for _, _, body in web.asked] == [[{"number": 1}, {"number": 3}]]
    assert clicks.get_table().insert([], options) == IngestResult()


def test_a_task_tells_what_was_rejected_once(
    clicks: IngestPipeline[Click], web: Web, in_run: Callable[[RunInfo], None]
) -> None:
    """A call that failed and is made again has left out the same records."""
    run = a_run()
    in_run(run)
    web.answers = [(400, {}), taken(2), (207, {"Moose-Stored": "1", "Moose-Rejected": "1"})]
    table = clicks.get_table()
    with pytest.raises(IngestRefused):
        table.insert(RECORDS, InsertOptions(strategy="discard"))
    table.insert(RECORDS, InsertOptions(strategy="discard"))
    table.insert([{"number": 1}, {}], InsertOptions(strategy="isolate"))

    assert run.deliveries.tally == Tally(stored={"Clicks": 3}, rejected={"Clicks": 4})


def test_a_record_that_is_too_deep_is_its_own_fault_alone(clicks: IngestPipeline[Click], web: Web) -> None:
    """JSON's reader refuses the request that holds it."""
    deep: dict[str, Any] = {}  # Any: nested
    for _ in range(230):
        deep = {"x": deep}
    done = clicks.get_table().insert([{"number": 1}, {"number": 2, "x": deep}], InsertOptions(strategy="discard"))

    (failed,) = done.failed_records
    assert (failed.index, failed.reason.partition(" at ")[0]) == (1, "recursion limit exceeded")


def test_without_dead_letters_nothing_can_be_isolated(
    clicks: IngestPipeline[Click], web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would be refused with those that fit."""
    IngestApi[Click]("Bare", IngestConfig(table=clicks.get_table()))
    isolate = InsertOptions(strategy="isolate")
    text = (
        "records for Bare cannot be isolated: it keeps no dead letters, or [ingest] partial = false refuses a request "
        "as a whole"
    )
    with pytest.raises(NonRetryableError) as caught:
        moose_lib.ingest_sync("Bare", [{"number": 1}], options=isolate)
    assert (str(caught.value), caught.value.hint) == (text, 'strategy="discard"')
    monkeypatch.setenv("MOOSE_INGEST__PARTIAL", "false")
    with pytest.raises(NonRetryableError, match="records for Clicks cannot be isolated"):
        clicks.get_table().insert([{"number": 1}], isolate)
    assert web.asked == []


def test_a_server_that_refuses_all_of_a_request_has_not_isolated_a_part(
    clicks: IngestPipeline[Click], web: Web
) -> None:
    """Its settings are others than ours: those that fit are not stored."""
    web.answers = [(400, {"Moose-Stored": "0", "Moose-Rejected": "1"})]
    with pytest.raises(IngestRefused):
        clicks.get_table().insert([{"number": 1}, {}], InsertOptions(strategy="isolate"))


async def _later() -> AsyncGenerator[dict[str, int]]:
    yield {"number": 1}


@pytest.mark.parametrize(
    ("records", "told", "hint"),
    [
        (None, "None", None),
        (5, "of the class int", None),
        ("[]", "of the class str", None),
        (_later(), "of the class async_generator", "[record async for record in …] makes a list of it"),
    ],
)
def test_what_is_no_records_is_refused(
    clicks: IngestPipeline[Click], web: Web, records: Any, told: str, hint: str | None
) -> None:
    with pytest.raises(NonRetryableError) as caught:
        moose_lib.ingest_sync("Clicks", records)

    assert str(caught.value) == f"records are {told}, which is no record and no list or generator of them"
    assert (caught.value.hint, web.asked) == (hint, [])


def test_a_table_that_no_endpoint_fills_says_so(clicks: IngestPipeline[Click], web: Web) -> None:
    """And a name that is not quite right, how it is written."""
    table = OlapTable[Click]("Alone")
    with pytest.raises(NonRetryableError, match="table 'Alone' has no endpoint that fills it") as caught:
        table.insert([{"number": 1}])
    assert caught.value.hint == 'declare one: IngestApi[Click]("Alone", IngestConfig(table=…))'

    with pytest.raises(TableNotFound, match="no declared endpoint named 'Klicks'") as missing:
        moose_lib.ingest_sync("Klicks", [])
    assert missing.value.hint == 'did you mean: moose_lib.ingest("Clicks", …)'


def test_what_is_no_options_is_refused(clicks: IngestPipeline[Click], web: Web) -> None:
    options: Any = "discard"  # Any: users' values are not type-checked
    with pytest.raises(NonRetryableError, match="options is 'discard', which is no InsertOptions"):
        clicks.get_table().insert([{"number": 1}], options)
