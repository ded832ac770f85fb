"""A shop whose server is a process, for tests of what survives it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
from tests.clickhouse.conftest import ClickHouseProcess
from tests.integration.conftest import free_port

from moose_lib.project.clickhouse import ClickHouseSettings

CODE = """
from pydantic import BaseModel
from moose_lib import IngestPipeline, IngestPipelineConfig, OlapConfig

class Click(BaseModel):
    number: int

IngestPipeline[Click]("Clicks", IngestPipelineConfig(table=OlapConfig(order_by_fields=["number"])))
"""
PATIENCE = 60.0


class Shop:
    """A project in a folder, and its server."""

    def __init__(self, folder: Path, clickhouse: ClickHouseProcess, code: str = CODE, **settings: object) -> None:
        self.folder = folder
        self.port = free_port()
        self.settings = clickhouse.settings(**settings)
        self.database = self.settings.db_name
        (folder / "app").mkdir()
        self.write(code)
        (folder / "moose.config.toml").write_text(config_text(self.settings))

    def write(self, code: str) -> None:
        (self.folder / "app" / "main.py").write_text(code)

    @contextmanager
    def serve(self) -> Generator[subprocess.Popen[str]]:
        command = [sys.executable, "-m", "moose_lib.cli", "serve", "--port", str(self.port), "--management-port"]
        process = subprocess.Popen(
            [*command, str(free_port())], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            assert first.startswith(f"serving http://127.0.0.1:{self.port}, records in "), process.communicate()
            yield process
        finally:
            process.kill()
            process.communicate()

    def post(self, name: str, records: Any) -> httpx2.Response:  # Any: JSON
        answer = httpx2.post(f"http://127.0.0.1:{self.port}/ingest/{name}", json=records, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer

    def get(self, path: str) -> httpx2.Response:
        return httpx2.get(f"http://127.0.0.1:{self.port}{path}", timeout=30)

    def in_file(self, statement: str) -> list[Any]:  # Any: rows
        with closing(sqlite3.connect(self.folder / ".moose" / "store.db")) as connection:
            return connection.execute(statement).fetchall()

    def waiting(self, table: str = "Clicks") -> int:
        """Rows that have not moved."""
        query = f"SELECT max(_id) - (SELECT position FROM _moose_moves WHERE name = '{table}') FROM {table}"
        return int(self.in_file(query)[0][0] or 0)

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "moose_lib.cli", *arguments]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)


def eventually(claim: Callable[[], bool], what: str = "") -> None:
    """Wait until it holds."""
    end = time.monotonic() + PATIENCE
    while not claim():
        assert time.monotonic() < end, f"it never came: {what}"
        time.sleep(0.02)


def config_text(settings: ClickHouseSettings) -> str:
    """The section of `moose.config.toml`."""
    config = settings.model_dump() | {"password": settings.password.get_secret_value()}
    return "\n".join(["[clickhouse_config]", *(f"{name} = {_toml(value)}" for name, value in config.items())])


def _toml(value: object) -> str:
    if isinstance(value, timedelta):
        return f'"{value // timedelta(milliseconds=1)}ms"'
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else str(value)
