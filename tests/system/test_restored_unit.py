"""A unit whose ledger was put back from a copy does not start before the pharmacy was heard."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nebctl_lab.bench_site import Bench

pytestmark = pytest.mark.timeout(60)


@pytest.mark.req("S34")
def test_a_restored_unit_without_the_pharmacy_does_not_start(
    make_bench: Callable[..., Bench], nebctl: Callable[..., Any], tmp_path: Path
) -> None:
    """A copy taken while the unit ran is put back; the unit then ends in one line that says why, and signs nothing."""
    bench = make_bench().start()
    place, copy = bench.folder / "unit.db", tmp_path / "copy.db"
    done = nebctl("ledger", "backup", place, copy, "--trust", bench.site.trust, "--json")
    assert (done.returncode, json.loads(done.stdout)["verified"]) == (0, True), done.stdout
    records = bench.records()
    bench.unit.kill()
    for name in ("unit.db", "unit.db-wal", "unit.db-shm"):
        (bench.folder / name).unlink(missing_ok=True)
    done = nebctl("run", "--config", bench.config)
    assert (done.returncode, "ledger restore" in done.stderr) == (1, True), done.stderr
    done = nebctl("ledger", "restore", copy, place, "--trust", bench.site.trust)
    assert (done.returncode, "signs nothing yet" in done.stdout) == (0, True), done.stdout
    done = nebctl("run", "--config", bench.config)
    assert done.returncode == 1
    assert re.search(r"restored at .* from a copy with \d+ records.*rejoin", done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    assert bench.records() == records
