"""The report of a year of departures: `report.md` with the figures, `delays.png` with the picture."""

import calendar
from collections.abc import Iterable, Mapping
from typing import TypeVar

from app.chart import draw_chart
from app.figures import FEWEST_DEPARTURES, by_airline, by_month, by_origin, total, worst
from app.models import Delays, Report, Summary

Key = TypeVar("Key")


def write_report(summary: Summary) -> Report:
    """Write both files beside the loaded data; another attempt writes the same files again."""
    report, chart = summary.directory / "report.md", summary.directory / "delays.png"
    draw_chart(summary, chart)
    report.write_text(_markdown(summary, chart.name), encoding="utf-8")
    whole = total(summary)
    return Report(
        report=report,
        chart=chart,
        flights=whole.scheduled,
        canceled=whole.canceled,
        mean_delay_minutes=round(whole.mean or 0.0, 2),
        worst_month=calendar.month_name[worst(by_month(summary))],
        worst_airline=summary.airlines[worst(by_airline(summary))],
    )


def _markdown(summary: Summary, chart: str) -> str:
    whole, months, airlines = total(summary), by_month(summary), by_airline(summary)
    worst_month, worst_airline = worst(months), worst(airlines)
    opening = (
        f"{whole.scheduled:,} flights were scheduled, {whole.canceled:,} of them never left. The others left "
        f"{_minutes(whole)} minutes late on average; {_percent(whole)} left more than "
        f"{summary.late_after_minutes} minutes late. The worst month was {calendar.month_name[worst_month]} "
        f"({_minutes(months[worst_month])} minutes), the worst airline {summary.airlines[worst_airline]} "
        f"({_minutes(airlines[worst_airline])} minutes)."
    )
    picture = f"![Mean departure delay by month and airline]({chart})"
    lines = ["# Departures from New York, 2013", "", opening, "", picture, ""]
    lines += _table("Airport", ((name, delays) for name, delays in by_origin(summary).items()))
    lines += _table("Month", ((calendar.month_name[month], delays) for month, delays in sorted(months.items())))
    lines += _table("Airline", ((summary.airlines[code], airlines[code]) for code in _busiest_first(airlines)))
    lines += [f"Airlines with fewer than {FEWEST_DEPARTURES} departures cannot be the worst.", ""]
    return "\n".join(lines)


def _table(title: str, rows: Iterable[tuple[str, Delays]]) -> list[str]:
    head = [
        f"## By {title.lower()}",
        "",
        f"| {title} | Scheduled | Canceled | Mean delay, min | Late |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    body = [
        f"| {name} | {delays.scheduled:,} | {delays.canceled:,} | {_minutes(delays)} | {_percent(delays)} |"
        for name, delays in rows
    ]
    return [*head, *body, ""]


def _busiest_first(totals: Mapping[Key, Delays]) -> list[Key]:
    return sorted(totals, key=lambda name: totals[name].scheduled, reverse=True)


def _minutes(delays: Delays) -> str:
    return "n/a" if delays.mean is None else f"{delays.mean:.1f}"


def _percent(delays: Delays) -> str:
    return "n/a" if delays.late_share is None else f"{delays.late_share:.1%}"
