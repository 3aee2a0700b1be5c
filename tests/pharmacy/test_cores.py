"""Signatures checked on other cores: the same answers, and no process that outlives the pharmacy."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nebctl import keys
from nebctl.pharmacy.check import Reason, Refused
from nebctl.pharmacy.cores import LEAST, Cores
from nebctl.pharmacy.ingest import Arrival, Ingest
from nebctl.pharmacy.intake import Accepted

UNIT = "neb-0001"
PROGRAM = """
import signal
from nebctl import keys
from nebctl.pharmacy.cores import LEAST, Cores
if __name__ == "__main__":
    cores = Cores(keys.verify, alone=False)
    print(*(each.pid for each in cores.ahead(LEAST)._pool._pool), flush=True)
    signal.pause()
"""

several = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core alone checks everything itself")


@pytest.fixture
def cores() -> Iterator[Cores]:
    """Return processes that check signatures, with little patience."""
    found = Cores(keys.verify, alone=False, patience_s=2)
    yield found
    found.close()


def many(unit: Any, count: int = LEAST + 20) -> list[Arrival]:
    """Return so many messages of a unit."""
    return [Arrival(UNIT, unit.boot()) for _ in range(count)]


def with_bad_signature(body: bytes) -> bytes:
    """Return a message whose record's signature is another one, well written."""
    text, _, rest = body.partition(b"~")
    swapped = text[:-20] + (b"A" if text[-20:-19] != b"A" else b"B") + text[-19:]
    return swapped + b"~" + rest


@several
def test_the_answers_are_those_of_one_core(pharmacy: Any, unit: Any, cores: Cores) -> None:
    """A large batch with one bad signature in it is answered and kept as one that is checked on the spot."""
    arrivals = many(unit)
    at = LEAST // 2
    arrivals[at] = Arrival(UNIT, with_bad_signature(arrivals[at].body))
    ingest = Ingest(pharmacy.db, simulated=True, verify=keys.verify, cores=cores)
    answers = ingest.take_all(arrivals, 10**18)
    assert all(isinstance(answer, Accepted) for answer in answers[:at])
    assert isinstance(answers[at], Refused)
    assert answers[at].reason is Reason.SIGNATURE
    assert not any(isinstance(answer, Accepted) for answer in answers[at:])
    assert pharmacy.rows("SELECT count(*) FROM rec") == [(at,)]


def test_few_records_start_no_process(pharmacy: Any, unit: Any, cores: Cores) -> None:
    """A batch that is quickly checked is checked where it is."""
    ingest = Ingest(pharmacy.db, simulated=True, verify=keys.verify, cores=cores)
    assert all(isinstance(answer, Accepted) for answer in ingest.take_all(many(unit, 20), 10**18))
    assert cores._pool is None


@several
def test_a_killed_process_costs_time_and_nothing_else(pharmacy: Any, unit: Any, cores: Cores) -> None:
    """Where the processes die with their work, it is done by the pharmacy itself."""
    ahead = cores.ahead(LEAST)
    assert ahead._pool is not None
    for process in ahead._pool._pool:  # type: ignore[attr-defined]
        os.kill(process.pid, signal.SIGSTOP)
    stopped = list(ahead._pool._pool)  # type: ignore[attr-defined]
    ingest = Ingest(pharmacy.db, simulated=True, verify=keys.verify, cores=cores)
    try:
        assert all(isinstance(answer, Accepted) for answer in ingest.take_all(many(unit), 10**18))
    finally:
        for process in stopped:
            os.kill(process.pid, signal.SIGCONT)


@several
def test_no_process_outlives_a_killed_pharmacy(tmp_path: Path) -> None:
    """After kill -9 of the pharmacy its processes end by themselves."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    with subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        children = [int(pid) for pid in parent.stdout.readline().split()]
        parent.kill()
    assert children
    until = time.monotonic() + 20
    while any(alive(pid) for pid in children):
        assert time.monotonic() < until, "a process outlived its pharmacy"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    """Return whether a process still runs."""
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
