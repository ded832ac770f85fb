"""`moose-cli generate`."""

from __future__ import annotations

import click

from moose_lib.cli.groups import CommandPlace, LazyGroup, examples
from moose_lib.cli.options import json_option, pass_output
from moose_lib.cli.output import Output


@click.group(
    cls=LazyGroup,
    places={"hash-token": CommandPlace(place="moose_lib.cli.commands.generate:hash_token", aliases=("h",))},
    epilog=examples("moose-cli generate hash-token", "moose-cli generate hash-token --json"),
)
def generate() -> None:
    """Make keys."""


@click.command("hash-token", epilog=examples("moose-cli generate hash-token"))
@json_option
@pass_output
def hash_token(output: Output) -> None:
    """Make a key for the HTTP server: the token is for whoever calls, its hash for the settings."""
    from moose_lib.server.auth import new_key

    key = new_key()
    if output.is_json:
        output.document({"api_key_hash": key.hash, "bearer_token": key.bearer})
    output.data(f"ENV API Key {key.hash}", f"Bearer Token {key.bearer}")
    output.talk("Token Generated successfully")
    output.hint(f"MOOSE_AUTHENTICATION__INGEST_API_KEY={key.hash} moose-cli serve   (or …__ADMIN_API_KEY)")
