"""An OTLP receiver: PORT FILE. Takes spans over HTTP and writes each as a line of JSON."""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span


def value(given: AnyValue) -> str | int | float | bool:
    field = given.WhichOneof("value")
    assert field is not None
    found = getattr(given, field)
    assert isinstance(found, str | int | float | bool)
    return found


def attributes(given: list[KeyValue]) -> dict[str, str | int | float | bool]:
    return {each.key: value(each.value) for each in given}


def span_as_json(resource: Resource, scope: str, span: Span) -> str:
    return json.dumps(
        {
            "resource": attributes(list(resource.attributes)),
            "scope": scope,
            "name": span.name,
            "trace": span.trace_id.hex(),
            "id": span.span_id.hex(),
            "parent": span.parent_span_id.hex(),
            "start": span.start_time_unix_nano,
            "end": span.end_time_unix_nano,
            "status": span.status.code,
            "message": span.status.message,
            "attributes": attributes(list(span.attributes)),
            "events": [{"name": event.name, **attributes(list(event.attributes))} for event in span.events],
            "links": [{"trace": link.trace_id.hex(), "id": link.span_id.hex()} for link in span.links],
        }
    )


class Handler(BaseHTTPRequestHandler):
    file: Path

    def do_POST(self) -> None:
        assert self.path == "/v1/traces", self.path
        request = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
        lines = [
            span_as_json(of_resource.resource, of_scope.scope.name, span)
            for of_resource in request.resource_spans
            for of_scope in of_resource.scope_spans
            for span in of_scope.spans
        ]
        with self.file.open("a") as out:
            out.write("".join(f"{line}\n" for line in lines))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    Handler.file = Path(sys.argv[2])
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
    Handler.file.touch()
    server.serve_forever()
