"""The documented states of a session are those of the table."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from nebctl.core.session import State
from nebctl.core.session.table import TABLE

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "session.md"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """Return the script that prints the page."""
    spec = importlib.util.spec_from_file_location("state_diagram", ROOT / "scripts" / "state_diagram.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_table_prints(script: ModuleType) -> None:
    """docs/reference/session.md is, to the byte, what scripts/state_diagram.py prints; run it after a change."""
    assert PAGE.read_text(encoding="utf-8") == script.page()


def test_the_page_has_every_row() -> None:
    """Each row of the table stands on the page once, under its state, and nothing else does."""
    sections = re.split(r"^### ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    told = {
        (section.split("\n", 1)[0], event, target)
        for section in sections
        for event, target in re.findall(r"^\| (.+?) \| (.+?) \|$", section, re.MULTILINE)
        if event != "event"
    }
    rows = {
        (state.value, kind.value, "stays" if target is state else target.value)
        for state in State
        for kind, (target, _) in TABLE[state].items()
    }
    assert told == rows


def test_the_diagram_draws_every_move() -> None:
    """Each pair of states that some event connects is one arrow of the diagram."""
    arrows = set(re.findall(r"^    (\w+) --> (\w+):", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    moves = {(state, target) for state in State for target, _ in TABLE[state].values() if target is not state}
    assert arrows == {(a.value.replace("-", "_"), b.value.replace("-", "_")) for a, b in moves}
