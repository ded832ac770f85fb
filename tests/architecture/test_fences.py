"""What may be used only in one place. import-linter (pyproject.toml) fences layers and third-party libraries."""

from __future__ import annotations

import ast
import re
import subprocess
import sys

import pytest
from tests.architecture.source import ROOT, Module, all_modules, comments, source_modules

ENVIRONMENT = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}
# A rule switched off on a line: its codes in group 1, the rest of the comment, which has to be the reason, in group 2.
EXCEPTION = re.compile(r"#\s*(?:noqa|(?:type|pyright):\s*ignore)\b(\s*:\s*[A-Z0-9, ]+|\[[^\]]*\])?(.*)")
REASON = re.compile(r"\w+\W+\w+")


def uses_environment(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        return isinstance(node.value, ast.Name) and node.value.id == "os" and node.attr in ENVIRONMENT
    return isinstance(node, ast.ImportFrom) and node.module == "os" and any(a.name in ENVIRONMENT for a in node.names)


def calls(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


def exceptions_without_reason(module: Module) -> list[str]:
    found = list[str]()
    if not EXCEPTION.search(module.text):
        return []
    for line, comment in comments(module.text):
        match = EXCEPTION.match(comment)
        if match and (not match[1] or not REASON.search(match[2])):
            found.append(f"{module.path}:{line} {comment}")
    return found


def casts_without_reason(module: Module) -> list[str]:
    if "cast(" not in module.text:
        return []
    commented = {line for line, _ in comments(module.text)}
    return [
        f"{module.path}:{node.lineno} cast"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and calls(node, "cast")
        and not commented & set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    ]


def test_the_environment_is_read_only_by_the_settings() -> None:
    places = {
        f"{module.path}:{node.lineno}"
        for module in source_modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute | ast.ImportFrom) and uses_environment(node)
    }

    assert {place for place in places if not place.startswith("src/moose_lib/project/settings.py:")} == set()


def imported_packages(module: Module) -> set[str]:
    found = set[str]()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def test_the_web_framework_stays_in_server_and_dev() -> None:
    """Here and not in import-linter, which refuses to fence what nobody imports yet."""
    allowed = ("src/moose_lib/server/", "src/moose_lib/dev/")
    outside = [module for module in source_modules() if not module.path.startswith(allowed)]

    assert [module.path for module in outside if imported_packages(module) & {"starlette", "uvicorn"}] == []


def test_only_the_output_module_prints() -> None:
    places = {
        f"{module.path}:{node.lineno}"
        for module in source_modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and calls(node, "print")
    }

    assert {place for place in places if not place.startswith("src/moose_lib/cli/output.py:")} == set()


def test_every_exception_from_a_rule_says_why() -> None:
    found = [
        text for module in all_modules() for text in exceptions_without_reason(module) + casts_without_reason(module)
    ]

    assert found == []


@pytest.mark.parametrize(
    ("comment", "is_accepted"),
    [
        ("# noqa: S310 -- the address is ours", True),
        ("# noqa: S310, BLE001  # the boundary", True),
        ("# type: ignore[arg-type]  # users' values", True),
        ("# pyright: ignore[reportUnknownMemberType]  # as above", True),
        ("# noqa: S310", False),
        ("# noqa", False),
        ("# type: ignore", False),
        ("# type: ignore  # because of this", False),
        ("# pyright: ignore[reportUnknownMemberType]", False),
    ],
)
def test_a_reason_is_told_from_a_bare_exception(comment: str, is_accepted: bool) -> None:
    module = Module("example.py", f"value = 1  {comment}\n", ast.parse(""))

    assert (exceptions_without_reason(module) == []) is is_accepted


@pytest.mark.parametrize(
    ("imported", "absent"),
    [
        ("moose_lib", {"temporalio", "click", "rich", "starlette", "uvicorn", "watchfiles"}),
        ("moose_lib.testing", {"temporalio", "click", "rich", "moose_lib.engine"}),
        ("moose_lib.operations", {"click", "rich"}),
        ("moose_lib.server.serving", {"clickhouse_connect", "aiohttp"}),
        ("moose_lib.cli.main", {"temporalio", "rich", "watchfiles"}),
    ],
)
def test_importing_loads_nothing_it_does_not_need(imported: str, absent: set[str]) -> None:
    """Declaring workflows costs no server library, and the command line starts without the engine."""
    code = f"import sys, {imported}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert set(done.stdout.split()) & absent == set()


def test_no_tracked_file_names_a_place_of_one_machine() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout, so there is no list of tracked files")
    # Written in two parts, so that this file does not name them.
    places = re.compile(r"(?<![\w.~])/(?:" + "|".join(["ro" + "ot", "wo" + "rk"]) + r")/\w")
    tracked = (ROOT / name.decode() for name in listed.stdout.split(b"\0") if name)
    texts = {path: path.read_bytes().decode(errors="ignore") for path in tracked if path.is_file()}

    assert [path.relative_to(ROOT).as_posix() for path, text in texts.items() if places.search(text)] == []
