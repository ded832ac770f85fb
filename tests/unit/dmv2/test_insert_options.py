"""`InsertOptions` that do not go together."""

from __future__ import annotations

from typing import Any

import pytest

from moose_lib import InsertOptions, NonRetryableError


@pytest.mark.parametrize(
    ("values", "text", "hint"),
    [
        ({"strategy": "skip"}, "strategy 'skip' is none of fail-fast, discard, isolate", None),
        (
            {"strategy": "discard", "allow_errors": -1},
            "allow_errors -1 is no number of records",
            "as 10, or leave it out for any number",
        ),
        (
            {"strategy": "discard", "allow_errors": True},
            "allow_errors True is no number of records",
            "as 10, or leave it out for any number",
        ),
        (
            {"strategy": "isolate", "allow_errors_ratio": 10},
            "allow_errors_ratio 10 is not between 0 and 1",
            "0.1 allows one record in ten",
        ),
        ({"validate": 1}, "validate 1 is neither True nor False", None),
        ({"skip_validation_on_retry": "no"}, "skip_validation_on_retry 'no' is neither True nor False", None),
        (
            {"allow_errors_ratio": 0.1},
            "allow_errors_ratio allows nothing with the strategy 'fail-fast'",
            'strategy="discard", or "isolate"',
        ),
        (
            {"strategy": "isolate", "validate": False, "allow_errors": 3},
            "allow_errors cannot be kept to without validate",
            "the server checks each request for itself",
        ),
        (
            {"strategy": "discard", "validate": False},
            "the strategy 'discard' needs validate",
            'strategy="isolate": the server keeps what does not fit with the dead letters',
        ),
    ],
)
def test_options_that_would_be_ignored_are_refused(values: dict[str, Any], text: str, hint: str | None) -> None:
    with pytest.raises(NonRetryableError) as caught:
        InsertOptions(**values)

    assert (str(caught.value), caught.value.hint) == (f"InsertOptions: {text}", hint)
