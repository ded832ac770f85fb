"""Documents agree with the code: the command reference, links, and the example in the README."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*/README.md"), ROOT / "npm/README.md"]
)
_LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)(#[^)]*)?\)")


def test_the_command_reference_is_what_the_commands_say_of_themselves() -> None:
    """`make docs` has been run since the last change of a command."""
    code = "import runpy; print(runpy.run_path('docs/generate_cli.py')['reference'](), end='')"
    written = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert (ROOT / "docs/cli.md").read_text() == written, "run `make docs`"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    """Every relative link of a document names a file or folder that is there."""
    links = [match[1] for match in _LINK.finditer(document.read_text())]

    assert [link for link in links if not (document.parent / link).exists()] == []


def test_the_example_in_the_readme_runs_as_it_stands(tmp_path: Path) -> None:
    """Pasted into a file, the twenty lines run and greet."""
    example = re.search(r"```python\n(# hello\.py\n.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert example is not None
    run = (
        "from hello import Name\n"
        "from moose_lib.dmv2._registry import _workflows\n"
        "from moose_lib.testing import run_local\n"
        "print(run_local(_workflows['Hello'], Name(name='Ada')).result.text)\n"
    )
    (tmp_path / "hello.py").write_text(example[1])

    shown = subprocess.run([sys.executable, "-c", run], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (shown.stdout, shown.stderr, shown.returncode) == ("HELLO, ADA!\n", "", 0)
