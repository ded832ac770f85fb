"""Options that several commands share, and what they add up to."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, TypeAlias

import click

from moose_lib.cli.output import Output
from moose_lib.cli.pasting import Pasting

__all__ = [
    "StoreName",
    "Target",
    "Wait",
    "json_option",
    "long_target_options",
    "pass_output",
    "project_option",
    "store_option",
    "target_options",
    "wait_options",
]

_Command = Callable[..., Any]  # Any: a command's parameters are its options

pass_output = click.make_pass_decorator(Output)
#: Read by `main` before anything else, so that errors of the call itself are JSON too.
json_option = click.option("--json", is_flag=True, expose_value=False, help="Print one JSON document, errors too.")

StoreName: TypeAlias = Literal["sqlite", "clickhouse"]
store_option = click.option(
    "--store", type=click.Choice(["sqlite", "clickhouse"]), help="Whom to ask (default: ClickHouse, if it is set)."
)

_FILE = click.Path(path_type=Path, dir_okay=False)
#: Parameter of the command line → key of the settings.
_KEYS = {name: f"temporal_config.{name}" for name in ("address", "namespace", "task_queue")}


@dataclass(frozen=True, kw_only=True)
class Target:
    """Which project and which Temporal a command is about, as far as the command line says."""

    file: Path | None = None
    overrides: Mapping[str, object] = field(default_factory=dict[str, object])

    @property
    def address(self) -> object | None:
        """The address of Temporal, if the command line has one."""
        return self.overrides.get(_KEYS["address"])

    @property
    def said(self) -> Mapping[str, str]:
        """What the command line says, by the names of its parameters."""
        said = {name: self.overrides.get(key) for name, key in _KEYS.items()}
        return {name: str(value) for name, value in {"file": self.file, **said}.items() if value is not None}


def project_option(command: _Command) -> _Command:
    """Add the option for a file instead of a folder, for commands that need no Temporal; handed over as `target`."""

    @functools.wraps(command)
    def with_target(*args: Any, file: Path | None, **options: Any) -> Any:  # Any: as above
        return command(*args, target=_noted(Target(file=file)), **options)

    return click.option("-f", "--file", type=_FILE, help="A file that declares, instead of a project folder.")(
        with_target
    )


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Whether to stay until a run has ended, and for how long at most (`None`: as long as it takes)."""

    is_wanted: bool
    patience: timedelta | None


def wait_options(help_text: str, name: str = "--wait") -> Callable[[_Command], _Command]:
    """Add the options of a command that may stay with a run; handed over as `wait`.

    Raises:
        UsageError: there is a time and nothing to wait for.
        InvalidDuration: the time is none.
    """

    def decorate(command: _Command) -> _Command:
        @functools.wraps(command)
        def with_wait(*args: Any, is_waiting: bool, timeout: str | None, **options: Any) -> Any:  # Any: as above
            if timeout is not None and not is_waiting:
                raise click.UsageError("--timeout needs --wait")
            from moose_lib.durations import parse_duration

            wait = Wait(is_wanted=is_waiting, patience=None if timeout is None else parse_duration(timeout))
            return command(*args, wait=wait, **options)

        with_timeout = click.option(
            "--timeout", metavar="DURATION", help="With --wait: give up waiting after this time (exit 124)."
        )(with_wait)
        return click.option(name, "is_waiting", is_flag=True, help=help_text)(with_timeout)

    return decorate


def _noted(target: Target) -> Target:
    """Let the commands in hints say the same."""
    context = click.get_current_context()
    root = context.find_root().command
    assert isinstance(root, click.Group), "every command is in a group"
    context.ensure_object(Output).complete_commands(Pasting(root=root, said=target.said).complete)
    return target


def target_options(command: _Command) -> _Command:
    """Add the options that make a `Target`, and hand it over as `target`."""
    return _with_target(command, "-f", "--file")


def long_target_options(command: _Command) -> _Command:
    """Do the same where `-f` means something else."""
    return _with_target(command, "--file")


def _with_target(command: _Command, *file_names: str) -> _Command:
    @functools.wraps(command)
    def with_target(*args: Any, file: Path | None, **options: Any) -> Any:  # Any: as above
        overrides = {key: value for name, key in _KEYS.items() if (value := options.pop(name)) is not None}
        return command(*args, target=_noted(Target(file=file, overrides=overrides)), **options)

    for option in (
        click.option("--task-queue", metavar="NAME", help="The queue the workers work for (default: moose)."),
        click.option("--namespace", metavar="NAME", help="Temporal's namespace."),
        click.option("--address", metavar="HOST:PORT", help="Temporal's address (default: what the settings say)."),
        click.option(*file_names, type=_FILE, help="A file with workflows, instead of a project folder."),
    ):
        with_target = option(with_target)
    return with_target
