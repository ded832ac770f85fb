"""The end of a process that somebody else wants."""

from __future__ import annotations

__all__ = ["Terminated"]


class Terminated(SystemExit):
    """SIGTERM came: the process leaves as on any error, but what runs at the moment has made no mistake."""
