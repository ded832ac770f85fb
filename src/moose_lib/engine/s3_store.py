"""Large values as objects in an S3 bucket, named by their SHA-256. Imported only where a project uses one.

Not `temporalio.contrib.aws.s3driver`: it names objects by run, so that a value is stored once more for every run, knows
no prefix, needs a client that is bound to an event loop, and tells a missing object like any passing error.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from moose_lib.errors import StoreUnreachable

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

    from moose_lib.project.stores import Bucket

__all__ = ["S3Store"]

#: Lifecycle rules count from an object's last writing, so a value that is used again after this time is written again.
_FRESH: Final = timedelta(days=1)
_GONE: Final = frozenset({"404", "NoSuchKey"})
#: Without the right to list the bucket, S3 answers so for an object that is not there.
_UNKNOWN: Final = _GONE | {"403"}

#: Passing errors are botocore's to retry, up to about half a minute. The SHA-256 is checked here, and some servers that
#: speak S3 refuse botocore's own checksums.
_CONFIG: Final = Config(
    retries={"mode": "standard", "total_max_attempts": 6},
    connect_timeout=5,
    max_pool_connections=32,
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)


class S3Store:
    """Objects under the prefix of a bucket. Credentials come from where boto3 finds them."""

    def __init__(self, bucket: Bucket, *, endpoint_url: str | None, region: str | None) -> None:
        self._bucket = bucket
        self._endpoint_url = endpoint_url
        self._region = region
        self._lock = threading.Lock()

    def put(self, digest: str, data: bytes) -> None:
        """Write the object, unless it was written lately."""
        try:
            if not self._is_fresh(digest):
                self._client.put_object(
                    Bucket=self._bucket.name,
                    Key=self._key(digest),
                    Body=data,
                    ContentType="application/x-protobuf",
                )
        except (BotoCoreError, ClientError) as error:
            raise StoreUnreachable(f"a value cannot be written to {self.place(digest)}: {error}") from error

    def get(self, digest: str) -> bytes | None:
        """Return the object's content."""
        try:
            return self._client.get_object(Bucket=self._bucket.name, Key=self._key(digest))["Body"].read()
        except ClientError as error:
            if _code(error) in _GONE:
                return None
            raise StoreUnreachable(f"the value in {self.place(digest)} cannot be read: {error}") from error
        except BotoCoreError as error:
            raise StoreUnreachable(f"the value in {self.place(digest)} cannot be read: {error}") from error

    def place(self, digest: str) -> str:
        """The object's address."""
        return f"s3://{self._bucket.name}/{self._key(digest)}"

    def _key(self, digest: str) -> str:
        return f"{self._bucket.prefix}{digest[:2]}/{digest}"

    def _is_fresh(self, digest: str) -> bool:
        try:
            found = self._client.head_object(Bucket=self._bucket.name, Key=self._key(digest))
        except ClientError as error:
            if _code(error) in _UNKNOWN:
                return False
            raise
        return datetime.now(UTC) - found["LastModified"] < _FRESH

    @property
    def _client(self) -> S3Client:
        """Built at the first use, by one thread: most commands never need it."""
        with self._lock:
            return self._built

    @cached_property
    def _built(self) -> S3Client:
        session = boto3.session.Session()
        return session.client(  # pyright: ignore[reportUnknownMemberType]  # only the stubs for S3 are installed
            "s3", endpoint_url=self._endpoint_url, region_name=self._region, config=_CONFIG
        )


def _code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")
