"""The peer of ingest: the same ASGI server and model, which checks records and throws them away. Arguments: PORT."""

import sys

import uvicorn
from pydantic import TypeAdapter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from benchmarks.clicks import Click

ONE = TypeAdapter(Click)
MANY = TypeAdapter(list[Click])


async def take(request: Request) -> PlainTextResponse:
    body = await request.body()
    (MANY if body.startswith(b"[") else ONE).validate_json(body)
    return PlainTextResponse("SUCCESS")


def main() -> None:
    app = Starlette(routes=[Route("/ingest/{name}", take, methods=["POST"])])
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error", access_log=False)


main()
