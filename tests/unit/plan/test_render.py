"""A plan as text."""

from __future__ import annotations

from pydantic import BaseModel
from tests.unit.plan.graphs import connect, flow, task

from moose_lib.plan.build import compile_workflow
from moose_lib.plan.model import Plan
from moose_lib.plan.render import dot, mermaid, tree


class Order(BaseModel):
    number: int


class Stock(BaseModel):
    available: bool


def orders() -> Plan:
    tasks = {
        "validate": task("validate", Order, Order),
        "inventory": task("inventory", Order, Stock),
        "payment": task("payment", Stock),
        "größe": task("größe"),
        "finalize": task("finalize", Order),
    }
    connect(
        tasks,
        [
            ("validate", "inventory"),
            ("validate", "größe"),
            ("inventory", "payment"),
            ("payment", "finalize"),
            ("größe", "finalize"),
        ],
    )
    return compile_workflow(flow(tasks["validate"], "Orders"))


def test_a_tree_has_each_task_once_with_what_feeds_it() -> None:
    assert tree(orders()) == (
        "validate ← input of the run (Order)\n"
        "├─ inventory ← output of validate (Order)\n"
        "│  └─ payment ← output of inventory (Stock)\n"
        "└─ größe\n"
        "   └─ finalize after payment, größe ← output of validate (Order)"
    )


def test_a_tree_with_other_labels() -> None:
    assert tree(orders(), lambda it: it.name.upper()).splitlines()[:2] == ["VALIDATE", "├─ INVENTORY"]


def test_mermaid_shows_values_that_do_not_come_from_a_parent() -> None:
    assert mermaid(orders()) == (
        "flowchart TD\n"
        '    t0["validate"]\n'
        '    t1["inventory"]\n'
        '    t2["payment"]\n'
        '    t3["größe"]\n'
        '    t4["finalize"]\n'
        "    t0 --> t1\n"
        "    t1 --> t2\n"
        "    t0 --> t3\n"
        "    t2 --> t4\n"
        "    t3 --> t4\n"
        "    t0 -. value .-> t4"
    )


def test_dot_shows_values_that_do_not_come_from_a_parent() -> None:
    assert dot(orders()) == (
        'digraph "Orders" {\n'
        '  "validate";\n'
        '  "inventory";\n'
        '  "payment";\n'
        '  "größe";\n'
        '  "finalize";\n'
        '  "validate" -> "inventory";\n'
        '  "inventory" -> "payment";\n'
        '  "validate" -> "größe";\n'
        '  "payment" -> "finalize";\n'
        '  "größe" -> "finalize";\n'
        '  "validate" -> "finalize" [style=dashed];\n'
        "}"
    )
