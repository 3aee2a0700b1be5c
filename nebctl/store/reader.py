"""Ledgers read without writing: a unit's or the pharmacy's database, while its owner runs or as a copy."""

import contextlib
import functools
import itertools
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar
from urllib.parse import quote

from nebctl.core.ledger import head, jws, note, tree
from nebctl.core.ledger.encoding import FormatError
from nebctl.core.ledger.rows import Row
from nebctl.store.faults import StoreFault, explain

Cell = TypeVar("Cell", int, str, bytes)
PAGE = 512
"""Rows that are read at once together with what stands beside them."""

Place = tuple[int, int]
"""A record of one log's owner: epoch and sequence."""

UNREADABLE = (TypeError, ValueError, AttributeError, OverflowError, sqlite3.Error)
"""What a row may raise while it is read and checked: a damaged file holds anything in any column."""

_Cells = tuple[int, int, bytes, str]
_CELLS = (int, int, bytes, str)
_NAMED_CELLS = ("record, epoch", "record, sequence", "record, leaf", "record")
"""What a row of the log holds: the kind of each cell, and how a finding names it."""

_KINDS: dict[type, str] = {int: "a whole number", str: "a text", bytes: "bytes"}


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
    text: str
    head: str
    receipts: str
    disclosures: str
    shown: str
    waiting: str | None
    erased: str
    counts: Mapping[str, str]


_UNIT = _Layout(
    table="log",
    logs="SELECT '', ep FROM log UNION SELECT '', ep FROM head UNION SELECT '', ep FROM receipt "
    "UNION SELECT '', ep FROM outbox UNION SELECT '', ep FROM disclosure ORDER BY 2",
    rows="SELECT ep, seq, leaf, jws FROM log WHERE ep = :ep ORDER BY seq",
    text="SELECT jws FROM log WHERE ep = :ep AND seq = :seq",
    head="SELECT size, root, note FROM head WHERE ep = :ep",
    receipts="SELECT size, note, NULL, NULL FROM receipt WHERE ep = :ep ORDER BY size",
    disclosures="SELECT disc FROM disclosure WHERE ep = :ep AND seq = :seq ORDER BY disc",
    shown="SELECT seq, disc FROM disclosure WHERE ep = :ep AND seq BETWEEN :seq AND :last ORDER BY seq, disc",
    waiting="SELECT seq, head_line FROM outbox WHERE ep = :ep AND seq BETWEEN :seq AND :last",
    erased="SELECT '', ep, seq, by_ep, by_seq FROM erased",
    counts={
        "log": "SELECT count(*) FROM log WHERE ep = :ep",
        "disclosure": "SELECT count(*) FROM disclosure WHERE ep = :ep",
        "outbox": "SELECT count(*) FROM outbox WHERE ep = :ep",
    },
)
_PHARMACY = _Layout(
    table="rec",
    logs="SELECT unit, ep FROM rec UNION SELECT unit, ep FROM tip UNION SELECT unit, ep FROM witness "
    "UNION SELECT unit, ep FROM disclosure ORDER BY 1, 2",
    rows="SELECT ep, seq, leaf, jws FROM rec WHERE unit = :unit AND ep = :ep ORDER BY seq",
    text="SELECT jws FROM rec WHERE unit = :unit AND ep = :ep AND seq = :seq",
    head="SELECT size, frontier, head_line FROM tip WHERE unit = :unit AND ep = :ep",
    receipts="SELECT size, note, root, cosigned_at FROM witness WHERE unit = :unit AND ep = :ep",
    disclosures="SELECT disc FROM disclosure WHERE unit = :unit AND ep = :ep AND seq = :seq ORDER BY disc",
    shown="SELECT seq, disc FROM disclosure WHERE unit = :unit AND ep = :ep AND seq BETWEEN :seq AND :last "
    "ORDER BY seq, disc",
    waiting=None,
    erased="SELECT unit, ep, seq, 1, log_seq FROM erased",
    counts={
        "log": "SELECT count(*) FROM rec WHERE unit = :unit AND ep = :ep",
        "disclosure": "SELECT count(*) FROM disclosure WHERE unit = :unit AND ep = :ep",
    },
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
                db.text_factory = functools.partial(str, encoding="utf-8", errors="surrogateescape")
                db.execute("BEGIN")
                yield cls(path, db, _layout(path, db))
        except sqlite3.Error as error:
            raise explain(path, error) from error
        except UnicodeDecodeError as error:
            # SQLite quotes a damaged schema in its message, which Python then cannot read.
            raise explain(path, sqlite3.DatabaseError(str(error))) from error

    @property
    def is_unit(self) -> bool:
        """Return whether it is a unit's own database, with outbox and traces."""
        return self._layout is _UNIT

    def logs(self) -> list[LogName]:
        """Return every log that any table mentions.

        Raises: `FormatError` where an epoch is no number.
        """
        found = self.db.execute(self._layout.logs).fetchall()
        return [LogName(str(unit) or self._unit_of(epoch), _cell(epoch, "epoch", int)) for unit, epoch in found]

    def rows(self, log: LogName) -> Iterator[Row]:
        """Return the stored records in order of sequence, as a stream.

        Raises: `FormatError` where a row holds something else.
        """
        return itertools.starmap(Row, self._cells(log))

    def rows_beside(self, log: LogName) -> Iterator[Row]:
        """Return the stored records with their disclosures and, in a unit's database, what waits in the outbox.

        Raises: `FormatError` where a row of the log holds something else; all rows before it have come then.
        """
        cells = self._cells(log)
        while True:
            page, fault = _page(cells)
            yield from self._with_beside(log, page)
            if fault is not None:
                raise fault
            if len(page) < PAGE:
                return

    def text_at(self, log: LogName, seq: int) -> str:
        """Return the text of the record at one place; empty where there is none, or something else."""
        row = self.db.execute(self._layout.text, self._key(log, seq)).fetchone()
        return row[0] if row is not None and isinstance(row[0], str) else ""

    def _cells(self, log: LogName) -> Iterator[_Cells]:
        """Yield the cells of each stored record, of the kinds that their columns must hold."""
        for cells in self.db.execute(self._layout.rows, self._key(log)):
            if tuple(map(type, cells)) != _CELLS:
                for value, where, kind in zip(cells, _NAMED_CELLS, _CELLS, strict=True):
                    _cell(value, where, kind)
            yield cells

    def _with_beside(self, log: LogName, page: list[_Cells]) -> Iterator[Row]:
        if not page:
            return
        key = {**self._key(log, page[0][1]), "last": page[-1][1]}
        shown: defaultdict[object, list[object]] = defaultdict(list)
        for seq, disc in self.db.execute(self._layout.shown, key):
            shown[seq].append(disc)
        erased = self.erased(log)
        waiting = dict(self.db.execute(self._layout.waiting, key).fetchall()) if self._layout.waiting else {}
        for epoch, seq, leaf, text in page:
            line = waiting.get(seq)
            shown_here = tuple(shown[seq]) if seq in shown else () if seq not in erased else None
            yield Row(epoch, seq, leaf, text, shown_here, None if line is None else str(line))

    def head(self, log: LogName, origin: str) -> StoredHead | None:
        """Return the stored head; None where there is none.

        The pharmacy keeps the unit's signature line beside the tree it derived: the head of `origin` is put together.
        Raises: `FormatError` where the row holds something else.
        """
        row = self.db.execute(self._layout.head, self._key(log)).fetchone()
        if row is None:
            return None
        size, root = _cell(row[0], "head, size", int), _cell(row[1], "head, root", bytes)
        text = _cell(row[2], "head", str)
        if self.is_unit:
            return StoredHead(size, root, text)
        root = _root(size, root)
        line = text.removesuffix("\n") + "\n"
        return StoredHead(size, root, note.assemble_note(head.Checkpoint(origin, size, root).text(), [line]))

    def receipts(self, log: LogName) -> list[StoredReceipt]:
        """Return the stored receipts, smallest first.

        Raises: `FormatError` where a row holds something else.
        """
        return [
            StoredReceipt(
                size=_cell(size, "receipt, size", int),
                note=_cell(text, "receipt", str),
                root=None if self.is_unit else _cell(root, "receipt, root", bytes),
                time_s=None if self.is_unit else _cell(time_s, "receipt, time", int),
            )
            for size, text, root, time_s in self.db.execute(self._layout.receipts, self._key(log))
        ]

    def disclosures(self, log: LogName, seq: int) -> tuple[str, ...]:
        """Return the disclosures beside one record, sorted.

        Raises: `FormatError` where a row holds something else.
        """
        rows = self.db.execute(self._layout.disclosures, self._key(log, seq))
        return tuple(_cell(disc, "disclosure", str) for (disc,) in rows)

    def erased(self, log: LogName) -> dict[int, Place]:
        """Return the records of a log whose disclosures were erased, each with the place of the record that says so.

        In the pharmacy's database that is a place in its own log.
        """
        owner = "" if self.is_unit else log.unit
        return {seq: by for (unit, epoch, seq), by in self._erased.items() if (unit, epoch) == (owner, log.epoch)}

    @functools.cached_property
    def _erased(self) -> dict[tuple[str, int, int], Place]:
        exists = self.db.execute("SELECT 1 FROM sqlite_master WHERE name = 'erased'").fetchone()
        rows = self.db.execute(self._layout.erased).fetchall() if exists else ()
        return {(unit, epoch, seq): (by_epoch, by_seq) for unit, epoch, seq, by_epoch, by_seq in rows}

    def count(self, table: str, log: LogName) -> int:
        """Return how many rows of a table stand beside a log; 0 where this kind of database has no such table."""
        query = self._layout.counts.get(table)
        return 0 if query is None else int(self.db.execute(query, self._key(log)).fetchone()[0])

    def size(self) -> int:
        """Return how many records the database keeps, of all its logs."""
        return int(self.db.execute(f"SELECT count(*) FROM {self._layout.table}").fetchone()[0])  # noqa: S608 - our own

    def trace_count(self) -> int:
        """Return how many traces a unit's database keeps."""
        return int(self.db.execute("SELECT count(*) FROM trace").fetchone()[0])

    def traced(self) -> list[str]:
        """Return the sessions whose whole trace a unit's database keeps; the pharmacy's keeps none."""
        if not self.is_unit:
            return []
        return [str(session) for (session,) in self.db.execute("SELECT session FROM trace ORDER BY session")]

    def trace(self, session: str) -> tuple[str, str] | None:
        """Return the noted SHA-256 and the CSV text of a session's trace in a unit's database; None for none."""
        row = self.db.execute("SELECT sha256, csv FROM trace WHERE session = ?", (session,)).fetchone()
        return None if row is None else (str(row[0]), str(row[1]))

    def evidence(self) -> list[tuple[str, str, bytes]]:
        """Return unit, reason and whole message of each record that was refused under a good signature.

        A unit's database has none.
        """
        if self.is_unit:
            return []
        rows = self.db.execute("SELECT unit, reason, body FROM evidence ORDER BY unit, got_at, rowid")
        return [(str(unit), str(reason), _cell(body, "evidence", bytes)) for unit, reason, body in rows]

    def _unit_of(self, epoch: int) -> str:
        """Return the unit that the first legible record of an epoch names; empty where none does."""
        for _, _, _, text in self.db.execute(self._layout.rows, {"unit": "", "ep": epoch}):
            with contextlib.suppress(FormatError):
                return str(jws.parse(_cell(text, "record", str)).payload.get("unit", ""))
        return ""

    def _key(self, log: LogName, seq: int = 0) -> dict[str, object]:
        return {"unit": log.unit, "ep": log.epoch, "seq": seq}


def _page(rows: Iterator[_Cells]) -> tuple[list[_Cells], Exception | None]:
    """Return the next rows, and what stood in the way of more of them."""
    page: list[_Cells] = []
    try:
        for row in itertools.islice(rows, PAGE):
            page.append(row)  # noqa: PERF402 - those before a fault count
    except UNREADABLE as error:
        return page, error
    return page, None


def _cell(value: object, where: str, kind: type[Cell]) -> Cell:
    """Return a stored value that is of the kind its column must hold.

    Raises: `FormatError` where it is of another.
    """
    if not isinstance(value, kind):
        raise FormatError(where, value, _KINDS[kind])
    return value


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
