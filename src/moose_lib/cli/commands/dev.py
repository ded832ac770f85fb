"""`moose-cli dev`."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from moose_lib.cli.groups import examples
from moose_lib.cli.options import pass_output
from moose_lib.cli.output import Output

if TYPE_CHECKING:
    from moose_lib.dev.events import DevEvent


@click.command(
    epilog=examples(
        "moose-cli dev",
        "moose-cli dev app.py",
        "moose-cli dev --temporal-port 7300 --ui-port 8300 --metrics-port 9500",
    )
)
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--temporal-port", type=click.IntRange(1, 65535), help="Port of the embedded Temporal (default: 7233).")
@click.option("--ui-port", type=click.IntRange(1, 65535), help="Port of Temporal's UI (default: 8080).")
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the HTTP server (default: 4000).")
@click.option("--metrics-port", type=click.IntRange(1, 65535), help="Port of the metrics (default: 9464 or above).")
@click.option("--namespace", metavar="NAME", help="Temporal's namespace (default: default).")
@click.option("--task-queue", metavar="NAME", help="The queue the worker works for (default: moose).")
@pass_output
def dev(
    output: Output,
    file: Path | None,
    temporal_port: int | None,
    ui_port: int | None,
    port: int | None,
    metrics_port: int | None,
    namespace: str | None,
    task_queue: str | None,
) -> int:
    """Develop: Temporal, its UI, and a worker and an HTTP server that reload on save.

    For a project folder, or for a single FILE. Ctrl-C stops all of it; runs go on at the next start.
    """
    from moose_lib.cli.dev_text import DevText
    from moose_lib.cli.options import Target
    from moose_lib.cli.remembering import remembering_file
    from moose_lib.cli.session import open_project
    from moose_lib.dev import serve
    from moose_lib.dev.events import DevReady

    overrides = {
        "temporal_config.temporal_port": temporal_port,
        "temporal_config.ui_port": ui_port,
        "http_server_config.port": port,
        "metrics.port": metrics_port,
        "temporal_config.namespace": namespace,
        "temporal_config.task_queue": task_queue,
    }
    project = open_project(Target(file=file, overrides=overrides))
    text = DevText(output, project.name)
    with ExitStack() as stack:

        def tell(event: DevEvent) -> None:
            if isinstance(event, DevReady) and project.is_single_file:
                stack.enter_context(remembering_file(Path.cwd(), project.entry))
            text.tell(event)

        return serve(project, on_event=tell)
