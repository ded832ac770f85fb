"""What those who operate runs do in the tests, and how they wait."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.cli.conftest import Cli
from tests.cli.polling import wait_for


def start(cli: Cli, workflow: str, run: str) -> None:
    done = cli("workflow", "run", workflow, "--id", run, "--input", json.dumps({"bill_id": run}))
    assert done.code == 0, done.err


def status(cli: Cli, run: str) -> Any:  # Any: JSON
    return cli("workflow", "status", run, "--json").document


def listed(cli: Cli, workflow: str) -> Any:  # Any: JSON
    return next(row for row in cli("workflow", "list", "--json").document if row["name"] == workflow)


def is_running(cli: Cli, run: str) -> bool:
    """Its first task does."""
    return bool(status(cli, run)["tasks"][0]["state"] == "running")


def until_parked(cli: Cli, *runs: str) -> None:
    wait_for(lambda: all(status(cli, run)["parked"] for run in runs))


def until_state(cli: Cli, state: str, *runs: str) -> None:
    wait_for(lambda: all(status(cli, run)["state"] == state for run in runs))


def until_listed(cli: Cli, workflow: str, count: int, *options: str) -> None:
    """Temporal's lists lag a little behind, with what has begun and with what has ended."""
    wait_for(lambda: len(cli("workflow", "history", workflow, *options, "--json").document) == count)


def hashes(text: str) -> str:
    return re.sub(r"\b[0-9a-f]{12}\b", "<hash>", text)


def still_runs(text: str) -> str:
    return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<run>", text)
