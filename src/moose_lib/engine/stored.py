"""Large values outside of Temporal: what a store is, and how Temporal's external storage uses one.

A value is named by the SHA-256 of its bytes, and what is read is checked against it: the stores need not be trusted.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from typing import Protocol

from temporalio import activity
from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    StorageDriver,
    StorageDriverClaim,
    StorageDriverRetrieveContext,
    StorageDriverStoreContext,
)

from moose_lib.engine import wire
from moose_lib.engine.value_failures import ValueMissing

__all__ = ["Driver", "Store"]


class Store(Protocol):
    """Bytes by their digest. All methods may block, and are called from several threads."""

    def put(self, digest: str, data: bytes) -> None:
        """Keep the bytes, whole or not at all; those that are there already begin to age anew.

        Raises:
            StoreUnreachable: it cannot be written now.
        """
        ...

    def get(self, digest: str) -> bytes | None:
        """Return the bytes; `None` if they are not there.

        Raises:
            StoreUnreachable: it cannot be read now.
        """
        ...

    def place(self, digest: str) -> str:
        """Say where the bytes are, for people."""
        ...


class Driver(StorageDriver):
    """A store, as Temporal's external storage uses it. `name` stands in references and never changes."""

    def __init__(self, name: str, store: Store) -> None:
        self._name = name
        self._store = store

    def name(self) -> str:
        """The name in the references."""
        return self._name

    def type(self) -> str:
        """The kind of driver in the references."""
        return self._name

    async def store(self, context: StorageDriverStoreContext, payloads: Sequence[Payload]) -> list[StorageDriverClaim]:
        """Store each payload, and return where."""
        del context  # values are shared between runs
        return [await asyncio.to_thread(self._put, payload) for payload in payloads]

    async def retrieve(
        self, context: StorageDriverRetrieveContext, claims: Sequence[StorageDriverClaim]
    ) -> list[Payload]:
        """Read payloads back; raises ValueMissing."""
        del context
        return [await asyncio.to_thread(self._get, claim.claim_data) for claim in claims]

    def _put(self, payload: Payload) -> StorageDriverClaim:
        data = payload.SerializeToString(deterministic=True)
        digest = hashlib.sha256(data).hexdigest()
        self._store.put(digest, data)
        claim = {"sha256": digest, "size": str(len(data))}
        task = _task_now()
        return StorageDriverClaim(claim_data=claim if task is None else {**claim, "task": task})

    def _get(self, claim: Mapping[str, str]) -> Payload:
        digest, task = claim["sha256"], claim.get("task")
        data = self._store.get(digest)
        if data is None:
            raise ValueMissing(self._store.place(digest), "is not there", task)
        if hashlib.sha256(data).hexdigest() != digest:
            raise ValueMissing(
                self._store.place(digest), "is damaged: its content does not have the recorded SHA-256", task
            )
        return Payload.FromString(data)


def _task_now() -> str | None:
    """The task whose output is being stored."""
    return wire.task_of(activity.info().activity_type)[1] if activity.in_activity() else None
