"""Several values as one payload, and how many tasks may be open."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

from moose_lib.engine import wire
from moose_lib.engine.packing import INLINE_LIMIT, as_arguments, from_arguments, inline_size, pack, unpack
from moose_lib.engine.window import Window


@given(st.lists(st.binary()))
def test_packed_values_come_back(values: list[bytes]) -> None:
    """Whatever bytes they are, and none of them."""
    assert unpack(pack(values)) == values


def test_only_what_is_large_together_is_packed() -> None:
    """Small values stay readable in Temporal's UI; a single large one travels by reference as it is."""
    small = [wire.json_value(b"1"), wire.json_value(b"2")]
    large = [wire.json_value(b"x" * (INLINE_LIMIT // 2))] * 2
    alone = [wire.json_value(b"x" * INLINE_LIMIT)]
    for values, is_packed in ((small, False), (large, True), (alone, False)):
        arguments, packed = as_arguments(values)
        assert packed is is_packed
        assert from_arguments(arguments, is_packed=packed) == [value.payload.data for value in values]
    assert inline_size(alone[0]) < 1024


def test_the_window_grows_with_what_has_ended() -> None:
    """100 at first, 500 in the end."""
    window = Window()
    sizes = [window.size]
    for _ in range(300):
        window.ended(20)
        sizes.append(window.size)
    assert (sizes[0], sizes[1], sizes[-1]) == (100, 102, 500)


def test_large_outputs_narrow_the_window() -> None:
    """Open tasks together stay under 24 MiB of history."""
    window = Window()
    window.ended(255 * 1024)
    assert window.size == 96


def test_json_of_other_sdks_values() -> None:
    """JSON as it is, null for an absent value, nothing for what is no JSON."""

    def json_of(encoding: bytes) -> bytes | None:
        return wire.json_of(RawValue(Payload(metadata={"encoding": encoding}, data=b"{}")))

    assert json_of(b"json/plain") == b"{}"
    assert json_of(b"json/protobuf") == b"{}"
    assert json_of(b"binary/null") == b"null"
    assert json_of(b"binary/plain") is None


def test_names_on_the_wire() -> None:
    """A task's name may have slashes, a workflow's has none."""
    assert wire.task_of(wire.activity_type("Orders", "a/b")) == ("Orders", "a/b")
    assert wire.read_envelope(b'{"no": "plan"}') is None
    assert wire.read_envelope(None) is None
