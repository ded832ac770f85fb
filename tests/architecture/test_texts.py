"""Every text that a command can show stands in a test, so that none of them is wrong unseen."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.architecture.source import Module, all_modules, source_modules

#: Help and examples are in the command reference, which is compared with the commands; types are for the checkers.
_NO_TEXTS = {"examples", "cast", "option", "wait_options"}
_NO_ANNOTATIONS = {"TypeAlias"}


def texts(module: Module) -> Iterator[tuple[int, str]]:
    """Its string literals and the fixed parts of its f-strings, line by line, without what nobody is shown."""
    silent = {id(part) for node in ast.walk(module.tree) for quiet in _silent(node) for part in ast.walk(quiet)}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent:
            for part in re.split(r"\n|%(?:\(\w+\))?[sd]", node.value):
                yield node.lineno, _plain(part)


def _silent(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Expr(value=ast.Constant()):  # a docstring
            yield node
        case ast.Assert(msg=ast.AST() as message):
            yield message
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in _NO_TEXTS:
            yield node
        case ast.AnnAssign(annotation=ast.Name(id=name)) if name in _NO_ANNOTATIONS:
            yield node
        case _:
            return


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("\\", "")).strip()


def is_text(part: str) -> bool:
    """It has two words at least: a single one is found anywhere."""
    return " " in part and len(re.findall(r"[A-Za-z]{2,}", part)) >= 2


def _speaking() -> list[Module]:
    """The commands; and what says why a schedule changes."""
    rooms = ("src/moose_lib/cli/", "src/moose_lib/operations/schedule", "src/moose_lib/operations/reconcile")
    return [module for module in source_modules() if module.path.startswith(rooms)]


def test_every_text_of_the_command_line_stands_in_a_test() -> None:
    tested = [
        node.value
        for module in all_modules()
        if module.path.startswith("tests/") and module.path != "tests/architecture/test_texts.py"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    said = _plain("\n".join(tested))
    shown = [(module.path, line, part) for module in _speaking() for line, part in texts(module) if is_text(part)]

    assert len(shown) > 300
    assert [f"{path}:{line} {part!r}" for path, line, part in shown if part not in said] == []
