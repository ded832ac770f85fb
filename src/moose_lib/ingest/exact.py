"""Reading JSON such that nothing of it is lost, and it can be written as JSON again."""

from __future__ import annotations

import json
import math
from decimal import Decimal, InvalidOperation
from typing import Any

__all__ = ["exact_json"]


def exact_json(text: str) -> Any:  # Any: JSON
    """The value of a text; a number that neither JSON nor a float can hold is its own text.

    These are `NaN` and `Infinity`, which JSON has no words for, and numbers out of a float's range (`1e400`) or with
    more digits than it has.

    Raises:
        ValueError: it is no JSON, or has half of a surrogate pair, which cannot be written.
        RecursionError: it is nested too deeply.
    """
    value = json.loads(text, parse_float=_number, parse_constant=str)
    json.dumps(value, ensure_ascii=False).encode()
    return value


def _number(text: str) -> float | str:
    number = float(text)
    try:
        is_kept = math.isfinite(number) and Decimal(repr(number)) == Decimal(text)
    except InvalidOperation:  # an exponent of more than 18 digits
        is_kept = False
    return number if is_kept else text
