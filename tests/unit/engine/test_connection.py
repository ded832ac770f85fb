"""Where we connect to: our settings over Temporal's own."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from temporalio.service import TLSConfig
from tests.integration.conftest import free_port

from moose_lib.engine.connection import connect, resolve_target
from moose_lib.errors import EngineUnreachable, SettingsError
from moose_lib.project.settings import Settings


def settings(root: Path, ours: Mapping[str, object] | None = None, theirs: Mapping[str, str] | None = None) -> Settings:
    return Settings.model_validate(
        {"root": root, "temporal_config": ours or {}, "temporal_environment": theirs or {}}, context=root
    )


def test_the_default_is_this_machine(tmp_path: Path) -> None:
    """Nothing set: port 7233 here, namespace default, no TLS."""
    target = resolve_target(settings(tmp_path))
    assert (target.address, target.namespace, target.tls, target.api_key) == ("127.0.0.1:7233", "default", False, None)


def test_temporals_own_settings_work(tmp_path: Path) -> None:
    """TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE and TEMPORAL_API_KEY, which turns TLS on."""
    theirs = {"TEMPORAL_ADDRESS": "cloud.example:7233", "TEMPORAL_NAMESPACE": "ns.acct", "TEMPORAL_API_KEY": "secret"}
    target = resolve_target(settings(tmp_path, theirs=theirs))
    assert (target.address, target.namespace, target.api_key) == ("cloud.example:7233", "ns.acct", "secret")
    assert target.tls
    assert "secret" not in repr(target)


def test_a_file_of_temporal(tmp_path: Path) -> None:
    """TEMPORAL_CONFIG_FILE names a temporal.toml."""
    file = tmp_path / "temporal.toml"
    file.write_text('[profile.default]\naddress = "toml.example:7233"\nnamespace = "from-toml"\n')
    target = resolve_target(settings(tmp_path, theirs={"TEMPORAL_CONFIG_FILE": str(file)}))
    assert (target.address, target.namespace) == ("toml.example:7233", "from-toml")
    file.write_text("no toml")
    with pytest.raises(SettingsError, match="Temporal's own settings cannot be read"):
        resolve_target(settings(tmp_path, theirs={"TEMPORAL_CONFIG_FILE": str(file)}))


def test_ours_come_first_and_a_local_server_gets_no_key(tmp_path: Path) -> None:
    """`moose-cli dev` beside a cloud profile: local, without TLS, and the cloud's key stays at home."""
    theirs = {"TEMPORAL_ADDRESS": "cloud.example:7233", "TEMPORAL_API_KEY": "secret", "TEMPORAL_NAMESPACE": "ns"}
    ours = {"temporal_host": "localhost", "temporal_port": 7300, "namespace": "mine"}
    target = resolve_target(settings(tmp_path, ours, theirs))
    assert (target.address, target.namespace, target.tls, target.api_key) == ("localhost:7300", "mine", False, None)


def test_our_api_key_turns_tls_on(tmp_path: Path) -> None:
    """An API key is never sent in the clear."""
    ours = {"temporal_host": "ns.example", "api_key": "secret"}
    target = resolve_target(settings(tmp_path, ours))
    assert (target.api_key, target.tls) == ("secret", True)


def test_certificates_are_read(tmp_path: Path) -> None:
    """Mutual TLS from files; one that is missing is named."""
    for name in ("cert", "key", "ca"):
        (tmp_path / name).write_bytes(name.encode())
    ours = {
        "temporal_host": "ns.example",
        "client_cert": "cert",
        "client_key": "key",
        "ca_cert": "ca",
    }
    target = resolve_target(settings(tmp_path, ours))
    assert target.tls == TLSConfig(server_root_ca_cert=b"ca", client_cert=b"cert", client_private_key=b"key")


async def test_nobody_there_is_said_within_seconds(tmp_path: Path) -> None:
    """The address, why, and what to do."""
    port = free_port()
    started = time.monotonic()
    with pytest.raises(EngineUnreachable) as caught:
        await connect(settings(tmp_path, {"temporal_host": "127.0.0.1", "temporal_port": port}))
    assert time.monotonic() - started < 10
    assert caught.value.message == f"no Temporal server at 127.0.0.1:{port}: connection refused"
    assert caught.value.hint == "moose-cli dev"
