"""Addresses of runs in Temporal's UI."""

from __future__ import annotations

from urllib.parse import quote

__all__ = ["run_url"]


def run_url(ui: str | None, namespace: str, workflow_id: str, run_id: str) -> str | None:
    """Return the page of a run, or None if the settings name no UI."""
    if ui is None:
        return None
    parts = "/".join(("namespaces", quote(namespace, safe=""), "workflows", quote(workflow_id, safe=""), run_id))
    return f"{ui.rstrip('/')}/{parts}/history"
