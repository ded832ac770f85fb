"""How values become payloads: JSON, and above a threshold a reference into the project's store of values.

Temporal refuses payloads over 2 MiB, and a history is no place for megabytes. The store is a directory of files named
by what is in them, so a value that is handed on is stored once. Every machine that works for the project must see the
same directory. This is the only module that knows Temporal's external storage, which is marked experimental.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    ExternalStorage,
    StorageDriver,
    StorageDriverClaim,
    StorageDriverRetrieveContext,
    StorageDriverSelectContext,
    StorageDriverStoreContext,
)

from moose_lib.engine import wire
from moose_lib.engine.failures import FailureConverter
from moose_lib.engine.packing import INLINE_LIMIT
from moose_lib.errors import MooseError, ValueTooLarge
from moose_lib.project.settings import Settings

#: No input or output may be larger, wherever it is stored.
VALUE_LIMIT: Final = 64 * 1024 * 1024

_OBJECT: Final = TypeAdapter(dict[str, object])

_CONVERTERS: Final = tuple(PydanticPayloadConverter().converters.values())

_DIRECTORY: Final = "values"


class ValueMissing(MooseError):
    """A stored value is not there, or is not what was stored."""

    def __init__(self, file: Path, reason: str) -> None:
        self.file = file
        hint = "all workers and clients of a project must use the same directory of values"
        super().__init__(f"the value in {file} {reason}", hint=hint)


def data_converter(settings: Settings) -> DataConverter:
    """The converter of every client and worker of the project."""
    return converter_for(settings.state_directory / _DIRECTORY)


def converter_for(directory: Path) -> DataConverter:
    """The converter that keeps large values in `directory`."""
    driver = FileDriver(directory)

    def select(context: StorageDriverSelectContext, payload: Payload) -> StorageDriver | None:
        del context
        is_stored = len(payload.data) >= INLINE_LIMIT or wire.BY_REFERENCE in payload.metadata
        return driver if is_stored else None

    return DataConverter(
        payload_converter_class=_ValueConverter,
        failure_converter_class=FailureConverter,
        external_storage=ExternalStorage(drivers=[driver], driver_selector=select, payload_size_threshold=0),
    )


def check_size(data: bytes, owner: str, *, limit: int = VALUE_LIMIT) -> bytes:
    """Return `data` if it is within the limit.

    Raises:
        ValueTooLarge: it is not; names the field that most of it is in.
    """
    if len(data) > limit:
        raise ValueTooLarge(owner, field=_largest_field(data), size=len(data), limit=limit)
    return data


class _ValueConverter(CompositePayloadConverter):
    """pydantic's JSON. The SDK builds a converter for each payload, so what is costly to build is shared."""

    def __init__(self) -> None:
        super().__init__(*_CONVERTERS)


class FileDriver(StorageDriver):
    """Payloads as files named by their SHA-256; what is there once is complete and stays."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def name(self) -> str:
        """The name in the references; never changes."""
        return "moose-files"

    def type(self) -> str:
        """The kind of driver in the references; never changes."""
        return "moose-files"

    async def store(self, context: StorageDriverStoreContext, payloads: Sequence[Payload]) -> list[StorageDriverClaim]:
        """Store each payload, and return where."""
        del context  # values are shared between runs
        return [await asyncio.to_thread(self._store, payload) for payload in payloads]

    async def retrieve(
        self, context: StorageDriverRetrieveContext, claims: Sequence[StorageDriverClaim]
    ) -> list[Payload]:
        """Read payloads back; raises ValueMissing."""
        del context
        return [await asyncio.to_thread(self._retrieve, claim.claim_data) for claim in claims]

    def _store(self, payload: Payload) -> StorageDriverClaim:
        data = payload.SerializeToString(deterministic=True)
        digest = hashlib.sha256(data).hexdigest()
        file = self._file(digest)
        if not file.exists():
            _write_whole(file, data)
        return StorageDriverClaim(claim_data={"sha256": digest, "size": str(len(data))})

    def _retrieve(self, claim: Mapping[str, str]) -> Payload:
        file = self._file(claim["sha256"])
        try:
            data = file.read_bytes()
        except OSError as error:
            raise ValueMissing(file, f"cannot be read: {error.strerror}") from error
        if hashlib.sha256(data).hexdigest() != claim["sha256"]:
            raise ValueMissing(file, "is damaged: its content does not have the recorded SHA-256")
        return Payload.FromString(data)

    def _file(self, digest: str) -> Path:
        return self._directory / digest[:2] / digest


def _write_whole(file: Path, data: bytes) -> None:
    """Write so that a crash or a second writer never leaves a part: aside, synced, renamed."""
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor, aside = tempfile.mkstemp(dir=file.parent, prefix=".")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(aside).replace(file)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _largest_field(data: bytes) -> str | None:
    try:
        sizes = {name: len(json.dumps(value)) for name, value in _OBJECT.validate_json(data).items()}
    except ValidationError:
        return None
    return max(sizes, key=sizes.__getitem__, default=None)
