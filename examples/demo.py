"""Both examples on the real engine, through the command line, as a user would run them: `make demo`.

Each example gets its own `moose-cli dev` (the embedded Temporal and a worker) on free ports; all of it is stopped at
the end. With `--keep` it stays until Ctrl-C, so that the links can be opened.
"""

from __future__ import annotations

import argparse
import os
import random
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

HERE = Path(__file__).resolve().parent
COMMAND = Path(sys.executable).with_name("moose-cli")
READY_SECONDS, RUN_SECONDS, STOP_SECONDS = 90, 180, 30
REFUSED = 2


class DemoFailed(Exception):
    """Something did not happen as the demo says it does."""


@dataclass(frozen=True)
class Example:
    """A project whose `moose-cli dev` is running."""

    folder: Path

    def run(self, *arguments: str, expected: int = 0) -> str:
        """Run a `moose-cli` command in the project as it is shown, and return what it printed."""
        print(f"$ {shlex.join(['moose-cli', *arguments])}", flush=True)
        process = subprocess.Popen(
            [str(COMMAND), *arguments],
            cwd=self.folder,
            env=_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            with _killed_after(RUN_SECONDS, process):
                printed = "".join(_passed_on(process))
                code = process.wait()
        finally:
            process.kill()
            process.wait()
        if code != expected:
            raise DemoFailed(f"that command ended with exit code {code} instead of {expected}")
        print(flush=True)
        return printed


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Run both examples on the embedded engine.")
    parser.add_argument("--keep", action="store_true", help="leave the engines running until Ctrl-C")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    begun = time.monotonic()
    try:
        with ExitStack() as stack:
            _show_orders(stack.enter_context(_dev("orders")))
            _show_flights(stack.enter_context(_dev("flights")))
            if options.keep:
                print("The links above work until you press Ctrl-C.", flush=True)
                signal.pause()
    except DemoFailed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 0 if options.keep else 130
    print(f"Done in {time.monotonic() - begun:.0f} s; everything that was started is stopped.")
    print("Next: cd examples/orders && moose-cli dev")
    return 0


def _show_orders(orders: Example) -> None:
    _title("An order: the payment gateway times out once, payment and shipping run side by side")
    printed = orders.run("workflow", "run", "OrderProcessingWorkflow", "--input", "@order.json", "--wait")
    _check_link(printed)
    _title("The finished order is in the store")
    if "txn_ord_0003" not in orders.run("query", "SELECT order_id, payment_id, shipping_id FROM Orders"):
        raise DemoFailed("the store does not have the order")
    _title("An order that is none is refused before anything starts")
    orders.run("workflow", "run", "OrderProcessingWorkflow", "--input", "@invalid_order.json", expected=REFUSED)


def _show_flights(flights: Example) -> None:
    _title("336,776 flights: one task per airport, side by side, then a report with a chart")
    printed = flights.run("workflow", "run", "FlightsWorkflow", "--input", "@input.json", "--wait")
    _check_link(printed)


def _check_link(printed: str) -> None:
    """Open the printed link to Temporal's UI, which must work while the engine runs."""
    words = (word for word in printed.split() if word.startswith("http://"))
    link = next(words, None)
    if link is None:
        raise DemoFailed("the command printed no link to Temporal's UI")
    try:
        with urllib.request.urlopen(link, timeout=10) as page:
            page.read()
    except OSError as error:
        raise DemoFailed(f"{link} cannot be opened: {error}") from error


@contextmanager
def _dev(name: str) -> Iterator[Example]:
    """Run `moose-cli dev` in an example's folder until the block ends."""
    folder = HERE / name
    temporal, ui, http = _free_ports(3)
    _title(f"moose-cli dev, in examples/{name}")
    # In a session of its own: Ctrl-C reaches only the demo, which then stops it in order.
    process = subprocess.Popen(
        [str(COMMAND), "dev", "--temporal-port", str(temporal), "--ui-port", str(ui)],
        cwd=folder,
        env={**_environment(), "MOOSE_HTTP_SERVER_CONFIG__PORT": str(http)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        _wait_ready(process)
        yield Example(folder)
    finally:
        _stop(process)


def _environment() -> dict[str, str]:
    """This process's environment without settings that lead to another Temporal, perhaps a production one."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("MOOSE_", "TEMPORAL_"))}


def _wait_ready(process: subprocess.Popen[str]) -> None:
    """Show what `dev` says until it is ready; what it says afterwards is not needed here."""
    with _killed_after(READY_SECONDS, process):
        said = any("Ctrl-C" in line for line in _passed_on(process))
    if not said:
        raise DemoFailed("moose-cli dev did not get ready")
    print(flush=True)
    threading.Thread(target=_drain, args=(process,), daemon=True).start()


@contextmanager
def _killed_after(seconds: float, process: subprocess.Popen[str]) -> Iterator[None]:
    """Kill a process that is still there when the time is over; Ctrl-C may come at any moment, also in here."""
    watch = threading.Timer(seconds, process.kill)
    watch.daemon = True
    try:
        watch.start()
        yield
    finally:
        watch.cancel()


def _passed_on(process: subprocess.Popen[str]) -> Iterator[str]:
    """Yield the lines that a process prints, after showing them indented."""
    assert process.stdout is not None, "opened as a pipe"
    for line in process.stdout:
        print(f"  {line}".rstrip(), flush=True)
        yield line


def _drain(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None, "opened as a pipe"
    for _ in process.stdout:
        pass


def _stop(process: subprocess.Popen[str]) -> None:
    """Press Ctrl-C for `dev`: it stops all that it started."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise DemoFailed("moose-cli dev did not stop") from None


def _free_ports(count: int) -> list[int]:
    """Ports nobody listens on, below those that the system gives to outgoing connections."""
    with ExitStack() as stack:
        found: list[int] = []
        for port in random.sample(range(30_000, 32_000), 200):
            with suppress(OSError):
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
                found.append(port)
            if len(found) == count:
                return found
    raise DemoFailed("no free port between 30000 and 32000")


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    del number, frame
    raise KeyboardInterrupt


def _title(text: str) -> None:
    print(f"── {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
