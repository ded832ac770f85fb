"""Commands find the Temporal of the `moose-cli dev` that runs in their project, unless they are told another one."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.project.test_settings import PORT, PORT_VARIABLE, Folder
from tests.unit.project.test_settings import folder as folder

from moose_lib.project.running import LOCK_FILE, RunningDev, find_running


@pytest.fixture
def lock(folder: Folder) -> Iterator[Path]:
    file = folder.root / ".moose" / LOCK_FILE
    file.parent.mkdir()
    file.write_text(RunningDev(pid=42, address="127.0.0.1:7300", ui_port=8300, namespace="n").model_dump_json())
    with file.open("rb+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield file


def test_it_wins_over_the_file_and_not_over_variables(
    folder: Folder, lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.temporal('temporal_port = 1111\nclient_cert = "cloud.pem"')
    settings = folder.load()
    assert (settings.temporal.address, settings.temporal.tls) == ("127.0.0.1:7300", False)
    assert (settings.temporal.ui_port, settings.temporal.namespace) == (8300, "n")
    assert settings.sources[PORT] == "the running moose-cli dev, process 42"

    monkeypatch.setenv(PORT_VARIABLE, "2222")
    assert folder.load().temporal.port == 2222


def test_a_dev_with_an_external_temporal_changes_nothing(folder: Folder, lock: Path) -> None:
    lock.write_text(RunningDev(pid=42).model_dump_json())

    assert folder.load().sources == {}


def test_a_record_that_is_being_written_is_none(folder: Folder, lock: Path) -> None:
    lock.write_text('{"pid": 4')

    assert find_running(folder.root) is None


@pytest.mark.usefixtures("lock")
@pytest.mark.parametrize("address", ["127.0.0.1:7300", "localhost:7300"])
def test_an_address_that_is_its_own_changes_nothing(folder: Folder, address: str) -> None:
    settings = folder.load(address=address)

    assert (settings.ui_port, settings.temporal.namespace) == (8300, "n")


@pytest.mark.usefixtures("lock")
@pytest.mark.parametrize("address", ["127.0.0.1:7400", "temporal.example.com:7300"])
def test_what_it_says_is_not_for_another_temporal(folder: Folder, address: str) -> None:
    """Neither its UI, nor its namespace, nor that it speaks no TLS."""
    folder.temporal('namespace = "shop"\nui_port = 8400')

    settings = folder.load(address=address)

    assert (settings.ui_port, settings.temporal.namespace) == (8400, "shop")
    assert settings.temporal.tls is (address == "temporal.example.com:7300")


def test_nobody_knows_the_ui_of_an_address_of_the_command_line(folder: Folder) -> None:
    assert folder.load(address="127.0.0.1:7400").ui_port is None
    assert folder.load(temporal_port=7400).ui_port == 8080
    assert folder.load().ui_port == 8080


def test_the_record_of_a_dead_dev_does_not_count(folder: Folder) -> None:
    file = folder.root / ".moose" / LOCK_FILE
    file.parent.mkdir()
    file.write_text(RunningDev(pid=42, address="127.0.0.1:7300").model_dump_json())

    assert find_running(folder.root) is None


def test_without_a_state_directory_nobody_runs(folder: Folder) -> None:
    assert find_running(folder.root) is None
