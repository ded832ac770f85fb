"""`[values]` of the settings: where values go that are too large for Temporal."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict

from moose_lib.project.values import ProjectFile, Text, web_address

__all__ = ["Bucket", "ValuesSettings"]


class Bucket(NamedTuple):
    """`s3://name/prefix`; the prefix ends with a slash, or is empty."""

    name: str
    prefix: str

    def __str__(self) -> str:
        """As it is written in settings."""
        return f"s3://{self.name}/{self.prefix}".rstrip("/")


def _bucket(value: object) -> object:
    if isinstance(value, Bucket):
        return value
    scheme, _, rest = value.strip().partition("://") if isinstance(value, str) else ("", "", "")
    name, _, prefix = rest.partition("/")
    prefix = prefix.strip("/")
    if scheme != "s3" or not name or any(mark in rest for mark in "?#@ "):
        raise ValueError("is not s3://bucket or s3://bucket/prefix")
    return Bucket(name=name, prefix=f"{prefix}/" if prefix else "")


class ValuesSettings(BaseModel):
    """`[values]`: where values go that are too large for Temporal; unset, to `.moose/values` of the project.

    `directory` is relative to the project. `url` is `s3://bucket/prefix`; `endpoint_url` is for other servers that
    speak S3. Credentials come from where boto3 finds them.
    """

    model_config = ConfigDict(frozen=True)

    directory: ProjectFile | None = None
    url: Annotated[Bucket, BeforeValidator(_bucket)] | None = None
    endpoint_url: Annotated[str, BeforeValidator(web_address)] | None = None
    region: Text | None = None
