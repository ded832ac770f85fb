"""The OpenAPI document (3.1) of a project's server: its endpoints with their models, and what every server has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any, Final

from pydantic import BaseModel
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.json_schema import models_json_schema

from moose_lib.plan.endpoints import Endpoint
from moose_lib.server.described import Answer, DescribedRoute

_Json = dict[str, Any]  # Any: JSON
_TEXT: Final[_Json] = {"text/plain": {"schema": {"type": "string"}}}
_STORED: Final[_Json] = {
    name: {"schema": {"type": "integer"}, "description": text}
    for name, text in (("Moose-Stored", "Records that are committed."), ("Moose-Rejected", "Records that do not fit."))
}
_LATER: Final[_Json] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait."}}
_FAULT: Final[_Json] = {
    "type": "object",
    "properties": {
        "index": {"type": ["integer", "null"], "description": "Where the record stands in the request, from 0."},
        "path": {"type": "string"},
        "reason": {"type": "string"},
        "line": {"type": "integer"},
        "column": {"type": "integer"},
    },
    "required": ["index", "path", "reason"],
}
_IGNORED: Final[_Json] = {
    "type": "object",
    "properties": {
        "index": {"type": "integer"},
        "path": {"type": "string"},
        "meant": {"type": ["string", "null"]},
    },
}
_SCHEMAS: Final[_Json] = {
    "MooseError": {
        "type": "object",
        "properties": {
            "error": {
                "type": "object",
                "properties": {
                    "code": {"type": "string", "description": "Never changes."},
                    "message": {"type": "string"},
                    "hint": {"type": ["string", "null"]},
                },
                "required": ["code", "message", "hint"],
            }
        },
        "required": ["error"],
    },
    "MooseReceipt": {
        "type": "object",
        "properties": {
            "stored": {"type": "integer"},
            "rejected": {"type": "integer"},
            "is_repeat": {"type": "boolean"},
            "set_aside": {"type": "integer"},
            "faults": {"type": "array", "items": _FAULT},
            "faults_left_out": {"type": "integer"},
            "ignored_fields": {"type": "array", "items": _IGNORED},
            "code": {"enum": ["invalid-records", "unreadable-body"], "description": "Of a 400; never changes."},
        },
        "required": ["stored", "rejected", "is_repeat", "set_aside", "faults", "faults_left_out", "ignored_fields"],
    },
    "MooseHealth": {
        "type": "object",
        "properties": {
            "healthy": {"type": "array", "items": {"type": "string"}},
            "unhealthy": {"type": "array", "items": {"type": "string"}},
            "reasons": {"type": "object", "additionalProperties": {"type": "string"}},
            "delayed": {"type": "object", "additionalProperties": {"type": "string"}},
            "lag_seconds": {
                "type": "object",
                "additionalProperties": {"type": "number"},
                "description": "How long the oldest records wait to be committed, and to be moved to ClickHouse.",
            },
        },
        "required": ["healthy", "unhealthy", "reasons"],
    },
}
_ERROR: Final[_Json] = {"schema": {"$ref": "#/components/schemas/MooseError"}}
_RECEIPT: Final[_Json] = {"schema": {"$ref": "#/components/schemas/MooseReceipt"}}
_HEALTH: Final[_Json] = {"application/json": {"schema": {"$ref": "#/components/schemas/MooseHealth"}}}
_DETAILED: Final[_Json] = {**_TEXT, "application/json": _RECEIPT}
_REFUSED: Final[_Json] = {**_TEXT, "application/json": _ERROR}
_NO_METHOD: Final = "The path is not asked in this way; `Allow` says how."
_OTHER_METHOD: Final[_Json] = {"405": {"description": _NO_METHOD, "content": {"application/json": _ERROR}}}
_RECORDS_ANSWERS: Final[_Json] = {
    "200": {"description": "All records are committed.", "headers": _STORED, "content": _DETAILED},
    "207": {
        "description": "The good records are committed; the others are in the dead letters, with the reason.",
        "headers": _STORED,
        "content": _DETAILED,
    },
    "400": {
        "description": "No JSON, or no record that fits: nothing is stored.",
        "content": {**_REFUSED, "application/problem+json": _RECEIPT},
    },
    **_OTHER_METHOD,
    "413": {"description": "Over the limit of size, or of records in one request.", "content": _REFUSED},
    "415": {"description": "A Content-Encoding that is not read here.", "content": _REFUSED},
    "422": {
        "description": "Idempotency-Key: used for another body. Moose-Place: taken, and there are no dead letters.",
        "content": _REFUSED,
    },
    "500": {"description": "The store failed; nothing is stored.", "content": _REFUSED},
    "503": {
        "description": "Busy, and nothing is stored; or the server stopped first.",
        "headers": _LATER,
        "content": _REFUSED,
    },
}
_NO_KEY: Final[_Json] = {"401": {"description": "A key or token is missing or wrong.", "content": _REFUSED}}
_METRICS: Final[_Json] = {
    "operationId": "metrics",
    "summary": "The server's metrics, for Prometheus",
    "tags": ["health"],
    "responses": {
        "200": {
            "description": "All of them, as text; OpenMetrics for who asks for it.",
            "content": {**_TEXT, "application/openmetrics-text": {"schema": {"type": "string"}}},
        },
        **_OTHER_METHOD,
    },
}
_ADMIN_ANSWERS: Final[Mapping[str, str]] = {
    "200": "Done.",
    "202": "Begun.",
    "400": "A query or a body that means nothing here.",
    "401": "The admin key is missing or wrong.",
    "404": "There is none.",
    "405": _NO_METHOD,
    "409": "Not as it is now.",
    "413": "The body is over the limit.",
    "415": "A Content-Encoding that is not read here.",
    "500": "Temporal refused.",
    "503": "Temporal does not answer, or the server stopped first.",
    "504": "Temporal was asked, and what comes of it is not to be seen yet.",
}


def document(
    title: str, endpoints: Iterable[Endpoint], admin: Iterable[DescribedRoute], *, prefix: str, has_ingest_key: bool
) -> Mapping[str, Any]:  # Any: JSON
    """The whole document."""
    endpoints = tuple(endpoints)
    models, schemas = _schemas({endpoint.model for endpoint in endpoints})
    paths = dict[str, _Json]()
    for endpoint in endpoints:
        is_closed = has_ingest_key and not endpoint.is_open
        paths[f"{prefix}/{endpoint.path}"] = {"post": _records(endpoint, models[endpoint.model], is_closed)}
    for name in ("health", "liveness", "ready"):
        paths[f"{prefix}/{name}"] = {"get": _health(name)}
    paths[f"{prefix}/metrics"] = {"get": _METRICS}
    for route in (it for it in admin if it.include_in_schema):
        paths.setdefault(route.path, {}).update(_admin(route))
    return {
        "openapi": "3.1.1",
        "info": {"title": title, "version": version("moose-workflows")},
        "paths": paths,
        "components": {
            "schemas": {**schemas, **_SCHEMAS},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _schemas(models: Iterable[type[BaseModel]]) -> tuple[Mapping[type[BaseModel], _Json], _Json]:
    """A schema, or a reference to one, of each model; and what is referred to."""
    told, found, definitions = dict[type[BaseModel], _Json](), list[type[BaseModel]](), _Json()
    for model in sorted(models, key=lambda it: (it.__name__, it.__module__)):
        try:
            model.model_json_schema()
        except PydanticInvalidForJsonSchema:  # a field of a type that only Python knows
            told[model] = {"type": "object", "title": model.__name__}
        else:
            found.append(model)
    if found:
        template = "#/components/schemas/{model}"
        refs, schema = models_json_schema([(model, "validation") for model in found], ref_template=template)
        definitions = schema.get("$defs", {})
        told |= {model: refs[model, "validation"] for model in found}
    return told, definitions


def _header(name: str, description: str) -> _Json:
    return {"name": name, "in": "header", "description": description, "schema": {"type": "string", "minLength": 1}}


_RECORDS_PARAMETERS: Final[list[_Json]] = [
    {
        "name": "errors",
        "in": "query",
        "description": '"detail": the answer is JSON and tells every fault.',
        "schema": {"type": "string", "enum": ["detail"]},
    },
    _header("Idempotency-Key", "The same key stores once, and is answered the same."),
    _header(
        "Moose-Place",
        "Where a request with a key stands among those of one piece of work. Other records that come to the same place "
        "with another key are set aside with the dead letters: 207, and Moose-Set-Aside.",
    ),
    _header(
        "Moose-Attempt",
        "Which attempt at that work sends the request. If one sends both what has a place and what was set aside "
        "there, the work has another order now: the latter is stored, and counted as Moose-Released.",
    ),
]


def _records(endpoint: Endpoint, schema: _Json, is_closed: bool) -> _Json:
    answers = {**_RECORDS_ANSWERS, **(_NO_KEY if is_closed else {})}
    if not endpoint.has_dead_letters:
        del answers["207"]
    either = {"oneOf": [schema, {"type": "array", "items": schema, "title": f"Many {endpoint.name}"}]}
    return {
        "operationId": f"ingest_{endpoint.key}",
        "summary": f"Store records of {endpoint.name}",
        "description": endpoint.model.__doc__ or "",
        "tags": ["ingest"],
        "parameters": _RECORDS_PARAMETERS,
        "requestBody": {"required": True, "content": {"application/json": {"schema": either}}},
        "responses": answers,
        **({"security": [{"bearer": []}]} if is_closed else {}),
    }


def _health(name: str) -> _Json:
    answers: _Json = {"200": {"description": "All is well.", "content": _HEALTH}, **_OTHER_METHOD}
    if name != "liveness":
        answers["503"] = {"description": "Something is not, with the reason.", "content": _HEALTH}
    return {"operationId": name, "summary": f"How the server is: {name}", "tags": ["health"], "responses": answers}


def _admin(route: DescribedRoute) -> _Json:
    told = (route.endpoint.__doc__ or route.name).strip()
    names = re.findall(r"\{(\w+)\}", route.path)
    body = {"requestBody": {"content": {"application/json": {"schema": route.body}}}}
    return {
        method.lower(): {
            "operationId": f"{method.lower()}_{re.sub(r'[^a-z0-9]+', '_', route.path.lower()).strip('_')}",
            "summary": told.partition("\n")[0],
            "tags": ["admin"],
            "security": [{"bearer": []}],
            "parameters": [
                {"name": it, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
                for it in names
            ]
            + [
                {"name": it.name, "in": it.place, "description": it.description, "schema": it.schema}
                for it in route.parameters
            ],
            **({} if route.body is None else body),
            "responses": _answers(route),
        }
        for method in sorted(route.methods or ())
        if method != "HEAD"
    }


def _answers(route: DescribedRoute) -> _Json:
    found = {status: Answer(description=text) for status, text in _ADMIN_ANSWERS.items()} | dict(route.answers)
    return {status: _answer(status, found[status]) for status in sorted(found)}


def _answer(status: str, answer: Answer) -> _Json:
    usual: _Json = {} if status < "300" else _ERROR
    content: _Json = usual if answer.schema is None else {"schema": answer.schema}
    headers = {name: {"schema": {"type": "string"}, "description": text} for name, text in answer.headers.items()}
    told: _Json = {"description": answer.description, "content": {"application/json": content}}
    return {**told, "headers": headers} if headers else told
