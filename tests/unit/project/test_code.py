"""Which files are the user's, and whether they are still the same."""

from __future__ import annotations

import linecache
import sys
import traceback
from pathlib import Path
from types import ModuleType

import pytest

from moose_lib.project.code import code_digest, keep_source, last_change, loaded_files


@pytest.fixture
def imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that counts as imported."""
    file = tmp_path / "shop.py"
    file.write_text("price = 1\n")
    module = ModuleType("shop_of_this_test")
    module.__file__ = str(file)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return file


def test_only_the_projects_modules_are_its_files(tmp_path: Path, imported: Path) -> None:
    assert loaded_files(tmp_path) == {imported}
    assert loaded_files(tmp_path / "elsewhere") == frozenset()


def test_the_digest_changes_with_the_code_and_with_nothing_else(tmp_path: Path, imported: Path) -> None:
    before = code_digest(tmp_path)
    (tmp_path / "notes.txt").write_text("not code")
    assert code_digest(tmp_path) == before

    imported.write_text("price = 2\n")

    assert code_digest(tmp_path) != before


def test_a_file_that_is_gone_was_changed_when_its_folder_was(tmp_path: Path, imported: Path) -> None:
    assert last_change(tmp_path) == imported.stat().st_ctime

    imported.unlink()

    assert last_change(tmp_path) == tmp_path.stat().st_ctime


def test_a_traceback_shows_the_lines_that_run_and_not_those_saved_since(
    tmp_path: Path, imported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linecache, "cache", {})
    keep_source(tmp_path)
    imported.write_text("mended = True\n" * 3)

    with pytest.raises(ZeroDivisionError) as raised:
        exec(compile("1 / 0", imported, "exec"))  # a module of the user's

    assert "price = 1" in "".join(traceback.format_exception(raised.value))
