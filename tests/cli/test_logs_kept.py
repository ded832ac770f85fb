"""`moose-cli logs` of runs whose lines have made room for newer ones."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.cli.logged import project, worker_of
from tests.cli.polling import wait_for


def test_a_run_whose_lines_are_no_longer_kept_is_not_said_to_be_silent(server: int, tmp_path: Path) -> None:
    """Whether it wrote anything, nobody knows; with newer lines beside it, and without any."""
    cli = project(tmp_path, server)
    told = " has no lines here: it logged nothing, or they are no longer kept ([logger] max_size)\n"
    with worker_of(cli):
        assert cli("workflow", "run", "Talk", "--wait", "--id", "Early-1").code == 0
        assert cli("logs", "Early-1").out != ""
        shutil.rmtree(tmp_path / ".moose" / "logs")
        assert cli("logs", "Early-1").err == f"Early-1{told}"
        assert cli("workflow", "run", "Talk", "--wait", "--id", "Late-1").code == 0
        wait_for(lambda: cli("logs", "Late-1").out != "", 30)
        assert cli("logs", "Early-1").err == f"Early-1{told}"
