"""Whether a folder holds the records of a live unit: a simulator does not stand beside those.

It has no database library, so that none is loaded with it; each record is a signed text of its own in the file, whose
middle part says whether its unit is simulated. Files are only read.
"""

import base64
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

STORE, PENDING = "unit.db", "unit.db-wal"
MOST_BYTES = 64_000_000

_RECORD = re.compile(rb"eyJ[A-Za-z0-9_-]{10,4000}\.(eyJ[A-Za-z0-9_-]{10,8000})")
_FLAG = re.compile(rb'"sim" ?: ?(true|false)')


def refuse_live_stores(folders: Iterable[Path]) -> None:
    """Refuse folders with the database of a live unit, and those with one that does not say that it is simulated.

    Raises: ValueError that names the file and what to do.
    """
    for folder in dict.fromkeys(path.resolve() for path in folders):
        path = folder / STORE
        if path.exists() and not _is_simulated(folder):
            raise ValueError(
                f"{path}: the records of a live unit, or of one that does not say that it is simulated; "
                "a simulator does not start beside them: choose another folder to work in and to write to"
            )


def _is_simulated(folder: Path) -> bool:
    """Return whether there are records and all of them say so; one that says nothing here does not count."""
    flags = {flag for name in (STORE, PENDING) for flag in _flags(folder / name)}
    return flags == {b"true"}


def _flags(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as stream:
            data = stream.read(MOST_BYTES)
    except OSError:
        return
    for match in _RECORD.finditer(data):
        if flag := _FLAG.search(_decode(match[1])):  # of a long record the rest is elsewhere in the file
            yield flag[1]


def _decode(text: bytes) -> bytes:
    """Return what as much of the text means as can be."""
    whole = text[:-1] if len(text) % 4 == 1 else text
    return base64.urlsafe_b64decode(whole + b"=" * (-len(whole) % 4))
