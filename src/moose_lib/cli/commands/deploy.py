"""`moose-cli deploy`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from moose_lib.cli.groups import examples
from moose_lib.cli.options import Target, json_option, pass_output, target_options
from moose_lib.cli.output import Output

if TYPE_CHECKING:
    from moose_lib.operations.schedule_records import Change


@click.command(
    epilog=examples("moose-cli deploy --dry-run", "moose-cli deploy", "moose-cli deploy --take-over old-name --dry-run")
)
@click.option("--dry-run", "is_dry", is_flag=True, help="Only say what would change.")
@click.option("--take-over", "former", metavar="PROJECT", help="Treat the schedules of PROJECT as this project's.")
@json_option
@target_options
@pass_output
def deploy(output: Output, target: Target, is_dry: bool, former: str | None) -> int:
    """Bring the project's schedules to the server: add, change, and remove those no longer declared.

    Open runs go on, whatever happens to their schedule. Schedules of other projects, and those made by hand, are left
    alone. Exit code 1 if one could not be deployed because its id is taken.

    A project is known by the name of its folder. After it was renamed, --take-over with the old name makes its
    schedules this project's; those that are not declared here are removed.
    """
    from moose_lib.cli.schedule_keeping import owner_of
    from moose_lib.cli.schedule_text import change_document
    from moose_lib.cli.session import open_project, open_session
    from moose_lib.operations.reconcile import reconcile
    from moose_lib.operations.schedule_records import ChangeKind
    from moose_lib.project.loader import load_project

    session = open_session(target)
    loaded = load_project(session.project or open_project(target))
    owner = owner_of(loaded.project)
    changes = session.run(
        lambda client: reconcile(client, loaded.plans, owner, removes=True, is_dry=is_dry, former=former)
    )
    if output.is_json:
        output.document({"dry_run": is_dry, "changes": [change_document(change) for change in changes]})
    else:
        _tell(output, changes, is_dry=is_dry)
    return 1 if any(change.kind is ChangeKind.FOREIGN for change in changes) else 0


def _tell(output: Output, changes: tuple[Change, ...], *, is_dry: bool) -> None:
    from moose_lib.cli.schedule_text import change_notes, next_text, take_over_hints
    from moose_lib.operations.schedule_records import ChangeKind

    if not changes:
        output.data("no schedules are declared or deployed")
        return
    shown = [change for change in changes if change.kind is not ChangeKind.FOREIGN]
    rows = [
        (
            change.workflow,
            f"would be {change.kind}" if is_dry and change.kind is not ChangeKind.UNCHANGED else change.kind.value,
            "-" if change.schedule is None else str(change.schedule),
            "-"
            if change.schedule is None or change.kind is ChangeKind.REMOVED or (is_dry and change.next_time is None)
            else next_text(change.next_time, change.schedule.timezone, is_paused=change.is_paused).removeprefix(
                "next "
            ),
            "; ".join(change.reasons) or "-",
        )
        for change in shown
    ]
    if rows:
        output.table(("NAME", "CHANGE", "SCHEDULE", "NEXT", "WHY"), rows)
    for note in change_notes(changes):
        output.error(note)
    for hint in take_over_hints(changes):
        output.hint(hint)
