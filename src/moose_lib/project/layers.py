"""Where settings come from: flags over `MOOSE_*` over a running `moose-cli dev` over `moose.config.toml`.

A layer is a flat mapping from `section.key` (or a top-level `key`) to a value and the place it was found in. Layers
only collect; what a value must look like is the models' business (`settings.py`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, NamedTuple, cast

from moose_lib.errors import SettingsError
from moose_lib.project.running import find_running

if TYPE_CHECKING:
    from pathlib import Path

CONFIG_FILE = "moose.config.toml"
PREFIX = "MOOSE_"

#: Sections and keys of Moose projects that mean nothing to workflows; a project that has them must load.
FOREIGN = frozenset(
    {
        "authentication",
        "cron_jobs",
        "docker_config",
        "features",
        "git_config",
        "http_server_config",
        "jwt",
        "kafka_config",
        "load_infra",
        "migration_config",
        "redis_config",
        "redpanda_config",
        "state_config",
        "supported_old_versions",
        "telemetry",
        "typescript_config",
        "watcher_config",
    }
)
#: The same inside of sections that are ours too.
FOREIGN_KEYS: Mapping[str, frozenset[str]] = {
    "clickhouse_config": frozenset({"additional_databases", "clusters", "host_data_path"}),
    "temporal_config": frozenset(
        {
            "admin_tools_version",
            "config_path",
            "db_password",
            "db_port",
            "db_user",
            "path",
            "postgresql_version",
            "temporal_version",
            "ui_cors_origins",
            "ui_version",
        }
    ),
    "dev": frozenset({"externally_managed", "remote_clickhouse"}),
    "http_server_config": frozenset(
        {"api_workers", "on_first_start_script", "on_reload_complete_script", "proxy_port"}
    ),
    "logger": frozenset({"include_session_id", "log_file", "no_ansi", "stdout"}),
}

#: Keys whose names say too little without that of their section.
_LONG_FLAGS = frozenset({"metrics.port"})


#: Variables of the existing Moose that are named otherwise than our settings.
_THEIR_NAMES: Mapping[str, str] = {"MOOSE_INGEST_API_KEY": "authentication.ingest_api_key"}


class Found(NamedTuple):
    """A value and where it came from, as an error or `config show` names it."""

    value: object
    source: str


Layer = Mapping[str, Found]


class Names(NamedTuple):
    """The names that exist: top-level keys, and the keys of each section."""

    top: frozenset[str]
    sections: Mapping[str, frozenset[str]]

    def has(self, key: str) -> bool:
        """Tell whether `section.key` or a top-level `key` is one of ours."""
        section, _, name = key.rpartition(".")
        known = self.sections.get(section, frozenset[str]()) if section else self.top
        return name in known


def toml_layer(root: Path, names: Names) -> Layer:
    """Read `moose.config.toml`; a project without one has an empty layer."""
    layer: dict[str, Found] = {}
    for name, value in _read_toml(root / CONFIG_FILE).items():
        if name in names.sections:
            layer.update(_section(name, value, names.sections[name]))
        elif name in names.top:
            layer[name] = Found(value, CONFIG_FILE)
        elif name not in FOREIGN:
            known = names.top | names.sections.keys() | FOREIGN
            raise SettingsError(f"{CONFIG_FILE}: unknown key or section {name!r}", hint=_meant(name, known))
    return layer


def environment_layer(environment: Mapping[str, Found], names: Names) -> Layer:
    """Take `MOOSE_<SECTION>__<KEY>` and `MOOSE_<KEY>`; other `MOOSE_*` variables belong to others."""
    layer = {key: environment[variable] for variable, key in _THEIR_NAMES.items() if variable in environment}
    for variable, found in environment.items():
        section, divider, key = variable.removeprefix(PREFIX).lower().partition("__")
        if not variable.startswith(PREFIX):
            continue
        if section in names.top and not divider:
            layer[section] = found
        elif section in names.sections and divider:
            known = names.sections[section]
            if key in known:
                layer[f"{section}.{key}"] = found
            elif key not in FOREIGN_KEYS.get(section, frozenset()):
                raise SettingsError(f"{found.source}: [{section}] has no key {key!r}", hint=_meant(key, known))
    return layer


def flag_layer(overrides: Mapping[str, object], names: Names) -> Layer:
    """Take what the command line said, by `section.key`; `None` means the flag was not given."""
    unknown = [key for key in overrides if not names.has(key)]
    assert not unknown, f"no such settings: {unknown}"  # a mistake of ours, not of a user
    return {key: Found(value, flag_of(key)) for key, value in overrides.items() if value is not None}


def running_layer(root: Path) -> Layer:
    """Take what leads to the Temporal of the `moose-cli dev` that runs here: its ports may come from flags."""
    running = find_running(root)
    if running is None or running.address is None:
        return {}
    source = f"the running moose-cli dev, process {running.pid}"
    told = {
        "address": running.address,
        "temporal_scheme": "http",
        "ui_port": running.ui_port,
        "namespace": running.namespace,
    }
    return {f"temporal_config.{key}": Found(value, source) for key, value in told.items() if value is not None}


def flag_of(key: str) -> str:
    """Name the flag that sets a key: `temporal_config.temporal_port` is `--temporal-port`."""
    if key in _LONG_FLAGS:
        return "--" + key.replace(".", "-")
    return "--" + key.rpartition(".")[2].replace("_", "-")


def variable_of(key: str) -> str:
    """Name the variable that sets a key: `dev.durability` is `MOOSE_DEV__DURABILITY`."""
    return PREFIX + key.replace(".", "__").upper()


def split_address(layer: Layer) -> Layer:
    """Turn `temporal_config.address` into host and port, so that layers of either kind override each other."""
    found = layer.get("temporal_config.address")
    if found is None:
        return layer
    host_key, port_key = "temporal_config.temporal_host", "temporal_config.temporal_port"
    for key in (host_key, port_key):
        if key in layer and layer[key].source == found.source:
            raise SettingsError(f"{found.source}: address and {key.partition('.')[2]} say the same twice")
    host, divider, port = str(found.value).rpartition(":")
    if not divider or not host or not port.isdecimal():
        raise SettingsError(
            f"address = {found.value!r} (from {found.source}) is not host:port", hint='address = "localhost:7233"'
        )
    rest = {key: value for key, value in layer.items() if key != "temporal_config.address"}
    parts = {host_key: Found(host.strip("[]"), found.source), port_key: Found(int(port), found.source)}
    return rest | parts


def _section(section: str, value: object, known: frozenset[str]) -> Iterator[tuple[str, Found]]:
    if not isinstance(value, dict):
        raise SettingsError(f"{CONFIG_FILE}: {section} is a section, not a value", hint=f"[{section}]")
    entries = cast("dict[str, object]", value)  # a TOML table has no other keys
    for key, entry in entries.items():
        if key in known:
            yield f"{section}.{key}", Found(entry, CONFIG_FILE)
        elif key not in FOREIGN_KEYS.get(section, frozenset()):
            raise SettingsError(f"{CONFIG_FILE}: [{section}] has no key {key!r}", hint=_meant(key, known))


def _read_toml(file: Path) -> Mapping[str, object]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file.name} is not TOML: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file.name} cannot be read: {error}") from error


def _meant(name: str, known: frozenset[str] | set[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(sorted(known - FOREIGN))}"
