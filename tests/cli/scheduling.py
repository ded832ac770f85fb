"""A project with schedules, and how the tests of its commands read what they write."""

from __future__ import annotations

import re
import secrets
from dataclasses import replace
from pathlib import Path

from tests.cli.conftest import Cli, Done, still
from tests.cli.polling import wait_for

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


def shop_in(folder: Path, server: int) -> Cli:
    """A project of its own, with a queue and workflows of its own."""
    prefix = f"T{secrets.token_hex(4)}"
    (folder / "app").mkdir()
    (folder / "moose.config.toml").write_text("", encoding="utf-8")
    (folder / "app" / "main.py").write_text(APP.replace("PREFIX", prefix), encoding="utf-8")
    environment = {
        "MOOSE_TEMPORAL_CONFIG__ADDRESS": f"127.0.0.1:{server}",
        "MOOSE_TEMPORAL_CONFIG__TASK_QUEUE": f"queue-{prefix}",
        "PREFIX": prefix,
    }
    return Cli(folder=folder, environment=environment)


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


def without_others(text: str) -> str:
    """What a list said, without how many schedules other tests have in the namespace."""
    return re.sub(r"^note: \d+ schedules? of others .*\n", "", text, flags=re.MULTILINE)


def wait_for_list(cli: Cli, name: str) -> None:
    """Until the server's list has the schedule, which may be a moment behind: without a project that alone is asked."""
    outside = replace(cli, folder=cli.folder.parent)

    def is_listed() -> bool:
        return any(row["name"] == name for row in outside("schedule", "list", "--json").document)

    wait_for(is_listed, 30)


def expect(done: Done, code: int) -> Done:
    assert done.code == code, done.out + done.err
    return done


def wait_for_run(cli: Cli, workflow_id: str) -> None:
    def is_completed() -> bool:
        done = cli("workflow", "status", workflow_id, "--json")
        return done.code == 0 and bool(done.document["state"] == "completed")

    wait_for(is_completed, 60)
