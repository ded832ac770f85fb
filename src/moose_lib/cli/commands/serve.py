"""`moose-cli serve`."""

from __future__ import annotations

from pathlib import Path

import click

from moose_lib.cli.groups import examples
from moose_lib.cli.options import Target, pass_output, target_options
from moose_lib.cli.output import Output


@click.command(epilog=examples("moose-cli serve", "moose-cli serve app.py", "moose-cli serve --port 4100"))
@click.argument("script", metavar="[FILE]", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--host", metavar="HOST", help="Where to listen (default: 127.0.0.1).")
@click.option("--port", type=click.IntRange(1, 65535), help="Where to listen (default: 4000).")
@click.option(
    "--management-port", type=click.IntRange(1, 65535), help="Port for health, metrics and /admin (default: 5001)."
)
@click.option("--listen-fd", type=int, hidden=True, help="A socket that listens already.")
@click.option("--ready-fd", type=int, hidden=True, help="Where to write a line once the server listens.")
@target_options
@pass_output
def serve(
    output: Output,
    target: Target,
    script: Path | None,
    host: str | None,
    port: int | None,
    management_port: int | None,
    listen_fd: int | None,
    ready_fd: int | None,
) -> int:
    """Run only the HTTP server: it takes records and keeps them.

    SIGTERM or Ctrl-C answers what is under way and writes what still waits; a second one ends it at once, and what was
    answered is kept all the same.
    """
    from moose_lib.cli.serving import serve_project

    section = "http_server_config"
    given = {f"{section}.host": host, f"{section}.port": port, f"{section}.management_port": management_port}
    overrides = {**given, **target.overrides}
    return serve_project(output, Target(file=script or target.file, overrides=overrides), ready_fd, listen_fd)
