"""Routes that say what they take: for those who read the OpenAPI document, and for those who misspell a parameter."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from moose_lib.server.refusals import BadRequest

__all__ = ["Answer", "DescribedRoute", "Parameter"]


@dataclass(frozen=True)
class Parameter:
    """One parameter, as the OpenAPI document tells it; `schema` is JSON Schema."""

    name: str
    description: str
    schema: dict[str, Any]  # Any: JSON
    place: Literal["query", "header"] = "query"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a status means here, where that is more than it means everywhere; `headers` have their descriptions."""

    description: str
    schema: Mapping[str, Any] | None = None  # Any: JSON
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class DescribedRoute(Route):
    """A route that says what it takes, for the OpenAPI document.

    Parameters of the query that it does not name are refused, because they would be overlooked. `body` is the JSON
    Schema of the request's body, if it takes one; `answers` are those that are its own, by status.
    """

    def __init__(
        self,
        path: str,
        endpoint: Callable[[Request], Awaitable[Response]],
        *,
        methods: Collection[str],
        parameters: Iterable[Parameter] = (),
        body: Mapping[str, Any] | None = None,  # Any: JSON
        answers: Mapping[str, Answer] | None = None,
        is_told: bool = True,
    ) -> None:
        super().__init__(path, endpoint, methods=methods, include_in_schema=is_told)
        self.parameters = tuple(parameters)
        self.body = body
        self.answers: Mapping[str, Answer] = {} if answers is None else answers

    def check(self, query: QueryParams) -> None:
        """Look at the names.

        Raises:
            BadRequest: one of them is none of this route's.
        """
        names = [parameter.name for parameter in self.parameters if parameter.place == "query"]
        for name in query:
            if name not in names:
                there_are = f"there are {', '.join(names)}" if names else "there are none here"
                raise BadRequest(f"{name}: no such parameter; {there_are}")
