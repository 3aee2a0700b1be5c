"""What the writer promises: durable before it answers, whole or not at all, one writer, and a clear no."""

import asyncio
import sqlite3
import stat
import threading
from typing import Any

import pytest

from nebctl.core.ledger import jws, note, tree
from nebctl.core.ledger.encoding import FormatError, b64url
from nebctl.core.ledger.head import open_head
from nebctl.core.ledger.records import Draft
from nebctl.core.trace import Trace
from nebctl.keys import verify
from nebctl.store.faults import StoreFault


def chart(code: str = "x", **private: str) -> Draft:
    """Return a small record."""
    return Draft(typ="chart", facts={"code": code}, private=private)


async def test_first_open_writes_genesis_with_the_units_key(bench: Any) -> None:
    """A new ledger begins with a genesis record that names the site and the key."""
    ledger = await bench.open()
    (genesis,) = await ledger.entries()
    assert (genesis.payload["typ"], genesis.seq, genesis.payload["site"]) == ("genesis", 0, "sim.mexcovid.example")
    assert genesis.payload["vkey"] == bench.unit_vkey.text()
    assert genesis.payload["prev"] == b64url(tree.EMPTY_ROOT)
    await ledger.close()


async def test_each_record_names_the_root_before_it_and_the_head_covers_all(bench: Any) -> None:
    """Records chain by `prev`, are signed by the unit, and the head's root is the tree's over their leaves."""
    ledger = await bench.open()
    appended = [(await ledger.append([chart(str(i))], bench.at()))[0] for i in range(5)]
    entries = await ledger.entries()
    assert entries[1:] == appended
    leaves = [entry.leaf for entry in entries]
    for entry in entries:
        parsed = jws.parse(entry.jws)
        assert verify(bench.unit.public, parsed.signing_input, parsed.signature)
        assert entry.payload["prev"] == b64url(tree.root_of(leaves[: entry.seq]))
    checkpoint = open_head(ledger.head_note, bench.unit_vkey, verify)
    assert (checkpoint.size, checkpoint.root) == (6, tree.root_of(leaves)) == (ledger.size, ledger.root)
    await ledger.close()


async def test_reopening_goes_on_where_it_stood(bench: Any) -> None:
    """Size, root and head are the same after a restart, and the next record follows."""
    ledger = await bench.open()
    await ledger.append([chart("a"), chart("b", subject="MEX-001")], bench.at())
    stood = (ledger.size, ledger.root, ledger.head_note, await ledger.entries())
    await ledger.close()
    again = await bench.open()
    assert (again.size, again.root, again.head_note, await again.entries()) == stood
    (entry,) = await again.append([chart("c")], bench.at())
    assert entry.seq == 3
    assert [each.seq for each in await again.entries(after=1)] == [2, 3]
    await again.close()


@pytest.mark.req("S13")
async def test_a_returned_record_is_already_in_the_file(bench: Any) -> None:
    """When append returns, another connection reads the record, under journal WAL with synchronous FULL."""
    ledger = await bench.open()
    (entry,) = await ledger.append([Draft(typ="start")], bench.at())
    with sqlite3.connect(f"file:{bench.path}?mode=ro", uri=True) as other:
        assert other.execute("SELECT jws FROM log WHERE seq = 1").fetchone() == (entry.jws,)
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    other.close()
    level = ledger._thread.submit(_pragma, ledger, "synchronous").result()
    assert level == 2
    await ledger.close()


def _pragma(ledger: Any, name: str) -> Any:
    db = ledger._writer._file.db
    db.set_authorizer(None)
    return db.execute(f"PRAGMA {name}").fetchone()[0]


async def test_a_batch_is_whole_or_nothing(bench: Any) -> None:
    """Where the second of two drafts cannot be written, neither is recorded."""
    ledger = await bench.open()
    with pytest.raises(FormatError):
        await ledger.append([chart("good"), Draft(typ="chart", facts={"seq": 9})], bench.at())
    assert ledger.size == len(await ledger.entries()) == 1
    (entry,) = await ledger.append([chart("after")], bench.at())
    assert entry.seq == 1
    await ledger.close()


async def test_private_facts_stay_out_of_the_signed_text(bench: Any) -> None:
    """A subject is in the disclosures alone, and comes back with the entry."""
    ledger = await bench.open()
    (entry,) = await ledger.append([chart("x", subject="MEX-001", operator="RT-07")], bench.at())
    assert "subject" not in entry.payload
    assert len(entry.disclosures) == 2 == len(entry.payload["_sd"])
    await ledger.close()


async def test_a_cancelled_caller_loses_nothing(bench: Any) -> None:
    """An append whose caller is cancelled while it runs is recorded once, whole, and the next one follows it."""
    ledger = await bench.open()
    gate = threading.Event()
    ledger._thread.submit(gate.wait)
    first = asyncio.create_task(ledger.append([chart("cancelled")], bench.at()))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    gate.set()
    (entry,) = await ledger.append([chart("next")], bench.at())
    assert [each.payload.get("code") for each in await ledger.entries()] == [None, "cancelled", "next"]
    assert entry.seq == 2
    await ledger.close()


async def test_concurrent_appends_keep_the_order_of_their_calls(bench: Any) -> None:
    """Many callers at once get consecutive places, and no one is mixed into another's batch."""
    ledger = await bench.open()
    calls = [ledger.append([chart(f"{i}a"), chart(f"{i}b")], bench.at()) for i in range(10)]
    results = await asyncio.gather(*calls)
    assert [[e.seq for e in pair] for pair in results] == [[2 * i + 1, 2 * i + 2] for i in range(10)]
    await ledger.close()


async def test_a_cancelled_open_leaves_the_ledger_free(bench: Any) -> None:
    """After an open was cancelled in the middle, the next open succeeds."""
    opening = asyncio.create_task(bench.open())
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    for thread in threading.enumerate():
        if thread.name.startswith("ledger"):
            thread.join(5)
    ledger = await bench.open()
    assert ledger.size == 1
    await ledger.close()


async def test_a_second_opener_is_refused_by_name(bench: Any) -> None:
    """Two writers would fork the log: the second is told who has it, and the first goes on unharmed."""
    ledger = await bench.open()
    with pytest.raises(StoreFault, match=r"in use by process \d+"):
        await bench.open()
    await ledger.append([chart()], bench.at())
    await ledger.close()
    await (await bench.open()).close()


async def test_only_the_owner_may_read_the_file(bench: Any) -> None:
    """Database, write-ahead log and shared memory have mode 0600 whatever the umask."""
    ledger = await bench.open()
    for path in bench.folder.glob("unit.db*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    await ledger.close()


async def test_a_closed_ledger_says_so(bench: Any) -> None:
    """Closing twice is harmless; an append after it is a StoreFault, not a hang."""
    ledger = await bench.open()
    await ledger.close()
    await ledger.close()
    with pytest.raises(StoreFault, match="closed"):
        await ledger.append([chart()], bench.at())


async def test_a_missing_folder_is_named(bench: Any) -> None:
    """One line says which folder is missing and what to do."""
    with pytest.raises(StoreFault) as caught:
        await bench.open(path=bench.folder / "nowhere" / "unit.db")
    assert str(bench.folder / "nowhere") in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.advice


@pytest.mark.parametrize("content", [b"not a database " * 100, b"SQLite format 3\0" + b"\xff" * 4096])
async def test_a_file_that_is_no_database_is_refused_and_kept(bench: Any, content: bytes) -> None:
    """A foreign file is named in one line and not changed by a byte."""
    bench.path.write_bytes(content)
    with pytest.raises(StoreFault, match=r"unit\.db") as caught:
        await bench.open()
    assert "\n" not in str(caught.value)
    assert bench.path.read_bytes() == content


async def test_a_folder_in_the_files_place_is_refused(bench: Any) -> None:
    """A path that is a folder is a StoreFault in one line."""
    bench.path.mkdir()
    with pytest.raises(StoreFault, match="directory"):
        await bench.open()


async def test_a_file_of_another_owner_is_refused(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the operating system forbids the file, the fault says that user and mount are to be put right."""

    def forbid(*_args: Any, **_kwargs: Any) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("nebctl.store.database.os.open", forbid)
    with pytest.raises(StoreFault, match=r"Permission denied.*ownership"):
        await bench.open()


async def test_another_programs_database_is_refused(bench: Any) -> None:
    """A SQLite file that is not a ledger is not turned into one."""
    with sqlite3.connect(bench.path) as other:
        other.execute("CREATE TABLE patients(name)")
    other.close()
    with pytest.raises(StoreFault, match="version 0"):
        await bench.open()


async def test_a_stamp_of_another_unit_is_a_programming_error(bench: Any) -> None:
    """Unit and stamp must agree before anything is opened."""
    with pytest.raises(ValueError, match="neb-0002"):
        await bench.open(unit="neb-0002")
    assert not bench.path.exists()


class FailingCommit:
    """A connection whose COMMIT fails as a disk would make it."""

    def __init__(self, db: sqlite3.Connection, code: int, text: str) -> None:
        self._db = db
        self._error = sqlite3.OperationalError(text)
        self._error.sqlite_errorcode = code
        self.commits = 0

    def execute(self, sql: str, *values: Any) -> Any:
        """Run the statement, but for COMMIT."""
        if sql == "COMMIT":
            self.commits += 1
            raise self._error
        return self._db.execute(sql, *values)

    def executemany(self, sql: str, values: Any) -> Any:
        """Run the statement for each."""
        return self._db.executemany(sql, values)

    def close(self) -> None:
        """Close the connection."""
        self._db.close()


@pytest.mark.req("S37")
async def test_a_failed_fsync_is_never_tried_again(bench: Any) -> None:
    """After an I/O error every append and receipt is refused without touching the disk, until the next start."""
    ledger = await bench.open()
    file = ledger._writer._file
    good, failing = file._connection, FailingCommit(file._connection, sqlite3.SQLITE_IOERR_FSYNC, "disk I/O error")
    file._connection = failing
    with pytest.raises(StoreFault, match="disk I/O error") as first:
        await ledger.append([chart()], bench.at())
    assert first.value.lasting
    file._connection = good
    for call in (ledger.append([chart()], bench.at()), ledger.save_trace_rows("s", "1\n")):
        with pytest.raises(StoreFault, match="disk I/O error"):
            await call
    assert (failing.commits, ledger.size) == (1, 1)
    await ledger.close()
    again = await bench.open()
    assert len(await again.append([chart()], bench.at())) == 1
    await again.close()


async def test_a_locked_database_is_refused_but_not_for_ever(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A foreign program's lock refuses one append; after it is gone the next append succeeds."""
    monkeypatch.setattr("nebctl.store.database.BUSY_MS", 10)
    ledger = await bench.open()
    intruder = sqlite3.connect(bench.path, isolation_level=None)
    intruder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreFault, match="only writer") as caught:
        await ledger.append([chart()], bench.at())
    assert not caught.value.lasting
    intruder.execute("ROLLBACK")
    intruder.close()
    assert len(await ledger.append([chart()], bench.at())) == 1
    await ledger.close()


async def test_trace_rows_survive_a_restart_until_the_trace_is_kept_whole(bench: Any) -> None:
    """Live rows come back in order after a restart; keeping the whole trace ends them."""
    ledger = await bench.open()
    for rows in ("0,0\n", "1,6\n2,12\n"):
        await ledger.save_trace_rows("2026-02-14-7f3a9c", rows)
    await ledger.save_trace_rows("another", "9,9\n")
    await ledger.close()
    again = await bench.open()
    assert await again.load_trace_rows("2026-02-14-7f3a9c") == "0,0\n1,6\n2,12\n"
    assert await again.load_trace_rows("never") == ""
    await again.append([chart()], bench.at(), traces=[Trace(session="2026-02-14-7f3a9c", csv="whole\n")])
    assert await again.load_trace_rows("2026-02-14-7f3a9c") == ""
    assert await again.load_trace_rows("another") == "9,9\n"
    await again.close()


async def test_a_trace_given_twice_refuses_the_records_with_it(bench: Any) -> None:
    """A session's trace is kept once; the records of the second try are not recorded either."""
    ledger = await bench.open()
    await ledger.append([chart()], bench.at(), traces=[Trace(session="s", csv="a\n")])
    with pytest.raises(StoreFault, match="trace_is_kept_once"):
        await ledger.append([chart()], bench.at(), traces=[Trace(session="s", csv="b\n")])
    assert ledger.size == 2
    await ledger.close()


async def test_the_head_is_a_plain_signed_note(bench: Any) -> None:
    """The head note has the origin's text and one signature line."""
    ledger = await bench.open()
    parsed = note.parse_note(ledger.head_note)
    assert parsed.text.startswith(f"{ledger.origin}\n1\n")
    assert [line.name for line in parsed.lines] == [ledger.origin]
    await ledger.close()
