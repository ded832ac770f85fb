"""`moose-cli worker`."""

from __future__ import annotations

from pathlib import Path

import click

from moose_lib.cli.groups import examples
from moose_lib.cli.options import Target, pass_output, target_options
from moose_lib.cli.output import Output


@click.command(
    epilog=examples(
        "moose-cli worker",
        "moose-cli worker app.py --address temporal.example.com:7233",
        "MOOSE_TEMPORAL_CONFIG__API_KEY=… moose-cli worker",
        "moose-cli worker --metrics-port 9464",
    )
)
@click.argument("script", metavar="[FILE]", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--ready-fd", type=int, hidden=True, help="Where to write a line once the worker polls.")
@click.option("--metrics-port", type=click.IntRange(1, 65535), help="Serve metrics for Prometheus on this port.")
@target_options
@pass_output
def worker(output: Output, target: Target, script: Path | None, ready_fd: int | None, metrics_port: int | None) -> int:
    """Run only a worker, for a Temporal that runs elsewhere.

    SIGTERM or Ctrl-C drains: running tasks get the grace period. A second one gives them back to run elsewhere, with no
    attempt used up; a third one ends it at once.
    """
    from moose_lib.cli.working import work

    overrides = {**target.overrides, "metrics.port": metrics_port}
    return work(output, Target(file=script or target.file, overrides=overrides), ready_fd)
