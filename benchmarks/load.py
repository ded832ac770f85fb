"""A client that costs little: sockets that wait for their answers, one request at a time on each.

An asyncio client takes longer for a request than the servers that are measured.
"""

import selectors
import socket
import time
from collections.abc import Iterator, Sequence

PATH = "/ingest/Clicks"


def requests_per_second(port: int, bodies: Sequence[bytes], connections: int) -> float:
    """Send each body once, and take its answer, which has to be SUCCESS."""
    waiting = iter([_request(body) for body in bodies])
    with selectors.DefaultSelector() as selector:
        sockets = [_connected(port) for _ in range(connections)]
        begun = time.perf_counter()
        for connection in sockets:
            _send_next(selector, connection, waiting)
        while selector.get_map():
            for key, _ in selector.select():
                connection = key.fileobj
                assert isinstance(connection, socket.socket)
                answer: bytes = key.data + connection.recv(65536)
                assert answer[:12] == b"HTTP/1.1 200", answer
                selector.unregister(connection)
                if answer.endswith(b"SUCCESS"):
                    _send_next(selector, connection, waiting)
                else:
                    selector.register(connection, selectors.EVENT_READ, answer)
        took = time.perf_counter() - begun
    for connection in sockets:
        connection.close()
    return len(bodies) / took


def _request(body: bytes) -> bytes:
    return f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def _connected(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _send_next(selector: selectors.BaseSelector, connection: socket.socket, waiting: Iterator[bytes]) -> None:
    """Send what comes next and wait for its answer; with nothing left the connection is done."""
    request = next(waiting, None)
    if request is not None:
        connection.sendall(request)
        selector.register(connection, selectors.EVENT_READ, b"")
