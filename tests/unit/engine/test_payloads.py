"""The store of large values: whole or not there, and said when it is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

from moose_lib.engine import wire
from moose_lib.engine.payloads import ValueMissing, check_size, converter_for
from moose_lib.errors import ValueTooLarge

LARGE = wire.json_value(b'"' + b"x" * 300_000 + b'"')


def files_in(directory: Path) -> list[Path]:
    return [file for file in directory.rglob("*") if file.is_file()]


async def decoded(directory: Path, payloads: list[Payload]) -> list[RawValue]:
    return await converter_for(directory).decode(payloads, [RawValue] * len(payloads))


async def test_a_large_value_is_one_file(tmp_path: Path) -> None:
    """The same value is stored once, and comes back; small ones stay where they are."""
    small = wire.json_value(b"1")
    payloads = await converter_for(tmp_path).encode([LARGE, LARGE, small])
    assert [payload.ByteSize() < 400 for payload in payloads] == [True, True, True]
    assert len(files_in(tmp_path)) == 1
    assert [value.payload.data for value in await decoded(tmp_path, payloads)] == [
        LARGE.payload.data,
        LARGE.payload.data,
        b"1",
    ]


async def test_a_small_value_may_be_sent_by_reference(tmp_path: Path) -> None:
    """What does not fit into a message with others is stored, too."""
    value = wire.by_reference(wire.json_value(b"[1]"))
    payloads = await converter_for(tmp_path).encode([value])
    assert len(files_in(tmp_path)) == 1
    assert (await decoded(tmp_path, payloads))[0].payload.data == b"[1]"


async def test_a_missing_value_names_its_file(tmp_path: Path) -> None:
    """Another machine, another directory: the error says which file, and what must be so."""
    payloads = await converter_for(tmp_path / "here").encode([LARGE])
    with pytest.raises(ValueMissing, match="No such file") as caught:
        await decoded(tmp_path / "there", payloads)
    assert caught.value.file.parent.parent == tmp_path / "there"
    assert caught.value.hint is not None


async def test_a_damaged_value_is_found_out(tmp_path: Path) -> None:
    """What is read is what was stored, or an error."""
    payloads = await converter_for(tmp_path).encode([LARGE])
    [file] = files_in(tmp_path)
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ValueMissing, match="damaged"):
        await decoded(tmp_path, payloads)


async def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk leaves no part of a value behind."""

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        await converter_for(tmp_path).encode([LARGE])
    assert files_in(tmp_path) == []


@pytest.mark.parametrize(
    ("data", "field"), [(b'{"a": 1, "items": [1, 2, 3]}', "items"), (b"[1, 2, 3, 4]", None), (b"{}" + b" " * 9, None)]
)
def test_the_largest_field_is_named(data: bytes, field: str | None) -> None:
    """For an object the field that most of it is in."""
    with pytest.raises(ValueTooLarge) as caught:
        check_size(data, "output of task 'a'", limit=5)
    assert (caught.value.field, caught.value.size, caught.value.limit) == (field, len(data), 5)
    assert check_size(data, "x", limit=100) == data
