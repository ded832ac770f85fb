"""`moose-cli serve shop.py` beside a test, and a client for it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx2
from tests.cli.conftest import Cli
from tests.integration.conftest import free_port


@contextmanager
def serving_shop(folder: Path, code: str) -> Generator[Cli]:
    """A project of one file while its server runs on free ports."""
    (folder / "shop.py").write_text(code, encoding="utf-8")
    ports = {f"MOOSE_HTTP_SERVER_CONFIG__{name}": str(free_port()) for name in ("PORT", "MANAGEMENT_PORT")}
    cli = Cli(folder=folder, environment=ports)
    serving = cli.start("serve", "shop.py")
    try:
        assert serving.stdout is not None
        assert serving.stdout.readline().startswith("serving ")
        yield cli
    finally:
        serving.terminate()
        serving.communicate(timeout=30)


def post(shop: Cli, orders: object) -> str:
    """What the server answers to records."""
    url = f"http://127.0.0.1:{shop.environment['MOOSE_HTTP_SERVER_CONFIG__PORT']}/ingest/Orders"
    return httpx2.post(url, json=orders).text
