"""The guide's workflows stay out of the registry, which other tests look at."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from moose_lib.dmv2._registry import registered_workflows


def pytest_collection_modifyitems() -> None:
    _forget_the_guide()


@pytest.fixture(autouse=True)
def clean_registry() -> Iterator[None]:
    yield
    _forget_the_guide()


def _forget_the_guide() -> None:
    registry = registered_workflows()
    for name in [name for name in registry if name.startswith("Guide")]:
        del registry[name]
