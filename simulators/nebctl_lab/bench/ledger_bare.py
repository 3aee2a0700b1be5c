"""What the ledger is measured against and with: a bare commit, a disk that is slow, and a log of a million rows.

The only use of sqlite3 here; the ledger itself is reached through `nebctl.store`.
"""

import asyncio
import hashlib
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from nebctl.core.ledger import tree
from nebctl.core.ledger.signing import Signer
from nebctl.store import schema
from nebctl.store.database import Connect, connect
from nebctl.store.sealing import Sealed, Tip

FSYNC_S = 0.060
"""How long a slowed COMMIT takes at least, in seconds: a poor SD card's."""
CARD_S = 0.005
"""The same of a quick SD card, which takes 5 to 50 ms: a planning figure, none was measured."""


TABLES = (
    "CREATE TABLE bare(n INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT",
    "CREATE TABLE log(ep INT, seq INT, leaf BLOB, jws TEXT, PRIMARY KEY(ep, seq)) STRICT",
    "CREATE TABLE fact(ep INT, seq INT, n INT, text TEXT, PRIMARY KEY(ep, seq, n)) STRICT, WITHOUT ROWID",
    "CREATE TABLE outbox(ep INT, seq INT, line TEXT, PRIMARY KEY(ep, seq)) STRICT, WITHOUT ROWID",
    "CREATE TABLE head(ep INTEGER PRIMARY KEY, note TEXT) STRICT",
    "INSERT INTO head VALUES (1, '')",
)


class SlowConnection(sqlite3.Connection):
    """A connection whose commits take as long as on a slow disk: it sleeps in the writer's thread, as an fsync does."""

    commit_s = FSYNC_S

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        """Run the statement; after one that commits rows, sleep."""
        cursor = super().execute(sql, *values)
        if sql == "COMMIT" or (sql.startswith("INSERT") and not self.in_transaction):
            time.sleep(self.commit_s)
        return cursor


class CardConnection(SlowConnection):
    """As slow as the quickest SD card."""

    commit_s = CARD_S


def connect_slowly(path: Path) -> sqlite3.Connection:
    """Open the file as the writer does, on a disk that is slow."""
    return sqlite3.connect(path, isolation_level=None, factory=SlowConnection)


def connect_card(path: Path) -> sqlite3.Connection:
    """Open the file as the writer does, on a quick SD card."""
    return sqlite3.connect(path, isolation_level=None, factory=CardConnection)


class Bare:
    """One table, one row a commit, write-ahead log and synchronous FULL, in a thread as the ledger's is."""

    def __init__(self, path: Path, text: str, signer: Signer, connect: Connect = connect) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="bare")
        self._text = text
        self._signer = signer
        self._records = 0
        self._db: sqlite3.Connection = self._thread.submit(self._open, path, connect).result()

    @staticmethod
    def _open(path: Path, connect: Connect) -> sqlite3.Connection:
        db = connect(path)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        for statement in TABLES:
            db.execute(statement)
        return db

    def _commit(self) -> None:
        self._db.execute("INSERT INTO bare(text) VALUES (?)", (self._text,))

    def _commit_signed(self) -> None:
        self._records += 1
        seq, text, db = self._records, self._text, self._db
        leaf = hashlib.sha256(self._signer.sign(text.encode())).digest()
        line = self._signer.sign(leaf).hex()
        db.execute("BEGIN IMMEDIATE")
        db.execute("INSERT INTO log VALUES (1, ?, ?, ?)", (seq, leaf, text))
        db.executemany("INSERT INTO fact VALUES (1, ?, ?, ?)", [(seq, 1, text[:64]), (seq, 2, text[:64])])
        db.execute("INSERT INTO outbox VALUES (1, ?, ?)", (seq, line))
        db.execute("UPDATE head SET note = ? WHERE ep = 1", (line,))
        db.execute("COMMIT")

    async def commit(self) -> None:
        """Insert and commit one row durably."""
        await asyncio.shield(asyncio.wrap_future(self._thread.submit(self._commit)))

    async def commit_signed(self) -> None:
        """Do what no ledger of this kind can leave out, and nothing else: no record is made, checked or guarded.

        That is two signatures, one over the record and one over the tree, and a commit of the record's row, two private
        facts, the line that waits for a receipt, and the head.
        """
        await asyncio.shield(asyncio.wrap_future(self._thread.submit(self._commit_signed)))

    def close(self) -> None:
        """Close the file."""
        self._thread.submit(self._db.close).result()
        self._thread.shutdown()


def fill(path: Path, rows: Iterator[tuple[bytes, str]], epoch: int) -> tree.Frontier:
    """Put rows behind the first record of a closed ledger, without the guards' work; return the frontier over all."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous = OFF")
        db.execute("BEGIN")
        guards = schema.triggers()
        for name in guards:
            db.execute(f"DROP TRIGGER {name}")
        (first,) = db.execute("SELECT leaf FROM log").fetchone()
        nodes = [first]

        def numbered() -> Iterator[tuple[int, int, bytes, str]]:
            for seq, (leaf, text) in enumerate(rows, start=1):
                nodes.append(leaf)
                yield epoch, seq, leaf, text

        db.executemany("INSERT INTO log(ep, seq, leaf, jws) VALUES (?, ?, ?, ?)", numbered())
        db.execute("DELETE FROM outbox")
        for sql in guards.values():
            db.execute(sql)
        db.execute("COMMIT")
    return tree.Frontier.of(nodes)


def finish(path: Path, last: Sealed, tip: Tip, receipt: str, receipted: int) -> None:
    """Put the last record, its head and the newest receipt into a filled ledger."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        entry = last.entry
        db.execute("INSERT INTO log VALUES (?, ?, ?, ?)", (entry.epoch, entry.seq, entry.leaf, entry.jws))
        db.execute("INSERT INTO outbox VALUES (?, ?, ?)", (entry.epoch, entry.seq, last.head_line))
        db.execute("UPDATE head SET size = ?, root = ?, note = ?", (tip.size, tip.root, tip.head_note))
        db.execute("INSERT INTO receipt VALUES (?, ?, ?)", (entry.epoch, receipted, receipt))
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def read_leaves(path: Path, epoch: int) -> int:
    """Read sequence and leaf of every record as the self-check does, and do nothing with them; return their number."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        rows = db.execute("SELECT seq, leaf FROM log WHERE ep = ? ORDER BY seq", (epoch,))
        return sum(1 for _ in rows)


def make_texts(count: int, size: int) -> Iterator[tuple[bytes, str]]:
    """Yield leaf and text of rows of a record's size; the texts are not records, and nobody signed them."""
    filler = "A" * (size - 12)
    texts = map(partial(_text, filler=filler), range(count))
    return ((tree.leaf_hash(text.encode()), text) for text in texts)


def _text(number: int, filler: str) -> str:
    return f"{number:012d}{filler}"
