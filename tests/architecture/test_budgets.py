"""Sizes that keep a file readable. What passes its budget is split; the budget is not raised."""

from __future__ import annotations

import ast

from tests.architecture.source import SOURCE, Module, all_modules, source_modules

MODULE_LINES = 400
FUNCTION_LINES = 40
DRAWERS = {"base", "common", "helpers", "misc", "utils"}


def function_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end, without decorators and docstring: explaining costs nothing."""
    assert function.end_lineno is not None
    lines = function.end_lineno - function.lineno + 1
    first = function.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        assert first.end_lineno is not None
        lines -= first.end_lineno - first.lineno + 1
    return lines


def long_functions(module: Module) -> list[str]:
    return [
        f"{module.path}:{node.lineno} {node.name} has {function_lines(node)} lines"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and function_lines(node) > FUNCTION_LINES
    ]


def test_no_module_is_longer_than_400_lines() -> None:
    lengths = {module.path: len(module.text.splitlines()) for module in all_modules()}

    assert {path: length for path, length in lengths.items() if length > MODULE_LINES} == {}


def test_no_function_of_the_library_is_longer_than_40_lines() -> None:
    assert [found for module in source_modules() for found in long_functions(module)] == []


def test_no_module_is_a_drawer_without_a_subject() -> None:
    names = [path.relative_to(SOURCE) for path in SOURCE.rglob("*") if path.stem.strip("_") in DRAWERS]

    assert names == []


def test_every_folder_of_the_library_is_a_package() -> None:
    """Tools that follow imports, the layer check among them, do not see into a folder without `__init__.py`."""
    folders = {path.parent for path in SOURCE.rglob("*.py")}

    assert [folder.relative_to(SOURCE).as_posix() for folder in folders if not (folder / "__init__.py").exists()] == []
