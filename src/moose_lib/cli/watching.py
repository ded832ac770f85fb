"""Who watches a worker: metrics and traces, as the settings say."""

from __future__ import annotations

import errno
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from moose_lib.dev.ports import busy_port
from moose_lib.dmv2.workflow import RunInfo
from moose_lib.engine.worker import MAX_CONCURRENT_TASKS, worker_identity
from moose_lib.errors import SettingsError
from moose_lib.observing.observer import LinesDropped, Observer, Observers
from moose_lib.project.loader import LoadedProject
from moose_lib.project.observing import DEFAULT_METRICS_PORT, MetricsSettings, service_name
from moose_lib.project.settings import Settings

__all__ = ["Watched", "watched"]


@dataclass(frozen=True, kw_only=True)
class Watched:
    """The observer of a worker, if anybody wants to know, and what to tell the user about it."""

    observer: Observer | None = None
    lines: tuple[str, ...] = ()

    def lines_dropped(self, run: RunInfo, count: int) -> None:
        """Tell that lines of an attempt are missing."""
        if self.observer is not None:
            self.observer.see(LinesDropped(workflow=run.workflow, task=run.task, count=count))


@contextmanager
def watched(loaded: LoadedProject) -> Generator[Watched]:
    """Serve metrics and export traces, as far as the settings want it, until the worker ends.

    Raises:
        PortBusy: another process has the port of the metrics.
        SettingsError: the address of the metrics is none of this machine, or tracing needs what is not installed.
    """
    settings = loaded.project.settings
    observers, lines = list[Observer](), list[str]()
    with ExitStack() as stack:
        if settings.metrics.is_served_by_workers or settings.metrics.directory is not None:
            observers.append(_metrics(loaded))
        if settings.metrics.directory is None and settings.metrics.is_served_by_workers:
            lines.append(f"metrics: {_serve(settings.metrics, stack)}")
        if settings.traces_endpoint is not None:
            observers.append(_tracing(settings, loaded.project.name, stack))
            lines.append(f"traces go to {settings.traces_endpoint}")
        yield Watched(observer=Observers(observers) if observers else None, lines=tuple(lines))


def _metrics(loaded: LoadedProject) -> Observer:
    from moose_lib.observing.metrics import Metrics  # 20 ms, for those who want it

    tasks = {name: [task.name for task in workflow.tasks()] for name, workflow in loaded.workflows.items()}
    return Metrics(tasks, slots=MAX_CONCURRENT_TASKS)


def _serve(metrics: MetricsSettings, stack: ExitStack) -> str:
    from moose_lib.observing.endpoint import Endpoint, own_registry

    port = metrics.port or DEFAULT_METRICS_PORT
    try:
        return stack.enter_context(Endpoint(metrics.host, port, own_registry)).url
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise busy_port(port, "metrics.port", command="moose-cli worker") from error
        raise SettingsError(f"metrics cannot be served on {metrics.host!r}: {error.strerror or error}") from error


def _tracing(settings: Settings, project: str, stack: ExitStack) -> Observer:
    try:
        from moose_lib.observing.exporting import Exporting  # 150 ms, for those who want it
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"traces are to go to {settings.traces_endpoint}, and OpenTelemetry is not installed (no {error.name})",
            hint="pip install 'moose-workflows[otel]'",
        ) from error
    resource = {"service.instance.id": worker_identity()}
    service = service_name(settings.tracing, settings.otel_environment, project)
    if service is not None:
        resource["service.name"] = service
    exporting = Exporting(
        endpoint=settings.tracing.endpoint,
        shown=settings.traces_endpoint or "",
        resource=resource,
        otel=settings.otel_environment,
    )
    stack.callback(exporting.close)
    return exporting.tracing
