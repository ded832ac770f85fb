"""ClickHouse's own engine behind its HTTP protocol: `python engine.py FOLDER PORT`, a process of its own.

What the driver and our code use of the protocol: queries and inserts with settings and parameters, formats, error
codes. Everything else is the real engine (chdb). It is never loaded in the process of the tests, as a fork would hang.

A file `lose_answers` in the folder holds a number: so many of the next inserts are done, and their answers are lost.
"""

from __future__ import annotations

import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

#: Parameters of the protocol that are no settings.
PROTOCOL = frozenset(
    {"query", "database", "query_id", "session_id", "default_format", "wait_end_of_query", "user", "password"}
    | {"client_protocol_version", "send_progress_in_http_headers", "http_headers_progress_interval_ms"}
)
INSERT = re.compile(
    rb"\s*INSERT\s+INTO\s+(?P<into>.*?)\s+FORMAT\s+(?P<format>\w+)[ \t]*\r?\n", re.DOTALL | re.IGNORECASE
)
FORMAT = re.compile(rb"\s+FORMAT\s+(\w+)\s*;?\s*$", re.IGNORECASE)
CODE = re.compile(r"Code: (\d+)\.")


class Engine:
    """The database of a folder; each request has a session of its own."""

    def __init__(self, folder: Path) -> None:
        import chdb

        self.folder = folder
        self._connect: Any = chdb.connect
        self._lock = threading.Lock()
        self._number = 0
        # It stays open, as the engine is closed with its last connection.
        self._first = self._connect(str(folder / "data"))

    def run(self, statement: bytes, settings: dict[str, str]) -> bytes:
        connection = self._connect(str(self.folder / "data"))
        try:
            database = settings.pop("database", "")
            if database:
                connection.query(f"USE `{database}`")
            readonly = settings.pop("readonly", None)
            for name, value in settings.items():
                connection.query(f"SET {name} = {literal(value)}")
            if readonly is not None:
                connection.query(f"SET readonly = {readonly}")
            return self._statement(connection, statement)
        finally:
            connection.close()

    def loses_answer(self) -> bool:
        """The answer to an insert is to be lost."""
        file = self.folder / "lose_answers"
        with self._lock:
            left = int(file.read_text()) if file.exists() else 0
            if left:
                file.write_text(str(left - 1))
        return left > 0

    def _statement(self, connection: Any, statement: bytes) -> bytes:
        insert = INSERT.match(statement)
        if insert is not None:
            with self._lock:
                self._number += 1
                file = self.folder / f"insert-{self._number}"
            file.write_bytes(statement[insert.end() :])
            into, form = insert["into"].decode(), insert["format"].decode()
            try:
                connection.query(f"INSERT INTO {into} FROM INFILE '{file}' FORMAT {form}")
            finally:
                file.unlink()
            return b""
        form = FORMAT.search(statement)
        name = "TabSeparated" if form is None else form[1].decode()
        text = statement if form is None else statement[: form.start()]
        answer = connection.query(text.decode(errors="surrogateescape"), name)
        return b"" if answer is None else bytes(answer.bytes())


def literal(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return value if re.fullmatch(r"-?\d+(\.\d+)?", value) else f"'{escaped}'"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    engine: Engine

    def do_GET(self) -> None:
        if urlsplit(self.path).path == "/ping":
            self.answer(200, b"Ok.\n")
        else:
            self.run(b"")

    def do_POST(self) -> None:
        self.run(self.body())

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = list[bytes]()
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def run(self, body: bytes) -> None:
        given = {
            name: values[0] for name, values in parse_qs(urlsplit(self.path).query, keep_blank_values=True).items()
        }
        query = given.get("query", "").encode()
        statement = query + b"\n" + body if query and body else query or body
        form = given.get("default_format")
        if form is not None and INSERT.match(statement) is None and FORMAT.search(statement) is None:
            statement += f" FORMAT {form}".encode()
        settings = {name: value for name, value in given.items() if name not in PROTOCOL}
        settings["database"] = given.get("database", "")
        try:
            found = self.engine.run(statement, settings)
        except Exception as error:  # noqa: BLE001  # whatever the engine says is the answer
            code = CODE.search(str(error))
            self.answer(500, f"{error}\n".encode(), {"X-ClickHouse-Exception-Code": code[1] if code else "1002"})
            return
        if INSERT.match(statement) is not None and self.engine.loses_answer():
            self.close_connection = True
            return
        self.answer(200, found)

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Length": str(len(body)),
            "X-ClickHouse-Timezone": "UTC",
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that were killed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # handed on


def main(folder: Path, port: int) -> None:
    Handler.engine = Engine(folder)
    server = Server(("127.0.0.1", port), Handler)
    print(f"ready on {server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
