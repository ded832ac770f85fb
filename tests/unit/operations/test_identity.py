"""Workflow ids, and links to runs."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moose_lib.operations.identity import canonical_json, derived_workflow_id, new_workflow_id
from moose_lib.operations.links import run_url, ui_address
from moose_lib.operations.listing import quoted


def test_each_run_gets_an_id_of_its_own() -> None:
    """The shape is the one that scripts know: the name and 16 hex digits."""
    ids = {new_workflow_id("Order") for _ in range(100)}

    assert len(ids) == 100
    assert all(re.fullmatch(r"Order-[0-9a-f]{16}", it) for it in ids)


def test_the_same_input_has_the_same_id_however_it_is_spelled() -> None:
    """Spaces and the order of keys are not part of a value."""
    spelled = [b'{"x":7,"y":"\xc3\xa9"}', b'{ "y": "\\u00e9",\n "x": 7 }']

    assert len({derived_workflow_id("Order", data) for data in spelled}) == 1
    assert derived_workflow_id("Order", b'{"x":7}') == "Order-132f255280292ae8"  # as the existing Moose has it
    assert derived_workflow_id("Order", b'{"x":8}') != derived_workflow_id("Order", b'{"x":7}')
    assert derived_workflow_id("Order", None) == "Order"


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda it: st.dictionaries(st.text(), it)))
def test_the_one_spelling_means_the_same_value(value: object) -> None:
    """Nothing is lost by it."""
    assert json.loads(canonical_json(json.dumps(value, indent=3).encode())) == value


@pytest.mark.parametrize(
    ("target", "ui"),
    [
        ("127.0.0.1:7233", "http://localhost:8123"),
        ("localhost:7233", "http://localhost:8123"),
        ("[::1]:7233", "http://localhost:8123"),
        ("shop.a2dd6.tmprl.cloud:7233", "https://cloud.temporal.io"),
        ("us-west-1.aws.api.temporal.io:7233", "https://cloud.temporal.io"),
        ("temporal.example.com:7233", None),
    ],
)
def test_the_ui_is_known_for_this_machine_and_for_the_cloud(target: str, ui: str | None) -> None:
    """Nobody is sent to a page that may not be there."""
    assert ui_address(target, 8123) == ui
    assert ui_address(target, None) == (None if ui is None or "localhost" in ui else ui)


def test_a_link_to_a_run_survives_any_id() -> None:
    """Ids are users' texts."""
    url = run_url("http://localhost:8080", "default", "a/b c", "r1")

    assert url == "http://localhost:8080/namespaces/default/workflows/a%2Fb%20c/r1/history"
    assert run_url(None, "default", "a", "r1") is None


def test_a_name_cannot_break_out_of_a_query() -> None:
    """Quotes and backslashes are part of the value."""
    assert quoted("it's") == r"'it\'s'"
    assert quoted("back\\slash' OR 1") == r"'back\\slash\' OR 1'"
