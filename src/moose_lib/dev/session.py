"""A development session: lock, ports, Temporal, worker, saves; and in the end nothing of it is alive.

The order of stopping matters: workers first, so that they can give their tasks back to a Temporal that is still there.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from moose_lib.dev.api import PORT_KEY, ApiServer, listen
from moose_lib.dev.events import CodeRefused, DevEvent, DevFacts, DevReady, OnEvent, ProcessReady, Reloaded, Stopping
from moose_lib.dev.lock import dev_lock, state_directory
from moose_lib.dev.logfile import LogFile
from moose_lib.dev.metrics import SessionMetrics
from moose_lib.dev.ports import LOCALHOST, require_free
from moose_lib.dev.process import Command
from moose_lib.dev.reload import Workers
from moose_lib.dev.saves import Saves
from moose_lib.dev.temporal import LOG, TemporalServer
from moose_lib.dev.waiting import first_of, forever
from moose_lib.dev.watch import Watcher
from moose_lib.errors import SettingsError
from moose_lib.project.layers import variable_of
from moose_lib.project.running import RunningDev
from moose_lib.project.settings import is_loopback, process_environment

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from moose_lib.dev.worker import Worker
    from moose_lib.project.loader import Project

_DEFAULT_PORT = 7233
_PORT_KEY = "temporal_config.temporal_port"
_UI_PORT_KEY = "temporal_config.ui_port"


def serve(
    project: Project,
    *,
    on_event: OnEvent,
    worker: Sequence[str] | None = None,
    server: Sequence[str] | None = None,
) -> int:
    """Run a session until SIGINT, SIGTERM or SIGHUP; a second signal makes it hurry. Returns the exit code.

    To be called in the main thread, outside of an event loop. Raises what `run_dev` raises.
    """
    return asyncio.run(_serve(project, on_event, worker, server))


async def _serve(
    project: Project, on_event: OnEvent, worker: Sequence[str] | None, server: Sequence[str] | None
) -> int:
    stop, hurry = asyncio.Event(), asyncio.Event()

    def interrupt() -> None:
        (hurry if stop.is_set() else stop).set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, interrupt)
    return await run_dev(project, on_event=on_event, stop=stop, hurry=hurry, worker=worker, server=server)


async def run_dev(
    project: Project,
    *,
    on_event: OnEvent,
    stop: asyncio.Event,
    hurry: asyncio.Event | None = None,
    worker: Sequence[str] | None = None,
    server: Sequence[str] | None = None,
) -> int:
    """Run a session until `stop` is set; `hurry` cuts the grace period of running tasks short.

    `on_event` is called in the event loop with every event and must not block. `worker` replaces the worker's command
    line; `--ready-fd N` is added to it. `server` replaces that of the HTTP server; an empty one means none.

    Raises:
        AlreadyRunning: this project has a session.
        PortBusy: a port of the embedded Temporal is taken.
        SettingsError: the settings contradict an embedded Temporal.
        EngineFailed: the embedded Temporal does not start.
        Exception: what `on_event` raised; it ends the session, and it gets no more events.
    """
    listener = _Listener(on_event)
    session = _Session(project, on_event=listener.tell, worker=worker, server=server)
    if not project.settings.state_directory.exists():
        session.require_ports()  # nobody runs here, and a refusal leaves nothing behind
    async with AsyncExitStack() as stack:
        session.on_record = await stack.enter_async_context(dev_lock(project.settings, session.record))
        session.require_ports()
        log = stack.enter_context(LogFile(state_directory(project.settings) / LOG))
        try:
            await first_of(stop.wait(), listener.failed.wait(), session.run(log))
        finally:
            await session.close(hurry or asyncio.Event())
    if listener.error is not None:
        raise listener.error
    return 0


class _Listener:
    """The caller's `on_event`; what it raises must end the session in order, not the callback it happened to be in."""

    def __init__(self, on_event: OnEvent) -> None:
        self._on_event = on_event
        self.error: Exception | None = None
        self.failed = asyncio.Event()

    def tell(self, event: DevEvent) -> None:
        if self.error is not None:
            return
        try:
            self._on_event(event)
        except Exception as error:  # noqa: BLE001  # kept, and raised by run_dev
            self.error = error
            self.failed.set()


class _Session:
    def __init__(
        self, project: Project, *, on_event: OnEvent, worker: Sequence[str] | None, server: Sequence[str] | None
    ) -> None:
        self._project = project
        self._settings = project.settings
        self._on_event = on_event
        self._worker_line = command_line(project, "worker") if worker is None else tuple(worker)
        self._server_line = command_line(project, "serve") if server is None else tuple(server)
        self._socket: socket.socket | None = None
        self._api = ApiServer(self._server_command, self._tell_of_server, self._stand_in)
        self._refusal: CodeRefused | None = None
        self._is_embedded = self._settings.dev.temporal == "embedded"
        self._port = self._settings.temporal.port or _DEFAULT_PORT
        self._started = asyncio.get_running_loop().time()
        self._temporal: TemporalServer | None = None
        self._saves = Saves()
        single = project.is_single_file
        self._watcher = Watcher(
            root=project.root,
            source=None if single else project.root / self._settings.source_dir,
            entry=project.entry,
            saves=self._saves,
            on_event=on_event,
        )
        self._workers = Workers(
            command=self._worker_command,
            grace=self._settings.worker.grace_period,
            saves=self._saves,
            on_event=self._tell_of_worker,
            on_loaded=self._note_loaded,
        )
        #: Says for other commands where this session's Temporal is, and what code its worker has.
        self.record = self._first_record()
        #: Is told when it changes.
        self.on_record: Callable[[RunningDev], None] = lambda _: None
        self._metrics = SessionMetrics(self._settings, lambda: self._workers.pids)

    def _first_record(self) -> RunningDev:
        if not self._is_embedded:
            return RunningDev(pid=os.getpid())
        return RunningDev(
            pid=os.getpid(),
            address=f"{LOCALHOST}:{self._port}",
            ui_port=self._settings.temporal.ui_port,
            namespace=self._namespace,
        )

    def _note_loaded(self, worker: Worker) -> None:
        """Learn that a worker has loaded its code, or refused it: then it is not ready."""
        self._watcher.note_loaded(worker.ready)
        since = time.time() - worker.age.total_seconds()
        key = "refused_since" if worker.ready is None else "worker_since"
        self.record = self.record.model_copy(update={key: since})
        self.on_record(self.record)

    def require_ports(self) -> None:
        """Refuse settings that an embedded Temporal cannot serve, and ports that are taken."""
        self._metrics.require_port()
        if self._server_line:
            require_free(self._settings.server.port, PORT_KEY)
        if not self._is_embedded:
            return
        temporal = self._settings.temporal
        if temporal.host is not None:
            _require_local(temporal.host, self._settings.sources["temporal_config.temporal_host"])
        elif "TEMPORAL_ADDRESS" in self._settings.temporal_environment:
            address = self._settings.temporal_environment["TEMPORAL_ADDRESS"]
            _require_local(address.rpartition(":")[0], self._settings.sources["TEMPORAL_ADDRESS"])
        if self._port == temporal.ui_port:
            raise SettingsError(f"temporal_port and ui_port are both {self._port}", hint="moose-cli dev --ui-port 8080")
        if self._server_line and self._settings.server.port in (self._port, temporal.ui_port):
            raise SettingsError(
                f"port {self._settings.server.port} is asked for twice", hint="moose-cli dev --port 4000"
            )
        require_free(self._port, _PORT_KEY)
        require_free(temporal.ui_port, _UI_PORT_KEY)

    async def run(self, log: LogFile) -> None:
        """Start everything and keep it going until cancelled."""
        await first_of(self._watcher.run(), self._work(log))

    async def close(self, hurry: asyncio.Event) -> None:
        """Stop the workers, then the server that their tasks may still call, then Temporal."""
        grace = self._settings.dev.stop_grace_period
        self._on_event(Stopping(grace_period=grace))
        await self._workers.stop(grace, hurry)
        await self._api.stop(hurry)
        if self._socket is not None:
            self._socket.close()
        if self._temporal is not None:
            await self._temporal.stop()
        await self._metrics.close()

    async def _work(self, log: LogFile) -> None:
        if self._server_line:
            self._socket = listen(self._settings.server.host, self._settings.server.port)
            self._api.renew()
        if self._is_embedded:
            self._temporal = self._embedded(log)
            await asyncio.gather(self._temporal.start(), self._metrics.open())
        else:
            await self._metrics.open()
        keeping = forever() if self._temporal is None else self._temporal.keep()
        await first_of(keeping, self._workers.run(), self._api.run(), self._announce())

    async def _announce(self) -> None:
        await self._workers.settled.wait()
        if self._server_line:
            await self._api.settled.wait()
        took = timedelta(seconds=asyncio.get_running_loop().time() - self._started)
        self._on_event(DevReady(facts=self._facts(), took=took))
        await forever()

    def _embedded(self, log: LogFile) -> TemporalServer:
        return TemporalServer(
            directory=self._settings.state_directory,
            port=self._port,
            ui_port=self._settings.temporal.ui_port,
            namespace=self._namespace,
            durability=self._settings.dev.durability,
            environment=process_environment(self._settings.root),
            log=log,
            on_event=self._on_event,
        )

    @property
    def _namespace(self) -> str:
        outside = self._settings.temporal_environment.get("TEMPORAL_NAMESPACE")
        return self._settings.temporal.namespace or outside or "default"

    def _tell_of_worker(self, event: DevEvent) -> None:
        """Code that a worker has loaded is what the server should serve."""
        self._on_event(event)
        if isinstance(event, CodeRefused):
            self._api.note_refusal(event.text)
        if not self._server_line or not isinstance(event, ProcessReady | Reloaded):
            return
        refusal, self._refusal = self._refusal, None
        if isinstance(event, Reloaded) or (self._api.is_idle and refusal is None):
            self._api.renew()
        elif refusal is not None:
            self._on_event(refusal)

    def _tell_of_server(self, event: DevEvent) -> None:
        """Code that the worker does not load either is told by the worker alone."""
        if isinstance(event, CodeRefused) and self._workers.serving is None:
            self._refusal = event
        else:
            self._on_event(event)

    def _worker_command(self) -> Command:
        environment = {**self._environment(), **self._metrics.environment}
        return Command(arguments=self._worker_line, directory=self._directory, environment=environment)

    def _server_command(self) -> Command:
        assert self._socket is not None, "it is opened before anything starts"
        number = self._socket.fileno()
        line = (*self._server_line, "--listen-fd", str(number))
        environment = self._environment()
        return Command(arguments=line, directory=self._directory, environment=environment, inherited=(number,))

    def _stand_in(self, reason: Callable[[], str]) -> AbstractAsyncContextManager[None]:
        from moose_lib.server.standin import reason_in, standing_in  # 0.2 s that code which loads does not cost

        assert self._socket is not None, "it is opened before anything starts"
        return standing_in(self._socket, self._settings.server, lambda: reason_in(reason()))

    @property
    def _directory(self) -> Path:
        return Path.cwd() if self._project.is_single_file else self._project.root

    def _environment(self) -> dict[str, str]:
        """Build the children's environment anew for each start: `.env` files may have changed."""
        environment = process_environment(self._settings.root) | dict(self._settings.flag_environment)
        if self._is_embedded:
            environment.pop(variable_of("temporal_config.address"), None)
            environment |= self._pinned()
            if self._settings.worker.schedules != "off":
                environment[variable_of("worker.schedules")] = "sync"  # the server is this project's alone
        return environment | {"PYTHONUNBUFFERED": "1"}

    def _pinned(self) -> Mapping[str, str]:
        """Settings that lead a worker to this session's Temporal, whatever else is set."""
        pinned = {"temporal_host": LOCALHOST, "temporal_port": str(self._port), "temporal_scheme": "http"}
        pinned["namespace"] = self._namespace
        return {variable_of(f"temporal_config.{key}"): value for key, value in pinned.items()}

    @property
    def _api_url(self) -> str | None:
        server = self._settings.server
        host = "localhost" if is_loopback(server.host) else server.host
        return server.url_at(host) if self._server_line else None

    def _facts(self) -> DevFacts:
        temporal, serving = self._temporal, self._workers.serving
        ready = None if serving is None else serving.ready
        outside = self._settings.temporal_environment.get("TEMPORAL_ADDRESS")
        return DevFacts(
            root=self._project.root,
            entry=self._project.entry,
            temporal_address=self.record.address or self._settings.temporal.address or outside,
            namespace=self._namespace,
            task_queue=self._settings.temporal.task_queue,
            ui_url=None if temporal is None else f"http://localhost:{temporal.ui_port}",
            metrics_url=self._metrics.url,
            api_url=self._api_url,
            db_file=None if temporal is None else temporal.database,
            temporal_log=None if temporal is None else temporal.log_file,
            temporal_version=None if temporal is None else temporal.version,
            temporal_pid=None if temporal is None else temporal.pid,
            worker_pid=None if serving is None else serving.pid,
            server_pid=self._api.pid,
            workflows=None if ready is None else ready.workflows,
            schedules={} if ready is None else ready.schedules,
            notes=() if ready is None else ready.notes,
        )


def command_line(project: Project, command: str) -> tuple[str, ...]:
    """Return the command line of a project's worker, or of its server."""
    file = (str(project.entry),) if project.is_single_file else ()
    return (sys.executable, "-m", "moose_lib.cli", command, *file)


def _require_local(host: str, source: str) -> None:
    if not is_loopback(host.strip("[]")):
        raise SettingsError(
            f"Temporal is at {host!r} (from {source}), but moose-cli dev starts one of its own",
            hint='to develop against that one: temporal = "external" in [dev] of moose.config.toml',
        )
