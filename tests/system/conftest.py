"""Whole units as processes: each test gets a table of its own, and everything on it ends with the test."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nebctl_lab.bench_site import Bench

Nebctl = Callable[..., "subprocess.CompletedProcess[str]"]


def call(*arguments: object, timeout_s: float = 20) -> "subprocess.CompletedProcess[str]":
    """Run a nebctl command to its end."""
    command = [sys.executable, "-m", "nebctl", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout_s)


@pytest.fixture(scope="session")
def nebctl() -> Nebctl:
    """The command line."""
    return call


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """Make a bench whose processes are not yet started."""
    made: list[Bench] = []

    def make(**wishes: Any) -> Bench:
        made.append(Bench(tmp_path / f"site{len(made)}", **wishes))
        return made[-1]

    yield make
    for bench in made:
        bench.close()


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    """A unit that is up, with its nebulizer, a worklist for three subjects, and no network."""
    return make_bench(subjects=3).start()


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A unit that is up for a whole module, with more subjects than tests."""
    bench = Bench(tmp_path_factory.mktemp("table") / "site", subjects=60, calibrated=True)
    yield bench.start()
    bench.close()


@pytest.fixture
def shared(table: Bench) -> Bench:
    """The module's unit, at rest, with a subject who was not treated before."""
    table.turn_to_next()
    return table


@dataclass(frozen=True, slots=True)
class Demo:
    """What one run of the demonstration left."""

    code: int
    lines: list[str]
    report: dict[str, Any]
    data: Path


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """One course of five doses, given by `nebctl demo --json`."""
    data = tmp_path_factory.mktemp("demo") / "data"
    done = call("demo", "--json", "--speed", 300, "--data", data, timeout_s=55)
    assert done.stdout, done.stderr
    lines = done.stdout.splitlines()
    return Demo(done.returncode, lines, json.loads(lines[-1]), data)
