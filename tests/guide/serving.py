"""`moose-cli serve shop.py` beside a test, and a client for it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx2
from tests.cli.conftest import Cli
from tests.cli.serving import free_server_ports, serving


@contextmanager
def serving_shop(folder: Path, code: str) -> Generator[Cli]:
    """A project of one file while its server runs on free ports."""
    (folder / "shop.py").write_text(code, encoding="utf-8")
    cli = Cli(folder=folder, environment=free_server_ports())
    with serving(cli, "shop.py"):
        yield cli


def post(shop: Cli, orders: object) -> str:
    """What the server answers to records."""
    url = f"http://127.0.0.1:{shop.environment['MOOSE_HTTP_SERVER_CONFIG__PORT']}/ingest/Orders"
    return httpx2.post(url, json=orders, timeout=60).text
