"""What users may import. A name is added here, in `__all__` and in the changelog, in one commit."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys

import pytest

PUBLIC = {
    "moose_lib": [
        "DeadLetterModel",
        "DeadLetterQueue",
        "IngestApi",
        "IngestConfig",
        "IngestConfigWithDestination",
        "IngestPipeline",
        "IngestPipelineConfig",
        "IngestResult",
        "InsertOptions",
        "InvalidDefinition",
        "Key",
        "LifeCycle",
        "MooseError",
        "NonRetryableError",
        "OlapConfig",
        "OlapTable",
        "RetryLater",
        "RunInfo",
        "RunOutcome",
        "Schedule",
        "Stream",
        "StreamConfig",
        "Task",
        "TaskConfig",
        "TaskContext",
        "Workflow",
        "WorkflowClient",
        "WorkflowConfig",
        "get_ingest_api",
        "get_ingest_apis",
        "get_stream",
        "get_streams",
        "get_table",
        "get_tables",
        "get_workflow",
        "get_workflows",
        "ingest",
        "ingest_sync",
    ],
    "moose_lib.dmv2": [
        "DeadLetterModel",
        "DeadLetterQueue",
        "IngestApi",
        "IngestConfig",
        "IngestConfigWithDestination",
        "IngestPipeline",
        "IngestPipelineConfig",
        "InsertOptions",
        "Key",
        "LifeCycle",
        "OlapConfig",
        "OlapTable",
        "RetryLater",
        "RunInfo",
        "RunOutcome",
        "Schedule",
        "Stream",
        "StreamConfig",
        "Task",
        "TaskConfig",
        "TaskContext",
        "Workflow",
        "WorkflowConfig",
        "get_ingest_api",
        "get_ingest_apis",
        "get_stream",
        "get_streams",
        "get_table",
        "get_tables",
        "get_workflow",
        "get_workflows",
    ],
}


@pytest.mark.parametrize("name", PUBLIC)
def test_the_public_list_is_the_documented_one(name: str) -> None:
    assert sorted(importlib.import_module(name).__all__) == PUBLIC[name]


@pytest.mark.parametrize(("module", "name"), [(module, name) for module, names in PUBLIC.items() for name in names])
def test_every_public_name_can_be_imported_and_explains_itself(module: str, name: str) -> None:
    value = getattr(importlib.import_module(module), name)
    if name == "Key":  # an alias, which cannot have a text of its own
        return

    written = value.__doc__ if inspect.isfunction(value) else value.__dict__.get("__doc__")
    # A dataclass without a docstring gets its signature as one.
    assert written
    assert not written.startswith(f"{name}(")


def test_the_spelling_of_the_first_release_of_the_reference_works() -> None:
    """Users of the existing Moose import from the module, not from the package."""
    workflow = importlib.import_module("moose_lib.dmv2.workflow")

    assert {"Workflow", "Task", "WorkflowConfig", "TaskConfig", "TaskContext"} <= set(vars(workflow))
    assert isinstance(importlib.import_module("moose_lib.dmv2._registry")._workflows, dict)


def test_importing_the_package_loads_the_declarations_only_when_they_are_used() -> None:
    """The command line's help has no need of them; `dir` and `*` know them all the same."""
    script = (
        "import sys, moose_lib\n"
        "assert set(moose_lib.__all__) <= set(dir(moose_lib))\n"
        "assert not {'pydantic', 'moose_lib.dmv2'} & set(sys.modules)\n"
        "assert not hasattr(moose_lib, 'Tusk')\n"
        "from moose_lib import *\n"
        "assert Task is sys.modules['moose_lib.dmv2.workflow'].Task is moose_lib.Task\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


def test_help_needs_no_pydantic() -> None:
    """It is there in a tenth of a second."""
    script = (
        "import sys\n"
        "from moose_lib.cli.main import main\n"
        "code = main(['--help'])\n"
        "sys.exit(code or bool({'pydantic', 'temporalio', 'rich', 'asyncio'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("module", PUBLIC)
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("TransformConfig", "streams have no broker here; transform and consume records in a task"),
        ("get_apis", "there are no analytics APIs; moose-cli query asks the store, as a web app of your own can"),
        ("MaterializedView", "create it in ClickHouse by hand"),
        ("MooseClient", "moose_lib.WorkflowClient starts and ends runs, and moose_lib.ingest sends records"),
        ("Logger", "use logging, print or ctx.logger, which belong to the run: moose-cli logs shows them"),
    ],
)
def test_what_only_the_existing_moose_has_is_told(module: str, name: str, told: str) -> None:
    """Any other name is missing as it always is."""
    imported = importlib.import_module(module)
    with pytest.raises(ImportError) as caught:
        getattr(imported, name)
    assert str(caught.value) == f"{name} of the existing Moose is not supported: {told}"
    assert not hasattr(imported, "Nothing")
