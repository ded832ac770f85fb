"""`moose-cli serve` beside a test."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.cli.conftest import Cli
from tests.integration.conftest import free_port


def free_server_ports() -> dict[str, str]:
    """Settings for a server, and for those who look for it."""
    return {f"MOOSE_HTTP_SERVER_CONFIG__{name}": str(free_port()) for name in ("PORT", "MANAGEMENT_PORT")}


@contextmanager
def serving(cli: Cli, *words: str) -> Generator[None]:
    """Its server runs until the block ends; it answers when this begins."""
    process = cli.start("serve", *words)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("serving ")
        yield
    finally:
        process.terminate()
        process.communicate(timeout=30)
