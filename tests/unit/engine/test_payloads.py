"""The store of large values: whole or not there, and said when it is not."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.converter import DataConverter, WorkflowSerializationContext

from moose_lib.engine import wire
from moose_lib.engine.payloads import check_size, converter_for, data_converter
from moose_lib.engine.value_failures import ValueMissing
from moose_lib.errors import SettingsError, StoreUnreachable, ValueTooLarge
from moose_lib.plan.model import Plan, PlannedTask, Source
from moose_lib.project.settings import load_settings

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
    with pytest.raises(ValueMissing, match=r"a value cannot be read: .* is not there") as caught:
        await decoded(tmp_path / "there", payloads)
    assert Path(caught.value.place).parent.parent == tmp_path / "there"
    assert caught.value.hint is not None
    assert caught.value.non_retryable


async def test_a_file_that_cannot_be_read_now_is_tried_again(tmp_path: Path) -> None:
    """A network drive that hangs is not a lost value."""
    payloads = await converter_for(tmp_path).encode([LARGE])
    [file] = files_in(tmp_path)
    file.unlink()
    file.mkdir()
    with pytest.raises(StoreUnreachable, match="cannot be read: Is a directory"):
        await decoded(tmp_path, payloads)


async def test_a_value_that_is_used_again_is_as_young_as_a_new_one(tmp_path: Path) -> None:
    """Who deletes files by their age hits none of an open run's that is younger than that."""
    await converter_for(tmp_path).encode([LARGE])
    [file] = files_in(tmp_path)
    os.utime(file, (1, 1))
    await converter_for(tmp_path).encode([LARGE])
    assert file.stat().st_mtime > 1000


async def test_the_settings_say_where_values_go(tmp_path: Path) -> None:
    """Relative to the project."""
    (tmp_path / "moose.config.toml").write_text('[values]\ndirectory = "shared/values"\n')
    await data_converter(load_settings(tmp_path)).encode([LARGE])
    assert len(files_in(tmp_path / "shared" / "values")) == 1


def test_s3_without_boto3_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is stored."""
    (tmp_path / "moose.config.toml").write_text('[values]\nurl = "s3://bucket/shop"\n')
    monkeypatch.setitem(sys.modules, "boto3", None)
    monkeypatch.delitem(sys.modules, "moose_lib.engine.s3_store", raising=False)
    with pytest.raises(SettingsError, match=r"\[values\] url is s3://bucket/shop, which needs boto3") as caught:
        data_converter(load_settings(tmp_path))
    assert caught.value.hint == "pip install 'moose-workflows[s3]'"


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
    with pytest.raises(StoreUnreachable, match=r"cannot be written to .*: No space left"):
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


async def test_what_is_small_passes_untouched(tmp_path: Path) -> None:
    """No step copies it, and nothing is built to say whose it is: the SDK asks for both, for every value."""
    converter = converter_for(tmp_path)
    payloads = [wire.json_value(b"1").payload, wire.json_value(b"2").payload]
    whose = WorkflowSerializationContext(namespace="default", workflow_id="W-1")
    assert converter.with_context(whose) is converter
    assert await converter.with_context(whose)._external_store_payload_sequence(payloads) is payloads
    assert files_in(tmp_path) == []


def test_the_sdk_still_has_the_steps_that_are_left_out(tmp_path: Path) -> None:
    """A step that it has renamed is taken again: nothing breaks, but a worker gets slower."""
    steps = {name for name in vars(type(converter_for(tmp_path))) if not name.startswith("__")}
    assert "_encode_payload_sequence" in steps
    assert steps <= set(dir(DataConverter))


def test_an_envelope_is_read_once() -> None:
    """Runs of one workflow begin with the same bytes, and reading a wide plan takes milliseconds."""
    plan = Plan(
        workflow="W", start="a", tasks=(PlannedTask(name="a", source=Source(kind="run"), timeout=None, retries=0),)
    )
    data = wire.encode(wire.Envelope(plan=plan), is_terse=True).payload.data
    assert json.loads(data)["plan"]["tasks"] == [
        {"name": "a", "source": {"kind": "run"}, "timeout": None, "retries": 0}
    ]
    first = wire.read_envelope(data)
    assert first == wire.Envelope(plan=plan)
    assert first is not None
    assert first.plan.hash == plan.hash
    assert wire.read_envelope(bytes(bytearray(data))) is first
