"""Traces as files, and the command that reads them."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from nebctl.cli import main
from nebctl.core.trace import HEADER

RATE_NL_S = 6_333


@dataclass(frozen=True)
class Trace:
    """A trace file and what was run on it."""

    path: Path

    def run(self, *options: str, preset: str = "mesh.solo", charge: str = "3") -> Result:
        """Run `nebctl dose estimate` on the file."""
        given = ("--preset", preset, "--charge-ml", charge, *options)
        return CliRunner().invoke(main, ["dose", "estimate", str(self.path), *given])

    def figures(self, *options: str, **given: str) -> dict[str, Any]:
        """Return the object that `--json` prints in its last line."""
        done = self.run("--json", *options, **given)
        assert done.exit_code == 0, done.output
        answer = json.loads(done.stdout.splitlines()[-1])
        assert isinstance(answer, dict)
        return answer


def mesh_rows(seconds: int, dry: int = 1, *, weight: bool = False, begin_s: int = 0) -> Iterator[str]:
    """Yield rows, five a second, of a mesh that runs evenly and is off in the last one; `dry` is what it then says."""
    for fifth in range(seconds * 5):
        t_s = begin_s + fifth / 5
        mg = f"{60_000 - fifth * RATE_NL_S / 5 / 1000:.1f}" if weight else ""
        yield f"{t_s:.1f},running,83.400,128250,1460.000,24.000,,,{mg},,0"
    mg = f"{60_000 - seconds * RATE_NL_S / 1000:.1f}" if weight else ""
    for fifth in range(10):
        yield f"{begin_s + seconds + fifth / 5:.1f},off,0.000,,,24.000,,,{mg},,{dry}"


@pytest.fixture
def rows_of() -> Callable[..., Iterator[str]]:
    """Return how rows of a mesh are made."""
    return mesh_rows


@pytest.fixture
def record(tmp_path: Path) -> Callable[..., Trace]:
    """Return how a trace is written into a file."""

    def write(*rows: str, header: str = HEADER, name: str = "trace.csv") -> Trace:
        path = tmp_path / name
        path.write_text("\n".join((header, *rows)) + "\n", "utf-8")
        return Trace(path)

    return write


@pytest.fixture
def whole(record: Callable[..., Trace]) -> Trace:
    """Return the trace of a mesh that emitted 2.9 mL of 3 and said dry."""
    return record(*mesh_rows(458))


@pytest.fixture
def calibrated(tmp_path: Path) -> str:
    """Return the file of a calibration."""
    path = tmp_path / "cal.json"
    path.write_text(json.dumps({"rate_nl_per_s": 6333.0, "sigma_nl_per_s": 190, "method": "time"}))
    return str(path)
