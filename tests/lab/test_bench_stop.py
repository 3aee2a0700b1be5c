"""`nebctl bench stop`: every part runs, and each source has its figure beside its limit."""

import json
import subprocess
import sys

import pytest

from nebctl_lab.bench.stop import describe


@pytest.mark.req("S20")
@pytest.mark.timeout(180)
def test_every_source_of_stop_is_measured() -> None:
    """Each source puts STOP on the wire of a whole unit, in mid-dose, with a stalled disk and a blocked log."""
    command = (sys.executable, "-m", "nebctl", "bench", "stop", "--quick", "--json")
    run = subprocess.run(command, capture_output=True, text=True, timeout=170, check=False)
    assert run.returncode == 0, run.stderr
    figures = json.loads(run.stdout)
    assert {name: figures[name]["stops"] for name in figures["limits"]} == {
        "core": 20,
        "page": 3,
        "api": 3,
        "button": 3,
        "sigterm": 1,
    }
    assert all(figures[name]["judged_ms"] > 0 for name in figures["limits"])
    late = figures | {"kept": False, "limits": figures["limits"] | {"api": False}}
    assert next(line for line in describe(late) if "NOT KEPT" in line).startswith("api")
