"""Whether a port can be listened on, and who keeps it from us."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from moose_lib.errors import PortBusy
from moose_lib.project.layers import flag_of, variable_of

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCALHOST = "127.0.0.1"
_LISTENING = "0A"


def require_free(port: int, key: str) -> None:
    """Refuse a busy port; `key` is its setting (`temporal_config.ui_port`).

    Raises:
        PortBusy: with the holder, if it can be known, and the ways to choose another port.
    """
    if not is_free(port):
        raise busy_port(port, key, command="moose-cli dev")


def busy_port(port: int, key: str, *, command: str) -> PortBusy:
    """Return the error that says who has a port, and how to give `command` another one."""
    section, _, name = key.partition(".")
    other = next_free(port)
    ways = f"{command} {flag_of(key)} {other}, or {name} in [{section}] of moose.config.toml, or {variable_of(key)}"
    return PortBusy(port, holder=find_holder(port), setting=ways)


def is_free(port: int) -> bool:
    """Tell whether this machine's loopback address has nobody on this port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a just closed connection does not count
        try:
            probe.bind((LOCALHOST, port))
        except OSError:
            return False
    if sys.platform == "linux":
        return True
    with socket.socket() as caller:  # BSDs let us bind beside a listener on 0.0.0.0
        return caller.connect_ex((LOCALHOST, port)) != 0


def next_free(port: int) -> int:
    """Return the first free port above a busy one, or 0 for "any"."""
    return next((candidate for candidate in range(port + 1, min(port + 100, 65536)) if is_free(candidate)), 0)


def find_holder(port: int) -> str | None:
    """Name the process that listens on the port, as far as this user may know: `process 123 (python -m app)`."""
    pid = _holder_in_proc(port) if Path("/proc/net/tcp").exists() else _holder_by_lsof(port)
    if pid is None:
        return None
    command = _command_of(pid)
    return f"process {pid}" if command is None else f"process {pid} ({command})"


def _holder_in_proc(port: int) -> int | None:
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    if not sockets:
        return None
    for process in Path("/proc").glob("[0-9]*"):
        if any(target in sockets for target in _descriptors(process)):
            return int(process.name)
    return None


def _listening_inodes(port: int) -> Iterator[str]:
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        lines = table.read_text(encoding="ascii").splitlines()[1:] if table.exists() else []
        for fields in map(str.split, lines):
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _descriptors(process: Path) -> Iterator[str]:
    try:
        for descriptor in (process / "fd").iterdir():
            yield str(descriptor.readlink())
    except OSError:  # it ended, or belongs to somebody else
        return


def _holder_by_lsof(port: int) -> int | None:
    answer = _output_of("lsof", "-nP", "-t", f"-iTCP:{port}", "-sTCP:LISTEN")
    return None if answer is None else int(answer.split()[0])


def _command_of(pid: int) -> str | None:
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        line = (_output_of("ps", "-o", "command=", "-p", str(pid)) or "").strip()
    return line[:80] or None


def _output_of(program: str, *arguments: str) -> str | None:
    path = shutil.which(program)
    if path is None:
        return None
    done = subprocess.run([path, *arguments], capture_output=True, text=True, timeout=5, check=False)
    return done.stdout if done.returncode == 0 and done.stdout.strip() else None
