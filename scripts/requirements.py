#!/usr/bin/env python3
"""Prints the promises of docs/safety.md against the tests marked with their numbers, and writes docs/requirements.md.

Exit code 1 where a promise has neither a test nor a reason in docs/requirements-open.toml, 0 otherwise.
"""

import contextlib
import io
import json
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

ROOT = Path(__file__).resolve().parent.parent
SAFETY = ROOT / "docs" / "safety.md"
OPEN = ROOT / "docs" / "requirements-open.toml"
PAGE = ROOT / "docs" / "requirements.md"
RESULTS = ROOT / ".pytest_cache" / "v" / "nebctl" / "results"
ROW = re.compile(r"^\| (S\d\d) \| (.+?) \| .* \| (.+?) \|$", re.MULTILINE)
WIDTH = 72
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Promise:
    """One row of docs/safety.md: its number, what it says, and the tests and the reason found for it."""

    number: str
    says: str
    tests: tuple[str, ...] = ()
    reason: str = ""

    @property
    def state(self) -> str:
        """Return kept, partly (tests, and something left to do), open (a reason alone) or GAP (neither)."""
        if self.tests:
            return "partly" if self.reason else "kept"
        return "open" if self.reason else "GAP"


class Collector:
    """A pytest plugin that notes which test carries which number."""

    def __init__(self) -> None:
        """Start with nothing noted."""
        self.found: dict[str, list[str]] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note each test once under each of its numbers; parametrized cases count as one test."""
        for item in session.items:
            name = item.nodeid.partition("[")[0]
            for number in (str(arg) for mark in item.iter_markers("req") for arg in mark.args):
                tests = self.found.setdefault(number, [])
                if name not in tests:
                    tests.append(name)


def collect(paths: Iterable[str] = ()) -> dict[str, list[str]]:
    """Return the tests of each number, by pytest's own collection.

    Raises: `SystemExit` with pytest's words where the tests cannot be collected.
    """
    collector = Collector()
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = pytest.main(["--collect-only", "-qq", "-p", "no:cacheprovider", *paths], plugins=[collector])
    if code != pytest.ExitCode.OK:
        raise SystemExit(f"{said.getvalue()}\nrequirements: the tests could not be collected; run `make test` first")
    return collector.found


def weigh(safety: str, reasons: Mapping[str, str], found: Mapping[str, list[str]]) -> tuple[list[Promise], list[str]]:
    """Return every promise in order, and what is wrong: gaps, and numbers that no row has."""
    promises = [
        Promise(number, says, tuple(found.get(number, ())), reasons.get(number, "").strip())
        for number, says, _ in ROW.findall(safety)
    ]
    known = {promise.number for promise in promises}
    wrong = [
        f"{promise.number} has no test and no reason: mark a test with @pytest.mark.req({promise.number!r}), "
        f"or say in {OPEN.name} why it is open"
        for promise in promises
        if promise.state == "GAP"
    ]
    wrong += [f"{tests[0]} is marked {number}: no row has that number" for number, tests in strangers(found, known)]
    wrong += [f"{OPEN.name}: {number}: no row has that number" for number, _ in strangers(reasons, known)]
    return promises, wrong


def strangers(numbers: Mapping[str, Value], known: set[str]) -> list[tuple[str, Value]]:
    """Return what stands under a number that no row has."""
    return [(number, value) for number, value in sorted(numbers.items()) if number not in known]


def show(promise: Promise) -> str:
    """Return the lines of one promise: number, state, its words cut to one line, then its tests and its reason."""
    says = promise.says if len(promise.says) <= WIDTH else promise.says[: WIDTH - 1] + "…"
    lines = [f"{promise.number}  {promise.state:<6}  {says}"]
    lines += [f"             · {test}" for test in promise.tests]
    if promise.reason:
        lines.append(f"             open: {promise.reason}")
    return "\n".join(lines)


def last_results(path: Path = RESULTS) -> tuple[frozenset[str], frozenset[str]]:
    """Return the tests that were run here, and those that failed when last run, without their cases.

    tests/conftest.py writes them.
    """
    found = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return frozenset(found), frozenset(name for name, outcome in found.items() if outcome == "failed")


def result(promise: Promise, seen: frozenset[str], failed: frozenset[str]) -> str:
    """Return how a promise's tests last went here: passed, failed, or not run where one of them never was."""
    tests = set(promise.tests)
    if tests & failed:
        return "failed"
    return "passed" if tests and tests <= seen else "not run"


def page(promises: Iterable[Promise], seen: frozenset[str], failed: frozenset[str]) -> str:
    """Return the page: one row for each promise, its tests by file, the last result, and what is open."""
    lines = [
        "# Promises and their tests",
        "",
        "Written by `make requirements` from [safety.md](safety.md), the tests' marks and pytest's last results here.",
        "",
        "| # | promise | state | last result | tests | still open |",
        "|---|---|---|---|---|---|",
    ]
    for promise in promises:
        files = Counter(test.partition("::")[0] for test in promise.tests)
        tests = "<br>".join(f"`{file}` ({count})" for file, count in sorted(files.items())) or "none"
        outcome = result(promise, seen, failed)
        cells = (promise.number, promise.says, promise.state, outcome, tests, promise.reason)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Print the table and what is wrong, and write the page; return the exit code."""
    reasons = tomllib.loads(OPEN.read_text(encoding="utf-8"))
    promises, wrong = weigh(SAFETY.read_text(encoding="utf-8"), reasons, collect())
    print("\n".join(map(show, promises)))
    PAGE.write_text(page(promises, *last_results()), encoding="utf-8")
    states = [promise.state for promise in promises]
    print("\n" + ", ".join(f"{states.count(state)} {state}" for state in ("kept", "partly", "open", "GAP")))
    for line in wrong:
        print(f"requirements: {line}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
