"""The project's files as the architecture tests read them."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "moose_lib"
CHECKED = ("src", "tests", "examples", "benchmarks", "docs")


class Module(NamedTuple):
    """A Python file: its path relative to the repository, text and syntax tree."""

    path: str
    text: str
    tree: ast.Module


def read(path: Path) -> Module:
    text = path.read_text(encoding="utf-8")
    return Module(path.relative_to(ROOT).as_posix(), text, ast.parse(text))


def source_modules() -> list[Module]:
    return [read(path) for path in sorted(SOURCE.rglob("*.py"))]


def all_modules() -> list[Module]:
    """Every Python file people write here, virtual environments and state folders left out."""
    paths = (path for folder in CHECKED for path in sorted((ROOT / folder).rglob("*.py")))
    return [read(path) for path in paths if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)]


def comments(text: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
