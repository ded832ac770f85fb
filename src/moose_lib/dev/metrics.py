"""The session's address for Prometheus: one for all of its workers, through reloads and crashes."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from moose_lib.dev.ports import busy_port, require_free
from moose_lib.errors import SettingsError
from moose_lib.project.layers import variable_of
from moose_lib.project.observing import DEFAULT_METRICS_PORT

if TYPE_CHECKING:
    from moose_lib.observing.endpoint import Endpoint
    from moose_lib.project.settings import Settings

_PORT_KEY = "metrics.port"
#: Ports that are tried if the user has named none: several projects are developed at a time.
_TRIED_PORTS = 100


class SessionMetrics:
    """Serves what the workers leave in a folder of the project; `alive` says which processes live.

    Without a port in the settings it takes the first free one from 9464 on.
    """

    def __init__(self, settings: Settings, alive: Callable[[], Iterable[int]]) -> None:
        self._settings = settings.metrics
        self._directory = settings.state_directory / "metrics"
        self._alive = alive
        self._endpoint: Endpoint | None = None

    @property
    def is_wanted(self) -> bool:
        """Nobody has switched it off."""
        return self._settings.enabled is not False

    @property
    def url(self) -> str | None:
        """Where they are, once they are."""
        return None if self._endpoint is None else self._endpoint.url

    @property
    def environment(self) -> Mapping[str, str]:
        """Tells a worker to leave its numbers here, and to serve none itself."""
        return {variable_of("metrics.directory"): str(self._directory)} if self.is_wanted else {}

    def require_port(self) -> None:
        """Refuse a port of the settings that is taken.

        Raises:
            PortBusy: with the holder, if it can be known, and the ways to choose another port.
        """
        if self.is_wanted and self._settings.port is not None:
            require_free(self._settings.port, _PORT_KEY)

    async def open(self) -> None:
        """Begin to serve; what an earlier session has left is gone.

        Raises:
            PortBusy: the port of the settings is taken.
            SettingsError: the host of the settings is none of this machine.
        """
        if self.is_wanted:
            self._endpoint = await asyncio.to_thread(self._open)

    async def close(self) -> None:
        """Stop serving."""
        if self._endpoint is not None:
            await asyncio.to_thread(self._endpoint.close)

    def _open(self) -> Endpoint:
        from moose_lib.observing.endpoint import Endpoint  # 80 ms, while Temporal starts
        from moose_lib.observing.shared import SharedMetrics

        shared = SharedMetrics(self._directory, self._alive)
        given = self._settings.port
        ports = [given] if given is not None else range(DEFAULT_METRICS_PORT, DEFAULT_METRICS_PORT + _TRIED_PORTS)
        for port in ports:
            try:
                return Endpoint(self._settings.host, port, shared.registry)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    reason = error.strerror or str(error)
                    raise SettingsError(f"metrics cannot be served on {self._settings.host!r}: {reason}") from error
        raise busy_port(ports[0], _PORT_KEY, command="moose-cli dev")
