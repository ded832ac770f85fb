"""What lets callers of the HTTP server in."""

from __future__ import annotations

from pathlib import Path

import pytest

from moose_lib.errors import SettingsError
from moose_lib.project.settings import load_settings


@pytest.mark.parametrize(
    ("variable", "name"),
    [
        ("MOOSE_AUTHENTICATION__INGEST_API_KEY", "ingest_api_key"),
        ("MOOSE_INGEST_API_KEY", "ingest_api_key"),
        ("MOOSE_AUTHENTICATION__ADMIN_API_KEY", "admin_api_key"),
        ("MOOSE_JWT__SECRET", "secret"),
    ],
)
def test_a_secret_that_has_got_lost_opens_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, name: str
) -> None:
    """An empty variable would put the key of the file out of force, without a word."""
    (tmp_path / "moose.config.toml").write_text(
        '[authentication]\ningest_api_key = "a.b"\nadmin_api_key = "c.d"\n[jwt]\nsecret = "pem"\n'
    )
    monkeypatch.setenv(variable, "")

    with pytest.raises(SettingsError, match=rf"{name} = … \(from {variable}\) is empty"):
        load_settings(tmp_path)
