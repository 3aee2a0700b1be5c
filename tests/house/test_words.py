"""The project speaks of itself alone: its files name no machine and no ticket."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXTS = {"", ".css", ".html", ".js", ".json", ".md", ".py", ".service", ".sh", ".svg", ".toml", ".txt"}
ELSEWHERE = {"__pycache__", "build", "demo-data", "dist", "mutants", "node_modules"}
HERE = re.escape(f"{ROOT}/")
"""Where this checkout happens to lie: no file may know that."""
STRANGE = re.compile(rf"{HERE}|/home/\w+|/Users/\w+|\bissues? #\d+\b", re.IGNORECASE)


def texts() -> Iterator[Path]:
    """Return the project's text files; what tools leave behind begins with a dot or is named above."""
    for path in sorted(ROOT.rglob("*")):
        inside = path.relative_to(ROOT).parts
        hidden = {part for part in inside[:-1] if part.startswith(".") and part != ".ci"}
        if not hidden and not ELSEWHERE & set(inside) and path.suffix in TEXTS and path.is_file():
            yield path


def test_no_file_speaks_of_its_making() -> None:
    """No file names a path of some machine, or a ticket."""
    found = [
        f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, match.start()) + 1}: {match[0]}"
        for path in texts()
        if path != Path(__file__)
        for text in [path.read_text(encoding="utf-8")]
        for match in STRANGE.finditer(text)
    ]
    assert found == []


def test_the_search_covers_the_project() -> None:
    """The search reads code, documents, settings, scripts and services alike."""
    names = {str(path.relative_to(ROOT)) for path in texts()}
    assert {"README.md", "Makefile", ".ci/run", "pyproject.toml", "nebctl/cli/__init__.py", "docs/safety.md"} <= names
    assert {"systemd/nebctl.service", "requirements/dev.txt", "scripts/install.sh"} <= names
