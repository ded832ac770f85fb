"""Who may do what: keys as the existing Moose has them, `Authorization: Bearer <token>.<salt>`.

A project's settings hold hashes only. Without an ingest key everybody may ingest; without an admin key, the admin API
is for callers on this machine, and only if the server listens nowhere else.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Final

from pydantic import SecretStr
from starlette.requests import Request

from moose_lib.errors import SettingsError
from moose_lib.project.settings import Settings, is_loopback
from moose_lib.server.refusals import Unauthorized

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
        SettingsError: a configured hash is none, or the settings ask for what is not supported.
    """

    def __init__(self, settings: Settings) -> None:
        self._ingest = _checked(settings.authentication.ingest_api_key, "ingest_api_key")
        self._admin = _checked(settings.authentication.admin_api_key, "admin_api_key")
        self._is_local = is_loopback(settings.server.host)
        if settings.jwt.secret is not None or settings.jwt.enforce_on_all_ingest_apis:
            raise SettingsError("[jwt] is not supported yet", hint="use [authentication] ingest_api_key")

    def let_ingest(self, request: Request) -> None:
        """Ask for the ingest key, if there is one.

        Raises:
            Unauthorized: it is missing or wrong.
        """
        if self._ingest is not None and not _has_key(request, self._ingest):
            raise Unauthorized

    def let_administrate(self, request: Request) -> None:
        """Ask for the admin key; without one, for a caller on this machine.

        Raises:
            Unauthorized: the key is missing or wrong, or there is none and the call comes from elsewhere.
        """
        if self._admin is not None:
            if not _has_key(request, self._admin):
                raise Unauthorized
        elif not (self._is_local and request.client is not None and is_loopback(request.client.host)):
            raise Unauthorized(_NOT_CONFIGURED)


def _has_key(request: Request, expected: str) -> bool:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    token, dot, salt = key.partition(".")
    if scheme != "Bearer" or not dot:
        return False
    return hmac.compare_digest(hash_of(token, salt), expected.lower())


def _checked(hashed: SecretStr | None, name: str) -> str | None:
    if hashed is None:
        return None
    text = hashed.get_secret_value()
    if _HASH.fullmatch(text) is None:
        hint = "moose-cli generate hash-token makes a key and its hash"
        raise SettingsError(f"{name} in [authentication] is not the hash of a key: 40 hex digits", hint=hint)
    return text
