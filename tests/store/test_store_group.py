"""Group commit: what waits together is committed together, in order, and one bad record harms no other."""

import asyncio
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from nebctl.core.ledger.encoding import FormatError
from nebctl.core.ledger.records import Draft
from nebctl.core.trace import Trace
from nebctl.store.faults import StoreFault
from nebctl.store.grouping import MOST_RECORDS
from nebctl.store.ledger import UnitLedger


class Counted(sqlite3.Connection):
    """A connection that counts its commits."""

    commits = 0

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        """Run the statement."""
        self.commits += sql == "COMMIT"
        return super().execute(sql, *values)


def counted(path: Path) -> sqlite3.Connection:
    """Open the file."""
    return sqlite3.connect(path, isolation_level=None, factory=Counted)


def chart(code: str, **private: str) -> Draft:
    """Return a small record."""
    return Draft(typ="chart", facts={"code": code}, private=private)


async def commits_of(ledger: UnitLedger, calls: Sequence[Any]) -> tuple[int, list[Any]]:
    """Make the calls while the thread is held up; return how many commits they took and what came of each."""
    gate = threading.Event()
    ledger._thread.submit(gate.wait)
    tasks = [asyncio.ensure_future(call) for call in calls]
    await asyncio.sleep(0)
    before = ledger._writer._file.db.commits
    gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    return ledger._writer._file.db.commits - before, results


async def test_appends_that_wait_share_one_commit(bench: Any) -> None:
    """Twenty appends that wait for the disk cost one commit, and each gets its own records, in the order of calls."""
    ledger = await bench.open(connect=counted)
    calls = [ledger.append([chart(f"{n}a"), chart(f"{n}b")], bench.at()) for n in range(20)]
    commits, results = await commits_of(ledger, calls)
    assert commits == 1
    assert [[entry.payload["code"] for entry in pair] for pair in results] == [[f"{n}a", f"{n}b"] for n in range(20)]
    assert [entry.seq for pair in results for entry in pair] == list(range(1, 41))
    await ledger.close()
    again = await bench.open()
    assert again.size == 41
    await again.close()


async def test_a_group_ends_at_its_limit(bench: Any) -> None:
    """More than a group may hold goes on in the next one."""
    ledger = await bench.open(connect=counted)
    calls = [ledger.append([chart(str(n))], bench.at()) for n in range(MOST_RECORDS + 1)]
    commits, results = await commits_of(ledger, calls)
    assert commits == 2
    assert [entry.seq for (entry,) in results] == list(range(1, MOST_RECORDS + 2))
    await ledger.close()


async def test_a_record_that_cannot_be_written_harms_no_other(bench: Any) -> None:
    """The caller of a bad draft is told; those before and after it are recorded next to each other."""
    ledger = await bench.open(connect=counted)
    bad = Draft(typ="chart", facts={"seq": 9})
    calls = [ledger.append(each, bench.at()) for each in ([chart("a")], [chart("b"), bad], [chart("c")])]
    commits, (first, refused, last) = await commits_of(ledger, calls)
    assert isinstance(refused, FormatError)
    assert (commits, first[0].seq, last[0].seq, ledger.size) == (1, 1, 2, 3)
    await ledger.close()


async def test_another_call_is_not_overtaken(bench: Any) -> None:
    """An append after a receipt does not join the appends before it: the backlog is counted where it was asked for."""
    ledger = await bench.open(connect=counted)
    calls = [ledger.append([chart("a")], bench.at()), ledger.backlog(), ledger.append([chart("b")], bench.at())]
    commits, (_, backlog, _) = await commits_of(ledger, calls)
    assert (commits, backlog.waiting) == (2, 2)
    await ledger.close()


@pytest.mark.req("S37")
async def test_a_large_append_on_a_full_disk_takes_no_small_one_with_it(bench: Any) -> None:
    """Where a group does not fit, each append is tried alone: the small ones are recorded, the large one is refused."""
    ledger = await bench.open(connect=counted)
    db = ledger._writer._file.db
    pages = ledger._thread.submit(_limit_pages, db).result()
    large = Trace(session="2026-02-14-7f3a9c", csv="x" * 4096 * pages)
    calls = [
        ledger.append([chart("small")], bench.at()),
        ledger.append([chart("large")], bench.at(), traces=[large]),
        ledger.append([chart("small too")], bench.at()),
    ]
    _, (first, refused, last) = await commits_of(ledger, calls)
    assert isinstance(refused, StoreFault)
    assert "full" in str(refused)
    assert not refused.lasting
    assert (first[0].seq, last[0].seq, ledger.size) == (1, 2, 3)
    assert [entry.payload.get("code") for entry in await ledger.entries()] == [None, "small", "small too"]
    await ledger.close()


def _limit_pages(db: sqlite3.Connection) -> int:
    """Leave room for a few pages more, and return how many pages there then are."""
    db.set_authorizer(None)
    pages = int(db.execute("PRAGMA page_count").fetchone()[0]) + 8
    db.execute(f"PRAGMA max_page_count = {pages}")
    return pages


@pytest.mark.req("S37")
async def test_a_group_that_failed_on_the_disk_is_refused_whole(bench: Any) -> None:
    """After an I/O error every append of the group is refused, no second try is made, and a restart finds none."""
    ledger = await bench.open(connect=failing)
    ledger._writer._file.db.fails = True
    calls = [ledger.append([chart(str(n))], bench.at()) for n in range(5)]
    commits, results = await commits_of(ledger, calls)
    assert commits == 1
    assert all(isinstance(result, StoreFault) and result.lasting for result in results)
    await ledger.close()
    again = await bench.open()
    assert again.size == 1
    await again.close()


class Failing(Counted):
    """A connection whose fsync fails when it is told to."""

    fails = False

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        """Run the statement."""
        if sql == "COMMIT" and self.fails:
            self.commits += 1
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
            raise error
        return super().execute(sql, *values)


def failing(path: Path) -> sqlite3.Connection:
    """Open the file."""
    return sqlite3.connect(path, isolation_level=None, factory=Failing)
