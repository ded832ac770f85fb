"""From a folder or a file to its workflows, or to everything that is wrong with it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest

from moose_lib.errors import ImportFailed, InvalidDefinition, ProjectNotFound, SettingsError
from moose_lib.project.loader import LoadedProject, find_project, load_project

HEAD = """\
from pydantic import BaseModel
from moose_lib.dmv2.workflow import Task, TaskConfig, Workflow, WorkflowConfig

class Order(BaseModel):
    number: int

class Paid(BaseModel):
    total: int

def tick() -> None: ...
def charge(order: Order) -> Paid: ...
"""
FLOW = HEAD + 'Workflow("Orders", WorkflowConfig(Task[Order, Paid]("charge", TaskConfig(charge))))\n'


@pytest.fixture(autouse=True)
def _own_modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]  # pytest calls it
    """A project is loaded once in the life of a process; here, each test is such a life."""
    modules = dict(sys.modules)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield
    for name in [name for name in sys.modules if name not in modules]:
        del sys.modules[name]
    sys.modules.update(modules)


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
    return root


def project(root: Path, files: dict[str, str], config: str = "") -> Path:
    return write(root, {"moose.config.toml": config} | files)


def load(root: Path, file: str | None = None) -> LoadedProject:
    return load_project(find_project(root, None if file is None else Path(file)))


def import_error(root: Path, file: str | None = None) -> ImportFailed:
    with pytest.raises(ImportFailed) as caught:
        load(root, file)
    return caught.value


def faults(root: Path, file: str | None = None) -> list[tuple[str, int, str]]:
    with pytest.raises(InvalidDefinition) as caught:
        load(root, file)
    places = [(fault.location, fault.code) for fault in caught.value.faults]
    return [(Path(place.file).name, place.line, code) for place, code in places if place is not None]


def test_a_project_with_a_package(tmp_path: Path) -> None:
    """Modules find each other relatively and absolutely, and those beside the package too."""
    project(
        tmp_path,
        {
            "beside.py": "VALUE = 1",
            "app/__init__.py": "LOADED = True",
            "app/main.py": "from . import flows\nfrom app.flows import Order\nimport beside, app\nassert app.LOADED",
            "app/flows.py": FLOW,
        },
    )
    found = load(tmp_path)

    assert list(found.workflows) == ["Orders"]
    assert found.plans["Orders"].start == "charge"
    assert found.project.name == tmp_path.name
    assert not found.project.is_single_file


def test_a_project_without_init_files(tmp_path: Path) -> None:
    project(
        tmp_path,
        {"app/main.py": "from . import flows\nimport app.deep.more", "app/flows.py": FLOW, "app/deep/more.py": ""},
    )

    assert list(load(tmp_path).plans) == ["Orders"]


@pytest.mark.parametrize("init", [{}, {"app/__init__.py": ""}])
def test_another_package_called_app_does_not_get_in_the_way(tmp_path: Path, init: dict[str, str]) -> None:
    """Installed, first on the path, and even imported already."""
    other = write(tmp_path / "site", {"app/__init__.py": "", "app/main.py": "raise AssertionError('the wrong one')"})
    ours = project(tmp_path / "ours", {"app/main.py": "from app import flows", "app/flows.py": FLOW} | init)
    sys.path.insert(0, str(other))
    __import__("app")

    assert list(load(ours).plans) == ["Orders"]


@pytest.mark.parametrize(
    ("source_dir", "imports"),
    [
        ("src/flows", "import src.flows.more as m"),
        ("./app/", "from app import more as m"),
        (".", "import more as m"),
    ],
)
def test_the_source_folder_is_a_setting(tmp_path: Path, source_dir: str, imports: str) -> None:
    folder = tmp_path / source_dir
    project(tmp_path, {}, f'source_dir = "{source_dir}"')
    write(folder, {"main.py": f"{imports}\nassert m.VALUE == 1\n{FLOW}", "more.py": "VALUE = 1"})

    assert list(load(tmp_path).plans) == ["Orders"]


def test_a_source_folder_outside_of_the_project_is_refused(tmp_path: Path) -> None:
    project(tmp_path / "ours", {}, 'source_dir = "../other"')

    with pytest.raises(SettingsError, match=r"source_dir = '\.\./other' is outside the project"):
        find_project(tmp_path / "ours")


def test_the_configuration_is_looked_for_upwards(tmp_path: Path) -> None:
    project(tmp_path, {"app/main.py": FLOW, "app/deep/note.txt": ""})

    assert find_project(tmp_path / "app" / "deep").root == tmp_path.resolve()


def test_a_folder_without_configuration_is_no_project(tmp_path: Path) -> None:
    with pytest.raises(ProjectNotFound) as caught:
        find_project(tmp_path)

    assert str(caught.value) == f"no moose.config.toml in {tmp_path.resolve()} or above it"
    assert caught.value.hint == "cd into a project, or name a file: moose-cli dev FILE, elsewhere --file FILE"


def test_a_project_without_entry_says_which_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ProjectNotFound) as caught:
        find_project(project(tmp_path, {}))

    assert str(caught.value) == f"{tmp_path.resolve() / 'app' / 'main.py'} is missing"


def test_a_single_file_needs_no_configuration(tmp_path: Path) -> None:
    write(tmp_path, {"orders.py": f"from beside import VALUE\n{FLOW}", "beside.py": "VALUE = 1"})
    found = load(tmp_path, "orders.py")

    assert list(found.plans) == ["Orders"]
    assert found.project.name == "orders.py"
    assert found.project.is_single_file
    assert found.workflows["Orders"].location.file == str(tmp_path / "orders.py")


@pytest.mark.parametrize("name", ["winreg.py", "json.py", "my-flow.py", "pydantic.py", "sched.py"])
def test_a_file_may_be_called_like_another_module(tmp_path: Path, name: str) -> None:
    """The other one stays what it is for everybody else."""
    before = sys.modules.get(Path(name).stem)
    write(tmp_path, {name: f"import sched, json\n{FLOW}assert sched.scheduler\n"})

    assert list(load(tmp_path, name).plans) == ["Orders"]
    if before is not None:
        assert sys.modules[Path(name).stem] is before


@pytest.mark.parametrize("name", ["missing.py", "folder", "notes.txt"])
def test_what_is_not_a_python_file_is_refused(tmp_path: Path, name: str) -> None:
    write(tmp_path, {"folder/x.py": "", "notes.txt": ""})

    with pytest.raises(ProjectNotFound, match=rf"{name} is not a (Python )?file") as caught:
        find_project(tmp_path, Path(name))
    assert caught.value.hint in (f"it was looked for in {tmp_path}", "name one that ends with .py")


def test_what_is_printed_while_importing_goes_to_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """stdout may be read by a program."""
    write(tmp_path, {"orders.py": f"print('hello')\n{FLOW}"})
    load(tmp_path, "orders.py")

    assert capsys.readouterr() == ("", "hello\n")


def test_an_exception_shows_the_users_traceback_from_their_file_on(tmp_path: Path) -> None:
    project(tmp_path, {"app/main.py": "from app import broken", "app/broken.py": "def fail():\n    1 / 0\nfail()"})
    error = import_error(tmp_path)

    assert error.file == str(tmp_path / "app" / "main.py")
    assert error.hint == f"cd {tmp_path} && python -m app.main"
    lines = error.traceback.splitlines()
    assert lines[:2] == ["Traceback (most recent call last):", f'  File "{tmp_path}/app/main.py", line 1, in <module>']
    assert f'  File "{tmp_path}/app/broken.py", line 2, in fail' in lines
    assert lines[-1] == "ZeroDivisionError: division by zero"
    assert "moose_lib" not in error.traceback
    assert "importlib" not in error.traceback


def test_only_the_users_frames_are_shown_wherever_moose_is_installed(tmp_path: Path) -> None:
    """A virtual environment in the project's folder is the usual place: then our files are below it too."""
    found = find_project(write(tmp_path, {"orders.py": "import missing_module_of_mine"}), Path("orders.py"))
    with pytest.raises(ImportFailed) as caught:
        load_project(replace(found, root=Path("/")))

    assert caught.value.traceback == (
        "Traceback (most recent call last):\n"
        f'  File "{tmp_path}/orders.py", line 1, in <module>\n'
        "    import missing_module_of_mine\n"
        "ModuleNotFoundError: No module named 'missing_module_of_mine'\n"
    )


def test_chained_causes_are_shown_whole(tmp_path: Path) -> None:
    code = """\
    def first():
        raise KeyError("inner")
    try:
        first()
    except KeyError as error:
        raise RuntimeError("outer") from error
    """
    error = import_error(write(tmp_path, {"orders.py": code}), "orders.py")

    assert error.traceback.index("KeyError: 'inner'") < error.traceback.index("direct cause of the following exception")
    assert error.traceback.endswith("RuntimeError: outer\n")
    assert error.traceback.count("orders.py") == 3
    assert "moose_lib" not in error.traceback


def test_a_syntax_error_looks_as_python_shows_it(tmp_path: Path) -> None:
    error = import_error(write(tmp_path, {"orders.py": "def broken(:\n    pass\n"}), "orders.py")

    assert error.traceback.startswith(f'  File "{tmp_path}/orders.py", line 1\n    def broken(:\n')
    assert error.traceback.endswith("SyntaxError: invalid syntax\n")
    assert error.hint == f"python {tmp_path}/orders.py"


def test_a_syntax_error_in_an_imported_file_shows_who_imports_it(tmp_path: Path) -> None:
    error = import_error(project(tmp_path, {"app/main.py": "import app.broken", "app/broken.py": "x ="}))

    assert [line for line in error.traceback.splitlines() if "File" in line] == [
        f'  File "{tmp_path}/app/main.py", line 1, in <module>',
        f'  File "{tmp_path}/app/broken.py", line 1',
    ]


@pytest.mark.parametrize("code", ["import sys; sys.exit(3)", "raise SystemExit"])
def test_code_that_exits_is_an_error_and_not_the_end(tmp_path: Path, code: str) -> None:
    error = import_error(write(tmp_path, {"orders.py": code}), "orders.py")

    assert "SystemExit" in error.traceback.splitlines()[-1]


def test_ctrl_c_while_importing_is_passed_on(tmp_path: Path) -> None:
    write(tmp_path, {"orders.py": "raise KeyboardInterrupt"})

    with pytest.raises(KeyboardInterrupt):
        load(tmp_path, "orders.py")


def test_all_faults_of_several_files_and_workflows_are_told_at_once_in_the_order_of_the_code(tmp_path: Path) -> None:
    """No fault twice, and none that only follows from another."""
    main = """\
    from app.models import *
    from app import other
    def shared(order: Order) -> None: ...
    common = Task[Order, None]("common", TaskConfig(shared))
    wrong = Task[int, Paid]("wrong", TaskConfig(charge, timeout="soon"))
    wrong.config.on_complete = [Task[Paid, None]("behind", TaskConfig(tick)), common]
    Workflow("One", WorkflowConfig(wrong, retries=-1))
    Workflow("Two", WorkflowConfig(Task[None, None]("two", TaskConfig(tick, on_complete=[common]))))
    Workflow("Three", WorkflowConfig(Task[None, None]("two", TaskConfig(tick, on_complete=[common]))))
    a, b = Task[None, None]("a", TaskConfig(tick)), Task[None, None]("b", TaskConfig(tick))
    a.config.on_complete = [b]
    b.config.on_complete = [a]
    Workflow("Four", WorkflowConfig(a, schedule="daily"))
    """
    other = """\
    from app.models import *
    Workflow("Two", WorkflowConfig(Task[None, Paid]("x/y", TaskConfig(tick))))
    Workflow("Five", WorkflowConfig(Task[None, Order]("load", TaskConfig(load, on_complete=[None]))))
    """
    project(tmp_path, {"app/models.py": f"{HEAD}def load(): ...\n", "app/main.py": main, "app/other.py": other})

    assert faults(tmp_path) == [
        ("main.py", 4, "no-input"),
        ("main.py", 5, "not-a-model"),
        ("main.py", 5, "bad-timeout"),
        ("main.py", 7, "bad-retries"),
        ("main.py", 8, "duplicate-workflow"),
        ("main.py", 10, "cycle"),
        ("main.py", 13, "bad-schedule"),
        ("other.py", 2, "bad-name"),
        ("other.py", 2, "contradiction"),
        ("other.py", 3, "not-a-task"),
    ]


def test_the_second_workflow_of_a_name_is_checked_too(tmp_path: Path) -> None:
    code = f"{FLOW}needs = Task[Order, None]('needs', TaskConfig(lambda order: None))\n" + dedent(
        """\
        Workflow("Orders", WorkflowConfig(Task[None, None]("a", TaskConfig(tick, on_complete=[needs]))))
        """
    )

    assert [code for _, _, code in faults(write(tmp_path, {"orders.py": code}), "orders.py")] == [
        "no-input",
        "duplicate-workflow",
    ]


def test_a_project_without_workflows_loads(tmp_path: Path) -> None:
    assert load(project(tmp_path, {"app/main.py": ""})).plans == {}


def test_loading_forgets_what_was_declared_before(tmp_path: Path) -> None:
    write(tmp_path, {"orders.py": FLOW, "others.py": FLOW.replace("Orders", "Others")})
    load(tmp_path, "orders.py")

    assert list(load(tmp_path, "others.py").workflows) == ["Others"]
