"""Noticing saves: source files, the configuration and `.env` files, and nothing that programs write themselves."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from watchfiles import Change, awatch  # pyright: ignore[reportUnknownVariableType]  # it names trio, which need not be there

from moose_lib.dev.events import OnEvent, WatchLost
from moose_lib.dev.waiting import forever
from moose_lib.project import env_files
from moose_lib.project.layers import CONFIG_FILE

if TYPE_CHECKING:
    from moose_lib.dev.readiness import Ready
    from moose_lib.dev.saves import Saves

_CONFIGURATION = frozenset({CONFIG_FILE, *env_files.FILES})
_IGNORED = frozenset({"__pycache__", "node_modules", "site-packages", "venv"})
_STEP_MILLISECONDS = 40
_GROUPED_MILLISECONDS = 400


class Watcher:
    """Watches a project and puts saves into the mailbox.

    `source` is watched with all its folders; the root, and the folders of other files the worker has loaded, alone. A
    single file's project has no `source`: of the Python files only those it has loaded matter, or, as long as its
    code is refused, all that are beside them.
    """

    def __init__(self, *, root: Path, source: Path | None, entry: Path, saves: Saves, on_event: OnEvent) -> None:
        self._root = root
        self._source = source
        self._entry = entry
        self._saves = saves
        self._on_event = on_event
        self._loaded: frozenset[Path] | None = None
        self._wanted: asyncio.Queue[Path] = asyncio.Queue()
        self._watched = set[Path]()
        for folder in (root, entry.parent, *(() if source is None else (source,))):
            self._want(folder)

    def note_loaded(self, ready: Ready | None) -> None:
        """Learn which files a worker has loaded; `None`: it was refused."""
        self._loaded = None if ready is None else ready.files
        for file in self._loaded or ():
            if self._is_ours(file) and not (self._source is not None and file.is_relative_to(self._source)):
                self._want(file.parent)

    async def run(self) -> None:
        """Watch until cancelled. If the system refuses to watch, that is told and the rest of `dev` goes on."""
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    group.create_task(self._follow(await self._wanted.get()))
        except* (OSError, RuntimeError) as errors:  # what watchfiles raises, e.g. at inotify's limit
            self._on_event(WatchLost(reason="; ".join(str(error) for error in errors.exceptions)))
        await forever()

    def matters(self, change: Change, path: str) -> bool:
        """Tell whether a changed path is worth a reload."""
        file = Path(path)
        if not self._is_ours(file):
            return False
        if file == self._source and change is Change.added:
            self._want(file)
        if file.name in _CONFIGURATION:
            return file.parent == self._root
        if file.suffix != ".py" or file.name.startswith("."):
            return False
        return self._source is not None or self._loaded is None or file in self._loaded or file == self._entry

    def _is_ours(self, file: Path) -> bool:
        if not file.is_relative_to(self._root):
            return False
        folders = file.relative_to(self._root).parts[:-1]
        return not any(folder in _IGNORED or folder.startswith(".") for folder in folders)

    def _want(self, folder: Path) -> None:
        if folder not in self._watched and folder.is_dir():
            self._watched.add(folder)
            self._wanted.put_nowait(folder)

    async def _follow(self, folder: Path) -> None:
        async for changes in awatch(
            folder,
            watch_filter=self.matters,
            recursive=folder == self._source,
            step=_STEP_MILLISECONDS,
            debounce=_GROUPED_MILLISECONDS,
            ignore_permission_denied=True,
        ):
            self._saves.add(Path(path) for _, path in changes)
