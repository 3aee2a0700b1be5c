"""The table of promises: a promise without a test shows, and so does a number that nobody promised."""

import importlib.util
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
TABLE = """\
| # | Requirement | Why (anchor) | Test |
|---|---|---|---|
| S01 | The first promise | because | P |
| S02 | The second promise | because | F: crash |
| S03 | The third promise | because | B |
| S04 | The fourth promise | because | C |
"""


@pytest.fixture(scope="module")
def requirements() -> ModuleType:
    """Return scripts/requirements.py as a module."""
    path = ROOT / "scripts" / "requirements.py"
    spec = importlib.util.spec_from_file_location("requirements_table", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_each_promise_has_a_state(requirements: ModuleType) -> None:
    """A promise is kept by tests, partly kept with a reason beside them, open with a reason alone, else a gap."""
    promises, wrong = requirements.weigh(TABLE, {"S02": "later", "S03": "later"}, {"S01": ["a"], "S02": ["b", "c"]})
    assert [promise.state for promise in promises] == ["kept", "partly", "open", "GAP"]
    assert len(wrong) == 1
    assert wrong[0].startswith("S04 has no test and no reason")


def test_an_empty_reason_is_no_reason(requirements: ModuleType) -> None:
    """A blank text does not excuse a missing test."""
    _, wrong = requirements.weigh(TABLE, {"S02": " ", "S03": "x", "S04": "x"}, {"S01": ["a"]})
    assert [line[:3] for line in wrong] == ["S02"]


def test_a_number_that_no_row_has_is_wrong(requirements: ModuleType) -> None:
    """A misspelt number, in a test or in the list of reasons, is reported with its place."""
    reasons = dict.fromkeys(("S01", "S02", "S03", "S04", "S77"), "x")
    _, wrong = requirements.weigh(TABLE, reasons, {"S99": ["tests/test_a.py::test_b"]})
    assert wrong == [
        "tests/test_a.py::test_b is marked S99: no row has that number",
        "requirements-open.toml: S77: no row has that number",
    ]


def test_every_row_of_the_safety_page_is_read(requirements: ModuleType) -> None:
    """The table holds S01 to S55 in order, and every open row gives its reason as a text."""
    reasons = tomllib.loads((ROOT / "docs" / "requirements-open.toml").read_text(encoding="utf-8"))
    promises, _ = requirements.weigh((ROOT / "docs" / "safety.md").read_text(encoding="utf-8"), reasons, {})
    assert [promise.number for promise in promises] == [f"S{number:02}" for number in range(1, 56)]
    assert [number for number, reason in reasons.items() if len(str(reason)) < 20] == []


def test_the_page_has_each_promise_with_its_last_result(requirements: ModuleType, tmp_path: Path) -> None:
    """A failed case fails its promise, a test that pytest has not seen is not run, and each row counts its tests."""
    (tmp_path / "nodeids").write_text('["t.py::a[1]", "t.py::b", "t.py::c"]', "utf-8")
    (tmp_path / "lastfailed").write_text('{"t.py::b[2]": true}', "utf-8")
    found = {"S01": ["t.py::a", "t.py::c"], "S02": ["t.py::a", "t.py::b"], "S03": ["t.py::a", "t.py::new"]}
    promises, _ = requirements.weigh(TABLE, {"S04": "later"}, found)
    rows = requirements.page(promises, *requirements.last_results(tmp_path)).splitlines()[-4:]
    assert [row.split(" | ")[3] for row in rows] == ["passed", "failed", "not run", "not run"]
    assert rows[0].endswith("| kept | passed | `t.py` (2) |  |")
    assert "| open | not run | none | later |" in rows[3]
