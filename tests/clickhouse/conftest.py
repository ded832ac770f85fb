"""A ClickHouse of its own for each test module, and the shop that moves its records there."""

from __future__ import annotations

import importlib.util
import itertools
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import httpx2
import pytest
from tests.integration.conftest import free_port

from moose_lib.project.clickhouse import ClickHouseSettings

ENGINE = Path(__file__).with_name("engine.py")
PASSWORD = "s3cret-word"


class ClickHouseProcess:
    """The engine on a port, which may be killed and started again with what it has."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[str] | None = None
        self._databases = itertools.count(1)

    def start(self) -> None:
        """Start it, unless it runs."""
        if self._process is not None:
            return
        command = [sys.executable, str(ENGINE), str(self.folder), str(self.port)]
        self._process = subprocess.Popen(command, cwd=self.folder, stdout=subprocess.PIPE, text=True)
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

    def lose_answers(self, count: int) -> None:
        """Do so many inserts and answer none of them."""
        (self.folder / "lose_answers").write_text(str(count))

    @property
    def has_lost_them(self) -> bool:
        return (self.folder / "lose_answers").read_text() == "0"

    def settings(self, **more: object) -> ClickHouseSettings:
        """Settings with a database of their own, quick to look for rows and to try again."""
        given: dict[str, object] = {
            "db_name": f"shop{next(self._databases)}",
            "batch_age": "30ms",
            "longest_pause": "100ms",
        }
        place = {"host": "127.0.0.1", "host_port": self.port, "password": PASSWORD}
        return ClickHouseSettings.model_validate(given | place | more)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Generator[ClickHouseProcess]:
    if importlib.util.find_spec("chdb") is None:
        pytest.skip("there is no chdb for this Python")
    process = ClickHouseProcess(tmp_path_factory.mktemp("clickhouse"))
    yield process
    process.kill()


@pytest.fixture
def clickhouse(engine: ClickHouseProcess) -> ClickHouseProcess:
    """It runs, whatever the test before did to it."""
    engine.start()
    return engine
