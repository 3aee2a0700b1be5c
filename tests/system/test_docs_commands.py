"""The commands that the documents and the demonstration itself tell people to type."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```\n(.*?)^```", re.MULTILINE | re.DOTALL)


def told() -> Iterator[str]:
    """Return the README's command lines that look at a demonstration or at what nebctl ships."""
    for block in BLOCK.findall((ROOT / "README.md").read_text("utf-8")):
        for line in block.splitlines():
            if line.startswith((".venv/bin/nebctl ", "scripts/")):
                yield line


def run(line: str, data: Path, dose: str) -> "subprocess.CompletedProcess[str]":
    """Run a documented line on a demonstration's data."""
    words = shlex.split(line.replace("demo-data", str(data)).replace("<dose id>", dose).replace("DOSE", dose))
    program = [sys.executable, "-m", "nebctl"] if words[0].endswith("nebctl") else ["bash", str(ROOT / words[0])]
    return subprocess.run([*program, *words[1:]], capture_output=True, text=True, check=False, timeout=30)


@pytest.mark.parametrize("line", list(told()))
def test_a_command_of_the_readme_does_what_it_says(line: str, demo) -> None:
    """A command line of the README succeeds on what the demonstration left, and says something."""
    dose = demo.report["doses"][0]["session"]
    done = run(line, demo.data, dose)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip()


def test_the_readme_has_commands() -> None:
    """The README tells at least five commands, so that the test above has something to run."""
    assert len(list(told())) >= 5
