"""`moose-cli schedule` and `deploy`: what a user reads, and what programs get."""

from __future__ import annotations

import re
import secrets
import signal
import time
from pathlib import Path

import pytest
from tests.cli.conftest import Cli, Done, still

APP = """
from pydantic import BaseModel

from moose_lib import Schedule, Task, TaskConfig, TaskContext, Workflow, WorkflowConfig


class Report(BaseModel):
    days: int


async def report(ctx: TaskContext[Report]) -> None:
    print("report for", ctx.run.scheduled_time)


def clean() -> None:
    pass


Workflow(name="PREFIXReport", config=WorkflowConfig(
    starting_task=Task[Report, None](name="report", config=TaskConfig(run=report)),
    schedule=Schedule(cron="30 2 * * *", timezone="Europe/Berlin", overlap="buffer_one", input=Report(days=1)),
))
Workflow(name="PREFIXClean", config=WorkflowConfig(
    starting_task=Task[None, None](name="clean", config=TaskConfig(run=clean)), schedule="36h",
))
"""
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d( [+-]\d\d:\d\d|Z)")


@pytest.fixture
def shop(server: int, tmp_path: Path) -> Cli:
    """A project of its own, with a queue and workflows of its own."""
    prefix = f"T{secrets.token_hex(4)}"
    (tmp_path / "app").mkdir()
    (tmp_path / "moose.config.toml").write_text("", encoding="utf-8")
    (tmp_path / "app" / "main.py").write_text(APP.replace("PREFIX", prefix), encoding="utf-8")
    environment = {
        "MOOSE_TEMPORAL_CONFIG__ADDRESS": f"127.0.0.1:{server}",
        "MOOSE_TEMPORAL_CONFIG__TASK_QUEUE": f"queue-{prefix}",
        "PREFIX": prefix,
    }
    return Cli(folder=tmp_path, environment=environment)


def names(cli: Cli) -> tuple[str, str]:
    return f"{cli.environment['PREFIX']}Report", f"{cli.environment['PREFIX']}Clean"


def edit(cli: Cli, old: str, new: str) -> None:
    file = cli.folder / "app" / "main.py"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def plain(cli: Cli, text: str) -> str:
    """What a command wrote, without the names of this test and without times."""
    text = _TIME.sub("<time>", text.replace(cli.environment["PREFIX"], ""))
    text = re.sub(r"in (\d+ days|[\dhms ]+)$", "in <span>", text, flags=re.MULTILINE)
    return "".join(f"{re.sub(r'  +', '  ', line.rstrip())}\n" for line in still(text).splitlines())


def wait_for_list(cli: Cli, name: str) -> None:
    """Until the server's list has the schedule, which may be a moment behind."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        rows = cli("schedule", "list", "--json").document
        if any(row["name"] == name and row["state"] != "not deployed" for row in rows):
            return
    raise AssertionError(f"{name} is not listed")


def expect(done: Done, code: int) -> Done:
    assert done.code == code, done.out + done.err
    return done


def test_deploy_adds_changes_and_removes(shop: Cli) -> None:
    """First what it would do, then it does it; twice changes nothing."""
    report, clean = names(shop)

    dry = expect(shop("deploy", "--dry-run"), 0)
    assert plain(shop, dry.out) == (
        "NAME  CHANGE  SCHEDULE  NEXT  WHY\n"
        "Clean  would be added  36h  -  -\n"
        "Report  would be added  30 2 * * * (Europe/Berlin), overlap buffer_one  -  -\n"
    )
    assert plain(shop, expect(shop("deploy"), 0).out) == (
        "NAME  CHANGE  SCHEDULE  NEXT  WHY\n"
        "Clean  added  36h  <time>  -\n"
        "Report  added  30 2 * * * (Europe/Berlin), overlap buffer_one  <time>  -\n"
    )
    wait_for_list(shop, clean)
    edit(shop, ', schedule="36h"', "")
    edit(shop, "30 2 * * *", "30 3 * * *")
    document = expect(shop("deploy", "--json"), 0).document
    assert document["dry_run"] is False
    assert [(it["name"], it["change"], it["reasons"]) for it in document["changes"]] == [
        (clean, "removed", []),
        (report, "changed", ["was 30 2 * * * (Europe/Berlin)"]),
    ]
    again = expect(shop("deploy", "--json"), 0).document
    assert [(it["name"], it["change"]) for it in again["changes"]] == [(report, "unchanged")]
    assert again["changes"][0]["schedule_details"]["timezone"] == "Europe/Berlin"


def test_deploy_tells_of_an_id_that_is_taken(shop: Cli) -> None:
    """Exit code 1, and the other one stays as it is."""
    report, _ = names(shop)
    expect(shop("deploy"), 0)
    wait_for_list(shop, report)
    other = Cli(folder=shop.folder.parent / "other", environment={**shop.environment})
    other.folder.mkdir()
    (other.folder / "app").mkdir()
    for name in ("moose.config.toml", "app/main.py"):
        (other.folder / name).write_text((shop.folder / name).read_text(encoding="utf-8"), encoding="utf-8")
    other.environment["MOOSE_TEMPORAL_CONFIG__TASK_QUEUE"] = f"other-{shop.environment['PREFIX']}"

    done = expect(other("deploy"), 1)

    queue = shop.environment["MOOSE_TEMPORAL_CONFIG__TASK_QUEUE"]
    assert (
        f"error: the schedule of {report} is not deployed: it belongs to project {shop.folder.name!r} "
        f"with task queue {queue!r}\n"
    ) in done.err
    assert {it["state"] for it in shop("schedule", "list", "--json").document} == {"active"}


def test_list_shows_what_is_declared_beside_what_is_deployed(shop: Cli) -> None:
    report, clean = names(shop)
    before = expect(shop("schedule", "list"), 0)
    assert plain(shop, before.out) == (
        "NAME  SCHEDULE  STATE  NEXT  LAST\n"
        "Clean  36h  not deployed  -  -\n"
        "Report  30 2 * * * (Europe/Berlin), overlap buffer_one  not deployed  -  -\n"
    )
    assert before.err == "hint: moose-cli deploy --dry-run\n"

    expect(shop("deploy"), 0)
    wait_for_list(shop, report)
    wait_for_list(shop, clean)
    after = expect(shop("schedule", "list"), 0)
    assert after.err == ""
    assert plain(shop, after.out) == (
        "NAME  SCHEDULE  STATE  NEXT  LAST\n"
        "Clean  36h  active  <time>  -\n"
        "Report  30 2 * * * (Europe/Berlin), overlap buffer_one  active  <time>  -\n"
    )
    edit(shop, ', schedule="36h"', "")
    edit(shop, "30 2 * * *", "30 3 * * *")
    rows = expect(shop("schedule", "list", "--json"), 0).document
    assert [(row["name"], row["state"]) for row in rows] == [(clean, "not declared"), (report, "differs")]
    assert rows[1]["schedule"] == "30 3 * * * (Europe/Berlin)"
    assert rows[1]["next_time"] is not None


def test_other_lists_show_the_next_time_too(shop: Cli) -> None:
    report, _ = names(shop)
    missing = expect(shop("workflow", "list", "--json"), 0).document
    assert [(row["schedule_state"], row["next_time"]) for row in missing] == [("not deployed", None)] * 2
    assert "36h, not deployed\n" in expect(shop("check"), 0).out

    expect(shop("deploy"), 0)
    assert plain(shop, expect(shop("check"), 0).out).count(", next <time>\n") == 2
    shown = plain(shop, expect(shop("workflow", "list"), 0).out)
    assert "Clean  36h  <time>  1  -  app/main.py:" in shown
    assert "Report  30 2 * * * (Europe/Berlin)  <time>  1  Report  app/main.py:" in shown
    expect(shop("schedule", "pause", report), 0)
    assert "Report  30 2 * * * (Europe/Berlin)  paused  1" in plain(shop, shop("workflow", "list").out)


def test_next_shows_what_the_clocks_do(shop: Cli) -> None:
    """In the schedule's zone or another; before it is deployed as well, and then with a note."""
    report, _ = names(shop)
    spring = expect(shop("schedule", "next", report, "-n", "3", "--after", "2027-03-26"), 0)
    assert re.sub(r"in \d+ days", "in <span>", spring.out) == (
        "Europe/Berlin               UTC                   IN\n"
        "2027-03-26 02:30:00 +01:00  2027-03-26 01:30:00Z  in <span>\n"
        "2027-03-27 02:30:00 +01:00  2027-03-27 01:30:00Z  in <span>\n"
        "  2027-03-28: clocks in Europe/Berlin go forward from 02:00 to 03:00 (+01:00 to +02:00); "
        "02:30 does not exist and is skipped\n"
        "2027-03-29 02:30:00 +02:00  2027-03-29 00:30:00Z  in <span>\n"
    )
    assert spring.err == "note: the schedule is not deployed yet: nothing fires\nhint: moose-cli deploy\n"

    expect(shop("deploy"), 0)
    autumn = expect(
        shop("schedule", "next", report, "-n", "2", "--after", "2027-10-30", "--timezone", "America/New_York"), 0
    )
    assert autumn.err == ""
    assert re.sub(r"in \d+ days", "in <span>", autumn.out) == (
        "America/New_York            UTC                   IN\n"
        "2027-10-29 20:30:00 -04:00  2027-10-30 00:30:00Z  in <span>\n"
        "  2027-10-31: clocks in Europe/Berlin go back from 03:00 to 02:00 (+02:00 to +01:00); "
        "02:30 comes twice and runs once\n"
        "2027-10-30 21:30:00 -04:00  2027-10-31 01:30:00Z  in <span>\n"
    )
    document = expect(shop("schedule", "next", report, "-n", "1", "--after", "2027-03-28", "--json"), 0).document
    assert (document["timezone"], document["is_deployed"], document["is_paused"]) == ("Europe/Berlin", True, False)
    assert document["times"] == [{"time": "2027-03-29T02:30:00+02:00", "utc": "2027-03-29T00:30:00Z"}]
    assert document["clock_changes"][0]["skipped"] == ["02:30"]
    many = expect(shop("schedule", "next", report, "-n", "1000", "--json"), 0).document
    assert len(many["times"]) == 1000


def test_jitter_is_part_of_the_times(shop: Cli) -> None:
    """They are the moments at which the server will really start, so that nobody wonders."""
    report, _ = names(shop)
    edit(shop, 'overlap="buffer_one"', 'jitter="10m"')
    expect(shop("deploy"), 0)

    shown = expect(shop("schedule", "next", report, "-n", "2"), 0).out.splitlines()

    assert shown[-1] == "jitter of up to 10m is part of these times"
    assert all(re.match(r"\d{4}-\d\d-\d\d 02:3\d:\d\d \+0[12]:00", line) for line in shown[1:3])


def test_times_that_temporal_leaves_out_are_named(shop: Cli) -> None:
    """After the clocks went back it forgets some; nobody should learn that from a missing run."""
    report, _ = names(shop)
    edit(shop, "30 2 * * *", "*/20 * * * *")

    document = expect(shop("schedule", "next", report, "-n", "12", "--after", "2027-10-31T01:00", "--json"), 0).document

    [change] = document["clock_changes"]
    wall = {time["time"][11:16] for time in document["times"]}
    assert not wall & set(change["left_out"])
    assert {"02:00", "02:20"} & {*change["once"], *change["twice"]}


def test_next_of_what_is_not_there(shop: Cli) -> None:
    report, _ = names(shop)
    nobody = expect(shop("schedule", "next", "Nobody"), 4)
    assert nobody.err == (
        "error: workflow 'Nobody' has no schedule, here or on the server\nhint: moose-cli schedule list\n"
    )
    zone = expect(shop("schedule", "next", report, "--timezone", "Berlin"), 2)
    assert zone.err.splitlines()[0] == (
        "error: invalid value for --timezone: timezone 'Berlin' is unknown; did you mean: 'Europe/Berlin'"
    )
    after = expect(shop("schedule", "next", report, "--after", "soon"), 2)
    assert after.err.splitlines()[0] == (
        "error: invalid value: 'soon' is not a date or time; "
        "write 2027-01-31 or 2027-01-31T06:30, with Z or +01:00 if you like"
    )


def test_pause_describe_and_unpause(shop: Cli) -> None:
    """A pause by hand survives a deployment."""
    report, _ = names(shop)
    assert expect(shop("schedule", "describe", report), 4).err == (
        f"error: workflow {report!r} has no schedule on the server\nhint: moose-cli schedule list\n"
    )
    assert expect(shop("schedule", "pause", report, "--json"), 4).document["error"]["code"] == "schedule_not_found"
    expect(shop("deploy"), 0)

    done = expect(shop("schedule", "pause", report, "--note", "the feed is down"), 0)
    assert plain(shop, done.out) == "the schedule of 'Report' is paused\n"
    edit(shop, "30 2 * * *", "30 3 * * *")
    expect(shop("deploy"), 0)
    described = plain(shop, expect(shop("schedule", "describe", report), 0).out)
    assert described == (
        "Report\n"
        "  Schedule  30 3 * * * (Europe/Berlin), overlap buffer_one\n"
        "  State  paused: the feed is down\n"
        f"  Project  {shop.folder.name}\n"
        "  Task queue  queue-\n"
        '  Input  {"days":1}\n'
        "  Counts  0 started, 0 skipped (overlap), 0 missed (server down)\n"
        "  Open runs  none\n"
    )
    paused = expect(shop("schedule", "next", report), 0)
    assert plain(shop, paused.err) == (
        "note: the schedule is paused: nothing fires\nhint: moose-cli schedule unpause Report\n"
    )
    document = expect(shop("schedule", "unpause", report, "--json"), 0).document
    assert (document["is_paused"], document["note"]) == (False, "unpaused from the command line")
    assert len(document["next_times"]) == 10
    again = expect(shop("schedule", "unpause", report), 0)
    assert plain(shop, again.out) == "the schedule of 'Report' is active, next <time>\n"
    assert plain(shop, expect(shop("schedule", "describe", report), 0).out).endswith(
        "\nNext\n  <time>  in <span>\n  <time>  in <span>\n  <time>  in <span>\n"
    )


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


def test_a_trigger_that_has_to_wait_says_so(shop: Cli) -> None:
    """Nobody works, so that the first run stays open."""
    _, clean = names(shop)
    expect(shop("deploy"), 0)
    first = expect(shop("schedule", "trigger", clean), 0)
    assert plain(shop, first.out).splitlines()[0] == "'Clean' started by its schedule."
    time.sleep(1.1)  # ids have whole seconds

    second = expect(shop("schedule", "trigger", clean), 1)

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


def wait_for_run(cli: Cli, workflow_id: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        done = cli("workflow", "status", workflow_id, "--json")
        if done.code == 0 and done.document["state"] == "completed":
            return
    raise AssertionError(f"{workflow_id} does not complete")
