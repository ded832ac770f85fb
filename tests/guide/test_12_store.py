"""Records come in by HTTP or from a task, are asked for with SQL, and refused ones are stored after a repair."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import Cli
from tests.guide.serving import post, serving_shop

SHOP = """\
from decimal import Decimal

from pydantic import BaseModel

import moose_lib
from moose_lib import IngestPipeline, Task, TaskConfig, Workflow, WorkflowConfig

class Order(BaseModel):
    order_id: str
    total: Decimal
    items: list[str] = []

class Day(BaseModel):
    orders: list[Order]

IngestPipeline[Order]("Orders")

def keep(day: Day) -> None:
    moose_lib.ingest_sync("Orders", day.orders)

Workflow(
    name="KeepDay",
    config=WorkflowConfig(starting_task=Task[Day, None](name="keep", config=TaskConfig(run=keep))),
)
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Cli]:
    """The file above with `moose-cli serve shop.py`."""
    with serving_shop(tmp_path, SHOP) as shop:
        yield shop


def test_what_was_posted_is_asked_for_with_sql(shop: Cli) -> None:
    """An answer of SUCCESS means that it is on disk."""
    assert (
        post(shop, [{"order_id": "1", "total": "1.10"}, {"order_id": "2", "total": 2, "items": ["lamp"]}]) == "SUCCESS"
    )

    done = shop("query", "SELECT order_id, total, items FROM Orders ORDER BY order_id")
    assert done.out.splitlines() == ["order_id  total  items", "1         1.10   []", '2         2      ["lamp"]']


def test_the_latest_rows_come_first(shop: Cli) -> None:
    """`peek` gives lists as they were."""
    post(shop, {"order_id": "1", "total": 1})
    post(shop, {"order_id": "2", "total": 2, "items": ["lamp"]})

    (row,) = shop("peek", "Orders", "-n", "1", "--json").document
    assert (row["order_id"], row["items"]) == ("2", ["lamp"])


def test_a_refused_record_is_stored_once_the_model_takes_it(shop: Cli) -> None:
    """Its own text is kept with the reason; the replay needs no server, and does not mind one."""
    assert post(shop, [{"order_id": "1", "total": 1}, {"order_id": "2"}]) == "PARTIAL: 1 stored, 1 rejected"
    (letter,) = shop("dead-letters", "Orders", "--json").document
    assert (letter["originalRecord"], letter["errorMessage"]) == ({"order_id": "2"}, "total: is missing")

    (shop.folder / "shop.py").write_text(SHOP.replace("total: Decimal", "total: Decimal = Decimal(0)"), "utf-8")

    assert shop("dead-letters", "Orders", "--replay", "--file", "shop.py").out == "Orders: 1 stored, 0 still refused\n"
    assert shop("dead-letters", "Orders", "--replay", "--file", "shop.py").out == "Orders: 0 stored, 0 still refused\n"
    assert shop("query", "SELECT count(*) AS n FROM Orders", "--json").document == [{"n": 2}]


def test_check_says_what_a_server_would_refuse(shop: Cli) -> None:
    """Before it is started: a field of another kind would lose what its column holds."""
    (shop.folder / "shop.py").write_text(SHOP.replace("total: Decimal", "total: bytes"), "utf-8")

    done = shop("check", "shop.py")

    assert done.code == 2
    assert done.err.splitlines() == [
        "error: table 'Orders' holds rows of another shape: total is bytes, was decimal",
        'hint: give the new shape a version of its own: version="2"',
    ]


def test_a_task_keeps_its_records(shop: Cli) -> None:
    """The same as a test of yours would: the workflow runs here, the records go to the server."""
    script = (
        "from moose_lib.testing import run_local\n"
        "from moose_lib.dmv2._registry import _workflows\n"
        "import shop\n"
        "day = shop.Day(orders=[shop.Order(order_id='1', total='9.90')])\n"
        "run_local(_workflows['KeepDay'], day).raise_for_failure()\n"
    )
    (shop.folder / "try_it.py").write_text(script, encoding="utf-8")

    command = [sys.executable, "try_it.py"]
    subprocess.run(command, cwd=shop.folder, env=shop.whole_environment, check=True, timeout=60)

    assert json.loads(shop("peek", "Orders", "--json").out)[0]["total"] == "9.90"
