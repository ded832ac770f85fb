"""The model of the ingest benchmark, and an endpoint for it."""

from datetime import datetime

from pydantic import BaseModel

from moose_lib import IngestPipeline


class Click(BaseModel):
    user_id: str
    page: str
    count: int
    share: float
    at: datetime


def record(number: int) -> dict[str, object]:
    return {
        "user_id": f"user-{number % 1000}",
        "page": "/products/42",
        "count": number,
        "share": number / 7,
        "at": "2026-01-01T10:00:00Z",
    }


IngestPipeline[Click]("Clicks")
