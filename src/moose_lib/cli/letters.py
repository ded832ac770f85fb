"""What `moose-cli dead-letters` does: counting, listing and replaying."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from moose_lib.cli.options import Target
from moose_lib.cli.output import Output
from moose_lib.cli.session import Session, open_project, open_session
from moose_lib.cli.shown_rows import cell_text
from moose_lib.cli.texts import json_time, local_text
from moose_lib.durations import parse_age
from moose_lib.errors import ImportFailed, InvalidDefinition
from moose_lib.ingest.errors import TableNotFound
from moose_lib.ingest.exact import exact_json
from moose_lib.ingest.letters import (
    Letter,
    Replayed,
    StillBad,
    count_letters,
    count_set_aside,
    known_endpoints,
    read_letters,
    replay,
)
from moose_lib.ingest.querying import best_version, reading, stored_tables
from moose_lib.plan.endpoints import Endpoint
from moose_lib.project.loader import load_project

__all__ = ["Request", "count_all", "list_letters", "replay_letters"]

_COMMAND = "moose-cli dead-letters"
_LISTED = 20


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the command line says."""

    name: str
    since: str | None
    limit: int | None
    with_replayed: bool
    with_set_aside: bool
    is_dry: bool

    def oldest(self) -> datetime | None:
        """The moment since which letters count.

        Raises:
            InvalidDuration: `since` is none.
        """
        return None if self.since is None else datetime.now(UTC) - parse_age(self.since)


def count_all(output: Output, target: Target) -> None:
    """Print how many letters each endpoint has."""
    with reading(open_session(target).settings.store_path) as connection:
        counts = {key: count_letters(connection, key) for key in known_endpoints(connection)}
    if output.is_json:
        output.document([{"name": key, "waiting": it[0], "replayed": it[1]} for key, it in counts.items()])
    elif counts:
        output.table(("NAME", "WAITING", "REPLAYED"), [(key, str(it[0]), str(it[1])) for key, it in counts.items()])
    else:
        output.talk("no dead letters")


def list_letters(output: Output, target: Target, request: Request) -> None:
    """Print letters, the newest first."""
    oldest, session = request.oldest(), open_session(target)
    limit = request.limit or _LISTED
    with reading(session.settings.store_path) as connection:
        known = known_endpoints(connection)
        key = best_version(request.name.removesuffix("DeadLetterQueue"), known)
        if key is None:
            key = _key_without_letters(session, request.name, {*known, *stored_tables(connection)})
        letters = list(read_letters(connection, key, since=oldest, limit=limit, with_replayed=request.with_replayed))
        waiting, _ = count_letters(connection, key)
        set_aside = count_set_aside(connection, key)
    if output.is_json:
        output.document([_document(letter) for letter in letters])
        return
    if letters:
        output.table(("ID", "FAILED AT", "REASON", "RECORD"), [_row(output, letter) for letter in letters])
        output.talk(f"{len(letters)} shown, {waiting} waiting")
    else:
        output.talk("no such dead letters" if waiting else f"no dead letters of {key}")
    if set_aside:
        output.talk(f"{set_aside} set aside, which may repeat what is stored: --replay --set-aside stores them")
    if waiting > set_aside:
        what = "the table in ClickHouse" if any(it.source == "table" for it in letters) else "the model"
        output.hint(f"after fixing {what}: {_COMMAND} {key} --replay --dry-run")


def replay_letters(output: Output, target: Target, request: Request) -> None:
    """Store what fits by now, and print the counts."""
    oldest = request.oldest()
    loaded = load_project(open_project(target))
    endpoint = _endpoint(loaded.endpoints, request.name)
    path = loaded.project.settings.store_path
    done = replay(
        path,
        endpoint,
        since=oldest,
        limit=request.limit,
        with_set_aside=request.with_set_aside,
        is_dry=request.is_dry,
    )
    if output.is_json:
        output.document(_replayed_document(endpoint, done, is_dry=request.is_dry))
        return
    would = "would be " if request.is_dry else ""
    elsewhere = f", {done.elsewhere} by another replay" if done.elsewhere else ""
    output.data(f"{endpoint.key}: {done.stored} {would}stored{elsewhere}, {done.still_bad} still refused")
    _show_reasons(output, done.examples, done.still_bad)
    if request.is_dry and done.doubtful and loaded.project.settings.clickhouse is not None:
        output.talk(f"{done.doubtful} of them ClickHouse has refused, and refuses again unless its table has changed:")
        _show_reasons(output, done.doubts, done.doubtful)
    if done.left:
        output.talk(f"{done.left} set aside, which may repeat what is stored: --replay --set-aside stores them")
    if request.is_dry and done.stored:
        output.hint(f"{_COMMAND} {request.name} --replay{' --set-aside' if request.with_set_aside else ''}")


def _show_reasons(output: Output, shown: Sequence[StillBad], count: int) -> None:
    for it in shown:
        output.talk(f"  {it.id}: {cell_text(it.reason, is_cut=False)}")
    if count > len(shown):
        output.talk(f"  and {count - len(shown)} more")


def _endpoint(endpoints: tuple[Endpoint, ...], name: str) -> Endpoint:
    by_key = {endpoint.key: endpoint for endpoint in endpoints}
    return by_key[_known_key(name, by_key)]


def _known_key(name: str, keys: Iterable[str]) -> str:
    keys = sorted(keys)
    key = best_version(name.removesuffix("DeadLetterQueue"), keys)
    if key is None:
        raise TableNotFound(name, keys, _COMMAND, "endpoint")
    return key


def _key_without_letters(session: Session, name: str, stored: Iterable[str]) -> str:
    """Tell an endpoint without letters from one that does not exist; `stored` are the names that the store knows.

    Raises:
        TableNotFound: neither the store nor the code, where there is some that loads, knows the name.
    """
    try:
        loaded = session.load()
    except (ImportFailed, InvalidDefinition):
        loaded = None
    declared = () if loaded is None else (endpoint.key for endpoint in loaded.endpoints)
    return _known_key(name, {*declared, *stored})


def _row(output: Output, letter: Letter) -> tuple[str, ...]:
    reason = letter.error_message + ("" if letter.replayed_at is None else " (replayed)")
    texts = (reason, letter.record)
    return (str(letter.id), local_text(letter.failed_at), *(cell_text(it, is_cut=output.is_live) for it in texts))


def _document(letter: Letter) -> dict[str, Any]:  # Any: JSON
    """The existing Moose's names, and ours; a record that is no JSON is its text."""
    try:
        record = exact_json(letter.record)
    except (ValueError, RecursionError):
        record = letter.record
    return {
        "id": letter.id,
        "originalRecord": record,
        "errorMessage": letter.error_message,
        "errorType": letter.error_type,
        "failedAt": json_time(letter.failed_at),
        "source": letter.source,
        "endpoint": letter.endpoint,
        "queue": letter.queue,
        "replayed_at": json_time(letter.replayed_at),
    }


def _replayed_document(endpoint: Endpoint, done: Replayed, *, is_dry: bool) -> dict[str, Any]:  # Any: JSON
    return {
        "name": endpoint.key,
        "is_dry_run": is_dry,
        "stored": done.stored,
        "stored_elsewhere": done.elsewhere,
        "still_refused": done.still_bad,
        "left_set_aside": done.left,
        "examples": [{"id": it.id, "reason": it.reason} for it in done.examples],
        "refused_by_clickhouse": done.doubtful,
        "clickhouse_examples": [{"id": it.id, "reason": it.reason} for it in done.doubts],
    }
