"""A disk that loses its power: what SQLite asks of it is noted, and any state that a cut may leave is made from that.

The program runs once, whole, on files in memory behind a VFS; a cut at operation k then needs no second run, because a
program cannot see a cut that comes later. What was synced stays; of the rest each 512-byte sector is kept, lost or,
where told so, filled with chance bytes. Source: the method of SQLite's own crash tests, sqlite.org/testing.html 3.3.
"""

import itertools
import os
import random
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw
import pytest

SECTOR = 512
JOURNALS = ("-wal", "-journal")
POWERSAFE = apsw.SQLITE_IOCAP_POWERSAFE_OVERWRITE
"""What SQLite's own VFS says of every disk: a cut never harms bytes beside those that are being written."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One thing that was asked of the disk: create, write, truncate, sync, delete; or a mark of the program's own."""

    kind: str
    name: str = ""
    place: int = 0
    data: bytes = b""
    mark: Any = None


@dataclass
class Moment:
    """What is certain at one moment, what is not, and the program's marks so far."""

    durable: dict[str, bytes] = field(default_factory=dict)
    pending: dict[str, list[Asked]] = field(default_factory=dict)
    marks: list[Any] = field(default_factory=list)

    def pass_on(self, asked: Asked) -> None:
        """Go on by one operation."""
        if asked.kind == "mark":
            self.marks.append(asked.mark)
        elif asked.kind == "sync":
            if asked.name.endswith(JOURNALS) and any(
                each.kind == "create" for each in self.pending.get(asked.name, ())
            ):
                self._settle_names()
            self._settle(asked.name)
        else:
            self.pending.setdefault(asked.name, []).append(asked)
            if asked.kind == "delete" and asked.place:
                self._settle(asked.name)

    def image(self, choose: Callable[[], "bytes | bool"]) -> dict[str, bytes]:
        """Return the files after a cut now; `choose` says of each unsynced sector: kept, lost, or these bytes."""
        files = dict(self.durable)
        for name, asked in self.pending.items():
            content = files.pop(name, None)
            for each in asked:
                content = _apply(content, each, choose)
            if content is not None:
                files[name] = content
        return files

    def _settle_names(self) -> None:
        """Make durable which files there are: SQLite syncs the folder at the first sync of a journal that it made."""
        for name, asked in self.pending.items():
            last = max((place for place, each in enumerate(asked) if each.kind in {"create", "delete"}), default=None)
            if last is None:
                continue
            if asked[last].kind == "create":
                self.durable[name] = b""
            else:
                self.durable.pop(name, None)
            del asked[: last + 1]

    def _settle(self, name: str) -> None:
        content = self.durable.pop(name, None)
        for each in self.pending.pop(name, ()):
            content = _apply(content, each, lambda: True)
        if content is not None:
            self.durable[name] = content


def _apply(content: bytes | None, asked: Asked, choose: "Callable[[], bytes | bool]") -> bytes | None:
    if asked.kind == "write":
        return None if content is None else _write(content, asked, choose)
    kept = choose() is not False
    if asked.kind == "create":
        return b"" if kept else content
    if asked.kind == "delete":
        return None if kept else content
    return content[: asked.place] if kept and content is not None else content


def _write(content: bytes, asked: Asked, choose: "Callable[[], bytes | bool]") -> bytes:
    data, at = bytearray(content), asked.place
    end = at + len(asked.data)
    while at < end:
        upto = min(end, (at // SECTOR + 1) * SECTOR)
        kept = choose()
        if kept is not False:
            part = asked.data[at - asked.place : upto - asked.place]
            if len(data) < upto:
                data.extend(bytes(upto - len(data)))
            data[at:upto] = part if kept is True else kept[: upto - at]
        at = upto
    return bytes(data)


class Disk(apsw.VFS):
    """Files in memory, and everything that was asked of them; `broken_syncs` from now on fail."""

    _count = itertools.count()

    def __init__(self, base: Mapping[str, bytes] | None = None, traits: int = POWERSAFE) -> None:
        self.name = f"power-{next(self._count)}"
        self.files = {name: bytearray(content) for name, content in (base or {}).items()}
        self.base = {name: bytes(content) for name, content in self.files.items()}
        self.asked: list[Asked] = []
        self.traits = traits
        self.broken_syncs = 0
        super().__init__(self.name, base="")

    def mark(self, mark: Any) -> None:
        """Note that the program now knows something."""
        self.asked.append(Asked("mark", mark=mark))

    def moments(self) -> Iterator[tuple[int, Moment]]:
        """Yield the moment before each operation and after the last, with its number; a moment is changed in place."""
        moment, count = Moment(durable=dict(self.base)), 0
        for asked in self.asked:
            if asked.kind != "mark":
                yield count, moment
                count += 1
            moment.pass_on(asked)
        yield count, moment

    def connect(self, path: Path) -> Any:
        """Open a connection on this disk; only the name of the path counts."""
        # Exclusive, because a VFS in Python has no shared memory for the write-ahead log's index.
        connection = Connection(apsw.Connection(path.name, vfs=self.name))
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        return connection

    # What SQLite calls.

    def xAccess(self, pathname: str, flags: int) -> bool:
        """Return whether there is such a file."""
        return pathname in self.files

    def xFullPathname(self, name: str) -> str:
        """Return the name as it is."""
        return name

    def xDelete(self, filename: str, syncdir: bool) -> None:
        """Delete a file."""
        self.files.pop(filename, None)
        self.asked.append(Asked("delete", filename, int(syncdir)))

    def xOpen(self, name: Any, flags: list[int]) -> "DiskFile":
        """Open a file; one without a name is nobody's business."""
        filename = name.filename() if isinstance(name, apsw.URIFilename) else name
        if filename is not None and filename not in self.files:
            self.files[filename] = bytearray()
            self.asked.append(Asked("create", filename))
        flags[1] = flags[0]
        return DiskFile(self, filename)


class DiskFile:
    """One open file of a disk."""

    def __init__(self, disk: Disk, name: str | None) -> None:
        self._disk, self._name = disk, name
        self._own = bytearray()

    @property
    def _content(self) -> bytearray:
        return self._own if self._name is None else self._disk.files[self._name]

    def _ask(self, kind: str, place: int = 0, data: bytes = b"") -> None:
        if self._name is not None:
            self._disk.asked.append(Asked(kind, self._name, place, bytes(data)))

    def xRead(self, amount: int, offset: int) -> bytes:
        """Return what stands there; less at the end of the file."""
        return bytes(self._content[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:
        """Write."""
        content = self._content
        if len(content) < offset:
            content.extend(bytes(offset - len(content)))
        content[offset : offset + len(data)] = data
        self._ask("write", offset, data)

    def xTruncate(self, newsize: int) -> None:
        """Cut."""
        del self._content[newsize:]
        self._ask("truncate", newsize)

    def xSync(self, flags: int) -> None:
        """Make all of it durable, or fail and leave that open."""
        if self._disk.broken_syncs:
            self._disk.broken_syncs -= 1
            error = apsw.IOError("fsync failed")
            error.extendedresult = apsw.SQLITE_IOERR_FSYNC
            raise error
        self._ask("sync")

    def xFileSize(self) -> int:
        """Return the size."""
        return len(self._content)

    def xSectorSize(self) -> int:
        """Return the size of what is kept or lost as one."""
        return SECTOR

    def xDeviceCharacteristics(self) -> int:
        """Return what the disk promises."""
        return self._disk.traits

    def xLock(self, level: int) -> None:
        """Do nothing: there is one connection."""

    def xUnlock(self, level: int) -> None:
        """Do nothing: there is one connection."""

    def xCheckReservedLock(self) -> bool:
        """Return that nobody else has it."""
        return False

    def xFileControl(self, op: int, ptr: int) -> bool:
        """Return that no request is known."""
        return False

    def xClose(self) -> None:
        """Do nothing."""


class Rows:
    """A statement that ran: its rows and columns, how many it changed, and the row that was put in last."""

    def __init__(self, rows: Any, columns: Any, db: apsw.Connection) -> None:
        self._rows, self.description = rows, columns or None
        self.rowcount, self.lastrowid = db.changes(), db.last_insert_rowid()

    def fetchone(self) -> Any:
        """Return the next row."""
        return next(iter(self._rows), None)

    def fetchmany(self, count: int) -> list[Any]:
        """Return the next rows."""
        return list(itertools.islice(self._rows, count))

    def fetchall(self) -> list[Any]:
        """Return the rows that are left."""
        return list(self._rows)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)


class Connection:
    """As much of `sqlite3.Connection` as the store uses, on an apsw connection: only the way to the disk differs."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db

    @property
    def total_changes(self) -> int:
        """Return how many rows this connection has changed since it was opened."""
        return self._db.total_changes()

    def execute(self, sql: str, values: Any = ()) -> Rows:
        """Run a statement."""
        cursor, columns = self._db.cursor(), []

        def note_columns(running: apsw.Cursor, _sql: str, _values: Any) -> bool:
            columns[:] = running.get_description()
            return True

        cursor.exec_trace = note_columns
        try:
            rows = list(cursor.execute(sql, values))
        except apsw.Error as error:
            raise _translated(error) from error
        return Rows(iter(rows), columns, self._db)

    def executemany(self, sql: str, values: Any) -> None:
        """Run a statement for each."""
        for each in values:
            self.execute(sql, each)

    def executescript(self, sql: str) -> None:
        """Run statements."""
        self._db.execute(sql)

    @property
    def in_transaction(self) -> bool:
        """Return whether a transaction is open."""
        return self._db.in_transaction

    def set_authorizer(self, authorize: Any) -> None:
        """Ask before each statement."""
        self._db.authorizer = authorize

    def close(self) -> None:
        """Close."""
        self._db.close()


def _translated(error: apsw.Error) -> sqlite3.Error:
    code = getattr(error, "extendedresult", None) or getattr(error, "result", apsw.SQLITE_ERROR)
    kind = sqlite3.IntegrityError if isinstance(error, apsw.ConstraintError) else sqlite3.OperationalError
    translated = kind(str(error))
    translated.sqlite_errorcode = code
    return translated


def cuts(dice: random.Random, variants: int) -> Iterator[Callable[[], "bytes | bool"]]:
    """Yield ways to choose: nothing unsynced is kept, all is, and then by chance, at times with chance bytes."""
    yield lambda: False
    yield lambda: True
    for number in range(variants):
        share = dice.random()
        if number % 3 == 2:
            yield lambda: dice.randbytes(SECTOR) if dice.random() < 0.2 else dice.random() < 0.5
        else:
            yield lambda share=share: dice.random() < share


def lay_down(image: Mapping[str, bytes], folder: Path, name: str) -> Path:
    """Write what a cut left to a real folder; return the database's path, a file that the ledger makes first of all."""
    folder.mkdir()
    (folder / name).touch()
    for file, content in image.items():
        (folder / file).write_bytes(content)
    return folder / name


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where the system has one: whether its syncs are slow is not what is tested here."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="nebctl-power-", dir=memory) as name:
        yield Path(name)


@pytest.fixture
def power() -> Any:
    """What the tests need of this file."""
    return Power


class Power:
    """The names of this file, for tests beside it."""

    Disk, cuts, lay_down, POWERSAFE = Disk, staticmethod(cuts), staticmethod(lay_down), POWERSAFE
