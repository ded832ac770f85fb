"""Workflow ids: a fresh one per run, or one derived from the input so that the same input cannot run twice at once."""

from __future__ import annotations

import hashlib
import json
import secrets

__all__ = ["canonical_json", "derived_workflow_id", "new_workflow_id"]


def new_workflow_id(name: str) -> str:
    """Return `<name>-<16 hex>`, different each time."""
    return f"{name}-{secrets.token_hex(8)}"


def derived_workflow_id(name: str, data: bytes | None) -> str:
    """Return `<name>-<16 hex>`, the same for the same value however it is spaced or ordered; `name` without input.

    Example:
        >>> derived_workflow_id("Order", b'{"x": 7}') == derived_workflow_id("Order", b'{"x":7}')
        True
    """
    if data is None:
        return name
    return f"{name}-{hashlib.sha256(canonical_json(data)).hexdigest()[:16]}"


def canonical_json(data: bytes) -> bytes:
    """Return the one spelling of a JSON value: keys sorted, no spaces, UTF-8."""
    return json.dumps(json.loads(data), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
