"""A plan as text."""

from __future__ import annotations

from pydantic import BaseModel
from tests.unit.plan.graphs import connect, flow, task

from moose_lib.plan.build import compile_workflow
from moose_lib.plan.model import Plan
from moose_lib.plan.render import dot, mermaid, outline, tree


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


def chain(length: int, *more: tuple[str, str]) -> Plan:
    """t0 → t1 → … and what else is said."""
    edges = [(f"t{n}", f"t{n + 1}") for n in range(length - 1)] + list(more)
    names = dict.fromkeys(name for edge in edges for name in edge)
    tasks = {name: task(name) for name in names}
    connect(tasks, edges)
    return compile_workflow(flow(tasks["t0"], "Chain"))


def test_a_long_chain_stays_on_the_page() -> None:
    """Twelve levels are indented; further down an only child stands below its parent."""
    lines = tree(chain(16)).splitlines()

    assert lines[:3] == ["t0", "└─ t1", "   └─ t2"]
    assert lines[12:] == [f"{' ' * 33}└─ t12", f"{' ' * 36}└─ t13", f"{' ' * 36} ↓ t14", f"{' ' * 36} ↓ t15"]
    assert len(tree(chain(2500))) < 150_000


def test_a_branch_of_a_long_chain_keeps_its_place() -> None:
    """Siblings stay connected past what stands below one of them."""
    lines = tree(chain(16, ("t12", "side"), ("t15", "left"), ("t15", "right"))).splitlines()

    assert [line[36:] for line in lines[13:]] == [
        "├─ t13",
        "│↓ t14",
        "│↓ t15",
        "│  ├─ left",
        "│  └─ right",
        "└─ side",
    ]


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


def test_an_outline_indents_only_branches() -> None:
    """What follows alone stands right below."""
    rows = [f"{before}{name}" for before, name in outline(orders())]

    assert rows == ["validate", "├ inventory", "│ payment", "└ größe", "  finalize"]


def test_an_outline_of_a_long_chain_is_no_wider_than_its_names() -> None:
    assert {before for before, _ in outline(chain(200))} == {""}
