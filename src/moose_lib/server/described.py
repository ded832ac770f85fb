"""Routes that say what they take: for those who read the OpenAPI document, and for those who misspell a parameter."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from moose_lib.server.refusals import BadRequest

__all__ = ["DescribedRoute", "Parameter"]


@dataclass(frozen=True)
class Parameter:
    """One parameter, as the OpenAPI document tells it; `schema` is JSON Schema."""

    name: str
    description: str
    schema: dict[str, Any]  # Any: JSON
    place: Literal["query", "header"] = "query"


class DescribedRoute(Route):
    """A route that says what it takes, for the OpenAPI document.

    Parameters of the query that it does not name are refused, because they would be overlooked. `choices` has what a
    part of the path may be, if that is not any text; `body` is the JSON Schema of the request's body, if it takes one.
    """

    def __init__(
        self,
        path: str,
        endpoint: Callable[[Request], Awaitable[Response]],
        *,
        methods: Collection[str],
        parameters: Iterable[Parameter] = (),
        choices: Mapping[str, Collection[str]] | None = None,
        body: Mapping[str, Any] | None = None,  # Any: JSON
    ) -> None:
        super().__init__(path, endpoint, methods=methods)
        self.parameters = tuple(parameters)
        self.choices: Mapping[str, Collection[str]] = {} if choices is None else choices
        self.body = body

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
