"""`[values]`: where large values go."""

from __future__ import annotations

from pathlib import Path

import pytest

from moose_lib.errors import SettingsError
from moose_lib.project.settings import Settings, load_settings


def loaded(folder: Path, values: str) -> Settings:
    (folder / "moose.config.toml").write_text(f"[values]\n{values}\n")
    return load_settings(folder)


def test_values_stay_in_the_project_unless_it_says_otherwise(tmp_path: Path) -> None:
    assert loaded(tmp_path, "").values_directory == tmp_path.resolve() / ".moose" / "values"
    assert loaded(tmp_path, 'directory = "shared"').values_directory == tmp_path.resolve() / "shared"
    assert loaded(tmp_path, 'directory = "/mnt/values"').values_directory == Path("/mnt/values")


@pytest.mark.parametrize(
    ("url", "name", "prefix"),
    [
        ("s3://bucket", "bucket", ""),
        ("s3://bucket/", "bucket", ""),
        ("s3://bucket/a/b", "bucket", "a/b/"),
        ("s3://bucket/a/", "bucket", "a/"),
    ],
)
def test_a_bucket_and_a_prefix(tmp_path: Path, url: str, name: str, prefix: str) -> None:
    values = loaded(tmp_path, f'url = "{url}"\nendpoint_url = "http://localhost:9000"\nregion = "eu-west-1"').values

    assert values.url is not None
    assert (values.url.name, values.url.prefix, str(values.url)) == (name, prefix, url.rstrip("/"))
    assert (values.endpoint_url, values.region) == ("http://localhost:9000", "eu-west-1")


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ('url = "bucket"', "url = 'bucket' (from FILE) is not s3://bucket or s3://bucket/prefix"),
        ('url = "https://x/y"', "url = 'https://x/y' (from FILE) is not s3://bucket or s3://bucket/prefix"),
        ('url = "s3:///y"', "url = 's3:///y' (from FILE) is not s3://bucket or s3://bucket/prefix"),
        ("url = 3", "url = 3 (from FILE) is not s3://bucket or s3://bucket/prefix"),
        (
            'endpoint_url = "localhost:9000"',
            "endpoint_url = 'localhost:9000' (from FILE) is not an address: write https://host or http://host:port",
        ),
        (
            'directory = "a"\nurl = "s3://b"',
            "[values] has two places: directory (from FILE) and url (from FILE)",
        ),
    ],
)
def test_a_wrong_place_is_told(tmp_path: Path, values: str, text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        loaded(tmp_path, values)
    assert refused.value.message == text.replace("FILE", "moose.config.toml")


def test_a_variable_takes_the_place_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty one unsets."""
    monkeypatch.setenv("MOOSE_VALUES__URL", "s3://bucket")
    monkeypatch.setenv("MOOSE_VALUES__DIRECTORY", "")

    values = loaded(tmp_path, 'directory = "shared"').values

    assert (values.directory, str(values.url)) == (None, "s3://bucket")
