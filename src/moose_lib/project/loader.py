"""From a folder or a file to the workflows it declares, compiled, or to every fault that prevents it."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import itertools
import os
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from moose_lib.dmv2 import _registry
from moose_lib.dmv2.workflow import Workflow
from moose_lib.errors import Fault, ImportFailed, InvalidDefinition, ProjectNotFound, SettingsError
from moose_lib.plan.build import try_compile
from moose_lib.plan.endpoints import Endpoint, TablePlan, compile_tables, try_compile_endpoints
from moose_lib.plan.model import Plan
from moose_lib.project.ending import Terminated
from moose_lib.project.settings import Settings, load_settings

CONFIG_FILE = "moose.config.toml"


@dataclass(frozen=True, kw_only=True)
class Project:
    """Where the user's code is: `entry` is the file that declares the workflows, `root` the folder it belongs to."""

    root: Path
    entry: Path
    settings: Settings
    is_single_file: bool

    @property
    def name(self) -> str:
        """What people call it: the folder's name, or the single file's."""
        return self.entry.name if self.is_single_file else self.root.name


@dataclass(frozen=True, kw_only=True)
class LoadedProject:
    """A project whose code has been imported: its workflows and their plans, its tables, all by name; its endpoints.

    `since`: before it was imported, in seconds since 1970.
    """

    project: Project
    workflows: Mapping[str, Workflow]
    plans: Mapping[str, Plan]
    tables: Mapping[str, TablePlan] = field(default_factory=dict[str, TablePlan])
    endpoints: tuple[Endpoint, ...] = ()
    since: float = field(default_factory=time.time)


def find_project(
    directory: Path, file: Path | None = None, *, overrides: Mapping[str, object] | None = None
) -> Project:
    """The project of `file`, or else the one that `directory` is in, looking upward for `moose.config.toml`.

    A single file needs no configuration; one in its folder counts.

    Raises:
        ProjectNotFound: no configuration up to the root, or the file or the entry module is missing.
        SettingsError: the configuration is wrong.
    """
    if file is not None:
        return _single_file(directory, file, overrides)
    for folder in (directory.resolve(), *directory.resolve().parents):
        if (folder / CONFIG_FILE).is_file():
            settings = load_settings(folder, overrides)
            entry = Path(os.path.normpath(folder / settings.source_dir / "main.py"))
            if not entry.is_relative_to(folder):
                raise SettingsError(
                    f"source_dir = {settings.source_dir!r} is outside the project {folder}",
                    hint=f'name a folder below it in {CONFIG_FILE}, as source_dir = "app"',
                )
            if not entry.is_file():
                raise ProjectNotFound(
                    f"{entry} is missing", hint=f"declare workflows there, or set source_dir in {CONFIG_FILE}"
                )
            return Project(root=folder, entry=entry, settings=settings, is_single_file=False)
    raise ProjectNotFound(
        f"no {CONFIG_FILE} in {directory.resolve()} or above it",
        hint="cd into a project, or name a file: moose-cli dev FILE, elsewhere --file FILE",
    )


def load_project(project: Project) -> LoadedProject:
    """Import the project's code and compile what it declares.

    Meant to be called once in the life of a process: modules that are imported already do not run again.

    Raises:
        ImportFailed: the code raises at import; carries the user's traceback, and the faults declared before.
        InvalidDefinition: with all faults of all workflows, in the order of the code.
    """
    since = time.time()
    _registry.clear()
    with _registry.collect() as declared:
        _import(project, declared.faults)
    workflows = dict(_registry.registered_workflows())
    namesakes = [it for it in declared.workflows if workflows.get(it.name, it) is not it]
    plans, compiled = try_compile([*workflows.values(), *namesakes])
    endpoints, clashes = try_compile_endpoints(_registry.registered_ingest_apis().values())
    faults = list(dict.fromkeys([*declared.faults, *_further(declared.faults, compiled), *clashes]))
    if faults:
        raise InvalidDefinition(sorted(faults, key=_position))
    tables = compile_tables(_registry.registered_tables().values())
    return LoadedProject(
        project=project, workflows=workflows, plans=plans, tables=tables, endpoints=endpoints, since=since
    )


def _further(declared: list[Fault], compiled: list[Fault]) -> list[Fault]:
    """The compiler's faults that are not the same as one found while declaring, told for another workflow."""
    known = {(fault.message, fault.location) for fault in declared}
    return [fault for fault in compiled if (fault.message, fault.location) not in known]


def _position(fault: Fault) -> tuple[str, int]:
    return ("", 0) if fault.location is None else (fault.location.file, fault.location.line)


def _single_file(directory: Path, file: Path, overrides: Mapping[str, object] | None) -> Project:
    path = (directory / file).resolve()
    if not path.is_file():
        raise ProjectNotFound(f"{file} is not a file", hint=f"it was looked for in {path.parent}")
    if path.suffix != ".py":
        raise ProjectNotFound(f"{file} is not a Python file", hint="name one that ends with .py")
    settings = load_settings(path.parent, overrides)
    return Project(root=path.parent, entry=path, settings=settings, is_single_file=True)


def _import(project: Project, declared: list[Fault]) -> None:
    """Run the user's code, which fills `declared`.

    What it prints goes to stderr, as stdout may be read by programs.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr):
            if project.is_single_file:
                name = _module_name(project.entry)
                _put_first(project.root)
                _run_file(name, project.entry)
            else:
                _put_first(project.root)
                _import_package(project)
    except Terminated:
        raise  # it happened to be here
    except (Exception, SystemExit) as error:
        hint = None if project.is_single_file else f"cd {project.root} && python -m {_package(project)}.main"
        faults = sorted(declared, key=_position)
        raise ImportFailed(str(project.entry), _their_traceback(error), hint=hint, faults=faults) from error


def _put_first(folder: Path) -> None:
    """The user's modules are found before installed ones of the same name, as when Python runs their file."""
    sys.path[:] = [str(folder), *(path for path in sys.path if path != str(folder))]


def _package(project: Project) -> str:
    return ".".join(project.entry.parent.relative_to(project.root).parts)


def _import_package(project: Project) -> None:
    """Import `<source_dir>.main` from this folder, whatever else is called so on the path or was imported before."""
    package, folder = _package(project), project.root
    if not package:
        sys.modules.pop("main", None)
        _run_file("main", project.entry)
        return
    top = package.split(".")[0]
    for name in [name for name in sys.modules if name == top or name.startswith(f"{top}.")]:
        del sys.modules[name]
    name = ""
    for part in package.split("."):
        name, folder = f"{name}.{part}".lstrip("."), folder / part
        _run_package(name, folder)
    importlib.import_module(f"{package}.main")


def _run_package(name: str, folder: Path) -> None:
    if (folder / "__init__.py").is_file():
        module = _run_file(name, folder / "__init__.py")
    else:
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [str(folder)]
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
    parent, _, part = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], part, module)


def _run_file(name: str, file: Path) -> ModuleType:
    locations = [str(file.parent)] if file.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=locations)
    assert spec is not None, f"{file} is a Python file"
    assert spec.loader is not None, f"{file} is a Python file"
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # pydantic looks up a model's module there
    spec.loader.exec_module(module)
    return module


def _module_name(file: Path) -> str:
    """The file's own name, so that tracebacks read well, unless that would hide another module."""
    if file.stem in sys.stdlib_module_names:
        with contextlib.suppress(ImportError):  # some are for other platforms
            importlib.import_module(file.stem)  # now: later the library would find the user's file in its place
    is_taken = file.stem in sys.stdlib_module_names or file.stem in sys.modules or not file.stem.isidentifier()
    return f"moose_file_{file.stem}" if is_taken else file.stem


def _their_traceback(error: BaseException) -> str:
    """The traceback as if the user had run the file: without the frames of this module and of Python's import."""
    shown = traceback.TracebackException.from_exception(error)
    frames = itertools.dropwhile(lambda frame: _is_importing(frame.filename), shown.stack)
    shown.stack = traceback.StackSummary.from_list(list(frames))
    return "".join(shown.format())


def _is_importing(file: str) -> bool:
    return file.startswith("<frozen ") or file in (__file__, importlib.__file__)
