"""`moose-cli dead-letters`."""

from __future__ import annotations

import click

from moose_lib.cli.groups import examples
from moose_lib.cli.options import Target, json_option, pass_output, project_option
from moose_lib.cli.output import Output

_EPILOG = examples(
    "moose-cli dead-letters",
    "moose-cli dead-letters Orders --since 2h",
    "moose-cli dead-letters Orders --replay --dry-run",
    "moose-cli dead-letters Orders --replay",
)


@click.command("dead-letters", epilog=_EPILOG)
@click.argument("name", required=False)
@click.option("--since", metavar="DURATION", help="Only those that are not older, as 10m, 2h or 7d.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most N (listing: 20; replaying: all).")
@click.option("--all", "with_replayed", is_flag=True, help="List those too that were replayed.")
@click.option("--replay", "is_replay", is_flag=True, help="Store the records that fit the model of now.")
@click.option("--set-aside", "with_set_aside", is_flag=True, help="Replay what was set aside, too: see above.")
@click.option("--dry-run", "is_dry", is_flag=True, help="Only say what --replay would do.")
@json_option
@project_option
@pass_output
def dead_letters(
    output: Output,
    target: Target,
    name: str | None,
    since: str | None,
    limit: int | None,
    with_replayed: bool,
    is_replay: bool,
    with_set_aside: bool,
    is_dry: bool,
) -> None:
    """Show the records that an endpoint refused and why, the newest first; store them once the model was fixed.

    Without NAME: how many each endpoint has. NAME is the endpoint's, as Orders or Orders/1.2. A replay stores exactly
    the records that fit by now, each once, however often and whenever it runs, also beside the server; the others stay.

    Records are set aside where a repeated attempt of a task sent others than the one before: with the time of now, say.
    What they stand for is stored already, unless the task goes on where it was: then --set-aside stores them.
    """
    from moose_lib.cli.letters import Request, count_all, list_letters, replay_letters

    if is_dry and not is_replay:
        raise click.UsageError("--dry-run says what --replay would do: write --replay --dry-run")
    if with_set_aside and not is_replay:
        raise click.UsageError("--set-aside says what --replay stores: write --replay --set-aside")
    request = Request(
        name=name or "",
        since=since,
        limit=limit,
        with_replayed=with_replayed,
        with_set_aside=with_set_aside,
        is_dry=is_dry,
    )
    if name is None:
        if is_replay:
            raise click.UsageError("--replay is about one endpoint: name it")
        count_all(output, target)
    elif is_replay:
        replay_letters(output, target, request)
    else:
        list_letters(output, target, request)
