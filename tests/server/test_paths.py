"""Paths that nothing answers, or not in this way: never a redirect, and always what the document names."""

from __future__ import annotations

import pytest
from tests.server.test_auth import HASH, KEY
from tests.server.test_edges import Connect
from tests.server.test_edges import connect as connect
from tests.server.test_edges import declared as declared

LOCKED = {"admin_api_key": "0" * 40, "ingest_api_key": "0" * 40}


@pytest.mark.parametrize("path", ["/admin/workflows/", "/admin/schedules/", "/docs/", "/health/"])
@pytest.mark.parametrize("prefix", ["", "/shop"])
async def test_a_slash_at_the_end_leads_nowhere(connect: Connect, path: str, prefix: str) -> None:
    """A redirect would go to wherever the caller's Host says, before any key was asked for."""
    settings = {"path_prefix": prefix} if prefix else {}
    async with connect(http_server_config=settings, authentication=LOCKED) as http:
        answer = await http.get(f"{prefix}{path}", headers={"Host": "evil.example"})

    assert (answer.status_code, "location" in answer.headers) == (404, False)
    assert answer.json()["error"] == {
        "code": "not-found",
        "message": "nothing is here",
        "hint": "see /docs or /openapi.json",
    }


async def test_the_front_page_is_there_with_and_without_a_slash(connect: Connect) -> None:
    async with connect(http_server_config={"path_prefix": "shop"}) as http:
        answers = [await http.get(path) for path in ("/shop", "/shop/")]

    assert [(it.status_code, it.json()["docs"]) for it in answers] == [(200, "/shop/docs")] * 2


@pytest.mark.parametrize("path", ["/ingest", "/ingest/", "/ingest//"])
async def test_a_path_without_a_model_is_answered_with_those_that_are_there(connect: Connect, path: str) -> None:
    async with connect() as http:
        answer = await http.post(path, json={})
        detailed = await http.post(path, json={}, headers={"Accept": "application/json"})
    async with connect(authentication=LOCKED) as http:
        locked = await http.post(path, json={})

    text = "Please run `moose ls` to view your routes: the path names no model; there are Orders, Plain"
    assert (answer.status_code, answer.text) == (404, text)
    assert detailed.json()["error"] == {"code": "unknown-model", "message": text, "hint": None}
    assert locked.status_code == 401


async def test_an_endpoint_is_found_with_a_slash_at_its_end(connect: Connect) -> None:
    async with connect() as http:
        answer = await http.post("/ingest/Orders/", json={"order_id": "1"})

    assert (answer.status_code, answer.text) == (200, "SUCCESS")


async def test_every_operation_names_the_answer_to_another_method(connect: Connect) -> None:
    """`Allow` says which one."""
    async with connect() as http:
        paths = (await http.get("/openapi.json")).json()["paths"]
        refused = await http.delete("/admin/workflows")

    assert refused.status_code == 405
    assert set(refused.headers["allow"].split(", ")) == {"GET", "HEAD"}
    assert refused.json()["error"]["message"] == "no DELETE here"
    answers = [operation["responses"] for operations in paths.values() for operation in operations.values()]
    assert answers
    assert all("405" in it for it in answers)


@pytest.mark.parametrize("prefix", ["/", "/shop"])
async def test_the_management_port_has_the_admin_api_for_the_same_key(connect: Connect, prefix: str) -> None:
    """Without the prefix, as all that it has, and nothing of ingest."""
    settings = {"http_server_config": {"path_prefix": prefix}, "authentication": {"admin_api_key": HASH}}
    async with connect(is_management=True, **settings) as http:
        answer = await http.get("/admin/logs", headers=KEY)
        refused = await http.get("/admin/logs")
        ingested = await http.post("/ingest/Orders", json={"order_id": "1"}, headers=KEY)

    assert (answer.status_code, answer.json()) == (200, [])
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "unauthorized")
    assert ingested.status_code == 404


async def test_a_management_port_beside_tls_asks_for_no_key(connect: Connect) -> None:
    """It would come in the clear."""
    settings = {"http_server_config": {"tls_cert": "cert.pem"}, "authentication": {"admin_api_key": HASH}}
    async with connect(is_management=True, **settings) as http:
        answers = [await http.get(path, headers=KEY) for path in ("/admin/logs", "/liveness")]

    assert [it.status_code for it in answers] == [404, 200]
