"""Runs `serve` for FILE PORT UI_PORT with the fake worker; events as JSON lines on stdout."""

import json
import sys
from pathlib import Path

from moose_lib.dev import serve
from moose_lib.dev.events import DevEvent, DevReady
from moose_lib.project.loader import find_project


def tell(event: DevEvent) -> None:
    numbers: dict[str, object] = {"kind": type(event).__name__}
    if isinstance(event, DevReady):
        numbers |= {"temporal": event.facts.temporal_pid, "worker": event.facts.worker_pid}
    print(json.dumps(numbers), flush=True)


def main() -> int:
    file = Path(sys.argv[1])
    ports = {"temporal_config.temporal_port": sys.argv[2], "temporal_config.ui_port": sys.argv[3]}
    project = find_project(Path.cwd(), file, overrides=ports)
    worker = (sys.executable, str(Path(__file__).with_name("fake_worker.py")), str(file))
    return serve(project, on_event=tell, worker=worker, server=())


sys.exit(main())
