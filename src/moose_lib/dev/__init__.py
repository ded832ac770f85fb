"""Running a project while it is developed: embedded Temporal, a worker, reload on save.

`serve(project, on_event=…)` is all a command needs; everything that happens arrives as a record of `events`.
"""

from moose_lib.dev.session import run_dev, serve

__all__ = ["run_dev", "serve"]
