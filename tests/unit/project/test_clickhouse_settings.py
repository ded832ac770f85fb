"""`[clickhouse_config]`: there is a ClickHouse where the section is."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from moose_lib.errors import SettingsError
from moose_lib.project.settings import load_settings


def test_without_the_section_records_stay_in_the_store(tmp_path: Path) -> None:
    assert load_settings(tmp_path).clickhouse is None


def test_the_keys_are_the_existing_moose_s(tmp_path: Path) -> None:
    (tmp_path / "moose.config.toml").write_text(
        '[clickhouse_config]\ndb_name = "shop"\nuser = "default"\npassword = ""\nuse_ssl = true\nhost = "ch.example"\n'
        "host_port = 8443\nnative_port = 9440\n"
    )

    found = load_settings(tmp_path).clickhouse

    assert found is not None
    assert (found.db_name, found.user, found.password.get_secret_value()) == ("shop", "default", "")
    assert found.url == "https://ch.example:8443"
    assert (found.batch_rows, found.batch_age) == (100_000, timedelta(seconds=1))


def test_one_key_is_enough_and_the_rest_is_as_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOOSE_CLICKHOUSE_CONFIG__HOST", "::1")

    found = load_settings(tmp_path).clickhouse

    assert found is not None
    assert (found.db_name, found.user, found.password.get_secret_value()) == ("local", "panda", "pandapass")
    assert found.url == "http://[::1]:18123"


def test_it_can_be_switched_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a laptop, where the section is for a server."""
    (tmp_path / "moose.config.toml").write_text('[clickhouse_config]\nhost = "ch.example"\n')
    monkeypatch.setenv("MOOSE_CLICKHOUSE_CONFIG__ENABLED", "false")

    assert load_settings(tmp_path).clickhouse is None


def test_a_password_is_never_shown(tmp_path: Path) -> None:
    (tmp_path / "moose.config.toml").write_text("[clickhouse_config]\npassword = 123456\n")

    with pytest.raises(SettingsError) as refused:
        load_settings(tmp_path)

    assert refused.value.message == "password = … (from moose.config.toml) is not a text"

    (tmp_path / "moose.config.toml").write_text('[clickhouse_config]\npassword = "s3cret"\n')
    assert "s3cret" not in repr(load_settings(tmp_path))
