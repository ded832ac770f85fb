"""Tasks that ingest: what they send is stored once through retries and resumes, and `status` tells of it."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Cli, start_worker
from tests.cli.serving import free_server_ports, serving

CODE = Path(__file__).with_name("ingesting.py")


@pytest.fixture
def loading(server: int, tmp_path: Path) -> Iterator[Cli]:
    """A project with a worker and a server."""
    (tmp_path / "app").mkdir()
    (tmp_path / "moose.config.toml").write_text("", encoding="utf-8")
    (tmp_path / "app" / "main.py").write_text(CODE.read_text(encoding="utf-8"), encoding="utf-8")
    cli = Cli(
        folder=tmp_path,
        environment={
            "MOOSE_TEMPORAL_CONFIG__ADDRESS": f"127.0.0.1:{server}",
            "MOOSE_TEMPORAL_CONFIG__TASK_QUEUE": "cli-ingesting",
            **free_server_ports(),
            "MOOSE_WORKER__GRACE_PERIOD": "2s",
        },
    )
    worker = start_worker(cli)
    try:
        with serving(cli):
            yield cli
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.communicate(timeout=30)


def rows(cli: Cli) -> list[dict[str, Any]]:  # Any: JSON
    query = 'SELECT "by", count(*) AS n, count(DISTINCT number) AS numbers FROM Orders GROUP BY 1 ORDER BY 1'
    found: list[dict[str, Any]] = cli("query", query, "--json").document  # Any: as above
    return found


def test_a_repeated_task_and_a_resumed_run_store_nothing_twice(loading: Cli) -> None:
    broken = loading.folder / "app" / "broken"
    broken.touch()
    run = loading("workflow", "run", "Loading", "--id", "loading", "--wait", "--json")
    assert run.code == 1
    status = loading("workflow", "status", "loading", "--json").document
    text = loading("workflow", "status", "loading").out

    assert {it["name"]: it["ingested"] for it in status["tasks"]} == {
        "load": {"Orders": 12_000},
        "add": {"Orders": 2},
        "report": {},
    }
    assert "ingested 12,000 into Orders" in text
    assert rows(loading) == [{"by": "add", "n": 2, "numbers": 2}, {"by": "load", "n": 12_000, "numbers": 12_000}]

    broken.unlink()
    resumed = loading("workflow", "resume", "loading", "--from", "load", "--wait", "--json")

    assert resumed.code == 0, resumed.err
    result = loading("workflow", "result", "loading").document
    assert result["report"] == {"stored": 12_000, "repeated": 12_000}
    assert [it["n"] for it in rows(loading)] == [2, 12_000]
    assert loading("peek", "Orders", "-n", "1").code == 0


def test_a_task_that_fails_says_what_it_has_stored_all_the_same(loading: Cli) -> None:
    """Its records are committed, whatever became of it."""
    assert loading("workflow", "run", "GivingUp", "--id", "gave-up", "--wait").code == 1
    document = loading("workflow", "status", "gave-up", "--json").document

    assert document["tasks"][0]["ingested"] == {"Orders": 500}
    text = loading("workflow", "status", "gave-up").out
    assert "RuntimeError: after 500; ingested 500 into Orders all the same" in text
    assert [(it["by"], it["n"]) for it in rows(loading)] == [("give_up", 500)]


def test_a_task_that_is_canceled_says_what_it_has_stored_all_the_same(loading: Cli) -> None:
    """And what it has left out."""
    assert loading("workflow", "run", "Waiting", "--id", "waiting").code == 0
    end = time.monotonic() + 30
    while not (loading.folder / "app" / "waiting").exists():
        assert time.monotonic() < end, "it has not begun"
        time.sleep(0.05)
    assert loading("workflow", "cancel", "waiting", "--wait").code == 0

    (told,) = loading("workflow", "status", "waiting", "--json").document["tasks"]
    assert (told["state"], told["ingested"], told["rejected"]) == ("canceled", {"Orders": 1}, {"Orders": 1})
    assert "ingested 1 into Orders, rejected 1 of Orders all the same" in loading("workflow", "status", "waiting").out


def test_records_that_are_others_in_each_attempt_are_set_aside(loading: Cli) -> None:
    """Not stored, as that would double them; not lost, as they may be more than the old ones told again."""
    broken = loading.folder / "app" / "broken"
    broken.touch()
    assert loading("workflow", "run", "Stamping", "--id", "stamping", "--wait").code == 1
    count = "SELECT count(*) AS n, count(DISTINCT number) AS numbers FROM Readings"
    assert loading("query", count, "--json").document == [{"n": 10, "numbers": 10}]

    broken.unlink()
    resumed = loading("workflow", "resume", "stamping", "--wait", "--json")
    assert resumed.code == 0, resumed.err
    assert loading("workflow", "result", "stamping").document == {"stored": 10, "repeated": 10, "set_aside": 10}
    assert loading("query", count, "--json").document == [{"n": 10, "numbers": 10}]
    assert "ingested 10 into Readings, set aside 10 of Readings" in loading("workflow", "status", "stamping").out
    (told,) = loading("workflow", "status", "stamping", "--json").document["tasks"]
    assert (told["ingested"], told["set_aside"]) == ({"Readings": 10}, {"Readings": 10})
    assert (
        "10 of the records for Readings are set aside, as an earlier attempt has sent others in their place: "
        "moose-cli dead-letters Readings"
    ) in loading("logs", "stamping").out
    letters = loading("dead-letters", "Readings", "--json", "--limit", "100").document
    assert {it["errorType"] for it in letters} == {"SetAside"}
    assert letters[0]["errorMessage"].startswith("set aside, as an earlier attempt has sent others: task stamp of run")
    assert len(letters) == 30  # the second attempt, and two of the resumed run
    replayed = loading("dead-letters", "Readings", "--replay")
    assert replayed.out == "Readings: 0 stored, 0 still refused\n"
    assert "30 set aside, which may repeat what is stored: --replay --set-aside stores them" in replayed.err

    assert loading("workflow", "run", "Stamping", "--id", "stamping", "--wait").code == 0
    assert loading("query", count, "--json").document == [{"n": 20, "numbers": 10}]  # a new run is new work


def test_requests_that_come_in_any_order_are_all_stored_once(loading: Cli) -> None:
    assert loading("workflow", "run", "Gathering", "--id", "gathering", "--wait").code == 0

    assert [it for it in rows(loading) if it["by"] == "gather"] == [{"by": "gather", "n": 3, "numbers": 3}]


def test_trials_of_a_task_are_no_repetitions_of_each_other(loading: Cli) -> None:
    """Without a run there is nothing that they repeat; with one, they are part of it."""
    for _ in range(2):
        assert loading("workflow", "run-task", "GivingUp", "give_up").code == 1
    assert [(it["by"], it["n"]) for it in rows(loading)] == [("give_up", 1000)]

    assert loading("workflow", "run", "GivingUp", "--id", "given-up", "--wait").code == 1
    assert loading("workflow", "run-task", "GivingUp", "give_up", "--from-run", "given-up").code == 1
    assert [(it["by"], it["n"]) for it in rows(loading)] == [("give_up", 1500)]
