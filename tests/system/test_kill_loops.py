"""Killed again and again while doses run: what was recorded stays, and no outcome is better than the truth (S36)."""

import contextlib
import random
import threading
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from nebctl_lab.bedside import Answer
from nebctl_lab.bench_site import BRISK, Bench, BenchFault, until

SEED = 20_260_214
LONGEST_S = 3.5
"""A kill comes so many seconds, at most, after a subject's first scan; a dose and its residual take about 2.5 s."""
GONE = (Answer, BenchFault, OSError, HTTPException, AssertionError)


class Bedside(threading.Thread):
    """A person who gives one dose from scan to signature, as fast as the unit answers, until it answers no more."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(daemon=True)
        self._bench = bench
        self.ends: list[str] = []
        """The outcomes that the page showed: what was acknowledged."""

    def run(self) -> None:
        """Give the dose."""
        with contextlib.suppress(*GONE):
            self._give()

    def _give(self) -> None:
        auth = self._bench.make_ready()
        self._bench.api.post("/api/start", auth=auth)
        self._bench.pace(BRISK)
        self._bench.until_state("residual")
        self.ends.append(str(self._bench.measure()["end"]))
        self._bench.api.post("/api/leave")


@pytest.mark.soak
@pytest.mark.timeout(120)
@pytest.mark.req("S36")
def test_a_unit_killed_under_load_keeps_what_it_recorded(
    make_bench: Callable[..., Bench], nebctl: Callable[..., Any], soak: int, say: Any
) -> None:
    """Each restart finds every committed record, one outcome for each start, none COMPLETE that was not shown so."""
    turns, dice = 20 * soak or 3, random.Random(SEED)
    bench = make_bench(subjects=turns).start()
    tally: dict[str, int] = {}
    for turn in range(turns):
        bench.subject = bench.subjects[turn]
        person = Bedside(bench)
        person.start()
        person.join(dice.uniform(0.1, LONGEST_S))
        before = [record["seq"] for record in bench.records()], complete(bench)
        bench.unit.kill()
        person.join()
        shown = ["complete"] * person.ends.count("complete")
        bench.pace(1)
        until(lambda: bench.truth()["output"] == "OFF", "the device's own watchdog")
        bench.start_unit()
        check(bench, before, shown, nebctl)
        (end,) = ends_of(bench, bench.subject) or ["none"]
        tally[end] = tally.get(end, 0) + 1
        bench.settle()
    say(f"kill -9, unit: seed {SEED}: {turns} kills, outcomes {tally}")


def complete(bench: Bench) -> int:
    """Return how many outcomes are COMPLETE."""
    return sum(record["end"] == "complete" for record in bench.records("dose"))


def ends_of(bench: Bench, subject: str) -> list[str]:
    """Return the outcomes of a subject's doses."""
    return [record["end"] for record in bench.records("dose") if record.get("subject") == subject]


def check(bench: Bench, before: tuple[list[int], int], shown: list[str], nebctl: Callable[..., Any]) -> None:
    """Hold the log of a restarted unit against what was committed and shown before the kill."""
    records = bench.records()
    seqs, complete_before = before
    assert [record["seq"] for record in records][: len(seqs)] == seqs
    started = [record["session"] for record in records if record["typ"] == "start"]
    ended = [record["session"] for record in records if record["typ"] == "dose"]
    assert sorted(started) == sorted(ended), "one outcome for each start"
    assert complete(bench) >= complete_before
    # Recorded between the last look and the kill counts; made by the restart does not: it never says COMPLETE.
    of_this = ends_of(bench, bench.subject)
    assert of_this.count("complete") >= len(shown)
    boots = [record["seq"] for record in records if record["typ"] == "boot"]
    late = [record for record in records if record["typ"] == "dose" and record["seq"] > boots[-1]]
    assert all(record["end"] == "uncertain" and record["verdict"] != "WITHIN" for record in late)
    path: Path = bench.folder / "unit.db"
    done = nebctl("ledger", "verify", path, "--trust", bench.site.trust)
    assert done.returncode == 0, done.stdout
