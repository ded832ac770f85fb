"""`[clickhouse_config]` of the settings: where records move on to."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, SecretStr

from moose_lib.project.values import Count, Duration, Port, Size, Switch, Text

__all__ = ["ClickHouseSettings"]


def _password(value: object) -> object:
    """A secret; an empty one is an answer, as ClickHouse's own user has no other."""
    if not isinstance(value, str | SecretStr):
        raise ValueError("is not a text")  # noqa: TRY004  # pydantic only turns ValueError into a fault
    return value


class ClickHouseSettings(BaseModel):
    """`[clickhouse_config]`: the ClickHouse to which records move on; without the section they stay in the store.

    The keys and their defaults are the existing Moose's, with `host_port` the one for HTTP. Rows move at most
    `batch_rows` or about `batch_size` bytes at a time, and at the latest `batch_age` after they came. What fails is
    tried again with growing pauses up to `longest_pause`. `enabled = false` switches it off.
    """

    model_config = ConfigDict(frozen=True)

    enabled: Switch = True
    db_name: Text = "local"
    user: Text = "panda"
    password: Annotated[SecretStr, BeforeValidator(_password)] = SecretStr("pandapass")
    use_ssl: Switch = False
    host: Text = "localhost"
    host_port: Port = 18123
    native_port: Port = 9000  # of the existing Moose; here everything goes by HTTP
    batch_rows: Count = 100_000
    batch_size: Size = 16_000_000
    batch_age: Duration = timedelta(seconds=1)
    longest_pause: Duration = timedelta(seconds=30)

    @property
    def url(self) -> str:
        """Where it is, for people."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.use_ssl else 'http'}://{host}:{self.host_port}"
