"""What every error a user can meet has in common, and the texts that are put together from parts."""

from __future__ import annotations

import inspect
import traceback

import pytest

from moose_lib import errors, faults
from moose_lib.errors import (
    AlreadyRunning,
    AmbiguousRun,
    EngineUnreachable,
    Fault,
    FieldFault,
    ImportFailed,
    InvalidDefinition,
    InvalidInput,
    InvalidOutput,
    Location,
    MooseError,
    NonRetryableError,
    PortBusy,
    ValueTooLarge,
)

MODULES = {errors.__name__, faults.__name__}
CLASSES = [it for it in vars(errors).values() if inspect.isclass(it) and issubclass(it, Exception)]


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_is_a_moose_error_that_is_exported_and_drawn(kind: type[Exception]) -> None:
    assert issubclass(kind, MooseError)
    assert kind.__name__ in errors.__all__
    assert kind.__name__ in str(errors.__doc__)


def test_the_public_list_is_complete() -> None:
    """A class that is added is also exported, and so are the records that errors carry."""
    public = {name for name, value in vars(errors).items() if inspect.isclass(value) and value.__module__ in MODULES}

    assert public == set(errors.__all__)


def test_an_invalid_definition_says_every_fault_with_its_place_and_fix() -> None:
    error = InvalidDefinition(
        [
            Fault(code="cycle", message="a cycle", location=Location("/app/main.py", 3), hint="cut it"),
            Fault(code="bad-name", message="a bad name"),
        ]
    )

    assert str(error) == "/app/main.py:3: a cycle (cut it)\na bad name"
    assert [fault.code for fault in error.faults] == ["cycle", "bad-name"]
    assert isinstance(error, ValueError)
    assert error.exit_code == 2


def test_an_invalid_input_says_path_and_reason_of_each_field() -> None:
    faults = [FieldFault(path="items.0.price", reason="is missing"), FieldFault(path="", reason="is not JSON")]
    error = InvalidInput("the run", "Order", faults, hint="look")

    assert str(error) == "input of the run is not a valid Order: items.0.price: is missing; is not JSON"
    assert (error.owner, error.model, error.hint, error.exit_code) == ("the run", "Order", "look", 2)


def test_an_invalid_output_names_task_and_model() -> None:
    error = InvalidOutput("charge", "Receipt", [FieldFault(path="total", reason="is missing")])

    assert str(error) == "output of task 'charge' is not a valid Receipt: total: is missing"
    assert error.exit_code == 1


def test_a_value_too_large_says_how_large_and_what_it_is_made_of() -> None:
    error = ValueTooLarge("output of task 'load'", field="rows", size=3_000_000, limit=2_000_000)

    assert (
        str(error)
        == "output of task 'load' is 3,000,000 bytes, most of it in field 'rows'; the limit is 2,000,000 bytes"
    )
    assert str(ValueTooLarge("it", field=None, size=2, limit=1)) == "it is 2 bytes; the limit is 1 bytes"


def test_the_hint_of_an_import_error_can_be_pasted() -> None:
    assert ImportFailed("/app/flow.py", "Traceback …").hint == "python /app/flow.py"
    assert (
        ImportFailed("/app/main.py", "Traceback …", hint="cd / && python -m app.main").hint
        == "cd / && python -m app.main"
    )
    assert str(ImportFailed("/app/flow.py", "Traceback …")) == "/app/flow.py does not import"


def test_texts_with_what_is_known_and_without_what_is_not() -> None:
    assert str(PortBusy(8080, holder="nginx (pid 7)", setting="--ui-port")) == "port 8080 is in use by nginx (pid 7)"
    assert str(PortBusy(8080, holder=None, setting="--ui-port")) == "port 8080 is in use"
    assert str(AlreadyRunning("/app", 7)) == "moose-cli dev is already running in /app (process 7)"
    assert str(AlreadyRunning("/app", None)) == "moose-cli dev is already running in /app (another process)"
    assert str(EngineUnreachable("localhost:7233", "refused")) == "no Temporal server at localhost:7233: refused"
    assert EngineUnreachable("localhost:7233", "refused").hint == "moose-cli dev"
    assert str(AmbiguousRun("Orders", ["a", "b"])) == "2 runs of 'Orders' are open: a, b"


def test_users_raise_and_extend_the_error_that_is_not_retried() -> None:
    class CardDeclined(NonRetryableError):
        pass

    assert str(CardDeclined("card was declined")) == "card was declined"


def test_places_are_clickable() -> None:
    assert str(Location("/app/main.py", 12)) == "/app/main.py:12"


def test_a_traceback_ends_with_the_hint() -> None:
    """Where nobody catches the error, as in a script or in a task, nobody else would show it."""
    lines = traceback.format_exception(MooseError("no server", hint="moose-cli dev"))
    assert lines[-2:] == ["moose_lib.errors.MooseError: no server\n", "hint: moose-cli dev\n"]
    assert traceback.format_exception(MooseError("no server"))[-1] == "moose_lib.errors.MooseError: no server\n"
