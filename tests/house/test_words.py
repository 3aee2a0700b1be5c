"""The project speaks of itself alone: its files name no machine, no registry and no one who made them."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXTS = {"", ".css", ".html", ".js", ".json", ".md", ".py", ".service", ".sh", ".svg", ".toml", ".txt"}
ELSEWHERE = {"__pycache__", "build", "demo-data", "dist", "mutants", "node_modules"}
STRANGE = re.compile(
    r"/work/|/root/|/tmp/spec|\.\./shared|\bfacts/\w+\.md|DESIGN\.md"
    r"|pypi\.org|pythonhosted\.org|registry\.npmjs|deb\.debian\.org|/opt/(?:pypi|wheels)"
    r"|helper session|language model|\bissues? #?\d+\b|\bissues show\b|\bCOMMON\.md",
    re.IGNORECASE,
)


def texts() -> Iterator[Path]:
    """Return the project's text files; what tools leave behind begins with a dot or is named above."""
    for path in sorted(ROOT.rglob("*")):
        inside = path.relative_to(ROOT).parts
        hidden = {part for part in inside[:-1] if part.startswith(".") and part != ".ci"}
        if not hidden and not ELSEWHERE & set(inside) and path.suffix in TEXTS and path.is_file():
            yield path


def test_no_file_speaks_of_its_making() -> None:
    """No file names a path of some machine, a package registry, or the papers it was made from."""
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
