"""How the store says no: what was seen, what was expected and what a person does about it."""

import sqlite3
from pathlib import Path

_FULL = sqlite3.SQLITE_FULL
_BUSY = frozenset((sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED))
_READ_ONLY = frozenset((sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH))
_DAMAGED = frozenset((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB))

NEW_EPOCH = (
    "begin a new epoch: `nebctl keys create` where no key is left, `nebctl pharmacy epoch`, `nebctl ledger epoch` "
    "(docs/how-to/restored-or-cloned-unit.md)."
)
"""The way on of a unit whose log nobody can continue, as the end of a sentence."""


class StoreFault(Exception):  # noqa: N818 - a fault is of the world, not of the program
    """The store refused or failed; `str()` is one line for a person.

    `lasting` True means that the store takes nothing more until the process restarts: after a failed write or fsync
    only a fresh start can tell what reached the disk.
    """

    def __init__(self, *, seen: str, expected: str, advice: str, lasting: bool = False) -> None:
        super().__init__(seen, expected, advice)
        self.seen = seen
        self.expected = expected
        self.advice = advice
        self.lasting = lasting

    def __str__(self) -> str:
        return f"ledger: saw {self.seen}, expected {self.expected}. {self.advice}"


def closed() -> StoreFault:
    """Return the fault of a call that comes after the ledger was closed."""
    return StoreFault(seen="a call after the ledger was closed", expected="an open ledger", advice="Restart nebctl.")


def explain(path: Path, error: sqlite3.Error) -> StoreFault:
    """Return a database error as a fault with advice; only a full disk, a lock or a permission is not lasting."""
    code = error.sqlite_errorcode & 0xFF if hasattr(error, "sqlite_errorcode") else sqlite3.SQLITE_ERROR
    seen = f"{path}: {error}"
    if code == _FULL:
        return StoreFault(
            seen=f"{path}: the disk is full",
            expected="room for one more record",
            advice="Nothing of it was recorded; free space on this disk, then try again.",
        )
    if code in _BUSY:
        return StoreFault(
            seen=seen, expected="this process as the only writer", advice="Close the other program that writes to it."
        )
    if code in _READ_ONLY or path.is_dir():  # of a folder SQLite may say that the disk is broken, which it is not
        return StoreFault(
            seen=seen,
            expected="a database file and folder that this user may write",
            advice="Give the nebctl user ownership of both and mount the disk read-write.",
        )
    if code in _DAMAGED:
        return StoreFault(
            seen=seen,
            expected="a whole SQLite database",
            advice="Keep the file as it is for examination and restore the unit with the pharmacy's copy.",
            lasting=True,
        )
    return StoreFault(
        seen=seen,
        expected="a durable write",
        advice="Nothing more is written until nebctl restarts and checks what the disk kept; examine the disk first.",
        lasting=True,
    )
