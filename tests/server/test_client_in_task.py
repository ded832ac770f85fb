"""How what a task sends is named, so that a repeated attempt stores nothing twice."""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.server.clicks import Click, Web, a_run, taken

import moose_lib
from moose_lib import IngestPipeline, IngestResult, MooseError, NonRetryableError
from moose_lib.dmv2 import RunInfo
from moose_lib.dmv2.deliveries import numbered_task


def test_an_attempt_names_what_it_sends_as_the_one_before_did(
    clicks: IngestPipeline[Click], web: Web, in_run: Callable[[RunInfo], None]
) -> None:
    """In another order, too; the same content twice is two requests."""
    for attempt, order in ((1, [1, 2, 2]), (2, [2, 1, 2])):
        run = a_run(attempt)
        in_run(run)
        for number in order:
            moose_lib.ingest_sync("Clicks", Click(number=number))
        assert run.deliveries.tally.stored == {"Clicks": 3}
    in_run(a_run(origin="r7"))
    moose_lib.ingest_sync("Clicks", Click(number=1))
    for _ in range(2):
        in_run(a_run(origin=None))
        moose_lib.ingest_sync("Clicks", Click(number=1))

    keys = [key for _, key, _ in web.asked]
    assert sorted(keys[:3]) == sorted(keys[3:6])
    assert len(set(keys)) == 6  # three of the work that began with r1, another work's, and two of nobody's


def test_what_a_handler_sends_has_a_place_in_its_order(
    clicks: IngestPipeline[Click], web: Web, in_run: Callable[[RunInfo], None]
) -> None:
    """By endpoint; a request that has a key of its own has no place, and takes none."""
    IngestPipeline[Click]("Views")
    in_run(a_run(2))
    moose_lib.ingest_sync("Clicks", [Click(number=n) for n in range(5001)])
    moose_lib.ingest_sync("Clicks", Click(number=1), idempotency_key="mine")
    moose_lib.ingest_sync("Views", Click(number=1))
    moose_lib.ingest_sync("Clicks", Click(number=1))

    assert web.places == [
        "task t of run W-1 (r1), request 1",
        "task t of run W-1 (r1), request 2",
        None,
        "task t of run W-1 (r1), request 1",
        "task t of run W-1 (r1), request 3",
    ]


def test_what_comes_in_any_order_has_no_place(
    clicks: IngestPipeline[Click], web: Web, in_run: Callable[[RunInfo], None]
) -> None:
    """In threads of a `def` handler, and tasks of an event loop of its own; then content alone names a request."""
    in_run(a_run())

    async def several() -> None:
        await asyncio.gather(*(moose_lib.ingest("Clicks", Click(number=number)) for number in range(3)))

    async def shared() -> None:
        asyncio.get_running_loop().set_task_factory(numbered_task)
        context = contextvars.copy_context()
        await asyncio.create_task(moose_lib.ingest("Clicks", Click(number=4)), context=context)

    asyncio.run(several())
    asyncio.run(shared())
    with ThreadPoolExecutor() as pool:
        pool.submit(contextvars.copy_context().run, moose_lib.ingest_sync, "Clicks", Click(number=7)).result()
    assert web.places == [None] * 5
    moose_lib.ingest_sync("Clicks", Click(number=8))

    assert web.places[5:] == ["task t of run W-1 (r1), request 1"]


def test_what_asyncio_tasks_of_a_handler_send_has_a_place_in_the_order_in_which_they_were_started(
    clicks: IngestPipeline[Click], web: Web, in_run: Callable[[RunInfo], None]
) -> None:
    """Whichever of them sends first."""

    async def send(number: int) -> None:
        await asyncio.sleep(0.01 * (3 - number))
        await moose_lib.ingest("Clicks", Click(number=number))
        await asyncio.wait_for(moose_lib.ingest("Clicks", Click(number=10 + number)), 60)
        await asyncio.to_thread(moose_lib.ingest_sync, "Clicks", Click(number=20 + number))

    async def handler() -> None:
        asyncio.get_running_loop().set_task_factory(numbered_task)
        in_run(a_run())
        await asyncio.gather(*(send(number) for number in range(3)))
        await asyncio.to_thread(moose_lib.ingest_sync, "Clicks", Click(number=7))

    asyncio.run(handler())

    sent = [(json.loads(body)[0]["number"], place) for (_, _, body), place in zip(web.asked, web.places, strict=True)]
    wanted = {number: f"{number + 1}, 1" for number in range(3)} | {20 + n: f"{n + 1}, 2" for n in range(3)} | {7: "1"}
    in_wait_for = {10 + number: wanted_of_wait_for(number) for number in range(3)}
    assert dict(sent) == {n: f"task t of run W-1 (r1), request {it}" for n, it in (wanted | in_wait_for).items()}


def wanted_of_wait_for(number: int) -> str:
    """`wait_for` makes a task up to Python 3.11, and none later."""
    return f"{number + 1}.1, 1" if sys.version_info < (3, 12) else f"{number + 1}, 2"


def test_a_thread_that_does_not_know_its_task_is_refused(
    clicks: IngestPipeline[Click], web: Web, in_run: Callable[[RunInfo], None]
) -> None:
    """What it sends could not be named again; with a key, or the handler's context, it can."""
    run = a_run()
    in_run(run)
    with ThreadPoolExecutor() as pool:
        with pytest.raises(NonRetryableError, match="records for Clicks are sent from a thread") as caught:
            pool.submit(moose_lib.ingest_sync, "Clicks", Click(number=1)).result()
        pool.submit(moose_lib.ingest_sync, "Clicks", Click(number=2), idempotency_key="mine").result()
        run.deliveries.end()
        pool.submit(moose_lib.ingest_sync, "Clicks", Click(number=3)).result()

    assert "contextvars.copy_context().run" in caught.value.message
    assert "idempotency_key=" in caught.value.message
    assert [json.loads(body)[0]["number"] for _, _, body in web.asked] == [2, 3]


def test_what_is_stored_after_all_is_counted_once(
    clicks: IngestPipeline[Click], web: Web, in_run: Callable[[RunInfo], None], caplog: pytest.LogCaptureFixture
) -> None:
    """Two requests are set aside in the place of one record, and stored when that comes."""
    caplog.set_level(logging.INFO)
    aside = (207, {**taken(1)[1], "Moose-Repeated": "true", "Moose-Set-Aside": "2"})
    released = taken(1, **{"Moose-Repeated": "true", "Moose-Released": "4", "Moose-Released-Requests": "2"})
    web.answers = [aside, aside, released]
    run = a_run(2)
    in_run(run)

    for number in range(2):
        moose_lib.ingest_sync("Clicks", [Click(number=number)] * 2)
    assert (run.deliveries.tally.stored, run.deliveries.tally.set_aside) == ({"Clicks": 2}, {"Clicks": 4})
    moose_lib.ingest_sync("Clicks", Click(number=7))

    assert (run.deliveries.tally.stored, run.deliveries.tally.set_aside) == ({"Clicks": 5}, {})
    assert caplog.records[-1].getMessage() == (
        "4 records for Clicks that were set aside are stored: the attempt sends what it sent before, in another order"
    )


def test_what_is_set_aside_is_told(
    clicks: IngestPipeline[Click],
    web: Web,
    in_run: Callable[[RunInfo], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    web.answers = [(207, {**taken(2)[1], "Moose-Repeated": "true", "Moose-Set-Aside": "1"})]
    in_run(a_run(2))

    assert moose_lib.ingest_sync("Clicks", Click(number=1)) == IngestResult(stored=2, repeated=2, set_aside=1)

    (warning,) = (record.getMessage() for record in caplog.records if record.levelname == "WARNING")
    assert warning == (
        "1 of the records for Clicks are set aside, as an earlier attempt has sent others in their place: "
        "moose-cli dead-letters Clicks. How many in all, moose-cli workflow status tells"
    )


def test_a_call_that_failed_and_is_repeated_is_the_same(
    clicks: IngestPipeline[Click], web: Web, in_run: Callable[[RunInfo], None]
) -> None:
    """All of it, also what was answered before it failed: whoever sends it again means the same."""
    many = [Click(number=number) for number in range(6000)]  # two requests
    run = a_run()
    in_run(run)
    web.answers = [taken(5000), (400, {}), taken(5000), taken(1000)]

    with pytest.raises(MooseError, match="answered 400"):
        moose_lib.ingest_sync("Clicks", many)
    assert moose_lib.ingest_sync("Clicks", many).stored == 6000
    moose_lib.ingest_sync("Clicks", many[:1])

    keys = [key for _, key, _ in web.asked]
    assert (keys[:2], len(set(keys))) == (keys[2:4], 3)
    assert [str(place)[-9:] for place in web.places] == [f"request {number}" for number in (1, 2, 1, 2, 3)]
    assert run.deliveries.tally.stored == {"Clicks": 7000}  # what the last answer says, and each request once


def test_a_call_that_is_canceled_and_repeated_is_the_same(
    clicks: IngestPipeline[Click], web: Web, in_run: Callable[[RunInfo], None]
) -> None:
    """Though nobody knows whether it had arrived."""
    web.answers = [(503, {}), (503, {}), taken()]

    async def handler() -> None:
        asyncio.get_running_loop().set_task_factory(numbered_task)
        in_run(a_run())
        first = asyncio.create_task(moose_lib.ingest("Clicks", Click(number=1)))
        while not web.asked:  # noqa: ASYNC110  # another thread is asked
            await asyncio.sleep(0.01)
        first.cancel()
        await asyncio.wait({first})
        await moose_lib.ingest("Clicks", Click(number=1))

    asyncio.run(handler())

    assert len({key for _, key, _ in web.asked}) == 1


def test_a_request_may_have_a_name_of_its_own(
    clicks: IngestPipeline[Click], web: Web, in_run: Callable[[RunInfo], None]
) -> None:
    """Which is its place, wherever it is sent and in whichever order; a name that failed may be used again."""
    in_run(a_run())
    web.answers = [(400, {}), taken()]
    with pytest.raises(MooseError, match="answered 400"):
        moose_lib.ingest_sync("Clicks", Click(number=1), request="page 7")
    moose_lib.ingest_sync("Clicks", Click(number=2), request="page 7")
    with ThreadPoolExecutor() as pool:
        pool.submit(
            contextvars.copy_context().run,
            moose_lib.ingest_sync,
            "Clicks",
            [Click(number=number) for number in range(6000)],
            request="all",
        ).result()

    wanted = ["'page 7'", "'page 7'", "'all/0'", "'all/1'"]
    assert [str(place).rpartition("request ")[2].replace("%27", "'") for place in web.places] == wanted
    with pytest.raises(NonRetryableError, match="has sent another request='page 7' to Clicks"):
        moose_lib.ingest_sync("Clicks", Click(number=3), request="page 7")
    with pytest.raises(MooseError, match="request='a' names a request of a task, without a key"):
        moose_lib.ingest_sync("Clicks", Click(number=3), request="a", idempotency_key="b")


def test_outside_of_a_task_no_request_has_a_name(clicks: IngestPipeline[Click], web: Web) -> None:
    with pytest.raises(MooseError, match="request='a' names a request of a task, and here is none") as caught:
        moose_lib.ingest_sync("Clicks", Click(number=3), request="a")

    assert (caught.value.hint, web.asked) == ("idempotency_key= names one anywhere", [])


def test_what_a_handler_returns_to_be_awaited_has_places_of_its_own(
    clicks: IngestPipeline[Click], web: Web, in_run: Callable[[RunInfo], None]
) -> None:
    """So has what `on_cancel` sends."""
    run = a_run()
    in_run(run)
    moose_lib.ingest_sync("Clicks", Click(number=1))
    for part in ("awaited", "on_cancel"):
        run.deliveries.begin(part)
        moose_lib.ingest_sync("Clicks", Click(number=2))

    assert [str(place).rpartition("request ")[2] for place in web.places] == ["1", "awaited, 1", "on_cancel, 1"]
