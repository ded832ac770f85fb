"""`moose_lib.ingest` and `moose_lib.ingest_sync`: from a task or a script into the store, through the server.

Each request from a task has a key made of the run, the task, what it carries, and how often the same was sent before
in this attempt; and a place, which is its number among those that the handler sends one after the other. So an attempt
that is repeated, or a run that is resumed, names what it sends as before. The server stores once what has the same key,
and what has another key in the same place it sets aside: records with a time or an id made anew, say.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
import uuid
from collections.abc import AsyncIterable, Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import quote

from pydantic import BaseModel

from moose_lib.dmv2._registry import registered_ingest_apis
from moose_lib.dmv2.deliveries import Claim, Deliveries, IngestResult
from moose_lib.dmv2.ingest import IngestApi, IngestPipeline
from moose_lib.dmv2.olap import InsertOptions, OlapTable
from moose_lib.dmv2.workflow import RunInfo
from moose_lib.durations import parse_duration
from moose_lib.errors import MooseError, NonRetryableError
from moose_lib.ingest.errors import TableNotFound
from moose_lib.ingest.packing import Packed, Packet, Record, pack
from moose_lib.ingest.querying import best_version
from moose_lib.ingest.sending import Answer, Name, Sender
from moose_lib.logs.attribution import TaskLogger, current_run
from moose_lib.plan.endpoints import Endpoint, try_compile_endpoints
from moose_lib.project.loader import CONFIG_FILE
from moose_lib.project.settings import Settings, load_settings

#: What can be named as the place for records.
Place = type[BaseModel] | str | IngestApi[Any] | IngestPipeline[Any] | OlapTable[Any]  # Any: each has its own model

#: How long to try, and for a big load how long at most without an answer.
_PATIENCE: Final = "1m"
#: What needs no quoting in the place of a request, which people read.
_PLAIN: Final = " ,()/:"
_SET_ASIDE: Final = (
    "%d of the records for %s are set aside, as an earlier attempt has sent others in their place: "
    "moose-cli dead-letters %s. How many in all, moose-cli workflow status tells"
)
_NO_TASK: Final = (
    "records for {} are sent from a thread or process that does not know for which task, while one runs here: "
    "a repeated attempt would store them again. Start the thread with await asyncio.to_thread(…) or "
    "pool.submit(contextvars.copy_context().run, …), or name the request: idempotency_key="
)
_NO_DEAD_LETTERS: Final = (
    "records for {} cannot be isolated: it keeps no dead letters, or [ingest] partial = false refuses a request as a "
    "whole"
)
_RELEASED: Final = (
    "%d records for %s that were set aside are stored: the attempt sends what it sent before, in another order"
)


async def ingest(
    place: Place,
    records: Iterable[Record] | Record,
    *,
    idempotency_key: str | None = None,
    request: str | None = None,
    timeout: str | timedelta = _PATIENCE,  # noqa: ASYNC109  # how long the server is given, in words as elsewhere
    options: InsertOptions | None = None,
    on_progress: Callable[[IngestResult], None] | None = None,
) -> IngestResult:
    """Check records, send them to the server, and return when they are committed; see the package's docstring."""
    stop = threading.Event()
    with _errand(place, records, _Naming(idempotency_key, request), timeout, options) as errand:
        try:
            return await asyncio.to_thread(_run, errand, on_progress, stop)
        finally:
            stop.set()  # canceled: what is on its way arrives, the rest stays


def ingest_sync(
    place: Place,
    records: Iterable[Record] | Record,
    *,
    idempotency_key: str | None = None,
    request: str | None = None,
    timeout: str | timedelta = _PATIENCE,
    options: InsertOptions | None = None,
    on_progress: Callable[[IngestResult], None] | None = None,
) -> IngestResult:
    """The same as `moose_lib.ingest` for `def` handlers and scripts: blocks until the records are committed.

    Raises:
        MooseError: it is called in `async` code, which it would block; and all that `moose_lib.ingest` raises.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        with _errand(place, records, _Naming(idempotency_key, request), timeout, options) as errand:
            return _run(errand, on_progress, threading.Event())
    raise MooseError(
        "sending records here would block the event loop of async code", hint="await moose_lib.ingest(…) instead"
    )


@dataclass(frozen=True)
class _Naming:
    """How the caller names what it sends, if it does: by a key, or as a request of its task."""

    key: str | None
    request: str | None


@dataclass(frozen=True, kw_only=True)
class _Errand:
    """What to send where, and under which name each part."""

    endpoint: Endpoint
    packed: Packed
    names: Sequence[Name]
    settings: Settings
    patience: timedelta
    is_isolating: bool


@contextmanager
def _errand(
    place: Place,
    records: Iterable[Record] | Record,
    naming: _Naming,
    timeout: str | timedelta,
    options: InsertOptions | None,
) -> Generator[_Errand]:
    """The errand, for the time of the block: if that fails, the next call with the same records is the same errand."""
    endpoint, file = _find(place)
    settings, options = _settings(file), InsertOptions() if options is None else options
    if not isinstance(options, InsertOptions):  # pyright: ignore[reportUnnecessaryIsInstance]  # users' values are not type-checked
        raise NonRetryableError(f"options is {options!r}, which is no InsertOptions", hint="options=InsertOptions(…)")
    is_isolating = options.strategy == "isolate"
    if is_isolating and not (endpoint.has_dead_letters and settings.ingest.partial):
        raise NonRetryableError(_NO_DEAD_LETTERS.format(endpoint.key), hint='strategy="discard"')
    packed = pack(endpoint, _several(records), options)
    claims = list[Claim]()
    try:
        yield _Errand(
            endpoint=endpoint,
            packed=packed,
            names=list(_names(endpoint, packed.packets, naming, claims)),
            settings=settings,
            patience=parse_duration(timeout) or timedelta(days=365),
            is_isolating=is_isolating,
        )
    except BaseException:
        for claim in claims:
            claim.give_back()
        raise


def _several(records: Iterable[Record] | Record) -> Iterable[Record]:
    """One record is several, too; a mapping is one, though it can be iterated.

    Raises:
        NonRetryableError: it is neither.
    """
    if isinstance(records, BaseModel | Mapping):
        return [cast("Record", records)]  # what it holds is checked against the model
    if isinstance(records, str | bytes) or not isinstance(records, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]  # users' values are not type-checked
        hint = "[record async for record in …] makes a list of it" if isinstance(records, AsyncIterable) else None
        text = f"records are {_shown(records)}, which is no record and no list or generator of them"
        raise NonRetryableError(text, hint=hint)
    return records


def _shown(value: object) -> str:
    return f"of the class {type(value).__name__}" if value is not None else "None"


def _run(errand: _Errand, on_progress: Callable[[IngestResult], None] | None, stop: threading.Event) -> IngestResult:
    endpoint, settings = errand.endpoint, errand.settings
    url = f"{settings.ingest_url}/{endpoint.path}"
    token = settings.ingest.token
    run = current_run.get()
    done = IngestResult(rejected=errand.packed.left_out, failed_records=errand.packed.failed)
    with Sender(url, None if token is None else token.get_secret_value(), errand.patience, stop) as sender:
        for packet, name in zip(errand.packed.packets, errand.names, strict=True):
            answer = sender.send(packet.body, name, rejectable=packet.count if errand.is_isolating else 0)
            done = replace(
                done,
                stored=done.stored + answer.stored,
                rejected=done.rejected + answer.rejected,
                repeated=done.repeated + (answer.stored if answer.is_repeat else 0),
                set_aside=done.set_aside + answer.set_aside,
            )
            if run is not None:
                _count(run, endpoint.key, name.key, answer)
            if on_progress is not None:
                on_progress(done)
    if run is not None and errand.packed.left_out:
        run.deliveries.left_out(endpoint.key, errand.packed.left_out)
    return done


def _count(run: RunInfo, endpoint: str, key: str, answer: Answer) -> None:
    deliveries = run.deliveries
    counts = {"stored": answer.stored, "rejected": answer.rejected, "set_aside": answer.set_aside}
    if deliveries.answered(endpoint, key, **counts):
        TaskLogger(run).warning(_SET_ASIDE, answer.set_aside, endpoint, endpoint)
    if answer.released:
        deliveries.released(endpoint, answer.released, answer.stored * answer.released_requests)
        TaskLogger(run).info(_RELEASED, answer.released, endpoint)


def _names(endpoint: Endpoint, packets: Sequence[Packet], naming: _Naming, claims: list[Claim]) -> Iterator[Name]:
    """A name for each request, noting the claims; where nobody can name it again, for our own repetitions alone."""
    run = current_run.get()
    if naming.request is not None and (run is None or naming.key is not None):
        raise MooseError(
            f"request={naming.request!r} names a request of a task, "
            + ("without a key" if run else "and here is none"),
            hint=None if run else "idempotency_key= names one anywhere",
        )
    for number, packet in enumerate(packets):
        part = "" if len(packets) == 1 else f"/{number}"
        if naming.key is not None:
            yield Name(key=naming.key + part)
        elif run is None and Deliveries.are_under_way():
            raise NonRetryableError(_NO_TASK.format(endpoint.key))
        elif run is None or run.deliveries.origin is None:
            yield Name(key=uuid.uuid4().hex)
        else:
            request = None if naming.request is None else naming.request + part
            digest = hashlib.sha256(endpoint.key.encode() + b"\n" + packet.body).digest()
            claims.append(_claim(endpoint, digest, run, request))
            yield _name(digest, run, claims[-1])


def _claim(endpoint: Endpoint, digest: bytes, run: RunInfo, request: str | None) -> Claim:
    # Tasks that share out their work may do it in another order: then it has to be possible to set records aside.
    in_tasks = endpoint.has_dead_letters
    try:
        return run.deliveries.claim(endpoint.key, digest, request=request, in_tasks=in_tasks)
    except ValueError:
        text = f"this attempt has sent another request={request!r} to {endpoint.key}: each needs a name of its own"
        raise NonRetryableError(text) from None


def _name(digest: bytes, run: RunInfo, claim: Claim) -> Name:
    named = "\n".join([run.workflow, str(run.deliveries.origin), run.task, digest.hex(), str(claim.occurrence)])
    told = f"task {run.task} of run {run.workflow_id} ({run.deliveries.origin}), request {claim.place}"
    return Name(
        key=f"task-{hashlib.sha256(named.encode()).hexdigest()}",
        place=None if claim.place is None else quote(told, safe=_PLAIN),
        attempt=run.deliveries.attempt,
    )


def _find(place: Place) -> tuple[Endpoint, Path]:
    """The endpoint, and the file that declares it.

    Raises:
        TableNotFound: nothing of that name or model is declared in this process.
    """
    apis = registered_ingest_apis()
    keys = _fitting(place, apis)
    found = None if keys is None else apis[keys]
    if found is None and isinstance(place, OlapTable):
        hint = f'declare one: IngestApi[{_model_name(place)}]("{place.name}", IngestConfig(table=…))'
        raise NonRetryableError(f"table {place.name!r} has no endpoint that fills it", hint=hint)
    if found is None:
        what = place if isinstance(place, str) else getattr(place, "name", getattr(place, "__name__", str(place)))
        raise TableNotFound(what, apis, 'moose_lib.ingest("{}", …)', "declared endpoint")
    (endpoint,), _ = try_compile_endpoints([found])
    return endpoint, Path(found.location.file)


def _model_name(table: OlapTable[Any]) -> str:  # Any: as above
    return "…" if table.model_type is None else table.model_type.__name__


def _fitting(place: Place, apis: dict[str, IngestApi[Any]]) -> str | None:  # Any: as above
    if isinstance(place, str):
        return best_version(place, apis)
    if isinstance(place, IngestPipeline):
        place = place.get_ingest_api()
    if isinstance(place, IngestApi):
        return next((key for key, api in apis.items() if api is place), None)
    if isinstance(place, OlapTable):
        return next((key for key, api in apis.items() if api.config.table is place), None)
    keys = [key for key, api in apis.items() if api.model_type is place]
    names = {apis[key].name for key in keys}
    if len(names) > 1:
        raise MooseError(
            f"model {place.__name__} has several endpoints: {', '.join(sorted(names))}", hint="say which, by its name"
        )
    return best_version(names.pop(), keys) if names else None


def _settings(file: Path) -> Settings:
    """Those of the project in which the endpoint is declared."""
    folders = [folder for folder in file.parents if (folder / CONFIG_FILE).is_file()]
    return load_settings(folders[0] if folders else file.parent if file.parent.is_dir() else Path.cwd())
