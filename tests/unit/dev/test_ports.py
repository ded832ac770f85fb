"""Who listens on a port."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from moose_lib.dev import ports
from moose_lib.errors import PortBusy

if TYPE_CHECKING:
    from collections.abc import Iterator

ONLY_PROC = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux's /proc")


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def answer(monkeypatch: pytest.MonkeyPatch, **answers: str) -> None:
    """Let programs of this name write this; those without an answer are not installed."""

    def which(program: str) -> str | None:
        return program if program in answers else None

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        text = answers[command[0]]
        return subprocess.CompletedProcess(command, 0 if text else 1, stdout=text, stderr="")

    monkeypatch.setattr(shutil, "which", which)
    monkeypatch.setattr(subprocess, "run", run)


def without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    exists = Path.exists

    def elsewhere(path: Path) -> bool:
        return not str(path).startswith("/proc") and exists(path)

    monkeypatch.setattr(Path, "exists", elsewhere)


def test_a_listener_makes_a_port_busy(taken: int) -> None:
    assert not ports.is_free(taken)
    assert ports.is_free(ports.next_free(taken))


def test_a_listener_on_all_addresses_counts() -> None:
    with socket.create_server(("0.0.0.0", 0)) as listener:
        assert not ports.is_free(listener.getsockname()[1])


def test_a_listener_counts_where_binding_beside_it_is_allowed(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """BSDs, macOS among them."""
    monkeypatch.setattr(sys, "platform", "darwin")

    def bind(_: socket.socket, address: object) -> None:
        """Let it."""

    monkeypatch.setattr(socket.socket, "bind", bind)

    assert not ports.is_free(taken)


def test_above_the_last_port_there_is_none() -> None:
    assert ports.next_free(65535) == 0


def test_a_free_port_passes() -> None:
    ports.require_free(ports.next_free(20000), "temporal_config.ui_port")


@ONLY_PROC
def test_the_holder_is_named_with_its_command(taken: int) -> None:
    holder = ports.find_holder(taken)

    assert holder is not None
    assert holder.startswith(f"process {os.getpid()} (")


@ONLY_PROC
def test_nobody_holds_a_free_port() -> None:
    assert ports.find_holder(ports.next_free(20000)) is None


@ONLY_PROC
def test_a_holder_of_another_user_is_not_known(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> Iterator[Path]:
        raise PermissionError

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(PortBusy) as refusal:
        ports.require_free(taken, "temporal_config.ui_port")

    assert refusal.value.message == f"port {taken} is in use"


def test_the_ways_to_another_port_are_told(taken: int) -> None:
    with pytest.raises(PortBusy) as refusal:
        ports.require_free(taken, "temporal_config.ui_port")

    other = ports.next_free(taken)
    assert refusal.value.hint == (
        f"moose-cli dev --ui-port {other}, or ui_port in [temporal_config] of moose.config.toml, "
        "or MOOSE_TEMPORAL_CONFIG__UI_PORT"
    )


def test_without_proc_lsof_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    without_proc(monkeypatch)
    answer(monkeypatch, lsof="999999999\n", ps="postgres -D data\n")

    assert ports.find_holder(5432) == "process 999999999 (postgres -D data)"


def test_a_command_that_is_not_known_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    without_proc(monkeypatch)
    answer(monkeypatch, lsof="999999999\n", ps="")

    assert ports.find_holder(5432) == "process 999999999"


def test_without_proc_and_lsof_the_holder_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    without_proc(monkeypatch)
    answer(monkeypatch)

    assert ports.find_holder(5432) is None
