"""JSON Web Tokens: signed with RS256 by somebody whose public key is in `[jwt]`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from moose_lib.errors import SettingsError
from moose_lib.project.serving import JwtSettings

_LEEWAY_SECONDS: Final = 10
_CLAIMS: Final = ["exp", "iss", "aud"]


def token_check(settings: JwtSettings) -> Callable[[str], bool]:
    """What tells whether a token is good: its signature, its issuer, its audience, and that it has not expired.

    Raises:
        SettingsError: something of `[jwt]` is missing or no public key, or the libraries are not installed.
    """
    if settings.secret is None or settings.issuer is None or settings.audience is None:
        missing = [name for name in ("secret", "issuer", "audience") if getattr(settings, name) is None]
        raise SettingsError(f"[jwt] lacks {', '.join(missing)}", hint="secret is the public key, as PEM text")
    try:
        import jwt
        from jwt.algorithms import RSAAlgorithm
    except ImportError as error:
        raise SettingsError(
            "[jwt] needs libraries that are not installed", hint="pip install 'moose-workflows[jwt]'"
        ) from error
    try:
        key: Any = RSAAlgorithm(RSAAlgorithm.SHA256).prepare_key(settings.secret.get_secret_value())  # Any: theirs
    except Exception as error:  # whatever their parser of keys raises
        raise SettingsError("secret in [jwt] is not the public key of RSA, as PEM text") from error

    def is_good(token: str) -> bool:
        try:
            jwt.decode(
                token,
                key,
                algorithms=["RS256"],
                issuer=settings.issuer,
                audience=settings.audience,
                leeway=_LEEWAY_SECONDS,
                options={"require": _CLAIMS},
            )
        except (jwt.PyJWTError, ValueError):
            return False
        return True

    return is_good
