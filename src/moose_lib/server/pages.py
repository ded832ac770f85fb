"""What people look at: `/`, `/docs`, and the OpenAPI document and the metrics for their programs.

The page is plain HTML of this server: it needs no network, and runs no script.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import escape
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from moose_lib.observing.serving import ServerMetrics

_STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
code, pre { font: 13px/1.5 ui-monospace, monospace; background: #f3f3f3; padding: .1rem .3rem }
pre { padding: .8rem; overflow-x: auto } table { border-collapse: collapse } td, th { text-align: left; padding: .2rem
1rem .2rem 0; vertical-align: top } details { margin: .5rem 0 } summary { cursor: pointer }
@media (prefers-color-scheme: dark) { body { background: #1b1b1b; color: #ddd } code, pre { background: #2a2a2a } }
"""
_SAFE: Final = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"}


class Pages:
    """The routes on documents."""

    def __init__(self, title: str, document: Mapping[str, Any], metrics: ServerMetrics) -> None:  # Any: JSON
        self._title = title
        self._document = json.dumps(document).encode()
        self._page = _page(title, document)
        self._metrics = metrics

    def routes(self, prefix: str) -> list[Route]:
        """All of them; `prefix` is that of the server."""
        self._prefix = prefix
        return [
            *(Route(path, self.root, methods=["GET"]) for path in {f"{prefix}/", prefix or "/"}),
            Route(f"{prefix}/docs", self.docs, methods=["GET"]),
            Route(f"{prefix}/openapi.json", self.openapi_json, methods=["GET"]),
            Route(f"{prefix}/openapi.yaml", self.openapi_yaml, methods=["GET"]),
            Route(f"{prefix}/metrics", self.metrics, methods=["GET"]),
        ]

    async def root(self, request: Request) -> Response:
        """Who is here, and where to go on."""
        if "text/html" in request.headers.get("accept", ""):
            return await self.docs(request)
        facts = {"name": self._title, "status": "ok", "docs": f"{self._prefix}/docs", "info": "moose-cli ls"}
        return JSONResponse(facts)

    async def docs(self, request: Request) -> Response:  # noqa: ARG002  # starlette's signature
        """The page."""
        return HTMLResponse(self._page, headers=_SAFE)

    async def openapi_json(self, request: Request) -> Response:  # noqa: ARG002  # starlette's signature
        """The OpenAPI document."""
        return Response(self._document, media_type="application/json")

    async def openapi_yaml(self, request: Request) -> Response:  # noqa: ARG002  # starlette's signature
        """The same; JSON is YAML."""
        return Response(self._document, media_type="application/yaml")

    async def metrics(self, request: Request) -> Response:
        """The metrics, for Prometheus."""
        body, kind = self._metrics.exposed(request.headers.get("accept", ""))
        return Response(body, headers={"Content-Type": kind})


def _page(title: str, document: Mapping[str, Any]) -> str:  # Any: JSON
    parts = dict[str, list[str]]()
    for path, verbs in document["paths"].items():
        for verb, operation in verbs.items():
            parts.setdefault(operation["tags"][0], []).append(_operation(path, verb, operation, document))
    body = "".join(f"<h2>{escape(tag)}</h2>{''.join(found)}" for tag, found in parts.items())
    links = '<p><a href="openapi.json">openapi.json</a> · <a href="metrics">metrics</a> · <a href="ready">ready</a></p>'
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>{links}{body}</body></html>"
    )


def _operation(path: str, verb: str, operation: Mapping[str, Any], document: Mapping[str, Any]) -> str:  # Any: JSON
    answers = "".join(
        f"<tr><td><code>{escape(status)}</code></td><td>{_text(answer['description'])}</td></tr>"
        for status, answer in operation["responses"].items()
    )
    head = f"<code>{escape(verb.upper())} {escape(path)}</code> {_text(operation['summary'])}"
    asked = f"{_parameters(operation)}{_body(operation, document)}"
    return f"<details><summary>{head}</summary>{asked}<table>{answers}</table></details>"


def _parameters(operation: Mapping[str, Any]) -> str:  # Any: JSON
    """What may stand in the query and the headers."""
    told = [it for it in operation.get("parameters", ()) if it["in"] != "path"]
    rows = "".join(
        _row(f"?{it['name']}=" if it["in"] == "query" else it["name"], _type(it["schema"]), it["description"])
        for it in told
    )
    return f"<table>{rows}</table>" if rows else ""


def _row(name: str, kind: str, description: str) -> str:
    return f"<tr><td><code>{escape(name)}</code></td><td>{escape(kind)}</td><td>{_text(description)}</td></tr>"


def _body(operation: Mapping[str, Any], document: Mapping[str, Any]) -> str:  # Any: JSON
    """The fields of a record, or of what else is sent."""
    if "requestBody" not in operation:
        return ""
    schema: Mapping[str, Any] = operation["requestBody"]["content"]["application/json"]["schema"]
    schema = schema.get("oneOf", (schema,))[0]
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    schema = document["components"]["schemas"].get(name, schema)
    needed = schema.get("required", ())
    rows = "".join(
        _row(field, f"{_type(told)}{'' if field in needed else ', optional'}", str(told.get("description", "")))
        for field, told in schema.get("properties", {}).items()
    )
    told = str(operation.get("description") or schema.get("description", ""))
    return f"<p>{_text(told)}</p><table>{rows}</table>"


def _text(told: str) -> str:
    """A sentence; what stands in backticks is code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(told))


def _type(schema: Mapping[str, Any]) -> str:  # Any: JSON
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(_type(it) for it in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(map(json.dumps, schema["enum"]))
    kind = str(schema.get("type", "any"))
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return f"{kind} ({schema['format']})" if "format" in schema else kind
