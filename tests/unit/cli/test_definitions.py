"""Commands about declared workflows: check, list, graph. They need no server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from moose_lib.cli.main import main

SHOP = """\
from pydantic import BaseModel
from moose_lib import Task, TaskConfig, Workflow, WorkflowConfig

class Order(BaseModel):
    id: str

class Paid(BaseModel):
    id: str

def check(order: Order) -> Order:
    return order

def charge(order: Order) -> Paid:
    return Paid(id=order.id)

def pack(order: Order) -> None:
    pass

def ship(paid: Paid) -> None:
    pass

def tidy() -> None:
    pass

last = Task[Paid, None](name="ship", config=TaskConfig(run=ship))
left = Task[Order, Paid](name="charge", config=TaskConfig(run=charge, on_complete=[last]))
right = Task[Order, None](name="pack", config=TaskConfig(run=pack, on_complete=[last]))
first = Task[Order, Order](name="check", config=TaskConfig(run=check, on_complete=[left, right]))
Workflow(name="Shop", config=WorkflowConfig(starting_task=first, timeout="30m", retries=1))
Workflow(
    name="Nightly",
    config=WorkflowConfig(
        starting_task=Task[None, None](name="tidy", config=TaskConfig(run=tidy)), schedule="@daily", retries=2
    ),
)
"""


def test_a_project_that_declares_nothing_is_told_how(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shop / "app" / "main.py").write_text("")
    assert main(["check"]) == 0

    told = capsys.readouterr()
    assert told.out.splitlines()[-1] == "0 workflows, 0 tasks, no mistakes"
    assert told.err == "note: importing it makes no workflow; declare one with Workflow(name=…, config=…)\n"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MOOSE_TEMPORAL_CONFIG__ADDRESS", "127.0.0.1:1")  # where nobody answers
    (tmp_path / "moose.config.toml").write_text("", encoding="utf-8")
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "main.py").write_text(SHOP, encoding="utf-8")
    return tmp_path


def test_check_draws_each_workflow_with_what_feeds_its_tasks(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Everything is in order: exit 0."""
    assert main(["check"]) == 0

    told = capsys.readouterr()
    assert told.err == ""
    assert told.out == (
        "Nightly  1 task, 2 retries, schedule @daily\n"
        "  tidy  takes nothing\n"
        "\n"
        "Shop  4 tasks, timeout 30m, 1 retry\n"
        "  check  ← input of the run (Order)\n"
        "  ├─ charge  ← output of check (Order)\n"
        "  └─ pack  ← output of check (Order)\n"
        "     └─ ship  ← output of charge (Paid)  after charge, pack\n"
        "\n"
        "2 workflows, 5 tasks, no mistakes\n"
    )


def test_check_folds_a_large_workflow(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its first tasks show what it is; all of them are there for whoever asks."""
    many = "[Task[None, None](name=f'tidy-{i}', config=TaskConfig(run=tidy)) for i in range(40)]"
    large = (
        SHOP
        + f"""
large = Task[None, None](name="start", config=TaskConfig(run=tidy, on_complete={many}))
Workflow(name="Large", config=WorkflowConfig(starting_task=large))
"""
    )
    (shop / "app" / "main.py").write_text(large)
    assert main(["check"]) == 0
    folded = capsys.readouterr().out.splitlines()
    assert main(["check", "--verbose"]) == 0
    whole = capsys.readouterr().out.splitlines()

    begin = folded.index("Large  41 tasks")
    assert folded[begin + 1] == "  start  takes nothing"
    assert folded[begin + 20 : begin + 23] == ["  ├─ tidy-18  takes nothing", "  … and 21 more: --verbose", ""]
    assert len([line for line in whole if "tidy-" in line]) == 40
    assert not [line for line in whole if "more:" in line]


def test_check_as_json_has_the_plans(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One object for all workflows."""
    assert main(["check", "--json"]) == 0

    document = json.loads(capsys.readouterr().out)
    assert [workflow["name"] for workflow in document["workflows"]] == ["Nightly", "Shop"]
    assert document["faults"] == []
    assert document["workflows"][1]["tasks"][3]["after"] == ["charge", "pack"]


def test_check_tells_all_mistakes_at_once(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With file and line, exit 2."""
    broken = SHOP.replace('timeout="30m"', 'timeout="30 parsecs"').replace('"@daily"', '"now and then"')
    (shop / "app" / "main.py").write_text(broken, encoding="utf-8")

    assert main(["check"]) == 2

    told = capsys.readouterr()
    assert told.out == ""
    errors = [line for line in told.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 2
    assert all(line.startswith("error: app/main.py:") for line in errors)
    assert "30 parsecs" in told.err
    assert "now and then" in told.err
    assert main(["check", "--json"]) == 2
    assert len(json.loads(capsys.readouterr().out)["error"]["faults"]) == 2


TABLES = """\
from pydantic import BaseModel
from moose_lib import IngestPipeline, OlapTable

class Order(BaseModel):
    total: int
    Total: int

class Click(BaseModel):
    user: str

IngestPipeline[Click]("Clicks")
OlapTable[Click]("clicks")
OlapTable[Order]("Orders")
OlapTable[Click]("sqlite_clicks")
"""


def test_check_tells_what_the_store_would_not_take(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """SQLite ignores case, and keeps names for itself; the server would end at its start."""
    (shop / "app" / "main.py").write_text(TABLES, encoding="utf-8")

    assert main(["check"]) == 2

    assert capsys.readouterr().err.splitlines() == [
        f"error: app/main.py:12: table 'clicks' differs only in case from 'Clicks' (at {shop}/app/main.py:11)",
        "hint: give one another name: the store takes them for the same",
        "error: app/main.py:13: table 'Orders': fields 'total' and 'Total' differ only in case",
        'hint: rename one of them; in JSON it can keep its name: Field(alias="Total")',
        "error: app/main.py:14: table 'sqlite_clicks': names that begin with 'sqlite_' are SQLite's own",
        "hint: choose another one",
    ]


def test_code_that_does_not_import_is_shown_with_its_traceback(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The user's own, whole."""
    (shop / "app" / "main.py").write_text("import no_such_module\n", encoding="utf-8")

    assert main(["check"]) == 2

    err = capsys.readouterr().err
    assert err.startswith(f"error: {shop.resolve()}/app/main.py does not import\nTraceback (most recent call last):\n")
    assert "ModuleNotFoundError: No module named 'no_such_module'\n" in err


def test_mistakes_made_before_an_import_error_are_told_with_it(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One broken line does not hide the other mistakes."""
    (shop / "app" / "main.py").write_text(
        "from moose_lib import Task, TaskConfig\n"
        "def work() -> None: ...\n"
        "Task[None, None](name='a', config=TaskConfig(run=work, retries=-1))\n"
        "import no_such_module\n",
        encoding="utf-8",
    )

    assert main(["check", "--json"]) == 2

    told = capsys.readouterr()
    assert told.err.startswith("error: app/main.py:3: task 'a': retries -1 is not a whole number from 0")
    assert "ModuleNotFoundError: No module named 'no_such_module'\n" in told.err
    [fault] = json.loads(told.out)["error"]["faults"]
    assert fault["code"] == "bad-retries"


def test_code_without_a_workflow_is_no_success_in_silence(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shop / "app" / "main.py").write_text("", encoding="utf-8")

    assert main(["check"]) == 0

    assert "note: importing it makes no workflow; declare one with Workflow(" in capsys.readouterr().err


def test_a_single_file_needs_no_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`check FILE`, and `--file` for the others."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop.py").write_text(SHOP, encoding="utf-8")

    assert main(["check", "shop.py"]) == 0
    assert capsys.readouterr().out.endswith("2 workflows, 5 tasks, no mistakes\n")
    assert main(["workflow", "list", "--file", "shop.py"]) == 0
    assert "Shop" in capsys.readouterr().out
    assert main(["workflow", "graph", "Shop"]) == 2
    assert capsys.readouterr().err.startswith("error: no moose.config.toml in ")
    assert main(["check", "other.py"]) == 2
    assert capsys.readouterr().err == f"error: other.py is not a file\nhint: it was looked for in {tmp_path}\n"


def test_the_file_of_a_running_dev_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Commands in another terminal of the folder need no --file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop.py").write_text(SHOP, encoding="utf-8")
    (tmp_path / ".moose").mkdir()
    (tmp_path / ".moose" / "dev-file").write_text(f"1 {tmp_path}/shop.py", encoding="utf-8")

    assert main(["w", "l", "--json"]) == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)] == ["Nightly", "Shop"]


def test_list_shows_what_is_declared(
    shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Known keys in JSON, with null where there is nothing; no server has to be there."""
    monkeypatch.setenv("MOOSE_TEMPORAL_CONFIG__ADDRESS", "127.0.0.1:1")
    assert main(["workflow", "list"]) == 0
    told = capsys.readouterr()
    assert told.err == (
        "note: no Temporal server at 127.0.0.1:1: connection refused, so last runs and next fires are not known\n"
    )
    assert told.out == (
        "NAME     LAST RUN  STARTED AT  SCHEDULE  NEXT  TASKS  INPUT  DECLARED AT\n"
        "Nightly  -         -           @daily    -     1      -      app/main.py:30\n"
        "Shop     -         -           -         -     4      Order  app/main.py:29\n"
    )

    assert main(["workflow", "list", "--json"]) == 0
    nightly, shop_row = json.loads(capsys.readouterr().out)
    assert (nightly["name"], nightly["schedule"], nightly["tasks"]) == ("Nightly", "@daily", ["tidy"])
    assert nightly["schedule_details"]["crons"] == ["0 0 * * *"]
    assert (nightly["schedule_state"], nightly["next_time"], nightly["last_run"]) == (
        None,
        None,
        None,
    )  # no server is there to ask
    assert (shop_row["schedule"], shop_row["timeout_seconds"], shop_row["retries"]) == (None, 1800.0, 1)
    assert shop_row["line"] == 29


def test_list_of_nothing_says_so(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """stdout stays empty."""
    (shop / "app" / "main.py").write_text("", encoding="utf-8")

    assert main(["workflow", "list"]) == 0
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "no workflows are declared\n")


@pytest.mark.parametrize(("kind", "start"), [("text", "check"), ("mermaid", "flowchart TD\n"), ("dot", "digraph")])
def test_graph_draws_in_three_languages(shop: Path, kind: str, start: str, capsys: pytest.CaptureFixture[str]) -> None:
    """To look at, to paste into documents, to render."""
    assert main(["workflow", "graph", "Shop", "--format", kind]) == 0
    assert capsys.readouterr().out.startswith(start)


def test_graph_as_json_is_the_plan(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same that a run carries."""
    assert main(["workflow", "graph", "Shop", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["start"] == "check"


def test_graph_of_an_unknown_workflow_exits_4(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With what was meant."""
    assert main(["workflow", "graph", "Shopp"]) == 4
    assert capsys.readouterr().err == (
        "error: no workflow named 'Shopp'\nhint: did you mean: moose-cli workflow graph Shop\n"
    )
