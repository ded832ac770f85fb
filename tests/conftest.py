"""What every test gets: a registry of its own, and no settings from the machine it runs on."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import hypothesis
import pytest

from moose_lib.dmv2._registry import _workflows

# A loaded machine is slow, not wrong.
hypothesis.settings.register_profile("moose", deadline=None)
hypothesis.settings.load_profile("moose")

# Before any fixture or child process reads them; a test sets what it is about.
for variable in [name for name in os.environ if name.startswith(("MOOSE_", "TEMPORAL_", "OTEL_"))]:
    del os.environ[variable]

# A shell without job control starts background commands with Ctrl-C ignored, and children inherit that. Tests press it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _own_registry() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]  # pytest calls it
    """What a test declares is gone after it, so that two tests can use one workflow name."""
    before = dict(_workflows)
    yield
    _workflows.clear()
    _workflows.update(before)
