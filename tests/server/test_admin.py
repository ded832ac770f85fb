"""What callers of the admin API go by: documents, links, keys, and the fields of each verb."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest
from tests.integration.conftest import client as client  # the session's server
from tests.integration.conftest import engine_settings as engine_settings
from tests.integration.conftest import temporal_port as temporal_port
from tests.integration.engine.support import Engine, loaded
from tests.server.test_workflows import Shop, ended, until_parked
from tests.server.test_workflows import engine as engine  # a queue of its own
from tests.server.test_workflows import http as http  # and its server
from tests.server.test_workflows import shop as shop
from tests.server.test_workflows import store as store

from moose_lib.ingest.sqlite import SqliteStore
from moose_lib.project.settings import Settings
from moose_lib.server import declared
from moose_lib.server.app import build_apps

OVERLAPS = "'skip', 'buffer_one', 'buffer_all', 'allow_all', 'cancel_other' or 'terminate_other'"


async def started(http: httpx2.AsyncClient, shop: Shop, key: str, body: str, **query: str) -> httpx2.Response:
    headers = {"Idempotency-Key": key}
    return await http.post(f"/workflows/{shop.name}/trigger", content=body, headers=headers, params=query)


async def test_a_started_run_says_where_to_go_on(http: httpx2.AsyncClient, shop: Shop) -> None:
    """Paths on this server, for those who have no eye on Temporal's UI."""
    answer = await http.post(f"/workflows/{shop.name}/trigger", json={"order_id": "7"})
    run, links = answer.json()["workflow_id"], answer.json()["links"]

    assert answer.status_code == 202
    assert answer.headers["location"] == links["status"] == f"/admin/workflows/runs/{run}"
    assert links == {
        "status": f"/admin/workflows/runs/{run}",
        "result": f"/admin/workflows/runs/{run}?wait=5m",
        "logs": f"/admin/logs?run={run}",
        "history": f"/admin/workflows/history?name={shop.name}",
    }
    server = httpx2.AsyncClient(transport=http._transport, base_url="http://localhost:4000")
    assert (await server.get(links["result"])).json()["result"] == {"number": "7"}
    assert (await server.get(links["status"])).json()["state"] == "completed"
    assert (await server.get(links["history"])).status_code == 200


@pytest.mark.parametrize("shop", ["park"], indirect=True)
async def test_where_dev_has_refused_the_code_of_now_the_answers_say_so(
    http: httpx2.AsyncClient, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the code of before they start runs and go on with them all the same; without that there is no note."""
    plain = await http.post(f"/workflows/{shop.name}/trigger", json={"order_id": "6"})
    monkeypatch.setattr(declared, "is_worker_behind", bool)  # of any path
    shop.is_bad = True
    run = await http.post(f"/workflows/{shop.name}/trigger", json={"order_id": "7"})
    await until_parked(http, run.json()["workflow_id"])
    retried = await http.post(f"/workflows/runs/{run.json()['workflow_id']}/retry")
    await until_parked(http, run.json()["workflow_id"], "retry")
    await http.post(f"/workflows/runs/{run.json()['workflow_id']}/terminate")
    await ended(http, run.json()["workflow_id"])
    resumed = await http.post(f"/workflows/runs/{run.json()['workflow_id']}/resume", json={"dry_run": True})
    waited = await http.post(f"/workflows/{shop.name}/trigger?wait=10ms", json={"order_id": "8"})

    assert "note" not in plain.json()
    assert [(it.status_code, it.json()["note"]) for it in (run, retried, resumed, waited)] == [
        (code, "moose-cli dev has not taken the code of now, see its output; tasks may begin with that of before")
        for code in (202, 202, 200, 200)
    ]


async def test_a_server_that_stops_answers_who_waits(http: httpx2.AsyncClient, shop: Shop, stop: asyncio.Event) -> None:
    """With the run as it is, as when the time is over; the next server can be asked for its end."""
    shop.waits = asyncio.Event()
    trigger = asyncio.create_task(http.post(f"/workflows/{shop.name}/trigger?wait=5m", json={"order_id": "8"}))
    async with asyncio.timeout(30):
        while not (runs := (await http.get("/workflows/history", params={"name": shop.name})).json()):  # noqa: ASYNC110  # over HTTP
            await asyncio.sleep(0.05)
    status = asyncio.create_task(http.get(f"/workflows/runs/{runs[0]['run_id']}?wait=5m"))
    stop.set()

    answers = await asyncio.wait_for(asyncio.gather(trigger, status), 30)

    assert [(it.status_code, it.json()["state"]) for it in answers] == [(200, "running")] * 2
    assert {it.json()["run_id"] for it in answers} == {runs[0]["run_id"]}
    shop.waits.set()


async def test_a_run_that_has_logged_nothing_has_no_lines(http: httpx2.AsyncClient, shop: Shop) -> None:
    """One that does not exist is another matter."""
    run = (await http.post(f"/workflows/{shop.name}/trigger", json={"order_id": "7"})).json()["workflow_id"]
    answers = [await http.get("/logs", params={"run": it}) for it in (run, shop.name)]
    missing = await http.get("/logs", params={"run": f"{run}x"})

    assert [(it.status_code, it.json()) for it in answers] == [(200, [])] * 2
    assert missing.status_code == 404
    message = f"no run named '{run}x'"
    assert missing.json()["error"] == {
        "code": "run-not-found",
        "message": message,
        "hint": "moose-cli workflow history",
    }


async def test_a_resumed_run_says_where_to_go_on(http: httpx2.AsyncClient, shop: Shop) -> None:
    shop.is_bad = True
    run = (await http.post(f"/workflows/{shop.name}/trigger", json={"order_id": "7"})).json()["workflow_id"]
    assert (await ended(http, run))["state"] == "failed"

    answer = await http.post(f"/workflows/runs/{run}/resume")

    assert answer.headers["location"] == answer.json()["run"]["links"]["status"] == f"/admin/workflows/runs/{run}"


async def test_a_verb_that_changes_nothing_says_so(http: httpx2.AsyncClient, shop: Shop) -> None:
    """As `moose-cli workflow pause --json`: the state is what was asked for, all the same."""
    shop.waits = asyncio.Event()
    run = (await http.post(f"/workflows/{shop.name}/trigger", json={"order_id": "7"})).json()["workflow_id"]
    answers = [await http.post(f"/workflows/runs/{run}/{it}") for it in ("unpause", "pause", "pause", "unpause")]
    shop.waits.set()

    assert [(it.status_code, it.json()["was_paused"]) for it in answers] == [
        (202, False),
        (202, False),
        (202, True),
        (202, True),
    ]
    assert (await ended(http, run))["state"] == "completed"


async def test_a_key_that_comes_with_another_input_is_refused(http: httpx2.AsyncClient, shop: Shop) -> None:
    """However the input is written; nothing is started, and nobody is told of a run that did something else."""
    first = await started(http, shop, "k", '{"order_id": "7"}')
    again = await started(http, shop, "k", ' {"order_id":"7"}')
    other = await started(http, shop, "k", '{"order_id": "8"}')
    waiting = await started(http, shop, "k", '{"order_id": "8"}', wait="30s")
    run = first.json()["workflow_id"]

    assert (again.status_code, again.json()["run_id"]) == (202, first.json()["run_id"])
    assert other.status_code == 422
    assert other.json()["error"] == {
        "code": "idempotency-key-reused",
        "message": f"idempotency key 'k' was used for another input of '{shop.name}': run '{run}'",
        "hint": f"moose-cli workflow status {run}",
    }
    assert waiting.status_code == 422
    assert (await ended(http, run))["result"] == {"number": "7"}
    assert (await started(http, shop, "k", '{"order_id": "8"}')).status_code == 422


async def test_a_key_that_is_empty_starts_nothing(http: httpx2.AsyncClient, shop: Shop) -> None:
    """Two requests that had lost their keys would be one."""
    answer = await started(http, shop, "", '{"order_id": "7"}')

    assert answer.status_code == 400
    message = "Idempotency-Key is empty: leave it out, or give it a value"
    assert answer.json()["error"] == {"code": "bad-request", "message": message, "hint": None}
    assert (await http.get(f"/workflows/history?name={shop.name}")).json() == []


@pytest.mark.parametrize(
    ("verb", "body", "message"),
    [
        ("resume", '{"task": "a"}', "body: no field 'task' (did you mean tasks?); resume takes tasks, plan, dry_run"),
        ("skip", "{}", "body: skip needs 'task'; it takes task, output"),
        ("skip", '{"tusk": "a"}', "body: no field 'tusk' (did you mean task?); skip takes task, output"),
        ("pause", '{"reason": "lunch"}', "body: no field 'reason'; pause takes note"),
        ("cancel", '{"reason": "lunch"}', "body: no field 'reason'; cancel takes none"),
        ("terminate", '{"task": "a"}', "body: no field 'task'; terminate takes reason"),
        ("retry", '{"task": 1}', "body: task: Input should be a valid string"),
        ("fail", "[]", "body: Input should be an object"),
        ("retri", "", "no verb 'retri' (did you mean retry?); there are cancel, terminate, pause, unpause, retry, "),
    ],
)
async def test_a_field_that_a_verb_does_not_use_is_refused(
    http: httpx2.AsyncClient, verb: str, body: str, message: str
) -> None:
    """It would be overlooked, and something else be done than was meant."""
    answer = await http.post(f"/workflows/runs/nothing/{verb}", content=body)

    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith(message)


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("schedules/Nightly/pause", '{"reason": "x"}', "body: no field 'reason'; pause takes note"),
        ("schedules/Nightly/unpause", '{"nte": "x"}', "body: no field 'nte' (did you mean note?); unpause takes note"),
        ("schedules/Nightly/trigger", '{"input": 1}', "body: no field 'input'; trigger takes overlap"),
        (
            "schedules/Nightly/trigger",
            '{"overlap": "none"}',
            f"body: overlap: Input should be {OVERLAPS}",
        ),
        ("workflows/Nightly/terminate", '{"why": "x"}', "body: no field 'why'; terminate takes reason"),
    ],
)
async def test_a_field_that_nobody_would_use_does_nothing(
    http: httpx2.AsyncClient, path: str, body: str, message: str
) -> None:
    """As with the verbs on runs: before anything is looked up."""
    answer = await http.post(f"/{path}", content=body)

    assert answer.status_code == 400
    assert answer.json()["error"] == {"code": "bad-request", "message": message, "hint": None}


async def told(http: httpx2.AsyncClient) -> dict[str, Any]:  # Any: JSON
    server = httpx2.AsyncClient(transport=http._transport, base_url="http://localhost:4000")
    document: dict[str, Any] = (await server.get("/openapi.json")).json()  # Any: as above
    return document


async def test_the_document_has_the_body_of_each_verb(http: httpx2.AsyncClient) -> None:
    paths = (await told(http))["paths"]

    def fields(verb: str) -> list[str]:
        body = paths[f"/admin/workflows/runs/{{run}}/{verb}"]["post"]["requestBody"]["content"]["application/json"]
        assert body["schema"]["additionalProperties"] is False
        return list(body["schema"]["properties"])

    assert {verb: fields(verb) for verb in ("cancel", "terminate", "retry", "skip", "fail", "resume")} == {
        "cancel": [],
        "terminate": ["reason"],
        "retry": ["task"],
        "skip": ["task", "output"],
        "fail": ["reason"],
        "resume": ["tasks", "plan", "dry_run"],
    }
    assert "/admin/workflows/runs/{run}/{verb}" not in paths


async def test_the_document_tells_of_links_keys_inputs_and_metrics(http: httpx2.AsyncClient, shop: Shop) -> None:
    paths = (await told(http))["paths"]
    trigger = paths["/admin/workflows/{name}/trigger"]["post"]

    assert trigger["responses"]["422"]["description"] == "The Idempotency-Key was used for another input."
    assert "Location" in trigger["responses"]["202"]["headers"]
    assert "links" in trigger["responses"]["202"]["content"]["application/json"]["schema"]["required"]
    body = trigger["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"description": f"The workflow's input, as JSON; {shop.name} takes Order."}
    assert "get" in paths["/metrics"]


async def test_the_page_says_what_trigger_takes_and_has_no_backticks(http: httpx2.AsyncClient, shop: Shop) -> None:
    server = httpx2.AsyncClient(transport=http._transport, base_url="http://localhost:4000")

    page = (await server.get("/docs")).text

    assert f"<p>The workflow&#x27;s input, as JSON; {shop.name} takes Order.</p>" in page
    assert "with <code>?wait=30s</code> 200 and the run as it is then" in page
    assert "`" not in page
    assert "GET /metrics" in page


async def test_the_list_has_what_the_document_says(http: httpx2.AsyncClient, shop: Shop) -> None:
    schema = (await told(http))["paths"]["/admin/workflows"]["get"]["responses"]["200"]["content"]["application/json"]
    (found,) = (await http.get("/workflows")).json()

    assert set(schema["schema"]["items"]["properties"]) == set(found)
    assert (found["name"], found["tasks"], found["input"]) == (shop.name, ["charge", "ship"], "Order")


async def test_the_list_needs_no_temporal(engine_settings: Settings, shop: Shop, store: SqliteStore) -> None:
    """What is declared is told all the same; nobody knows of runs."""
    nobody = engine_settings.temporal.model_copy(update={"address": "127.0.0.1:1"})
    project = loaded(engine_settings.model_copy(update={"temporal": nobody}), shop.workflow())
    transport = httpx2.ASGITransport(build_apps(project, store).main, client=("127.0.0.1", 1))
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost:4000") as http:
        (found,) = (await http.get("/admin/workflows")).json()

    assert (found["name"], found["last_run"]) == (shop.name, None)


async def test_a_misspelt_workflow_is_told_with_the_one_that_was_meant(
    http: httpx2.AsyncClient, engine: Engine, shop: Shop
) -> None:
    answer = await http.post(f"/workflows/{shop.name.lower()}/trigger")

    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == (
        f"no workflow named '{shop.name.lower()}' (did you mean {shop.name}?); there are: {shop.name}"
    )
