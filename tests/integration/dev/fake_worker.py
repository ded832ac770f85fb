"""Stands in for `moose-cli worker FILE --ready-fd N`: runs the user's file, says ready, drains on SIGTERM or SIGINT.

The file may set VERSION, LINGER (drain until the file `release` is there or a second signal comes), IGNORE (signals).
"""

import asyncio
import os
import runpy
import signal
import subprocess
import sys
import traceback
from pathlib import Path

from moose_lib.dev.readiness import Ready


async def work(user: dict[str, object]) -> None:
    told = asyncio.Queue[int]()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.put_nowait, number)
    if user.get("GRANDCHILD"):
        print("grandchild", start_grandchild(), flush=True)
    file = Path(sys.argv[1])
    ready = Ready(workflows=("orders",), files=frozenset({file, file.with_name("part.py")}))
    os.write(int(sys.argv[3]), f"ready {ready.model_dump_json()}\n".encode())
    print("version", user.get("VERSION"), "address", os.environ.get("MOOSE_TEMPORAL_CONFIG__TEMPORAL_PORT"), flush=True)
    await told.get()
    if user.get("IGNORE"):
        await asyncio.Event().wait()
    if user.get("LINGER"):
        print("lingering", flush=True)
        ends = {asyncio.ensure_future(told.get()), asyncio.ensure_future(released(file.with_name("release")))}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        print("released" if file.with_name("release").exists() else "hurried", flush=True)


def start_grandchild() -> int:
    return subprocess.Popen(["/bin/sleep", "1000"]).pid


def is_there(file: Path) -> bool:
    return file.exists()


async def released(file: Path) -> None:
    while True:  # no event comes from there
        if is_there(file):
            return
        await asyncio.sleep(0.02)


def main() -> None:
    try:
        user = runpy.run_path(sys.argv[1])
    except Exception:  # noqa: BLE001  # whatever the user's file raises
        traceback.print_exc()
        os._exit(2)
    asyncio.run(work(user))


main()
