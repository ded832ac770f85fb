"""The logs on disk stay within their limit, whoever writes, and half a line harms nobody."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.unit.logs.writing import RUN, line, messages, size

from moose_lib.logs import store as module
from moose_lib.logs.reading import LogReader, Wanted, find_known, find_named, has_task
from moose_lib.logs.store import LogStore, kept_since, log_files

MEGABYTE = 1_000_000
BIG = "x" * 1000


def test_the_oldest_lines_make_room(tmp_path: Path) -> None:
    """Three times the limit is written; the newest lines are there."""
    store = LogStore(tmp_path, max_size=MEGABYTE)
    sizes = list[int]()
    for number in range(3000):
        store.write([line(f"{number} {BIG}", time=float(number))])
        sizes.append(size(tmp_path))
    store.close()

    kept = [int(message.partition(" ")[0]) for message in messages(tmp_path)]
    assert max(sizes) <= MEGABYTE
    assert sizes[-1] > MEGABYTE * 0.8
    assert kept == list(range(kept[0], 3000))
    assert store.fault is None


def test_since_when_lines_are_kept(tmp_path: Path) -> None:
    """The first line says so; files that are not ours say nothing."""
    theirs = tmp_path / "0.jsonl"
    theirs.write_text("x" * 100_000, encoding="utf-8")
    assert kept_since(tmp_path) is None

    store = LogStore(tmp_path, max_size=1_000_000)
    store.write([line("one", time=90.5), line("two", time=100.0)])
    store.close()

    assert kept_since(tmp_path) == datetime.fromtimestamp(90.5, UTC)


def test_several_write_at_once_each_its_own_file(tmp_path: Path) -> None:
    """All of them within the one limit; nobody removes what another one writes."""
    stores = [LogStore(tmp_path, max_size=MEGABYTE) for _ in range(3)]
    for number in range(1500):
        for nth, store in enumerate(stores):
            store.write([line(f"{nth}", time=number * 3.0 + nth), line(BIG, time=number * 3.0 + nth)])
    kept = [message for message in messages(tmp_path) if message != BIG]
    size_at_end = size(tmp_path)
    for store in stores:
        store.close()

    assert size_at_end <= MEGABYTE
    assert kept[-30:] == ["0", "1", "2"] * 10


def test_a_file_that_nobody_writes_is_gone_on_with(tmp_path: Path) -> None:
    """Workers that come and go do not leave a file each; half a line of a killed one stays half a line."""
    first = LogStore(tmp_path, max_size=MEGABYTE)
    first.write([line("one", time=1)])
    (file,) = log_files(tmp_path)
    with file.open("ab") as handle:
        handle.write(b'{"time": "2026-01-01T00:00:00Z", "mess')
    second = LogStore(tmp_path, max_size=MEGABYTE)
    second.write([line("two", time=2)])
    first.close()
    third = LogStore(tmp_path, max_size=MEGABYTE)
    third.write([line("three", time=3)])

    assert len(log_files(tmp_path)) == 2
    assert messages(tmp_path) == ["one", "two", "three"]


def test_a_folder_that_was_removed_is_made_again(tmp_path: Path) -> None:
    """Somebody cleans up while a worker runs."""
    directory = tmp_path / ".moose" / "logs"
    store = LogStore(directory, max_size=MEGABYTE)
    store.write([line("one")])
    shutil.rmtree(tmp_path / ".moose")
    store.write([line("two")])

    assert messages(directory) == ["two"]


def test_a_disk_that_is_full_loses_lines_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a line was written: the next one that fits is in another file."""
    store = LogStore(tmp_path, max_size=MEGABYTE)
    store.write([line("one")])
    monkeypatch.setattr(module, "_PAUSE_SECONDS", 0.0)
    write, calls = os.write, list[int]()

    def full(descriptor: int, data: bytes) -> int:
        calls.append(len(data))
        if len(calls) == 1:
            return write(descriptor, data[:20])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        store.write([line("two")])
        fault = store.fault
    store.write([line("three")])

    assert fault == "No space left on device"
    assert store.fault is None
    assert messages(tmp_path) == ["one", "three"]


def test_after_a_fault_the_disk_is_left_alone_for_a_while(tmp_path: Path) -> None:
    """A broken disk is not asked again for each line."""
    (tmp_path / "file").touch()
    store = LogStore(tmp_path / "file" / "logs", max_size=MEGABYTE)
    store.write([line("one")])
    (tmp_path / "file").unlink()
    store.write([line("two")])

    assert store.fault is not None
    assert not (tmp_path / "file").exists()


def test_lines_are_read_in_the_order_of_time(tmp_path: Path) -> None:
    """Whichever process wrote them; files that begin later are opened later."""
    one, two = LogStore(tmp_path, max_size=MEGABYTE), LogStore(tmp_path, max_size=MEGABYTE)
    for number in range(0, 10, 2):
        one.write([line(str(number), time=float(number))])
        two.write([line(str(number + 1), time=number + 1.0)])

    assert messages(tmp_path) == [str(number) for number in range(10)]


def test_reading_goes_on_where_it_ended(tmp_path: Path) -> None:
    """For those who follow; half a line waits for its end."""
    store = LogStore(tmp_path, max_size=MEGABYTE)
    reader = LogReader(tmp_path, Wanted())
    assert list(reader.read()) == []
    store.write([line("one")])
    assert [it.message for it in reader.read()] == ["one"]
    (file,) = log_files(tmp_path)
    whole = file.read_bytes()
    with file.open("ab") as handle:
        handle.write(whole[:30])
    assert list(reader.read()) == []
    with file.open("ab") as handle:
        handle.write(whole[30:])
    assert [it.message for it in reader.read()] == ["one"]


def test_lines_are_chosen(tmp_path: Path) -> None:
    """By run, task, attempt, level and time."""
    store = LogStore(tmp_path, max_size=MEGABYTE)
    now = datetime.now(UTC).timestamp()
    store.write([line("a", time=now - 60), line("b", time=now, level="error")])
    store.write([line("c", run=replace(RUN, workflow_id="Order-2a", run_id="r2", task="ship", attempt=2), time=now)])

    assert messages(tmp_path, workflow_id="Order-1f") == ["a", "b"]
    assert messages(tmp_path, run_id="r2") == ["c"]
    assert messages(tmp_path, task="ship") == ["c"]
    assert messages(tmp_path, attempt=2) == ["c"]
    assert messages(tmp_path, level="warning") == ["b"]
    assert messages(tmp_path, since=now - 30) == ["b", "c"]
    assert messages(tmp_path, since=now + 3600) == []


def test_the_last_lines_are_found_from_the_end(tmp_path: Path) -> None:
    """Files that are older than they are not read; reading goes on after them."""
    one, two = LogStore(tmp_path, max_size=MEGABYTE), LogStore(tmp_path, max_size=MEGABYTE)
    for number in range(0, 10, 2):
        one.write([line(str(number), time=float(number))])
        two.write([line(str(number + 1), time=number + 1.0)])
    (tmp_path / "20200101T000000.000000-1-old.jsonl").write_bytes(b"not even JSON\n")
    os.utime(tmp_path / "20200101T000000.000000-1-old.jsonl", (0, 0))
    reader = LogReader(tmp_path, Wanted())

    assert [it.message for it in reader.read_last(3)] == ["7", "8", "9"]
    assert list(reader.read()) == []
    one.write([line("10", time=10)])
    assert [it.message for it in reader.read()] == ["10"]
    assert LogReader(tmp_path, Wanted()).read_last(0) == []
    assert len(LogReader(tmp_path, Wanted()).read_last(100)) == 11
    assert [it.message for it in LogReader(tmp_path, Wanted(since=3.0, level="info")).read_last(1)] == ["10"]


def test_what_a_word_names(tmp_path: Path) -> None:
    """A workflow id and a run id name themselves, a workflow its latest run."""
    store = LogStore(tmp_path, max_size=MEGABYTE)
    again = replace(RUN, run_id="r2", task="ship")
    newer = replace(RUN, workflow_id="mine", run_id="r3", task="pack")
    store.write([line("a", run=RUN, time=1), line("b", run=newer, time=2), line("c", run=again, time=3)])
    store.write([line("d", run=newer, time=4), line("e Order-2", time=5)])

    by_id, by_run, by_name = (find_named(tmp_path, it) for it in ("Order-1f", "r1", "Order"))
    assert by_id is not None
    assert (by_id.workflow, by_id.run_id, sorted(by_id.tasks)) == ("Order", None, ["charge", "ship"])
    assert by_run is not None
    assert (by_run.workflow_id, by_run.run_id, sorted(by_run.tasks)) == ("Order-1f", "r1", ["charge"])
    assert by_name is not None
    assert by_name.workflow_id == "Order-1f"  # its second life began last
    assert find_named(tmp_path, "Order-2") is None
    assert find_known(tmp_path).workflow_ids == {"Order-1f", "mine"}
    assert has_task(tmp_path, "pack")
    assert not has_task(tmp_path, "pick")


def test_files_that_are_not_ours_are_left_alone(tmp_path: Path) -> None:
    """One with a strange name is read first; what is no line of ours is skipped."""
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "old.jsonl").write_text('{"other": 1}\nnot json\n')
    LogStore(tmp_path, max_size=MEGABYTE).write([line("one")])

    assert messages(tmp_path) == ["one"]
    assert (tmp_path / "notes.txt").exists()
    assert messages(tmp_path / "nowhere") == []
