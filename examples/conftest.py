"""The examples run in a copy of their folder, on the server that the engine's own tests use."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Protocol

import pytest
from tests.integration.conftest import client, engine_settings, temporal_port
from tests.integration.engine.conftest import engine

from moose_lib.project.loader import LoadedProject, find_project, load_project

__all__ = ["client", "engine", "engine_settings", "temporal_port"]


class LoadExample(Protocol):
    def __call__(self, name: str) -> LoadedProject: ...


@pytest.fixture
def load_example(tmp_path: Path) -> LoadExample:
    """Load an example from a copy of its folder, so that what it writes is this test's own."""

    def load(name: str) -> LoadedProject:
        folder = tmp_path / name
        ignored = shutil.ignore_patterns("out", ".moose", "__pycache__")
        shutil.copytree(Path(__file__).parent / name, folder, ignore=ignored)
        return load_project(find_project(folder))

    return load
