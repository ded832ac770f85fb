"""`[metrics]` and `[tracing]`: who serves, where traces go, and what wins."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from moose_lib.errors import SettingsError
from moose_lib.project.layers import flag_of
from moose_lib.project.observing import service_name
from moose_lib.project.settings import Settings, load_settings, prepare_process


def load(root: Path, config: str = "", env: str = "", **flags: object) -> Settings:
    (root / "moose.config.toml").write_text(config)
    (root / ".env").write_text(env)
    return load_settings(root, {key.replace("__", "."): value for key, value in flags.items()})


@pytest.mark.parametrize(
    ("config", "serves"),
    [
        ("", False),
        ("[metrics]\nport = 9000", True),
        ("[metrics]\nenabled = true", True),
        ("[metrics]\nenabled = false\nport = 9000", False),
        ('[metrics]\nhost = "0.0.0.0"', False),
    ],
)
def test_a_worker_serves_if_it_is_asked(tmp_path: Path, config: str, serves: bool) -> None:
    assert load(tmp_path, config).metrics.is_served_by_workers is serves


def test_flag_over_variable_over_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOOSE_METRICS__PORT", "9002")
    config = "[metrics]\nport = 9001"

    assert load(tmp_path, config).metrics.port == 9002
    assert load(tmp_path, config, metrics__port=9003).metrics.port == 9003
    assert flag_of("metrics.port") == "--metrics-port"


@pytest.mark.parametrize(("text", "meaning"), [("true", True), ("ON", True), ("1", True), ("no", False), ("0", False)])
def test_a_switch_in_the_environment(tmp_path: Path, text: str, meaning: bool) -> None:
    assert load(tmp_path, env=f"MOOSE_METRICS__ENABLED={text}").metrics.enabled is meaning


@pytest.mark.parametrize(
    ("config", "refusal"),
    [
        ("[metrics]\nenabled = 'perhaps'", "enabled = 'perhaps' (from moose.config.toml) is not true or false"),
        ("[metrics]\nport = 0", "port = 0 (from moose.config.toml) is not a port (1 to 65535)"),
        (
            '[tracing]\nendpoint = "here:4318"',
            "endpoint = 'here:4318' (from moose.config.toml) is not an address: write https://host or http://host:port",
        ),
    ],
)
def test_what_is_refused(tmp_path: Path, config: str, refusal: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, config)

    assert refused.value.message == refusal


@pytest.mark.parametrize(
    ("config", "env", "endpoint"),
    [
        ("", "", None),
        ('[tracing]\nendpoint = "http://a:4318"', "", "http://a:4318"),
        ('[tracing]\nendpoint = ""', "", None),
        ("", "OTEL_EXPORTER_OTLP_ENDPOINT=http://b:4318", "http://b:4318"),
        ("", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://c/v1/traces", "http://c/v1/traces"),
        ('[tracing]\nendpoint = "http://a:4318"', "OTEL_EXPORTER_OTLP_ENDPOINT=http://b:4318", "http://a:4318"),
        ("[tracing]\nenabled = false", "OTEL_EXPORTER_OTLP_ENDPOINT=http://b:4318", None),
        ("[tracing]\nenabled = true", "", "http://localhost:4318"),
        ("", "OTEL_TRACES_EXPORTER=otlp", "http://localhost:4318"),
        ("", "OTEL_TRACES_EXPORTER=none\nOTEL_EXPORTER_OTLP_ENDPOINT=http://b:4318", None),
        ("", "OTEL_SDK_DISABLED=true\nOTEL_EXPORTER_OTLP_ENDPOINT=http://b:4318", None),
    ],
)
def test_where_traces_go(tmp_path: Path, config: str, env: str, endpoint: str | None) -> None:
    assert load(tmp_path, config, env).traces_endpoint == endpoint


@pytest.mark.parametrize(
    ("config", "env", "name"),
    [
        ("", "", "shop"),
        ('[tracing]\nservice_name = "till"', "OTEL_SERVICE_NAME=other", "till"),
        ("", "OTEL_SERVICE_NAME=other", None),
        ("", "OTEL_RESOURCE_ATTRIBUTES=a=b,service.name=other", None),
    ],
)
def test_what_traces_call_the_project(tmp_path: Path, config: str, env: str, name: str | None) -> None:
    settings = load(tmp_path, config, env)

    assert service_name(settings.tracing, settings.otel_environment, "shop") == name


def test_the_sdks_metrics_are_not_served_by_workers_of_a_session(tmp_path: Path) -> None:
    """Two of them would want the same port at each reload."""
    config = '[metrics]\nsdk_port = 9465\nhost = "localhost"\n'

    assert load(tmp_path, config).metrics.sdk_address == "127.0.0.1:9465"
    assert load(tmp_path, f'{config}directory = ".moose/metrics"').metrics.sdk_address is None
    assert load(tmp_path).metrics.sdk_address is None


def test_libraries_find_what_env_files_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the process has been given counts before them."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "given")
    for name in ("OTEL_BSP_SCHEDULE_DELAY", "PROMETHEUS_MULTIPROC_DIR"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    env = "OTEL_BSP_SCHEDULE_DELAY=50\nOTEL_SERVICE_NAME=written\n"
    prepare_process(load(tmp_path, '[metrics]\ndirectory = "numbers"', env))

    assert os.environ["OTEL_BSP_SCHEDULE_DELAY"] == "50"
    assert os.environ["OTEL_SERVICE_NAME"] == "given"
    assert os.environ["PROMETHEUS_MULTIPROC_DIR"] == str(tmp_path / "numbers")
