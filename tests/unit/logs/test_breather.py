"""A thread that writes without end pauses; one that writes now and then, and one that runs a loop, does not."""

import asyncio

from moose_lib.logs.breather import Breather


class Time:
    """A clock that is moved by hand and by pauses."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses = list[float]()

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def write(pieces: int, *, each: float) -> list[float]:
    time = Time()
    breather = Breather(time.clock, time.sleep)
    for _ in range(pieces):
        time.now += each
        breather.written()
    return time.pauses


def test_a_flood_pauses_for_a_moment_whenever_it_has_gone_on_for_a_while() -> None:
    pauses = write(21 * 40, each=0.000012)
    assert len(pauses) == 40
    assert all(0 < pause < 0.001 for pause in pauses)


def test_what_is_too_little_to_be_a_flood_does_not_pause() -> None:
    assert write(20, each=0.000012) == []


def test_lines_now_and_then_do_not_pause() -> None:
    assert write(1000, each=0.0002) == []


def test_the_time_of_a_pause_does_not_count_as_time_between_pieces() -> None:
    time = Time()
    breather = Breather(time.clock, lambda seconds: time.sleep(seconds + 1))  # the machine is busy: it takes longer
    for _ in range(21 * 3):
        time.now += 0.000012
        breather.written()
    assert len(time.pauses) == 3


def test_a_thread_that_runs_an_event_loop_does_not_pause() -> None:
    async def handler() -> list[float]:
        return write(1000, each=0.00001)

    assert asyncio.run(handler()) == []
