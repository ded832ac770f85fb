"""Who may do what: keys as the existing Moose has them, `Authorization: Bearer <token>.<salt>`.

A project's settings hold hashes only. Without an ingest key everybody may ingest, except where an endpoint asks by
itself; without an admin key, the admin API is for callers on this machine, and only if the server listens nowhere else.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr
from starlette.requests import Request

from moose_lib.errors import SettingsError
from moose_lib.plan.endpoints import Endpoint
from moose_lib.project.settings import Settings, is_loopback
from moose_lib.server.refusals import Unauthorized
from moose_lib.server.tokens import token_check

#: Of the existing Moose, so that its tokens go on working: 1,000 rounds, 20 bytes.
_ROUNDS: Final = 1000
_LENGTH: Final = 20
_RANDOM_BYTES: Final = 16
_HASH: Final = re.compile(r"[0-9a-f]{40}", re.IGNORECASE)
_NOT_CONFIGURED: Final = "Unauthorized: Admin API key not configured"


@dataclass(frozen=True, kw_only=True)
class Key:
    """A new key: `bearer` is for whoever calls, `hash` for the settings."""

    bearer: str
    hash: str


def new_key() -> Key:
    """Make a key at random."""
    token, salt = secrets.token_hex(_RANDOM_BYTES), secrets.token_hex(_RANDOM_BYTES)
    return Key(bearer=f"{token}.{salt}", hash=hash_of(token, salt))


def hash_of(token: str, salt: str) -> str:
    """The hash of a token: PBKDF2-HMAC-SHA256 over the texts, in hex."""
    return hashlib.pbkdf2_hmac("sha256", token.encode(), salt.encode(), _ROUNDS, _LENGTH).hex()


class Doorkeeper:
    """Lets requests in, or raises.

    Raises:
        SettingsError: a configured hash is none, `[jwt]` is incomplete, or an endpoint asks for what nobody can have.
    """

    def __init__(self, settings: Settings, endpoints: Iterable[Endpoint] = ()) -> None:
        self._ingest = _lock(settings.authentication.ingest_api_key, "ingest_api_key")
        self._admin = _lock(settings.authentication.admin_api_key, "admin_api_key")
        self._is_local = is_loopback(settings.server.host)
        jwt = settings.jwt
        self._needs_jwt = jwt.enforce_on_all_ingest_apis
        is_said = self._needs_jwt or any(it is not None for it in (jwt.secret, jwt.issuer, jwt.audience))
        self._is_good = token_check(jwt) if is_said else None
        if self._ingest is None and self._is_good is None:
            _refuse_closed(endpoints)

    def asks(self, endpoint: Endpoint | None) -> bool:
        """Whether who sends to an endpoint has to show a key or token; `None`: to one that is not there."""
        if endpoint is not None and (endpoint.is_open or endpoint.is_closed):
            return endpoint.is_closed
        return self._ingest is not None or self._needs_jwt

    def let_ingest(self, request: Request) -> None:
        """Ask for the ingest key or a JSON Web Token; for the token alone if the settings say so.

        Raises:
            Unauthorized: it is missing or wrong.
        """
        if self._is_good is not None and self._is_good(_bearer(request)):
            return
        if self._needs_jwt or self._ingest is None or not self._ingest.fits(_bearer(request)):
            raise Unauthorized

    def let_administrate(self, request: Request) -> None:
        """Ask for the admin key; without one, for a caller on this machine.

        Raises:
            Unauthorized: the key is missing or wrong, or there is none and the call comes from elsewhere.
        """
        if self._admin is not None:
            if not self._admin.fits(_bearer(request)):
                raise Unauthorized
        elif not (self._is_local and _is_from_here(request)):
            raise Unauthorized(_NOT_CONFIGURED)


def _refuse_closed(endpoints: Iterable[Endpoint]) -> None:
    closed = [repr(it.key) for it in endpoints if it.is_closed]
    if not closed:
        return
    named = f"{'endpoint' if len(closed) == 1 else 'endpoints'} {', '.join(closed)}"
    text = f"{named}: authenticate=True asks for a key or token, and the settings have none"
    hint = "set ingest_api_key in [authentication] (moose-cli generate hash-token makes one), or [jwt]"
    raise SettingsError(text, hint=hint)


def _is_from_here(request: Request) -> bool:
    """The caller is on this machine, and no page of somebody else's in a browser here.

    A page's requests tell where it is from; one that reaches us under a name of its own (DNS rebinding) has that name
    as its host.
    """
    origin = request.headers.get("origin")
    hosts = [request.url.hostname, None if request.client is None else request.client.host]
    hosts += [] if origin is None else [urlsplit(origin).hostname]
    return all(host is not None and is_loopback(host) for host in hosts)


class _Lock:
    """A configured hash; which key fits it is remembered by its digest, as the hash of a key takes half a request."""

    def __init__(self, expected: str) -> None:
        self._expected = expected.lower()
        self._known = secrets.token_bytes()

    def fits(self, key: str) -> bool:
        digest = hashlib.sha256(key.encode()).digest()
        if hmac.compare_digest(digest, self._known):
            return True
        token, dot, salt = key.partition(".")
        if not dot or not hmac.compare_digest(hash_of(token, salt), self._expected):
            return False
        self._known = digest
        return True


def _bearer(request: Request) -> str:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key if scheme.lower() == "bearer" else ""


def _lock(hashed: SecretStr | None, name: str) -> _Lock | None:
    if hashed is None:
        return None
    text = hashed.get_secret_value()
    if _HASH.fullmatch(text) is None:
        hint = "moose-cli generate hash-token makes a key and its hash"
        raise SettingsError(f"{name} in [authentication] is not the hash of a key: 40 hex digits", hint=hint)
    return _Lock(text)
