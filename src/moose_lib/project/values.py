"""The types of single settings, read from TOML values or from texts of the environment, each with its own message.

The messages continue the sentence "`key = value` (from `source`) …".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, Literal

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


def _count(value: object) -> object:
    number = int(value) if isinstance(value, str) and value.strip().isdecimal() else value
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise ValueError("is not a whole number of at least 1")
    return number


def _size(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        size = value
    else:
        parts = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
        if parts is None:
            raise ValueError('is not a size: write "200MB", "1GB"')
        size = round(float(parts["number"]) * _UNITS[parts["unit"].lower().removesuffix("b")])
    if size != 0 and size < _SMALLEST_SIZE:
        raise ValueError('is too small: at least "1MB", or 0 for nothing at all')
    return size


def _word(value: object) -> object:
    """The existing Moose writes `Json` and `warn`."""
    word = value.strip().lower() if isinstance(value, str) else value
    return "warning" if word == "warn" else word


def _file(value: object, info: ValidationInfo) -> object:
    file = value if isinstance(value, Path) else Path(str(_text(value))).expanduser()
    context: object = info.context
    return context / file if isinstance(context, Path) else file


def _switch(value: object) -> object:
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else None
    if word not in _SWITCHES:
        raise ValueError("is not true or false")
    return _SWITCHES[word]


def web_address(value: object) -> object:
    """Take `http://…` and `https://…`."""
    text = value.strip() if isinstance(value, str) else ""
    if not text.startswith(("http://", "https://")):
        raise ValueError("is not an address: write https://host or http://host:port")
    return text


def _secret(value: object) -> object:
    return value if isinstance(value, SecretStr) else _text(value)


_SWITCHES: Final[Mapping[str | None, bool]] = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}
_UNITS: Final = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "ki": 1024, "mi": 1024**2, "gi": 1024**3}
_SIZE: Final = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>(?:[KMG]i?)?B?)", re.IGNORECASE)
_SMALLEST_SIZE: Final = 1000**2

Text = Annotated[str, BeforeValidator(_text)]
Port = Annotated[int, BeforeValidator(_port)]
Duration = Annotated[timedelta, BeforeValidator(_duration)]
#: Relative files are relative to the project (the validation context).
ProjectFile = Annotated[Path, BeforeValidator(_file)]
Secret = Annotated[SecretStr, BeforeValidator(_secret)]
Switch = Annotated[bool, BeforeValidator(_switch)]
#: A whole number of at least 1.
Count = Annotated[int, BeforeValidator(_count)]
#: Bytes.
Size = Annotated[int, BeforeValidator(_size)]
LogLevel = Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_word)]
LogFormat = Annotated[Literal["text", "json"], BeforeValidator(_word)]
