"""`python -m moose_lib.cli` is `moose-cli`, also where no script is installed."""

from moose_lib.cli.main import run

run()
