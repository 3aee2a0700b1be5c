"""Ledgers read without writing: a unit's or the pharmacy's database, while its owner runs or as a copy."""

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import quote

from nebctl.core.ledger import head, jws, note, tree
from nebctl.core.ledger.encoding import FormatError
from nebctl.store.faults import StoreFault, explain

Row = tuple[int, int, bytes, str]
"""One stored record: epoch, sequence, leaf hash, JWS text."""


@dataclass(frozen=True, slots=True, order=True)
class LogName:
    """One log in a database: whose and which epoch. `unit` is empty where the database does not say it legibly."""

    unit: str
    epoch: int


@dataclass(frozen=True, slots=True)
class StoredHead:
    """A head as its row has it; nothing of it is checked."""

    size: int
    root: bytes
    note: str


@dataclass(frozen=True, slots=True)
class StoredReceipt:
    """A countersigned head as its row has it; `root` and `time_s` are None where the row does not repeat them."""

    size: int
    note: str
    root: bytes | None
    time_s: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """How a kind of database stores its logs; every query takes :unit, :ep and :seq."""

    table: str
    logs: str
    rows: str
    head: str
    receipts: str
    disclosures: str
    counts: Mapping[str, str]


_UNIT = _Layout(
    table="log",
    logs="SELECT '', ep FROM log UNION SELECT '', ep FROM head UNION SELECT '', ep FROM receipt "
    "UNION SELECT '', ep FROM outbox UNION SELECT '', ep FROM disclosure ORDER BY 2",
    rows="SELECT ep, seq, leaf, jws FROM log WHERE ep = :ep ORDER BY seq",
    head="SELECT size, root, note FROM head WHERE ep = :ep",
    receipts="SELECT size, note, NULL, NULL FROM receipt WHERE ep = :ep ORDER BY size",
    disclosures="SELECT disc FROM disclosure WHERE ep = :ep AND seq = :seq ORDER BY disc",
    counts={
        "disclosure": "SELECT count(*) FROM disclosure WHERE ep = :ep",
        "outbox": "SELECT count(*) FROM outbox WHERE ep = :ep",
    },
)
_PHARMACY = _Layout(
    table="rec",
    logs="SELECT unit, ep FROM rec UNION SELECT unit, ep FROM tip UNION SELECT unit, ep FROM witness "
    "UNION SELECT unit, ep FROM disclosure ORDER BY 1, 2",
    rows="SELECT ep, seq, leaf, jws FROM rec WHERE unit = :unit AND ep = :ep ORDER BY seq",
    head="SELECT size, frontier, head_line FROM tip WHERE unit = :unit AND ep = :ep",
    receipts="SELECT size, note, root, cosigned_at FROM witness WHERE unit = :unit AND ep = :ep",
    disclosures="SELECT disc FROM disclosure WHERE unit = :unit AND ep = :ep AND seq = :seq ORDER BY disc",
    counts={"disclosure": "SELECT count(*) FROM disclosure WHERE unit = :unit AND ep = :ep"},
)


class LedgerFile:
    """One database open for reading, as it stood when it was opened; its owner may go on writing."""

    def __init__(self, path: Path, db: sqlite3.Connection, layout: _Layout) -> None:
        self.path = path
        self.db = db
        self._layout = layout

    @classmethod
    @contextlib.contextmanager
    def open(cls, path: Path) -> Iterator[Self]:
        """Open a unit's or the pharmacy's database for reading; it is never written and never checkpointed.

        Raises: `StoreFault` where it is not such a database, or damaged.
        """
        # Without a write-ahead log nobody is writing: read the file as it lies, which leaves no new files beside it
        # and works on a medium that cannot be written.
        live = path.with_name(path.name + "-wal").exists()
        uri = f"file:{quote(str(path.absolute()))}?{'mode=ro' if live else 'immutable=1'}"
        try:
            with contextlib.closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as db:
                # Bytes that are not UTF-8 must become a finding about a record, not an error about the database.
                db.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
                db.execute("BEGIN")
                yield cls(path, db, _layout(path, db))
        except sqlite3.Error as error:
            raise explain(path, error) from error

    @property
    def is_unit(self) -> bool:
        """Return whether it is a unit's own database, with outbox and traces."""
        return self._layout is _UNIT

    def logs(self) -> list[LogName]:
        """Return every log that any table mentions."""
        found = self.db.execute(self._layout.logs).fetchall()
        return [LogName(str(unit) or self._unit_of(epoch), epoch) for unit, epoch in found]

    def rows(self, log: LogName) -> Iterator[Row]:
        """Return the stored records in order of sequence, as a stream."""
        for epoch, seq, leaf, text in self.db.execute(self._layout.rows, self._key(log)):
            yield epoch, seq, bytes(leaf), text

    def head(self, log: LogName, origin: str) -> StoredHead | None:
        """Return the stored head; None where there is none.

        The pharmacy keeps the unit's signature line beside the tree it derived: the head of `origin` is put together.
        """
        row = self.db.execute(self._layout.head, self._key(log)).fetchone()
        if row is None:
            return None
        size, root, text = int(row[0]), bytes(row[1]), str(row[2])
        if self.is_unit:
            return StoredHead(size, root, text)
        root = _root(size, root)
        line = text.removesuffix("\n") + "\n"
        return StoredHead(size, root, note.assemble_note(head.Checkpoint(origin, size, root).text(), [line]))

    def receipts(self, log: LogName) -> list[StoredReceipt]:
        """Return the stored receipts, smallest first."""
        return [StoredReceipt(*row) for row in self.db.execute(self._layout.receipts, self._key(log))]

    def disclosures(self, log: LogName, seq: int) -> tuple[str, ...]:
        """Return the disclosures beside one record, sorted."""
        return tuple(disc for (disc,) in self.db.execute(self._layout.disclosures, self._key(log, seq)))

    def count(self, table: str, log: LogName) -> int:
        """Return how many rows of a table stand beside a log; 0 where this kind of database has no such table."""
        query = self._layout.counts.get(table)
        return 0 if query is None else int(self.db.execute(query, self._key(log)).fetchone()[0])

    def trace_count(self) -> int:
        """Return how many traces a unit's database keeps."""
        return int(self.db.execute("SELECT count(*) FROM trace").fetchone()[0])

    def outbox_line(self, log: LogName, seq: int) -> str | None:
        """Return the head's signature line of a record that waits in a unit's outbox; None where it does not wait."""
        query = "SELECT head_line FROM outbox WHERE ep = :ep AND seq = :seq"
        row = self.db.execute(query, self._key(log, seq)).fetchone()
        return None if row is None else str(row[0])

    def trace(self, session: str) -> tuple[str, str] | None:
        """Return the noted SHA-256 and the CSV text of a session's trace in a unit's database; None for none."""
        row = self.db.execute("SELECT sha256, csv FROM trace WHERE session = ?", (session,)).fetchone()
        return None if row is None else (str(row[0]), str(row[1]))

    def _unit_of(self, epoch: int) -> str:
        """Return the unit that the first legible record of an epoch names; empty where none does."""
        for _, _, _, text in self.rows(LogName("", epoch)):
            with contextlib.suppress(FormatError):
                return str(jws.parse(text).payload.get("unit", ""))
        return ""

    def _key(self, log: LogName, seq: int = 0) -> dict[str, object]:
        return {"unit": log.unit, "ep": log.epoch, "seq": seq}


def _root(size: int, frontier: bytes) -> bytes:
    """Return the root over a stored frontier; 32 zero bytes, which no tree has, where it is not one."""
    try:
        return tree.Frontier(size, tuple(frontier[at : at + 32] for at in range(0, len(frontier), 32))).root()
    except ValueError:
        return bytes(32)


def _layout(path: Path, db: sqlite3.Connection) -> _Layout:
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for layout in (_UNIT, _PHARMACY):
        if layout.table in tables:
            return layout
    raise StoreFault(
        seen=f"{path}: a database without records",
        expected="a unit's ledger (table log) or the pharmacy's (table rec)",
        advice="Check the path; if it is right, the file has lost its tables.",
    )
