"""Large values on S3: a real server process that speaks it, on loopback."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config
from pydantic import BaseModel
from temporalio.common import RawValue
from tests.integration.conftest import connected, free_port
from tests.integration.engine.support import Engine, failure, result

from moose_lib import Task, TaskConfig, TaskContext, Workflow, WorkflowConfig
from moose_lib.engine import s3_store, wire
from moose_lib.engine.payloads import data_converter
from moose_lib.engine.value_failures import ValueMissing
from moose_lib.errors import StoreUnreachable
from moose_lib.operations.following import run_status
from moose_lib.project.settings import Settings
from moose_lib.project.stores import ValuesSettings

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

SIZE = 3_000_000
LARGE = wire.json_value(b'"' + b"x" * SIZE + b'"')


class Text(BaseModel):
    text: str


class Size(BaseModel):
    size: int


class Bucket:
    """A bucket of its own for each test, and what is in it."""

    def __init__(self, s3: S3Client, endpoint: str) -> None:
        self.s3 = s3
        self.name = f"values-{uuid.uuid4().hex[:8]}"
        self.settings = ValuesSettings.model_validate({"url": f"s3://{self.name}/shop", "endpoint_url": endpoint})
        s3.create_bucket(Bucket=self.name)

    @property
    def keys(self) -> list[str]:
        return [it.get("Key", "") for it in self.s3.list_objects_v2(Bucket=self.name).get("Contents", [])]

    def clear(self) -> None:
        for key in self.keys:
            self.s3.delete_object(Bucket=self.name, Key=key)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """The address of a server that speaks S3, and credentials where boto3 finds them."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with pytest.MonkeyPatch.context() as patch:
        credentials = {"ACCESS_KEY_ID": "tests", "SECRET_ACCESS_KEY": "tests", "EC2_METADATA_DISABLED": "true"}
        for name, value in (credentials | {"DEFAULT_REGION": "us-east-1"}).items():
            patch.setenv(f"AWS_{name}", value)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(10)


@pytest.fixture(scope="module")
def s3(endpoint: str) -> Iterator[S3Client]:
    """A client that has waited until the server answers."""
    config = Config(retries={"mode": "standard", "total_max_attempts": 10})
    session = boto3.session.Session()
    made = session.client("s3", endpoint_url=endpoint, config=config)  # pyright: ignore[reportUnknownMemberType]  # only the stubs for S3 are installed
    with closing(made) as client:
        client.list_buckets()
        yield client


@pytest.fixture
def bucket(s3: S3Client, endpoint: str) -> Bucket:
    return Bucket(s3, endpoint)


@pytest.fixture
def settings(engine: Engine, bucket: Bucket) -> Settings:
    return engine.settings.model_copy(update={"values": bucket.settings})


@pytest.fixture
async def s3_engine(settings: Settings) -> Engine:
    return Engine(await connected(settings), settings)


def single(task: Task[Text, Text]) -> Workflow:
    return Workflow(name=f"S3{uuid.uuid4().hex[:8]}", config=WorkflowConfig(starting_task=task))


async def test_large_values_travel_through_the_bucket(s3_engine: Engine, bucket: Bucket) -> None:
    """Input, output and result, each stored once under the prefix; the history stays small."""

    def double(text: Text) -> Text:
        return Text(text=text.text * 2)

    def same(text: Text) -> Text:
        return text

    last = Task[Text, Text](name="same", config=TaskConfig(run=same))
    workflow = single(Task[Text, Text](name="double", config=TaskConfig(run=double, on_complete=[last])))
    async with s3_engine.worker(workflow):
        handle = await s3_engine.start(workflow, {"text": "x" * SIZE})
        assert await result(handle) == {"text": "x" * SIZE * 2}
    assert sum(event.ByteSize() for event in (await handle.fetch_history()).events) < 20_000
    assert len(bucket.keys) == 2
    assert all(key.startswith("shop/") for key in bucket.keys)
    await s3_engine.replay(handle)


async def test_a_value_that_is_gone_fails_its_task_at_once(s3_engine: Engine, bucket: Bucket) -> None:
    """The error names the task that needs it, and the object."""
    calls = list[int]()

    def once(context: TaskContext[Text]) -> Text:
        calls.append(context.run.attempt)
        bucket.clear()
        raise ValueError("try again")

    task = Task[Text, Text](name="once", config=TaskConfig(run=once, retries=5))
    async with s3_engine.worker(workflow := single(task)):
        handle = await s3_engine.start(workflow, {"text": "x" * SIZE})
        error = await failure(handle)
    assert calls == [1]
    assert (error.task, error.kind, error.class_name, error.is_retryable) == ("once", "value", "ValueMissing", False)
    assert error.message.startswith(f"a value cannot be read: s3://{bucket.name}/shop/")
    assert error.message.endswith(" is not there")
    assert handle.first_execution_run_id is not None
    status = await run_status(s3_engine.client, handle.id, handle.first_execution_run_id)
    [seen] = status.tasks
    assert str(seen.error) == f"ValueMissing: {error.message}"


async def test_a_run_whose_values_are_gone_ends(s3_engine: Engine, bucket: Bucket) -> None:
    """A worker that takes it over would otherwise try to read them for ever."""

    def same(text: Text) -> Text:
        return text

    workflow = single(Task[Text, Text](name="same", config=TaskConfig(run=same)))
    handle = await s3_engine.start(workflow, {"text": "x" * SIZE})
    bucket.clear()
    async with s3_engine.worker(workflow):
        error = await failure(handle)
    assert (error.class_name, error.is_retryable) == ("ValueMissing", False)
    assert "is not there" in error.message


async def test_the_task_that_returned_a_missing_value_is_named(s3_engine: Engine, bucket: Bucket) -> None:
    """Also for who reads the result of a run later."""

    def give(size: Size) -> Text:
        return Text(text="x" * size.size)

    task = Task[Size, Text](name="give", config=TaskConfig(run=give))
    workflow = Workflow(name=f"S3{uuid.uuid4().hex[:8]}", config=WorkflowConfig(starting_task=task))
    async with s3_engine.worker(workflow):
        handle = await s3_engine.start(workflow, {"size": SIZE})
        await result(handle)
    bucket.clear()
    assert handle.first_execution_run_id is not None
    status = await run_status(s3_engine.client, handle.id, handle.first_execution_run_id)
    assert status.result_fault is not None
    assert status.result_fault.startswith("a value cannot be read: s3://")
    [given] = [
        event.activity_task_completed_event_attributes.result.payloads[0]
        for event in (await handle.fetch_history()).events
        if event.HasField("activity_task_completed_event_attributes")
    ]
    with pytest.raises(ValueMissing, match="the output of task 'give' cannot be read: s3://"):
        await s3_engine.client.data_converter.decode([given], [RawValue])


async def test_a_damaged_object_is_found_out_and_written_again_when_it_is_old(
    settings: Settings, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written lately is not written again; a lifecycle rule deletes by age, so old objects are."""
    converter = data_converter(settings)
    payloads = await converter.encode([LARGE])
    [key] = bucket.keys
    bucket.s3.put_object(Bucket=bucket.name, Key=key, Body=b"else")
    await converter.encode([LARGE])
    with pytest.raises(ValueMissing, match="is damaged"):
        await converter.decode(payloads, [RawValue])

    monkeypatch.setattr(s3_store, "_FRESH", timedelta(0))
    await converter.encode([LARGE])
    [value] = await converter.decode(payloads, [RawValue])
    assert value.payload.data == LARGE.payload.data


async def test_a_bucket_that_is_not_there_is_told(settings: Settings) -> None:
    """With what the server says; it may be there the next time."""
    values = ValuesSettings.model_validate({"url": "s3://nobodys-bucket", "endpoint_url": settings.values.endpoint_url})
    with pytest.raises(StoreUnreachable, match=r"cannot be written to s3://nobodys-bucket/..?/.*NoSuchBucket"):
        await data_converter(settings.model_copy(update={"values": values})).encode([LARGE])


async def test_values_from_before_the_bucket_are_still_read(engine: Engine, settings: Settings) -> None:
    """A project moves to S3 while its runs are open."""
    payloads = await data_converter(engine.settings).encode([LARGE])
    [value] = await data_converter(settings).decode(payloads, [RawValue])
    assert value.payload.data == LARGE.payload.data
