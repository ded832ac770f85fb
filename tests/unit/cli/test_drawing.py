"""The graph of a run, coloured."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tests.unit.plan.graphs import plan_of

from moose_lib.cli.drawing import run_drawing, run_graph_document
from moose_lib.cli.output import Output
from moose_lib.cli.texts import local_text
from moose_lib.operations.records import RunState, RunStatus, TaskPhase, TaskStatus

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
PLAN = plan_of({"validate": [], "price": ["validate"], "stock": ["validate"], "ship": ["price", "stock"]})
DONE = TaskStatus(name="validate", state=TaskPhase.COMPLETED, attempts=1, duration=timedelta(milliseconds=30))
STATUS = RunStatus(
    name="Flow",
    workflow_id="Flow-1",
    run_id="r1",
    first_run_id="r1",
    state=RunState.TIMED_OUT,
    started=NOW,
    duration=timedelta(seconds=64),
    tasks=(
        DONE,
        replace(DONE, name="price", state=TaskPhase.RUNNING, attempts=2, max_attempts=4),
        replace(DONE, name="stock", attempts=3),
        TaskStatus(name="ship", state=TaskPhase.WAITING),
    ),
)
TITLE = f"Flow Flow-1, run r1: timed out, {local_text(NOW)}"


def test_as_text_with_marks_and_durations() -> None:
    """The tree of `graph NAME`, with how it went in place of what feeds what."""
    assert run_drawing(STATUS, PLAN, "text", Output()) == [
        TITLE,
        "✓ validate  completed in 30ms",
        "├─ ● price  running for 30ms, attempt 2 of 4",
        "└─ ✓ stock  completed in 30ms, attempt 3",
        "   └─ ○ ship  waiting  after price, stock",
    ]


def test_the_title_says_how_an_open_run_stands() -> None:
    """In the word of `status`: one that waits for somebody does not merely run."""
    parked = replace(STATUS, state=RunState.RUNNING, tasks=(DONE, replace(DONE, name="stock", state=TaskPhase.PARKED)))
    chain = plan_of({"validate": [], "stock": ["validate"]})

    assert run_drawing(parked, chain, "text", Output())[0] == f"Flow Flow-1, run r1: parked, {local_text(NOW)}"


def test_an_interrupted_task_says_how_long_it_had_run() -> None:
    """The end of the run was not its own."""
    only = replace(DONE, state=TaskPhase.CANCELED, is_interrupted=True)
    stopped = replace(STATUS, state=RunState.TERMINATED, tasks=(only,))

    assert run_drawing(stopped, plan_of({"validate": []}), "text", Output())[1] == (
        "⊘ validate  interrupted after 30ms"
    )


def test_as_mermaid_each_state_has_a_class() -> None:
    """What the colours mean is a comment."""
    assert run_drawing(STATUS, PLAN, "mermaid", Output()) == [
        "flowchart TD",
        f"    %% {TITLE}",
        "    %% completed = #b2f2bb, running = #a5d8ff, waiting = #f1f3f5",
        '    t0["validate<br/>completed in 30ms"]:::completed',
        '    t1["price<br/>running for 30ms, attempt 2 of 4"]:::running',
        '    t2["stock<br/>completed in 30ms, attempt 3"]:::completed',
        '    t3["ship<br/>waiting"]:::waiting',
        "    t0 --> t1",
        "    t0 --> t2",
        "    t1 --> t3",
        "    t2 --> t3",
        "    classDef completed fill:#b2f2bb,stroke:#495057,color:#212529",
        "    classDef running fill:#a5d8ff,stroke:#495057,color:#212529",
        "    classDef waiting fill:#f1f3f5,stroke:#495057,color:#212529",
    ]


def test_as_dot_each_state_has_a_colour() -> None:
    """For Graphviz."""
    drawn = run_drawing(STATUS, PLAN, "dot", Output())

    assert drawn[:5] == [
        'digraph "Flow" {',
        f"  // {TITLE}",
        "  // completed = #b2f2bb, running = #a5d8ff, waiting = #f1f3f5",
        '  "validate" [label="validate\\ncompleted in 30ms", style=filled, fillcolor="#b2f2bb"];',
        '  "price" [label="price\\nrunning for 30ms, attempt 2 of 4", style=filled, fillcolor="#a5d8ff"];',
    ]
    assert drawn[-1] == "}"


def test_as_json_it_is_the_plan_and_the_states() -> None:
    """The plan's keys as for a workflow."""
    document = run_graph_document(STATUS, PLAN)

    assert document["workflow"] == "Flow"
    assert document["run"]["state"] == "timed_out"
    assert document["run"]["tasks"]["price"] == {"state": "running", "attempts": 2, "started": None, "duration": 0.03}
