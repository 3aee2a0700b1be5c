"""The table of promises: a promise without a test shows, and so does a number that nobody promised."""

import importlib.util
import json
import subprocess
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
    """A failed test fails its promise, one that was not run leaves it not run, and each row counts its tests."""
    results = tmp_path / "results"
    results.write_text('{"t.py::a": "passed", "t.py::b": "failed", "t.py::c": "passed"}', "utf-8")
    found = {"S01": ["t.py::a", "t.py::c"], "S02": ["t.py::a", "t.py::b"], "S03": ["t.py::a", "t.py::new"]}
    promises, _ = requirements.weigh(TABLE, {"S04": "later"}, found)
    rows = requirements.page(promises, *requirements.last_results(results)).splitlines()[-4:]
    assert [row.split(" | ")[3] for row in rows] == ["passed", "failed", "not run", "not run"]
    assert rows[0].endswith("| kept | passed | `t.py` (2) |  |")
    assert "| open | not run | none | later |" in rows[3]


CASES = """\
import pytest
@pytest.mark.parametrize("n", [0, 1, 2])
def test_a(n):
    "Fact."
    assert n != 1
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_results_are_kept_of_workers_too(tmp_path: Path, workers: str) -> None:
    """A test is failed where one case of it is, by however many workers; one not run again stays as it was."""
    conftest = (ROOT / "tests" / "conftest.py").read_text("utf-8")
    (tmp_path / "conftest.py").write_text(conftest[: conftest.index("def pytest_addoption")], "utf-8")
    (tmp_path / "test_first.py").write_text(CASES, "utf-8")
    (tmp_path / "test_second.py").write_text("def test_b():\n    'Fact.'\n", "utf-8")
    for name in ("test_first.py", "test_second.py"):
        call = [sys.executable, "-m", "pytest", "-q", "--rootdir", ".", "-c", "/dev/null", "-n", workers, name]
        subprocess.run(call, cwd=tmp_path, capture_output=True, timeout=50, check=False)
    results = json.loads((tmp_path / ".pytest_cache/v/nebctl/results").read_text("utf-8"))
    assert results == {"test_first.py::test_a": "failed", "test_second.py::test_b": "passed"}
