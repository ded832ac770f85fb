"""The user's code as files: which ones a process has imported, and whether they are still the same."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

_INSTALLED = "site-packages"


def loaded_files(root: Path) -> frozenset[Path]:
    """Return the files under `root` that this process has imported."""
    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    paths = {Path(file) for file in files if isinstance(file, str)}
    return frozenset(path for path in paths if path.is_relative_to(root))


def last_change(root: Path) -> float:
    """Return when the user's imported files were last written, in seconds since 1970."""
    files = (file for file in loaded_files(root) if _INSTALLED not in file.parts)
    return max((file.stat().st_mtime for file in files), default=0.0)


def code_digest(root: Path) -> str:
    """Return 64 hex digits that differ if any of the user's imported files does; installed packages do not count."""
    digest = hashlib.sha256()
    for file in sorted(loaded_files(root)):
        if _INSTALLED not in file.parts:
            content = hashlib.sha256(file.read_bytes()).hexdigest()
            digest.update(f"{file.relative_to(root)} {content}\n".encode())
    return digest.hexdigest()
