"""The types of single settings, read from TOML values or from texts of the environment, each with its own message.

The messages continue the sentence "`key = value` (from `source`) …".
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, SecretStr, ValidationInfo

from moose_lib.durations import parse_duration
from moose_lib.errors import InvalidDuration


def _text(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("is not a text")  # noqa: TRY004  # pydantic only turns ValueError into a fault
    if not value.strip():
        raise ValueError("is empty")
    return value.strip()


def _port(value: object) -> object:
    number = int(value) if isinstance(value, str) and value.strip().isdecimal() else value
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= 65535:
        raise ValueError("is not a port (1 to 65535)")
    return number


def _duration(value: object) -> object:
    if not isinstance(value, (str, timedelta)):
        raise ValueError('is not a duration: write "30s", "5m"')  # noqa: TRY004  # see above
    try:
        duration = parse_duration(value)
    except InvalidDuration as error:
        raise ValueError(error.message.removeprefix(f"{value!r} ")) from error
    if duration is None:
        raise ValueError('must end some time: write "30s", "5m"')
    return duration


def _file(value: object, info: ValidationInfo) -> object:
    file = value if isinstance(value, Path) else Path(str(_text(value))).expanduser()
    context: object = info.context
    return context / file if isinstance(context, Path) else file


def _secret(value: object) -> object:
    return value if isinstance(value, SecretStr) else _text(value)


Text = Annotated[str, BeforeValidator(_text)]
Port = Annotated[int, BeforeValidator(_port)]
Duration = Annotated[timedelta, BeforeValidator(_duration)]
#: Relative files are relative to the project (the validation context).
ProjectFile = Annotated[Path, BeforeValidator(_file)]
Secret = Annotated[SecretStr, BeforeValidator(_secret)]
