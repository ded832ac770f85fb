"""`moose-cli deploy` and `schedule list | next | describe | pause`: what a user reads, and what programs get."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.api.workflowservice.v1 import UpdateScheduleRequest
from temporalio.client import Client, Schedule, ScheduleActionStartWorkflow, ScheduleSpec
from tests.cli.conftest import Cli
from tests.cli.polling import wait_for
from tests.cli.scheduling import edit, expect, names, plain, shop_in, wait_for_list, without_others


@pytest.fixture
def shop(server: int, tmp_path: Path) -> Cli:
    return shop_in(tmp_path, server)


@pytest.fixture
def another(server: int, tmp_path_factory: pytest.TempPathFactory) -> Cli:
    return shop_in(tmp_path_factory.mktemp("another"), server)


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
    assert done.err.endswith(f" before: moose-cli deploy --take-over {shop.folder.name} --dry-run\n")
    assert {it["state"] for it in other("schedule", "list", "--json").document} == {"foreign"}
    assert {it["schedule_state"] for it in other("workflow", "list", "--json").document} == {"foreign"}
    assert {it["state"] for it in shop("schedule", "list", "--json").document} == {"active"}


def test_a_renamed_project_takes_over(shop: Cli) -> None:
    """With its old name, and only then."""
    report, clean = names(shop)
    expect(shop("deploy"), 0)
    wait_for_list(shop, clean)
    renamed = Cli(folder=shop.folder.rename(shop.folder.with_name("renamed")), environment=shop.environment)
    edit(renamed, ', schedule="36h"', "")
    assert plain(renamed, expect(renamed("deploy"), 1).err) == (
        f"error: the schedule of Report is not deployed: it belongs to project {shop.folder.name!r} with task queue "
        "'queue-'\n"
        f"hint: if this project was called {shop.folder.name!r} before: "
        f"moose-cli deploy --take-over {shop.folder.name} --dry-run\n"
    )

    take_over = ("deploy", "--take-over", shop.folder.name, "--json")
    dry, done = expect(renamed(*take_over, "--dry-run"), 0), expect(renamed(*take_over), 0)

    for each in (dry, done):
        assert [(it["name"], it["change"], it["reasons"]) for it in each.document["changes"]] == [
            (clean, "removed", []),
            (report, "changed", [f"project was {shop.folder.name}"]),
        ]
    assert [it["change"] for it in expect(renamed("deploy", "--json"), 0).document["changes"]] == ["unchanged"]


async def test_a_schedule_that_was_made_by_hand_is_left_to_whoever_made_it(shop: Cli) -> None:
    """Though it has the id of ours: both lists have one word for it, and no verb does anything to it."""
    report, _ = names(shop)
    client = await Client.connect(shop.environment["MOOSE_TEMPORAL_CONFIG__ADDRESS"])
    action = ScheduleActionStartWorkflow("Theirs", id="theirs", task_queue="nobody")
    handle = await client.create_schedule(f"moose-{report}", Schedule(action=action, spec=ScheduleSpec()))

    rows = expect(shop("schedule", "list", "--json"), 0).document
    assert [(row["state"], row["next_time"]) for row in rows if row["name"] == report] == [("foreign", None)]
    assert "foreign" in {row["schedule_state"] for row in expect(shop("workflow", "list", "--json"), 0).document}
    for verb in (["trigger"], ["pause"], ["unpause"], ["backfill", "--from", "2026-01-01", "--to", "2026-01-02"]):
        done = expect(shop("schedule", verb[0], report, *verb[1:]), 4)
        assert plain(shop, done.err) == (
            "error: the schedule 'moose-Report' was not made by moose-cli: it starts 'Theirs'\n"
            "hint: if nobody needs it: temporal schedule delete --schedule-id moose-Report && moose-cli deploy\n"
        )
    described = await handle.describe()
    assert (described.info.num_actions, described.schedule.state.paused) == (0, False)
    await handle.delete()


async def test_what_somebody_changed_by_hand_is_told(shop: Cli) -> None:
    """`deploy` would set it back."""
    report, _ = names(shop)
    expect(shop("deploy"), 0)
    client = await Client.connect(shop.environment["MOOSE_TEMPORAL_CONFIG__ADDRESS"])
    raw = (await client.get_schedule_handle(f"moose-{report}").describe()).raw_description.schedule
    raw.spec.jitter.FromTimedelta(timedelta(minutes=5))
    await client.workflow_service.update_schedule(
        UpdateScheduleRequest(namespace=client.namespace, schedule_id=f"moose-{report}", schedule=raw)
    )

    listed = expect(shop("schedule", "list", "--json"), 0)
    assert [row["state"] for row in listed.document if row["name"] == report] == ["differs"]
    shown = plain(shop, expect(shop("schedule", "describe", report), 0).out)
    assert "  State  active; jitter changed by hand, which moose-cli deploy sets back\n" in shown
    assert expect(shop("schedule", "describe", report, "--json"), 0).document["changed_by_hand"] == ["jitter"]


def test_list_shows_what_is_declared_beside_what_is_deployed(shop: Cli) -> None:
    report, clean = names(shop)
    before = expect(shop("schedule", "list"), 0)
    assert plain(shop, before.out) == (
        "NAME  SCHEDULE  STATE  NEXT  LAST\n"
        "Clean  36h  not deployed  -  -\n"
        "Report  30 2 * * * (Europe/Berlin), overlap buffer_one  not deployed  -  -\n"
    )
    assert without_others(before.err) == "hint: moose-cli deploy --dry-run\n"

    expect(shop("deploy"), 0)
    wait_for_list(shop, report)
    wait_for_list(shop, clean)
    after = expect(shop("schedule", "list"), 0)
    assert without_others(after.err) == ""
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


async def test_list_says_how_many_schedules_of_others_there_are(shop: Cli, another: Cli) -> None:
    """Of other projects, and made without moose-cli; they are shown if somebody asks for all."""
    expect(another("deploy"), 0)
    report, clean = names(another)
    wait_for_list(another, report)
    wait_for_list(another, clean)
    client = await Client.connect(shop.environment["MOOSE_TEMPORAL_CONFIG__ADDRESS"])
    by_hand = f"by-hand-{shop.environment['PREFIX']}"
    start = ScheduleActionStartWorkflow("Any", id="any", task_queue="any")
    handle = await client.create_schedule(by_hand, Schedule(action=start, spec=ScheduleSpec()))
    wait_for(lambda: by_hand in shop("schedule", "list", "--all").out)

    listed, everything = expect(shop("schedule", "list"), 0), expect(shop("schedule", "list", "--all", "--json"), 0)
    await handle.delete()

    mine, rows = names(shop), {row["name"]: row for row in everything.document}
    others = len(rows) - len(mine)
    assert f"note: {others} schedules of others are not shown: moose-cli schedule list --all\n" in listed.err
    assert report not in listed.out
    assert {rows[name]["state"] for name in (report, clean, by_hand)} == {"foreign"}
    assert {rows[name]["state"] for name in mine} == {"not deployed"}


def test_no_schedules_at_all(shop: Cli) -> None:
    """Said, and exit code 0; an empty list in JSON."""
    edit(shop, ', schedule="36h"', "")
    edit(shop, "    schedule=Schedule(", "    # Schedule(")

    deployed, listed = expect(shop("deploy"), 0), expect(shop("schedule", "list"), 0)

    assert (deployed.out, deployed.err) == ("no schedules are declared or deployed\n", "")
    assert (listed.out, without_others(listed.err)) == ("", "no schedules are declared or deployed\n")
    assert expect(shop("deploy", "--json"), 0).document == {"dry_run": False, "changes": []}
    assert expect(shop("schedule", "list", "--json"), 0).document == []


def test_other_lists_show_the_next_time_too(shop: Cli) -> None:
    report, _ = names(shop)
    missing = expect(shop("workflow", "list", "--json"), 0).document
    assert [(row["schedule_state"], row["next_time"]) for row in missing] == [("not deployed", None)] * 2
    assert "36h, not deployed\n" in expect(shop("check"), 0).out

    expect(shop("deploy"), 0)
    assert plain(shop, expect(shop("check"), 0).out).count(", next <time>\n") == 2
    shown = plain(shop, expect(shop("workflow", "list"), 0).out)
    assert "  36h  <time>  1  -  app/main.py:" in shown
    assert "  30 2 * * * (Europe/Berlin)  <time>  1  Report  app/main.py:" in shown
    expect(shop("schedule", "pause", report), 0)
    assert "  30 2 * * * (Europe/Berlin)  paused  1" in plain(shop, shop("workflow", "list").out)
    assert "overlap buffer_one, paused\n" in plain(shop, shop("check").out)


def test_a_declared_pause_is_told_once(shop: Cli) -> None:
    edit(shop, "    schedule=Schedule(", "    schedule=Schedule(paused=True, ")
    expect(shop("deploy"), 0)

    assert "(Europe/Berlin), overlap buffer_one, paused\n" in plain(shop, expect(shop("check"), 0).out)


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
    edit(shop, "30 2 * * *", "30 3 * * *")
    differs = expect(shop("schedule", "next", report, "-n", "1"), 0)
    assert plain(shop, differs.err) == (
        "note: these are the times of the server's schedule; "
        "declared here is 30 3 * * * (Europe/Berlin), overlap buffer_one\n"
        "hint: moose-cli deploy\n"
    )
    edit(shop, "30 3 * * *", "30 2 * * *")
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
    elsewhere = shop("schedule", "next", report, "-n", "2", "--after", "2027-03-14", "--timezone", "America/New_York")
    assert re.sub(r"in \d+ days", "in <span>", elsewhere.out) == (
        "America/New_York            UTC                   IN\n"
        "2027-03-13 20:30:00 -05:00  2027-03-14 01:30:00Z  in <span>\n"
        "  2027-03-14: clocks in America/New_York go forward from 02:00 to 03:00 (-05:00 to -04:00)\n"
        "2027-03-14 21:30:00 -04:00  2027-03-15 01:30:00Z  in <span>\n"
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


def test_a_run_that_jitter_still_holds_back_is_the_next_one(shop: Cli) -> None:
    """The server only finds times that were declared after the moment it is asked about."""
    report, _ = names(shop)
    edit(shop, 'overlap="buffer_one"', 'jitter="10m"')
    expect(shop("deploy"), 0)
    first, second = expect(shop("schedule", "next", report, "-n", "2", "--json"), 0).document["times"]
    declared = f"{first['time'][:10]}T02:30"

    held_back = expect(shop("schedule", "next", report, "-n", "2", "--after", declared, "--json"), 0).document["times"]
    started = expect(shop("schedule", "next", report, "-n", "1", "--after", first["utc"], "--json"), 0)

    assert held_back == [first, second]
    assert started.document["times"] == [second]


def test_what_clocks_do_is_told_without_jitter(shop: Cli) -> None:
    """02:30 comes twice when they go back; started at 02:37, it is no time that was left out."""
    report, _ = names(shop)
    edit(shop, 'overlap="buffer_one"', 'jitter="10m"')
    expect(shop("deploy"), 0)

    document = expect(shop("schedule", "next", report, "-n", "2", "--after", "2027-10-30", "--json"), 0).document

    (change,) = document["clock_changes"]
    assert (change["once"], change["left_out"]) == (["02:30"], [])
    within = expect(shop("schedule", "next", report, "-n", "1", "--after", "2027-10-31T01:00Z", "--json"), 0)
    assert within.document["times"] == document["times"][1:]  # also asked within the hour that comes twice


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
    assert (plain(shop, done.out), done.err) == ("the schedule of 'Report' is paused\n", "")
    again = expect(shop("schedule", "pause", report, "--note", "lunch"), 0)
    assert again.err == "note: it was paused already, with another note: the feed is down\n"
    assert expect(shop("schedule", "pause", report, "--note", "lunch"), 0).err == ""
    edit(shop, "30 2 * * *", "30 3 * * *")
    expect(shop("deploy"), 0)
    described = plain(shop, expect(shop("schedule", "describe", report), 0).out)
    assert described == (
        "Report\n"
        "  Schedule  30 3 * * * (Europe/Berlin), overlap buffer_one\n"
        "  State  paused: lunch\n"
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
