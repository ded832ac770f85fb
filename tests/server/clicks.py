"""What tests of `moose_lib.ingest` send, what a server in its place was asked, and the attempt for which they send."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from pydantic import BaseModel

from moose_lib.dmv2 import RunInfo
from moose_lib.dmv2.deliveries import Deliveries


class Click(BaseModel):
    number: int
    price: Decimal = Decimal(1)
    share: float = 0.5


@dataclass
class Web:
    """What a server was asked, and what it answers: (status, headers) in turn, the last one for ever."""

    port: int
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=lambda: [taken()])
    asked: list[tuple[str, str, bytes]] = field(default_factory=list[tuple[str, str, bytes]])
    places: list[str | None] = field(default_factory=list[str | None])
    tokens: list[str | None] = field(default_factory=list[str | None])


def taken(stored: int = 1, **more: str) -> tuple[int, dict[str, str]]:
    return 200, {"Moose-Stored": str(stored), "Moose-Rejected": "0", **more}


def a_run(attempt: int = 1, origin: str | None = "r1") -> RunInfo:
    """An attempt whose handler begins here."""
    deliveries = Deliveries(origin)
    deliveries.begin()
    return RunInfo(
        workflow="W", workflow_id="W-1", run_id=f"r{attempt}", task="t", attempt=attempt, deliveries=deliveries
    )
