"""Addresses of runs in Temporal's UI."""

from __future__ import annotations

from urllib.parse import quote

from moose_lib.project.settings import is_loopback

__all__ = ["run_url", "ui_address"]

_CLOUD_HOSTS = (".tmprl.cloud", ".api.temporal.io")
_CLOUD_UI = "https://cloud.temporal.io"


def ui_address(target: str, port: int | None) -> str | None:
    """Return where the UI of the server at `target` (`host:port`) is: Cloud's, this machine's, else unknown.

    `port` is that of a UI on this machine, if it is known.
    """
    host = target.rpartition(":")[0].strip("[]")
    if host.endswith(_CLOUD_HOSTS):
        return _CLOUD_UI
    return f"http://localhost:{port}" if port is not None and is_loopback(host) else None


def run_url(ui: str | None, namespace: str, workflow_id: str, run_id: str) -> str | None:
    """Return the page of a run, or None if the UI is not known."""
    if ui is None:
        return None
    return f"{ui}/namespaces/{quote(namespace, safe='')}/workflows/{quote(workflow_id, safe='')}/{run_id}/history"
