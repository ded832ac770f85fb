"""The settings of the server on :4000: `[http_server_config]`, `[store]`, `[ingest]`, `[authentication]`, `[jwt]`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict

from moose_lib.project.values import Count, Duration, Port, ProjectFile, Secret, Size, Switch, Text

__all__ = ["AuthSettings", "IngestSettings", "JwtSettings", "ServerSettings", "StoreSettings"]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, populate_by_name=True)


def _origins(value: object) -> object:
    """A TOML list, or a text with commas from the environment."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    parts = tuple(cast("list[object]", value)) if isinstance(value, list | tuple) else None  # of anything
    if parts is not None and all(isinstance(part, str) for part in parts):
        return parts
    raise ValueError('is not a list of origins: write ["https://shop.example"]')


Origins = Annotated[tuple[str, ...], BeforeValidator(_origins)]


class ServerSettings(_Section):
    """`[http_server_config]`: where the server listens and what it takes.

    Bodies are at most `max_request_body_size` bytes, before and after decompression; all bodies on their way together
    at most `max_bodies_in_flight`. A body has `body_timeout` to arrive. `cors_origins` may call from browsers; "*" is
    all.
    """

    host: Text = "127.0.0.1"
    port: Port = 4000
    management_port: Port = 5001
    path_prefix: Text | None = None
    max_request_body_size: Count = 10_485_760
    max_bodies_in_flight: Count = 256 * 1024 * 1024
    body_timeout: Duration = timedelta(seconds=30)
    cors_origins: Origins = ("*",)
    tls_cert: ProjectFile | None = None
    tls_key: ProjectFile | None = None

    @property
    def url(self) -> str:
        """Its own address, for this machine, without a slash at the end."""
        return self.url_at("127.0.0.1" if self.host in {"localhost", "0.0.0.0"} else self.host)  # noqa: S104  # compared, not bound

    @property
    def prefix(self) -> str:
        """What goes before all paths: nothing, or a path with a slash at its beginning."""
        return "" if self.path_prefix is None else f"/{self.path_prefix.strip('/')}"

    def url_at(self, host: str) -> str:
        """Its address under a name of its machine, without a slash at the end."""
        scheme = "http" if self.tls_cert is None else "https"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}{self.prefix}"


class StoreSettings(_Section):
    """`[store]`: the SQLite file with all records, and how many bytes of them may wait in memory to be written."""

    path: ProjectFile | None = None
    max_waiting: Size = 64_000_000


class IngestSettings(_Section):
    """`[ingest]`: with `partial`, the good records of a batch are stored though others are refused.

    `url` and `token` are for those who send, tasks and scripts: where the server is, if it is not that of
    `[http_server_config]`, and the key or JWT that it asks for.
    """

    partial: Switch = True
    url: Text | None = None
    token: Secret | None = None


class AuthSettings(_Section):
    """`[authentication]`: hashes of keys, as `moose-cli generate hash-token` makes them.

    Without `ingest_api_key` everybody may ingest; without `admin_api_key` nobody may use the admin API from elsewhere
    than this machine.
    """

    admin_api_key: Secret | None = None
    ingest_api_key: Secret | None = None


class JwtSettings(_Section):
    """`[jwt]`: tokens signed with RS256; `secret` is the public key as PEM text."""

    secret: Secret | None = None
    issuer: Text | None = None
    audience: Text | None = None
    enforce_on_all_ingest_apis: Switch = False
    enforce_on_all_consumptions_apis: Switch = False  # of the existing Moose; there are none here
