"""What the type checkers refuse in users' code: each line marked `# refused`, and no other."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
REFUSED = ROOT / "tests" / "typing_tests" / "refused"


def marked_lines() -> set[tuple[str, int]]:
    return {
        (path.name, number)
        for path in REFUSED.glob("*.py")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if line.endswith("# refused")
    }


def run_checker(*arguments: str) -> str:
    """The checker's output; it has to exit with 1, "errors found", as anything else is a fault of the checker."""
    done = subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


def test_mypy_refuses_each_marked_line_and_no_other() -> None:
    output = run_checker("mypy", "--no-pretty", "--no-error-summary", *map(str, REFUSED.glob("*.py")))

    found = re.findall(r"([^/\n]+\.py):(\d+): error:", output)
    assert {(name, int(line)) for name, line in found} == marked_lines(), output


def test_pyright_refuses_each_marked_line_and_no_other() -> None:
    project = str(REFUSED / "pyrightconfig.json")
    output = run_checker("basedpyright", "--project", project, "--pythonpath", sys.executable, "--outputjson")

    found = {
        (Path(diagnostic["file"]).name, diagnostic["range"]["start"]["line"] + 1)
        for diagnostic in json.loads(output)["generalDiagnostics"]
        if diagnostic["severity"] == "error"
    }
    assert found == marked_lines(), output
