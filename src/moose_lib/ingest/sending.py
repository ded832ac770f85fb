"""Sending requests to the server: one connection that is kept, and patience with what may pass.

What may pass is tried again: no connection, 408, 429, and what a server cannot help (5xx). Every request has a name, so
that one whose answer was lost is not stored twice.
"""

from __future__ import annotations

import email.utils
import http.client
import random
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

from moose_lib.ingest.errors import IngestRefused, ServerUnreachable

_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0
#: A single answer is not waited for longer than that.
_ANSWER_SECONDS: Final = 60.0
_PASSING: Final = frozenset({408, 429, 500, 502, 503, 504})
_TEXT_SHOWN: Final = 500


class Stopped(Exception):
    """Whoever sends has stopped us."""


@dataclass(frozen=True, kw_only=True)
class Name:
    """How a request is told from others: by its key, and by the place in which other content would be a repetition.

    `attempt` tells the attempts of the same work apart.
    """

    key: str
    place: str | None = None
    attempt: str | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the server did with a request; `is_repeat`: what counts as stored was before, for the same key or place.

    `released` are records of `released_requests` earlier ones that it had set aside, and has stored now.
    """

    stored: int
    rejected: int
    is_repeat: bool
    set_aside: int
    released: int = 0
    released_requests: int = 0


class Sender:
    """A connection to an endpoint for at most `time_left`. Use it as a context manager."""

    def __init__(self, url: str, token: str | None, time_left: timedelta, stop: threading.Event) -> None:
        self._url = url
        parts = urlsplit(url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname or "", parts.port, timeout=_ANSWER_SECONDS)
        self._target = parts.path
        self._headers = {"Content-Type": "application/json"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        self._end = time.monotonic() + time_left.total_seconds()
        self._stop = stop

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def send(self, body: bytes, name: Name, *, rejectable: int = 0) -> Answer:
        """Send a request until it is answered; that `rejectable` records are refused, all that it has, is an answer.

        Raises:
            IngestRefused: the server does not take it, whatever we do.
            ServerUnreachable: it does not answer, or has no room, and the time is over.
            Stopped: so says whoever made us.
        """
        pause = _FIRST_PAUSE
        while True:
            if self._stop.is_set():
                raise Stopped
            wanted: float | None = None
            try:
                status, headers, text = self._once(body, name)
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                reason = f"{type(error).__name__}: {error}".rstrip(": ")
            else:
                if status not in _PASSING:
                    return self._answer(status, headers, text, rejectable)
                reason, wanted = f"it answered {status}: {text[:_TEXT_SHOWN]}", _retry_after(headers)
            delay = random.uniform(pause / 2, pause) if wanted is None else wanted + random.uniform(0, pause)  # noqa: S311  # no secret
            if time.monotonic() + delay >= self._end:
                raise ServerUnreachable(self._url, reason)
            self._stop.wait(delay)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _once(self, body: bytes, name: Name) -> tuple[int, Mapping[str, str], str]:
        left = max(self._end - time.monotonic(), 0.1)
        self._connection.timeout = min(left, _ANSWER_SECONDS)
        headers = {**self._headers, "Idempotency-Key": name.key}
        if name.place is not None:
            headers["Moose-Place"] = name.place
        if name.attempt is not None:
            headers["Moose-Attempt"] = name.attempt
        self._connection.request("POST", self._target, body, headers)
        response = self._connection.getresponse()
        return response.status, _lowered(response), response.read().decode(errors="replace")

    def _answer(self, status: int, headers: Mapping[str, str], text: str, rejectable: int) -> Answer:
        stored, rejected = headers.get("moose-stored", ""), headers.get("moose-rejected", "")
        is_all_rejected = status == HTTPStatus.BAD_REQUEST and bool(rejectable) and rejected == str(rejectable)
        if (status in {200, 207} or is_all_rejected) and stored.isdecimal() and rejected.isdecimal():
            return Answer(
                stored=int(stored),
                rejected=int(rejected),
                is_repeat=headers.get("moose-repeated") == "true",
                set_aside=int(headers.get("moose-set-aside", 0)),
                released=int(headers.get("moose-released", 0)),
                released_requests=int(headers.get("moose-released-requests", 0)),
            )
        raise IngestRefused(self._url, status, text[:_TEXT_SHOWN], _HINTS.get(status))


_HINTS: Final = {
    401: "[ingest] token in moose.config.toml, or MOOSE_INGEST__TOKEN",
    403: "[ingest] token in moose.config.toml, or MOOSE_INGEST__TOKEN",
    404: "the server runs other code, or another one listens there: restart it, or see [ingest] url",
    413: "[http_server_config] max_request_body_size is less than a record of these",
    422: "send the same records in every attempt, or name each request: idempotency_key=",
}


def _lowered(response: http.client.HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.getheaders()}


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, which the header says as such or as a date."""
    text = headers.get("retry-after", "")
    if text.isdecimal():
        return float(text)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.now(UTC)).total_seconds())
