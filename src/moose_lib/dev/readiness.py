"""What a worker says to the `dev` that started it, on the descriptor of `--ready-fd`: one line, once it polls.

    ready {"workflows": ["orders"], "schedules": {"orders": "@daily, next …"}, "files": ["/project/app/main.py"]}

The JSON is optional: a bare `ready` counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from moose_lib.project.code import loaded_files

if TYPE_CHECKING:
    from collections.abc import Iterable

_WORD = "ready"
#: What a server says before: its code is fine, and it waits for the one before it to go.
LOADED = "loaded"


class Ready(BaseModel):
    """The workflows a worker serves and the project's files it has loaded; `None` where it did not tell.

    `schedules` are those of the workflows that have one, as text; `news` says what of them was just changed on the
    server, and `notes` what of them should be looked after. `endpoints` are the paths at which a server takes records.
    """

    model_config = ConfigDict(frozen=True)

    workflows: tuple[str, ...] | None = None
    schedules: Mapping[str, str] = {}
    news: str | None = None
    notes: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    files: frozenset[Path] | None = None


def ready_line(
    workflows: Iterable[str],
    root: Path,
    schedules: Mapping[str, str] | None = None,
    news: str | None = None,
    notes: Iterable[str] = (),
) -> bytes:
    """Return the line for a worker that serves these workflows, with the modules it has imported from the project."""
    ready = Ready(
        workflows=tuple(workflows),
        schedules=schedules or {},
        news=news,
        notes=tuple(notes),
        files=loaded_files(root),
    )
    return f"{_WORD} {ready.model_dump_json()}\n".encode()


def server_line(endpoints: Iterable[str], root: Path) -> bytes:
    """Return the line for a server that takes records at these paths."""
    ready = Ready(endpoints=tuple(endpoints), files=loaded_files(root))
    return f"{_WORD} {ready.model_dump_json()}\n".encode()


def read_ready(line: str) -> Ready | None:
    """Read such a line; `None` for any other text."""
    word, _, rest = line.partition(" ")
    if word != _WORD:
        return None
    try:
        return Ready.model_validate_json(rest) if rest else Ready()
    except ValidationError:
        return Ready()
