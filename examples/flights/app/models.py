"""What the tasks of the flights workflow hand to each other."""

from pathlib import Path

from pydantic import BaseModel, Field


class Request(BaseModel):
    """The run's input: how many flights the data must have, and from which delay on a flight counts as late."""

    expected_flights: int = 336_776
    late_after_minutes: int = Field(default=15, ge=0)


class OriginFile(BaseModel):
    origin: str
    path: Path
    flights: int


class Flights(BaseModel):
    """The loaded data: one file per origin airport under `directory`. Paths travel, rows stay on disk."""

    directory: Path
    flights: int
    files: list[OriginFile]
    late_after_minutes: int


class Delays(BaseModel):
    """Sums, not means: sums of parts add up to the whole exactly."""

    scheduled: int = 0
    departed: int = 0
    late: int = 0
    delay_minutes: int = 0

    @property
    def canceled(self) -> int:
        return self.scheduled - self.departed

    @property
    def mean(self) -> float | None:
        """Mean departure delay in minutes; `None` if nothing departed."""
        return self.delay_minutes / self.departed if self.departed else None

    @property
    def late_share(self) -> float | None:
        return self.late / self.departed if self.departed else None

    def __add__(self, other: "Delays") -> "Delays":
        return Delays(
            scheduled=self.scheduled + other.scheduled,
            departed=self.departed + other.departed,
            late=self.late + other.late,
            delay_minutes=self.delay_minutes + other.delay_minutes,
        )


class Cell(BaseModel):
    """The delays of one carrier in one month (1 to 12) at one origin."""

    month: int
    carrier: str
    delays: Delays


class OriginDelays(BaseModel):
    origin: str
    cells: list[Cell]


class AllOrigins(BaseModel):
    """What the join takes: what was loaded, and the output of every task right before it."""

    loaded: Flights
    origins: list[OriginDelays]


class Summary(BaseModel):
    """The join's checked result."""

    directory: Path
    flights: int
    late_after_minutes: int
    airlines: dict[str, str]
    origins: list[OriginDelays]


class Report(BaseModel):
    report: Path
    chart: Path
    flights: int
    canceled: int
    mean_delay_minutes: float
    worst_month: str
    worst_airline: str
