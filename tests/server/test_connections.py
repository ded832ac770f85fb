"""Clients that mean no good, on real connections: the server goes on answering the others."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import BaseModel
from tests.integration.conftest import free_port
from tests.server.here import served

from moose_lib import IngestPipeline
from moose_lib.dmv2 import _registry
from moose_lib.errors import PortBusy, SettingsError
from moose_lib.ingest.errors import StoreFailed
from moose_lib.plan.endpoints import compile_tables, try_compile_endpoints
from moose_lib.project.loader import LoadedProject, Project
from moose_lib.project.settings import Settings
from moose_lib.server import connections, listening
from moose_lib.server.connections import Connection
from moose_lib.server.serving import Serving, require_ready, run_server
from moose_lib.server.sole import sole_writer

HEAD = b"POST /ingest/Clicks HTTP/1.1\r\nHost: x\r\n"


class Click(BaseModel):
    number: int


@pytest.fixture(autouse=True)
def declared() -> Iterator[None]:
    _registry.clear()
    IngestPipeline[Click]("Clicks")
    yield
    _registry.clear()


@dataclass
class Running:
    port: int
    management_port: int
    stop: asyncio.Event
    task: asyncio.Task[None]
    http: httpx2.AsyncClient

    async def say(self, data: bytes) -> bytes:
        """What comes back until the server closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(data)
            return await asyncio.wait_for(reader.read(), 30)
        except ConnectionResetError:
            return b""
        finally:
            writer.close()

    async def post(self, number: int) -> str:
        answer = await self.http.post(f"http://127.0.0.1:{self.port}/ingest/Clicks", json={"number": number})
        return answer.text


def project_in(folder: Path, **server: Any) -> LoadedProject:  # Any: settings
    ports = {"port": free_port(), "management_port": free_port()}
    settings = Settings.model_validate({"root": folder, "http_server_config": {**ports, **server}})
    project = Project(root=folder, entry=folder / "app.py", settings=settings, is_single_file=True)
    endpoints, _ = try_compile_endpoints(_registry.registered_ingest_apis().values())
    tables = compile_tables(_registry.registered_tables().values())
    return LoadedProject(project=project, workflows={}, plans={}, tables=tables, endpoints=endpoints)


@asynccontextmanager
async def running(folder: Path, **server: Any) -> AsyncGenerator[Running]:  # Any: settings
    project = project_in(folder, **server)

    def tell(serving: Serving) -> None:
        assert serving.management_port == project.project.settings.server.management_port

    async with served(project, tell) as it, httpx2.AsyncClient(timeout=60) as http:
        settings = project.project.settings.server
        yield Running(settings.port, settings.management_port, it.stop, it.task, http)


async def test_bodies_that_lie_about_their_length_hurt_nobody(tmp_path: Path) -> None:
    async with running(tmp_path, body_timeout="1s") as server:
        too_long = await server.say(HEAD + b'Content-Length: 5\r\nConnection: close\r\n\r\n{"number": 1}')
        too_short = await server.say(HEAD + b'Content-Length: 500\r\n\r\n{"number": 1}')
        huge = await server.say(HEAD + b"Content-Length: 99999999999\r\nConnection: close\r\n\r\n")
        two = await server.say(HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n")
        answer = await server.post(7)

    assert too_long.startswith(b"HTTP/1.1 400 ")
    assert b"did not arrive within 1 s" in too_short
    assert huge.startswith(b"HTTP/1.1 413 ")
    assert two.startswith(b"HTTP/1.1 400 ")
    assert answer == "SUCCESS"


async def test_chunked_bodies_are_read(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        body = b'Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\n{"num\r\n8\r\nber": 3}\r\n0\r\n\r\n'
        answer = await server.say(HEAD + body)

    assert answer.endswith(b"SUCCESS")


async def test_headers_that_never_end_are_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_HEADERS_WITHIN_SECONDS", 0.3)
    async with running(tmp_path) as server:
        silent = await server.say(b"")
        slow = await server.say(HEAD)
        endless = await server.say(HEAD + b"X: " + b"y" * 300_000)
        monkeypatch.undo()
        answer = await server.post(7)

    assert (silent, slow, endless, answer) == (b"", b"", b"", "SUCCESS")


async def test_past_so_many_connections_the_next_ones_are_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("moose_lib.server.serving.raise_file_limit", lambda: 5)
    async with running(tmp_path) as server:
        held = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(5)]
        await asyncio.sleep(0.1)
        refused = await server.say(HEAD)
        for _, writer in held:
            writer.close()
        await asyncio.sleep(0.1)
        answer = await server.post(7)

    assert (refused, answer) == (b"", "SUCCESS")


async def test_hundreds_of_slow_clients_do_not_keep_others_waiting(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        slow = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(300)]
        for number, (_, writer) in enumerate(slow):
            writer.write(HEAD if number % 2 else HEAD + b'Content-Length: 900\r\n\r\n{"num')
        answers = await asyncio.gather(*(server.post(number) for number in range(20)))
        for _, writer in slow:
            writer.transport.abort()

    assert answers == ["SUCCESS"] * 20


async def test_what_is_under_way_is_answered_before_the_end(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(HEAD + b'Content-Length: 13\r\n\r\n{"numb')
        await asyncio.sleep(0.1)
        server.stop.set()
        await asyncio.sleep(0.1)
        writer.write(b'er": 9}')
        answer = await asyncio.wait_for(reader.read(), 30)
        writer.close()

    assert answer.endswith(b"SUCCESS")


async def test_what_takes_longer_than_a_server_waits_at_its_end_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(listening, "_GRACE_SECONDS", 0)
    async with running(tmp_path) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(HEAD + b'Content-Length: 13\r\n\r\n{"numb')
        await asyncio.sleep(0.1)
        server.stop.set()
        head, _, body = (await asyncio.wait_for(reader.read(), 30)).partition(b"\r\n\r\n")
        writer.close()

    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nretry-after: 1\r\n" in head
    assert json.loads(body)["error"] == {
        "code": "stopping",
        "message": "the server stopped before this was done",
        "hint": "ask again; with the same Idempotency-Key nothing is done twice",
    }
    assert "Traceback" not in caplog.text


async def test_who_has_just_connected_when_the_server_goes_is_answered(tmp_path: Path) -> None:
    """And the connection closed after that; one that sends nothing keeps nobody waiting."""
    async with running(tmp_path) as server:
        silent, sending = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(2)]
        await server.post(1)  # so both were accepted
        server.stop.set()
        async with asyncio.timeout(30):
            while await is_open(server.port):  # noqa: ASYNC110  # the port tells nobody
                await asyncio.sleep(0.01)
        sending[1].write(HEAD + b'Content-Length: 13\r\n\r\n{"number": 2}')
        answer = await asyncio.wait_for(sending[0].read(), 30)
        nothing = await asyncio.wait_for(silent[0].read(), 30)
        await asyncio.wait_for(server.task, 30)
        for _, writer in (silent, sending):
            writer.close()

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in answer
    assert nothing == b""


async def is_open(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def certificate(folder: Path) -> dict[str, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, plain)
    )
    return {"tls_cert": cert_file, "tls_key": key_file}


async def test_with_a_certificate_it_speaks_tls(tmp_path: Path) -> None:
    """But for the management port: probes and scrapers on the same network know no certificate."""
    files = certificate(tmp_path)
    trust = ssl.create_default_context(cafile=files["tls_cert"])
    async with running(tmp_path, **files) as server, httpx2.AsyncClient(verify=trust, timeout=60) as http:
        answer = await http.post(f"https://127.0.0.1:{server.port}/ingest/Clicks", json={"number": 1})
        management = await http.get(f"http://127.0.0.1:{server.management_port}/health")

    assert answer.text == "SUCCESS"
    assert management.status_code == 200


def test_a_certificate_without_a_key_and_a_key_without_a_certificate_are_told(tmp_path: Path) -> None:
    """By the name of the setting that is missing; otherwise a key alone would mean plain HTTP."""
    files = certificate(tmp_path)
    with pytest.raises(SettingsError) as no_key:
        require_ready(project_in(tmp_path, tls_cert=files["tls_cert"]))
    with pytest.raises(SettingsError) as no_certificate:
        require_ready(project_in(tmp_path, tls_key=files["tls_key"]))
    both = tmp_path / "both.pem"
    both.write_bytes(files["tls_cert"].read_bytes() + files["tls_key"].read_bytes())
    require_ready(project_in(tmp_path, tls_cert=both))

    assert no_key.value.message == (
        f"the TLS certificate {files['tls_cert']} cannot be used:"
        " tls_key is missing, and this file has no private key that fits"
    )
    assert no_key.value.hint == "name the file of its private key, as tls_key in [http_server_config]"
    assert no_certificate.value.message == "tls_key in [http_server_config] is set, and tls_cert is missing"
    assert no_certificate.value.hint == "name the file of the certificate, as tls_cert, or take tls_key out"


async def test_what_would_not_work_is_told_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("no certificate")
    with pytest.raises(SettingsError, match="cannot be used with the key"):
        require_ready(project_in(tmp_path, tls_cert=tmp_path / "cert.pem", tls_key=tmp_path / "cert.pem"))
    with pytest.raises(SettingsError, match=r"nothing.pem cannot be used: .*No such file"):
        require_ready(project_in(tmp_path, tls_cert=tmp_path / "nothing.pem"))
    with pytest.raises(SettingsError, match="cannot listen on"):
        await run_server(project_in(tmp_path, host="203.0.113.7"), stop=asyncio.Event(), on_ready=lambda _: None)


async def test_two_servers_do_not_write_one_store(tmp_path: Path) -> None:
    path = tmp_path / ".moose" / "store.db"
    async with running(tmp_path):
        with pytest.raises(StoreFailed, match="another server writes to"):
            async with sole_writer(path, 0.1):
                pass
    async with sole_writer(path, 0):
        pass


async def test_a_management_port_is_given_up_unless_it_was_chosen(tmp_path: Path) -> None:
    async with running(tmp_path / "first") as first:
        taken = project_in(tmp_path / "second", management_port=first.port)
        chosen = taken.project.settings.model_copy(update={"sources": {"http_server_config.management_port": "file"}})
        with pytest.raises(PortBusy):
            await run_server(with_settings(taken, chosen), stop=asyncio.Event(), on_ready=lambda _: None)
        stop, seen = asyncio.Event(), list[int | None]()

        def tell(serving: Serving) -> None:
            seen.append(serving.management_port)
            stop.set()

        await run_server(taken, stop=stop, on_ready=tell)

    assert seen == [None]


def with_settings(loaded: LoadedProject, settings: Settings) -> LoadedProject:
    project = loaded.project
    other = Project(root=project.root, entry=project.entry, settings=settings, is_single_file=True)
    return LoadedProject(project=other, workflows={}, plans={}, tables=loaded.tables, endpoints=loaded.endpoints)


def test_connections_have_a_limit_of_their_own() -> None:
    assert connections.raise_file_limit() >= 16
    assert Connection.most > 0
