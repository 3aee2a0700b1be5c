"""Signatures checked on other cores: the same answers, and no process that outlives the pharmacy."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nebctl import keys
from nebctl.pharmacy.check import Reason, Refused
from nebctl.pharmacy.cores import CHUNK, LEAST, Cores, Question
from nebctl.pharmacy.ingest import Arrival, Ingest
from nebctl.pharmacy.intake import Accepted, Duplicate

UNIT = "neb-0001"
PROGRAM = """
import signal
from nebctl import keys
from nebctl.pharmacy.cores import LEAST, Cores
if __name__ == "__main__":
    cores = Cores(keys.verify, alone=False)
    cores.ahead(LEAST)
    print(*(each.pid for each in cores.workers), flush=True)
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
    assert cores.workers == []


@several
@pytest.mark.parametrize("blow", [signal.SIGSTOP, signal.SIGKILL])
def test_a_process_that_does_not_answer_costs_time_and_nothing_else(
    pharmacy: Any, unit: Any, cores: Cores, blow: signal.Signals
) -> None:
    """Where the processes hang or die with their work, it is done by the pharmacy itself; the next ones are new."""
    cores.ahead(LEAST)
    struck = list(cores.workers)
    for worker in struck:
        os.kill(worker.pid, blow)
    ingest = Ingest(pharmacy.db, simulated=True, verify=keys.verify, cores=cores)
    assert all(isinstance(answer, Accepted) for answer in ingest.take_all(many(unit), 10**18))
    assert not any(worker.lives for worker in struck)
    assert all(isinstance(answer, Accepted) for answer in ingest.take_all(many(unit), 10**18))
    assert all(worker.lives for worker in cores.workers)


@several
def test_more_than_a_pipe_holds_is_checked_here(cores: Cores) -> None:
    """Nobody waits for room in a pipe whose process hangs: what finds none is checked on the spot."""
    long = [Question(bytes(32), bytes(100_000) + bytes((each,)), b"\xff" * 64) for each in range(CHUNK)]
    ahead = cores.ahead(LEAST)
    for worker in cores.workers:
        os.kill(worker.pid, signal.SIGSTOP)
    for each in long:
        ahead.ask(each)
    assert not any(ahead.verify(*each) for each in long)
    for worker in cores.workers:
        os.kill(worker.pid, signal.SIGCONT)
    assert all(worker.lives for worker in cores.workers)


@several
def test_what_was_read_ahead_is_judged_by_what_was_kept_meanwhile(pharmacy: Any, unit: Any, cores: Cores) -> None:
    """Handfuls that are read while the one before is judged give the same answers, repeats and gaps included."""
    first, second = many(unit), many(unit)
    second = [first[-1], *second, Arrival("nobody", second[0].body), Arrival(UNIT, b"no record")]
    ingest = Ingest(pharmacy.db, simulated=True, verify=keys.verify, cores=cores)
    assert all(isinstance(answer, Accepted) for answer in ingest.take_all(first, 10**18, second))
    repeated, *kept, stranger, formless = ingest.take_all(second, 10**18)
    assert isinstance(repeated, Duplicate)
    assert all(isinstance(answer, Accepted) for answer in kept)
    assert isinstance(stranger, Refused)
    assert isinstance(formless, Refused)
    assert pharmacy.rows("SELECT count(*) FROM rec") == [(len(first) + len(kept),)]


@several
def test_what_was_read_ahead_and_given_up_disturbs_nobody(pharmacy: Any, unit: Any, cores: Cores) -> None:
    """Where another handful follows than the one that was read ahead, its answers are its own."""
    first, second, third = many(unit), many(unit), many(unit)
    ingest = Ingest(pharmacy.db, simulated=True, verify=keys.verify, cores=cores)
    ingest.take_all(first, 10**18, third)
    assert all(isinstance(answer, Accepted) for answer in ingest.take_all(second, 10**18))
    assert all(isinstance(answer, Accepted) for answer in ingest.take_all(third, 10**18))


@several
def test_no_process_outlives_a_killed_pharmacy(tmp_path: Path, ended: Callable[[Iterable[int]], bool]) -> None:
    """After kill -9 of the pharmacy its processes end by themselves."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    with subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        children = [int(pid) for pid in parent.stdout.readline().split()]
        parent.kill()
    assert children
    assert ended(children), "a process outlived its pharmacy"
