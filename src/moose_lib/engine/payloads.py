"""How values become payloads: JSON, and above a threshold a reference into the project's store of values.

Temporal refuses payloads over 2 MiB, and a history is no place for megabytes. The store is a directory, or a bucket on
S3; it names values by what is in them, so a value that is handed on is stored once. Every machine that works for the
project must see the same store. Only this module and the drivers beside it (`stored`, `file_store`, `s3_store`) know
Temporal's external storage, which is marked experimental.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self, cast

from pydantic import TypeAdapter, ValidationError
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    ExternalStorage,
    SerializationContext,
    StorageDriver,
    StorageDriverSelectContext,
    StorageDriverStoreContext,
)

from moose_lib.engine import wire
from moose_lib.engine.file_store import FileStore
from moose_lib.engine.packing import INLINE_LIMIT
from moose_lib.engine.stored import Driver, Store
from moose_lib.engine.value_failures import ValueFailureConverter
from moose_lib.errors import SettingsError, ValueTooLarge
from moose_lib.project.settings import Settings
from moose_lib.project.stores import ValuesSettings

#: No input or output may be larger, wherever it is stored.
VALUE_LIMIT: Final = 64 * 1024 * 1024

_OBJECT: Final = TypeAdapter(dict[str, object])

_CONVERTERS: Final = tuple(PydanticPayloadConverter().converters.values())


def data_converter(settings: Settings) -> DataConverter:
    """The converter of every client and worker of the project.

    Raises:
        SettingsError: values go to S3, and what that needs is not installed.
    """
    return converter_for(settings.values_directory, _bucket(settings.values))


def _bucket(values: ValuesSettings) -> Store | None:
    if values.url is None:
        return None
    try:
        from moose_lib.engine.s3_store import S3Store  # what it needs is installed only where it is used
    except ImportError as error:
        raise SettingsError(
            f"[values] url is {values.url}, which needs boto3: {error}", hint="pip install 'moose-workflows[s3]'"
        ) from error
    return S3Store(values.url, endpoint_url=values.endpoint_url, region=values.region)


def converter_for(directory: Path, bucket: Store | None = None) -> DataConverter:
    """The converter that keeps large values in `directory`, or in `bucket` if there is one.

    Values that were stored before there was a bucket are still read from the directory.
    """
    files = Driver("moose-files", FileStore(directory))
    driver = files if bucket is None else Driver("moose-s3", bucket)
    drivers = dict.fromkeys([files, driver])

    def select(context: StorageDriverSelectContext, payload: Payload) -> StorageDriver | None:
        del context
        return driver if _is_stored(payload) else None

    return _ValuesAsTheyAre(
        payload_converter_class=_ValueConverter,
        failure_converter_class=ValueFailureConverter,
        external_storage=ExternalStorage(drivers=[*drivers], driver_selector=select, payload_size_threshold=0),
    )


def check_size(data: bytes, owner: str, *, limit: int = VALUE_LIMIT) -> bytes:
    """Return `data` if it is within the limit.

    Raises:
        ValueTooLarge: it is not; names the field that most of it is in.
    """
    if len(data) > limit:
        raise ValueTooLarge(owner, field=_largest_field(data), size=len(data), limit=limit)
    return data


class _ValuesAsTheyAre(DataConverter):
    """A converter without a codec, whose stores do not ask whose a value is.

    For each value the SDK makes a converter that knows whose it is, and copies the value from one step to the next, of
    which most change nothing: together a sixth of a worker's time in a wide run. The steps that are none for us are
    left out here. They are the SDK's own methods: should it call others one day, it only becomes slower again.
    """

    def with_context(self, context: SerializationContext) -> Self:
        """Nothing in it depends on a context."""
        del context
        return self

    def _with_store_context(self, store_ctx: StorageDriverStoreContext) -> Self:
        del store_ctx
        return self

    async def _encode_payload_sequence(self, payloads: Sequence[Payload]) -> list[Payload]:
        return _same(payloads)

    async def _decode_payload_sequence(self, payloads: Sequence[Payload]) -> list[Payload]:
        return _same(payloads)

    async def _encode_reference_payload_sequence(self, payloads: Sequence[Payload]) -> list[Payload]:
        return _same(payloads)

    async def _decode_reference_payload_sequence(self, payloads: Sequence[Payload]) -> list[Payload]:
        return _same(payloads)

    async def _external_store_payload_sequence(self, payloads: Sequence[Payload]) -> list[Payload]:
        if any(map(_is_stored, payloads)):
            return await super()._external_store_payload_sequence(payloads)
        return _same(payloads)


def _same(payloads: Sequence[Payload]) -> list[Payload]:
    return cast("list[Payload]", payloads)  # a repeated field of a message, which the SDK sees is the same


def _is_stored(payload: Payload) -> bool:
    return len(payload.data) >= INLINE_LIMIT or wire.BY_REFERENCE in payload.metadata


class _ValueConverter(CompositePayloadConverter):
    """pydantic's JSON. The SDK builds a converter for each payload, so what is costly to build is shared."""

    def __init__(self) -> None:
        super().__init__(*_CONVERTERS)


def _largest_field(data: bytes) -> str | None:
    try:
        sizes = {name: len(json.dumps(value)) for name, value in _OBJECT.validate_json(data).items()}
    except ValidationError:
        return None
    return max(sizes, key=sizes.__getitem__, default=None)
