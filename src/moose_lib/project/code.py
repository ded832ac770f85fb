"""The user's code as files: which ones a process has imported, and whether they are still the same."""

from __future__ import annotations

import hashlib
import linecache
import sys
from collections.abc import Iterator
from pathlib import Path

from moose_lib.project import env_files
from moose_lib.project.layers import CONFIG_FILE

_INSTALLED = "site-packages"


def loaded_files(root: Path) -> frozenset[Path]:
    """Return the files under `root` that this process has imported."""
    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    paths = {Path(file) for file in files if isinstance(file, str)}
    return frozenset(path for path in paths if path.is_relative_to(root))


def last_change(root: Path) -> float:
    """Return when the user's imported files, the settings or `.env` files were last changed, in seconds since 1970.

    That is when this file came to be here (`st_ctime`): one that is moved here, or unpacked, has an older time of its
    own. Of a file that is gone it is the time of its folder.
    """
    settings = (file for file in (root / name for name in (CONFIG_FILE, *env_files.FILES)) if file.exists())
    return max((_changed_at(file) for file in (*_own_files(root), *settings)), default=0.0)


def code_digest(root: Path) -> str:
    """Return 64 hex digits that differ if any of the user's imported files does; installed packages do not count."""
    digest = hashlib.sha256()
    for file in sorted(_own_files(root)):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{file.relative_to(root)} {content}\n".encode())
    return digest.hexdigest()


def keep_source(root: Path) -> None:
    """Let tracebacks show the user's files as they are now, with what runs here, and not as they are saved later."""
    for file in map(str, _own_files(root)):
        lines = linecache.getlines(file)
        # Without a time of its own it is not looked at again: `linecache.checkcache` passes it by.
        linecache.cache[file] = (sum(map(len, lines)), None, lines, file)


def _own_files(root: Path) -> Iterator[Path]:
    return (file for file in loaded_files(root) if _INSTALLED not in file.parts)


def _changed_at(file: Path) -> float:
    try:
        return file.stat().st_ctime
    except FileNotFoundError:
        return _changed_at(file.parent)
