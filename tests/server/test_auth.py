"""Who may ingest and who may administrate."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import BaseModel

from moose_lib import IngestApi, IngestConfig, OlapTable
from moose_lib.cli.main import main
from moose_lib.dmv2 import _registry
from moose_lib.errors import SettingsError
from moose_lib.ingest.sqlite import SqliteStore
from moose_lib.plan.endpoints import compile_tables, try_compile_endpoints
from moose_lib.project.loader import LoadedProject, Project, find_project, load_project
from moose_lib.project.settings import Settings
from moose_lib.server.app import build_apps
from moose_lib.server.auth import hash_of, new_key
from moose_lib.server.serving import require_ready

#: Test vector of the existing Moose.
BEARER = "deadbeefdeadbeefdeadbeefdeadbeef.0123456789abcdef0123456789abcdef"
HASH = "445fd4696cfc5c49e28995c4aba05de44303a112"
KEY = {"Authorization": f"Bearer {BEARER}"}

Connect = Callable[..., AbstractAsyncContextManager[httpx2.AsyncClient]]


class Click(BaseModel):
    user: str


@pytest.fixture(autouse=True)
def declared() -> Iterator[None]:
    _registry.clear()
    table = OlapTable[Click]("Clicks")
    IngestApi[Click]("Clicks", IngestConfig(table=table))
    IngestApi[Click]("Open", IngestConfig(table=table, authenticate=False))
    yield
    _registry.clear()


@pytest.fixture
def connect(tmp_path: Path) -> Connect:
    @asynccontextmanager
    async def connected(
        client: str = "127.0.0.1", **sections: Any
    ) -> AsyncGenerator[httpx2.AsyncClient]:  # Any: settings
        settings = Settings.model_validate({"root": tmp_path, **sections})
        project = Project(root=tmp_path, entry=tmp_path / "app.py", settings=settings, is_single_file=True)
        endpoints, _ = try_compile_endpoints(_registry.registered_ingest_apis().values())
        tables = compile_tables(_registry.registered_tables().values())
        loaded = LoadedProject(project=project, workflows={}, plans={}, tables=tables, endpoints=endpoints)
        with SqliteStore(tmp_path / "store.db", tables.values()) as store:
            transport = httpx2.ASGITransport(build_apps(loaded, store).main, client=(client, 1))
            async with httpx2.AsyncClient(transport=transport, base_url="http://localhost:4000") as http:
                yield http

    return connected


def test_tokens_of_the_existing_moose_go_on_working() -> None:
    assert hash_of(*BEARER.split(".")) == HASH


def test_a_new_key_opens_what_its_hash_closes() -> None:
    key = new_key()

    assert hash_of(*key.bearer.split(".")) == key.hash
    assert new_key() != key


async def test_without_a_key_everybody_may_ingest(connect: Connect) -> None:
    async with connect(client="203.0.113.9") as http:
        assert (await http.post("/ingest/Clicks", json={"user": "a"})).text == "SUCCESS"


async def test_with_a_key_ingest_asks_for_it_before_anything_else(connect: Connect) -> None:
    async with connect(authentication={"ingest_api_key": HASH}) as http:
        missing = await http.post("/ingest/Clicks", json={"user": "a"})
        unknown = await http.post("/ingest/Nothing", json={"user": "a"})
        allowed = await http.post("/ingest/Clicks", json={"user": "a"}, headers=KEY)
        unlocked = await http.post("/ingest/Open", json={"user": "a"})

    assert (missing.status_code, missing.text) == (401, "Unauthorized: Invalid or missing token")
    assert missing.headers["www-authenticate"] == "Bearer"
    assert unknown.status_code == 401
    assert (allowed.status_code, unlocked.status_code) == (200, 200)


@pytest.mark.parametrize(
    "header", ["", "Bearer", f"Bear {BEARER}", f"Basic {BEARER}", "Bearer a.b", "Bearer " + BEARER.partition(".")[0]]
)
async def test_a_wrong_key_is_no_key(connect: Connect, header: str) -> None:
    async with connect(authentication={"ingest_api_key": HASH}) as http:
        answer = await http.post("/ingest/Clicks", json={"user": "a"}, headers={"Authorization": header})

    assert answer.status_code == 401


async def test_without_a_key_only_this_machine_administrates(connect: Connect) -> None:
    async with connect() as here:
        assert (await here.get("/admin/workflows")).status_code == 200
    async with connect(client="203.0.113.9") as elsewhere:
        refused = await elsewhere.get("/admin/workflows")
    async with connect(http_server_config={"host": "0.0.0.0"}) as exposed:  # nothing listens
        behind_a_proxy = await exposed.get("/admin/workflows")

    assert (refused.status_code, behind_a_proxy.status_code) == (401, 401)
    assert refused.json()["error"] == {
        "code": "unauthorized",
        "message": "Unauthorized: Admin API key not configured",
        "hint": None,
    }


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"}, {"Host": "evil.example:4000"}],
)
async def test_pages_in_a_browser_on_this_machine_do_not_administrate(
    connect: Connect, headers: dict[str, str]
) -> None:
    """They can send requests to this machine, but not hide where they are from."""
    async with connect() as http:
        theirs = await http.get("/admin/workflows", headers=headers)
        ours = await http.get("/admin/workflows", headers={"Origin": "http://localhost:3000"})

    assert (theirs.status_code, ours.status_code) == (401, 200)


async def test_with_a_key_administrators_show_it_wherever_they_are(connect: Connect) -> None:
    async with connect(client="203.0.113.9", authentication={"admin_api_key": HASH}) as http:
        assert (await http.get("/admin/workflows", headers=KEY)).status_code == 200
        assert (await http.get("/admin/workflows")).status_code == 401


@pytest.mark.parametrize(
    ("sections", "text"),
    [
        ({"authentication": {"admin_api_key": "secret"}}, "admin_api_key in [authentication] is not the hash of a key"),
        ({"authentication": {"ingest_api_key": BEARER}}, "ingest_api_key in [authentication] is not the hash of a key"),
        ({"jwt": {"secret": "-----BEGIN PUBLIC KEY-----"}}, "[jwt] lacks issuer, audience"),
        ({"jwt": {"issuer": "shop", "audience": "moose"}}, "[jwt] lacks secret"),
        ({"jwt": {"audience": "moose"}}, "[jwt] lacks secret, issuer"),
    ],
)
async def test_settings_that_would_not_protect_are_refused(
    connect: Connect, sections: dict[str, Any], text: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        async with connect(**sections):
            pass

    assert text in caught.value.message


async def test_an_endpoint_that_asks_by_itself_takes_the_projects_key(connect: Connect) -> None:
    IngestApi[Click]("Closed", IngestConfig(table=OlapTable[Click]("Closed"), authenticate=True))
    async with connect(authentication={"ingest_api_key": HASH}) as http:
        refused = await http.post("/ingest/Closed", json={"user": "a"})
        allowed = await http.post("/ingest/Closed", json={"user": "a"}, headers=KEY)

    assert (refused.status_code, allowed.status_code) == (401, 200)


@pytest.mark.parametrize("names", [["Closed"], ["Closed", "Locked"]])
async def test_an_endpoint_that_asks_for_what_nobody_can_have_is_refused(connect: Connect, names: list[str]) -> None:
    """Otherwise it would be open, or shut for good."""
    for name in names:
        IngestApi[Click](name, IngestConfig(table=OlapTable[Click](name), authenticate=True))

    with pytest.raises(SettingsError) as caught:
        async with connect():
            pass

    named = "endpoint 'Closed'" if len(names) == 1 else "endpoints 'Closed', 'Locked'"
    assert caught.value.message == (f"{named}: authenticate=True asks for a key or token, and the settings have none")
    assert caught.value.hint == (
        "set ingest_api_key in [authentication] (moose-cli generate hash-token makes one), or [jwt]"
    )


def test_check_and_the_server_of_dev_refuse_it_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = """
from pydantic import BaseModel
from moose_lib import IngestConfig, IngestPipeline, IngestPipelineConfig

class Click(BaseModel):
    user: str

IngestPipeline[Click]("Clicks", IngestPipelineConfig(ingest_api=IngestConfig(authenticate=True)))
"""
    (tmp_path / "shop.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    loaded = load_project(find_project(tmp_path, Path("shop.py")))

    assert main(["check", "shop.py"]) == 2
    with pytest.raises(SettingsError, match="endpoint 'Clicks': authenticate=True"):
        require_ready(loaded)
    told = capsys.readouterr().err
    monkeypatch.setenv("MOOSE_AUTHENTICATION__INGEST_API_KEY", HASH)
    assert main(["check", "shop.py"]) == 0

    assert told.splitlines() == [
        "error: endpoint 'Clicks': authenticate=True asks for a key or token, and the settings have none",
        "hint: set ingest_api_key in [authentication] (moose-cli generate hash-token makes one), or [jwt]",
    ]
