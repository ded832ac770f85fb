"""Runs of schedules from the command line: by trigger, by backfill, by a worker that brings them, and by hand."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path

import pytest
from tests.cli.conftest import Cli
from tests.cli.scheduling import edit, expect, names, plain, shop_in, wait_for_list, wait_for_run


@pytest.fixture
def shop(server: int, tmp_path: Path) -> Cli:
    return shop_in(tmp_path, server)


def test_trigger_and_backfill_with_a_worker(shop: Cli) -> None:
    """What ran is not run again; what is left over from the code before stays until it is deployed."""
    report, clean = names(shop)
    worker = shop.start("worker")
    assert worker.stdout is not None
    lines = [worker.stdout.readline() for _ in range(3)]
    assert plain(shop, lines[2]) == "schedules: Clean added, next <time>; Report added, next <time>\n"

    fired = expect(shop("schedule", "trigger", report, "--json"), 0).document
    assert fired["is_started"]
    assert fired["workflow_id"].startswith(f"{report}-scheduled-")
    assert expect(shop("workflow", "status", fired["workflow_id"], "--watch"), 0)

    span = ("--from", "2026-03-28", "--to", "2026-03-30")
    long = expect(shop("schedule", "backfill", report, "--from", "2020-01-01", "--to", "2026-01-01"), 2)
    assert plain(shop, long.err) == (
        "error: more than 500 times of 'Report' lie between 2020-01-01T<time>+01:00 and 2026-01-01T<time>+01:00\n"
        "hint: give a shorter span with --from and --to\n"
    )
    dry = expect(shop("schedule", "backfill", report, *span, "--dry-run"), 0)
    assert plain(shop, dry.out) == (
        "TIME  STATE  BACKFILL  WORKFLOW ID\n"
        "<time>  missing  would run  Report-scheduled-2026-03-28T<time>Z\n"
        "<time>  missing  would run  Report-scheduled-2026-03-30T<time>Z\n"
        "2 times of Report, 2 without a run; 2 runs would be started, one after the other\n"
    )
    done = expect(shop("schedule", "backfill", report, "--from", "2026-03-28", "--to", "2026-03-28"), 0)
    assert plain(shop, done.out) == "1 time of Report, 1 without a run; 1 run started\n"
    first = f"{report}-scheduled-2026-03-28T01:30:00Z"
    wait_for_run(shop, first)
    rest = expect(shop("schedule", "backfill", report, *span, "--missing-only", "--json"), 0).document
    assert [(it["workflow_id"], it["state"], it["run_state"], it["is_backfilled"]) for it in rest["times"]] == [
        (first, "ran", "completed", False),
        (f"{report}-scheduled-2026-03-30T00:30:00Z", "missing", None, True),
    ]
    wait_for_run(shop, f"{report}-scheduled-2026-03-30T00:30:00Z")

    edit(shop, ', schedule="36h"', "")
    wait_for_list(shop, clean)
    second = shop.start("worker")
    assert second.stdout is not None
    assert plain(shop, [second.stdout.readline() for _ in range(3)][2]) == "schedules: Report unchanged, next <time>\n"
    for each in (worker, second):
        each.send_signal(signal.SIGTERM)
    out, _ = worker.communicate(timeout=30)
    _, err = second.communicate(timeout=30)
    assert "report for 2026-03-28 01:30:00+00:00" in out
    assert f"note: the schedule of {clean} is no longer declared but still fires; moose-cli deploy removes it" in err


def test_a_run_by_hand_runs_now_and_once(shop: Cli) -> None:
    """The existing Moose would wait for the next time, and with an input make a second schedule."""
    report, _ = names(shop)
    worker = shop.start("worker")
    assert worker.stdout is not None
    assert [worker.stdout.readline() for _ in range(3)][2].startswith("schedules: ")
    before = expect(shop("schedule", "describe", report, "--json"), 0).document

    done = expect(shop("workflow", "run", report, "--input", '{"days": 2}', "--wait", "--json"), 0).document
    after = expect(shop("schedule", "describe", report, "--json"), 0).document
    worker.send_signal(signal.SIGTERM)
    out, _ = worker.communicate(timeout=30)

    assert (done["state"], "-scheduled-" in done["workflow_id"]) == ("completed", False)
    assert (before["started"], after["started"], before["next_times"]) == (0, 0, after["next_times"])
    assert out.count("report for None") == 1
    assert len(shop("workflow", "history", report, "--json").document) == 1


@pytest.mark.parametrize("overlap", [[], ["--overlap", "buffer_one"]])
def test_a_trigger_that_has_to_wait_says_so(shop: Cli, overlap: list[str]) -> None:
    """Nobody works, so that the first run stays open: by its own overlap the second one is skipped."""
    _, clean = names(shop)
    expect(shop("deploy"), 0)
    first = expect(shop("schedule", "trigger", clean), 0)
    assert plain(shop, first.out).splitlines()[0] == "'Clean' started by its schedule."
    time.sleep(1.1)  # ids have whole seconds

    second = expect(shop("schedule", "trigger", clean, *overlap), 1)

    assert re.sub(r"-scheduled-\S+", "-scheduled-…", plain(shop, second.err)) == (
        "error: no run of 'Clean' has started: Clean-scheduled-… is open, and the schedule's overlap makes it wait or "
        "skip\nhint: moose-cli schedule trigger Clean --overlap allow_all\n"
    )
    assert expect(shop("schedule", "trigger", clean, "--overlap", "allow_all", "--json"), 0).document["is_started"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--from", "2026-03-30", "--to", "2026-03-28"), "error: --to 2026-03-28 is before --from 2026-03-30"),
        (("--from", "soon", "--to", "2026-03-28"), "error: invalid value: 'soon' is not a date or time; write"),
        (("--from", "2026-03-30"), "error: missing option '--to'"),
        (
            ("--from", "2020-01-01", "--to", "2026-03-28"),
            "error: more than 500 times of 'Report' lie between 2020-01-01T<time>+01:00 and ",
        ),
    ],
)
def test_a_backfill_that_makes_no_sense_is_refused(shop: Cli, arguments: tuple[str, ...], message: str) -> None:
    report, _ = names(shop)
    expect(shop("deploy"), 0)

    assert plain(shop, expect(shop("schedule", "backfill", report, *arguments), 2).err).startswith(message)


def test_a_worker_can_leave_schedules_to_deploy(shop: Cli) -> None:
    _, clean = names(shop)
    shop.environment["MOOSE_WORKER__SCHEDULES"] = "off"
    worker = shop.start("worker")
    assert worker.stdout is not None
    for _ in range(2):
        worker.stdout.readline()
    assert expect(shop("schedule", "describe", clean), 4)
    worker.send_signal(signal.SIGTERM)
    out, _ = worker.communicate(timeout=30)
    assert out == "stopped\n"


def test_without_a_server_or_a_project(shop: Cli, tmp_path_factory: pytest.TempPathFactory) -> None:
    nowhere = Cli(folder=shop.folder, environment={"MOOSE_TEMPORAL_CONFIG__ADDRESS": "127.0.0.1:1"})
    assert expect(nowhere("schedule", "list"), 3).err.startswith("error: no Temporal server at 127.0.0.1:1")
    assert expect(nowhere("deploy", "--dry-run"), 3)
    bare = Cli(folder=tmp_path_factory.mktemp("empty"), environment=shop.environment)
    assert expect(bare("deploy"), 2).err.startswith("error: no moose.config.toml")
    expect(shop("deploy"), 0)
    wait_for_list(shop, names(shop)[0])
    assert names(shop)[0] in [row["name"] for row in expect(bare("schedule", "list", "--json"), 0).document]
