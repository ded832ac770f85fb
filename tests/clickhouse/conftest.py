"""A ClickHouse of its own for each test module, and the shop that moves its records there."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import httpx2
import pytest
from tests.integration.conftest import free_port

ENGINE = Path(__file__).with_name("engine.py")
PASSWORD = "s3cret-word"


class ClickHouseProcess:
    """The engine on a port, which may be killed and started again with what it has."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        command = [sys.executable, str(ENGINE), str(self.folder), str(self.port)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == f"ready on {self.port}\n"

    def kill(self) -> None:
        """End it with SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def ask(self, statement: str, form: str = "JSONCompactEachRow") -> str:
        body = f"{statement} FORMAT {form}" if form else statement
        answer = httpx2.post(f"http://127.0.0.1:{self.port}/", content=body.encode(), timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.text

    def run(self, statement: str) -> None:
        self.ask(statement, "")

    def lose_the_next_answer(self) -> None:
        (self.folder / "lose_answer").touch()

    @property
    def lost_an_answer(self) -> bool:
        return not (self.folder / "lose_answer").exists()

    @property
    def settings(self) -> str:
        """The section of `moose.config.toml`, quick to try again."""
        return (
            f'[clickhouse_config]\nhost = "127.0.0.1"\nhost_port = {self.port}\npassword = "{PASSWORD}"\n'
            'batch_age = "50ms"\nlongest_pause = "200ms"\n'
        )


@pytest.fixture
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Generator[ClickHouseProcess]:
    if importlib.util.find_spec("chdb") is None:
        pytest.skip("there is no chdb for this Python")
    process = ClickHouseProcess(tmp_path_factory.mktemp("clickhouse"))
    process.start()
    yield process
    process.kill()
