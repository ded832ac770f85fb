"""The SDK's own word on tasks, which ours replaces."""

from __future__ import annotations

import logging


def silence_sdk(record: logging.LogRecord) -> bool:
    """Filter the SDK's own word on a failed attempt: ours has the user's traceback instead of ours and Temporal's."""
    return record.__dict__.get("__temporal_error_identifier") != "ActivityFailure"
