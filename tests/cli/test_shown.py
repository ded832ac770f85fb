"""What has run, beside what is declared, and the graph of a run."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from tests.cli.conftest import Cli, Done
from tests.cli.polling import wait_for
from tests.cli.serving import free_server_ports, serving
from tests.cli.test_run import on_terminal


@pytest.fixture(scope="module")
def drawn(cli: Cli) -> Done:
    """A run of Order that failed."""
    return cli("workflow", "run", "Order", "-i", '{"order_id": "declined"}', "--id", "drawn", "--wait", "--json")


def test_list_shows_the_last_run_of_each_workflow(cli: Cli, drawn: Done) -> None:
    """State and start; a workflow that has not run has none."""

    def last_run() -> Any:  # Any: JSON
        return next(row["last_run"] for row in cli("workflow", "list", "--json").document if row["name"] == "Order")

    def is_listed() -> bool:
        last = last_run()
        return last is not None and last["run_id"] == drawn.document["run_id"]

    wait_for(is_listed)
    done = cli("workflow", "list")
    header, *lines = done.text.splitlines()

    assert (done.code, done.err) == (0, "")
    assert " ".join(header.split()) == "NAME LAST RUN STARTED AT SCHEDULE NEXT TASKS INPUT DECLARED AT"
    assert [" ".join(line.split()) for line in lines if line.startswith("Order ")] == [
        "Order failed <date> - - 3 Order app/main.py:46"
    ]
    last = last_run()
    assert (last["workflow_id"], last["state"], last["name"]) == ("drawn", "failed", "drawn")


def test_the_list_over_http_is_the_same_document(cli: Cli, drawn: Done) -> None:
    """One record, whoever asks; only the time that an open run has taken goes on."""
    ports = free_server_ports()
    here = Cli(folder=cli.folder, environment={**cli.environment, **ports})
    with serving(here):
        url = f"http://127.0.0.1:{ports['MOOSE_HTTP_SERVER_CONFIG__PORT']}/admin/workflows"

        def is_same() -> bool:
            found, over_http = cli("workflow", "list", "--json").document, httpx2.get(url, timeout=60).json()
            for row in (*found, *over_http):
                if row["last_run"] is not None and row["last_run"]["state"] == "running":
                    row["last_run"]["duration"] = None
            assert [row["name"] for row in over_http] == [row["name"] for row in found]
            return bool(found == over_http and any(row["last_run"] is not None for row in found))

        wait_for(is_same)  # the list of runs may be a moment behind


def test_the_graph_of_a_run_shows_how_it_went(cli: Cli, drawn: Done) -> None:
    """By workflow id or run id; a workflow's name is drawn without any server."""
    by_id, by_run = cli("workflow", "graph", "drawn"), cli("workflow", "graph", drawn.document["run_id"])

    assert (by_id.code, by_id.err) == (0, "")
    assert by_id.text == (
        "Order drawn, run <run>: failed, <date>\n"
        "✓ check  completed in <span>\n"
        "└─ ✗ charge  failed in <span>\n"
        "   └─ - deliver  skipped\n"
    )
    assert by_run.out == by_id.out
    assert ":::failed" in cli("workflow", "graph", "drawn", "--format", "mermaid").out
    assert 'fillcolor="#ff8787"' in cli("workflow", "graph", "drawn", "--format", "dot").out
    assert cli("workflow", "graph", "drawn", "--json").document["run"]["tasks"]["charge"]["state"] == "failed"
    offline = Cli(folder=cli.folder, environment={**cli.environment, "MOOSE_TEMPORAL_CONFIG__ADDRESS": "127.0.0.1:1"})
    assert offline("workflow", "graph", "Order").out.startswith("check ← input of the run (Order)\n")


def test_a_graph_of_nothing_says_what_was_probably_meant(cli: Cli) -> None:
    """A workflow's name with a mistake in it, or a run that cannot be looked up."""
    offline = Cli(folder=cli.folder, environment={**cli.environment, "MOOSE_TEMPORAL_CONFIG__ADDRESS": "127.0.0.1:1"})
    near, far = cli("workflow", "graph", "Ordr"), offline("workflow", "graph", "0b7f2c")

    assert (near.code, near.err) == (
        4,
        "error: no workflow named 'Ordr'\nhint: did you mean: moose-cli workflow graph Order\n",
    )
    assert (far.code, far.err.splitlines()[0]) == (
        3,
        "error: no Temporal server at 127.0.0.1:1: connection refused",
    )


def test_a_run_can_be_drawn_where_its_code_is_not(
    cli: Cli, drawn: Done, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Or does not load: it is the run's own plan."""
    away = Cli(folder=tmp_path_factory.mktemp("away"), environment=cli.environment)
    broken = Cli(folder=tmp_path_factory.mktemp("broken"), environment=cli.environment)
    (broken.folder / "moose.config.toml").write_text('language = "python"\n', encoding="utf-8")
    (broken.folder / "app").mkdir()
    (broken.folder / "app" / "main.py").write_text("import nothing_of_this_name\n", encoding="utf-8")

    assert away("workflow", "graph", "drawn").code == 0
    assert away("workflow", "graph", "nope").err.startswith("error: no moose.config.toml in ")
    assert broken("workflow", "graph", "drawn").code == 0
    nope = broken("workflow", "graph", "nope")
    assert nope.code == 2
    assert "nothing_of_this_name" in nope.err


def test_a_run_that_has_no_plan_yet_cannot_be_drawn(idle: Cli) -> None:
    """A worker brings it."""
    assert idle("workflow", "run", "Elsewhere", "--remote", "--id", "planless").code == 0
    done = idle("workflow", "graph", "planless")

    assert (done.code, done.err) == (
        4,
        "error: run 'planless' has no plan yet\nhint: moose-cli workflow explain planless\n",
    )
    explained = idle("workflow", "explain", "planless")
    assert "The run waits for a worker: nobody works for task queue 'cli-tests-idle'.\n" in explained.out
    assert idle("workflow", "terminate", "planless").code == 0


def test_on_a_terminal_the_tasks_are_drawn_as_a_tree(cli: Cli, drawn: Done) -> None:
    """Marks first, then the names."""
    text = on_terminal(cli, "workflow", "status", "drawn", "--watch", code=1)

    assert "✗ charge" in text
    assert "- deliver" in text
