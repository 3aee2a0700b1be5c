"""A cut: which records of every log a table is made from. The same cut gives the same bytes, now and in ten years."""

import hashlib
import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from nebctl.core.ledger import envelope, tree
from nebctl.core.ledger.encoding import FormatError, b64, unb64
from nebctl.core.ledger.head import Checkpoint, Origin
from nebctl.core.ledger.note import parse_note
from nebctl.core.ledger.records import Entry
from nebctl.pharmacy import log
from nebctl.pharmacy.dose_facts import says_type
from nebctl.pharmacy.faults import PharmacyFault
from nebctl.store.faults import StoreFault
from nebctl.store.reader import LedgerFile, LogName

HEADING = "nebctl/heads/v1"
_SIZE = re.compile(r"[1-9][0-9]{0,15}", re.ASCII)
_ADVICE = "Give a file that `nebctl pharmacy show --heads` wrote, unchanged."


@dataclass(frozen=True, slots=True, order=True)
class LogHead:
    """How far one log is taken: its name, its number of records, and the root over them."""

    origin: str
    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Cut:
    """The heads of every log, in the order of their names."""

    heads: tuple[LogHead, ...]

    def text(self) -> str:
        """Return the cut as it is written down: a heading, then one log a line."""
        lines = (f"{each.origin} {each.size} {b64(each.root)}" for each in self.heads)
        return "\n".join((HEADING, *lines, ""))

    @property
    def site(self) -> str:
        """Return the site whose logs these are; "" where there is none."""
        return Origin.parse(self.heads[0].origin).site if self.heads else ""

    def digest(self) -> str:
        """Return what names the cut: SHA-256 of its text, in hex."""
        return hashlib.sha256(self.text().encode()).hexdigest()


def parse_cut(text: str) -> Cut:
    """Return the cut that a text says.

    Raises: `FormatError` where it is not the one spelling of a cut.
    """
    heading, _, rest = text.partition("\n")
    if heading != HEADING:
        raise FormatError("heads, line 1", heading, HEADING)
    cut = Cut(tuple(_head(number, line) for number, line in enumerate(rest.splitlines(), start=2)))
    if list(cut.heads) != sorted(set(cut.heads)) or len({each.origin for each in cut.heads}) != len(cut.heads):
        raise FormatError("heads", "logs out of order or twice", "each log once, in the order of their names")
    if cut.text() != text:
        raise FormatError("heads", "another spelling", "one line a log: its name, a size, a root in base64")
    return cut


def _head(number: int, line: str) -> LogHead:
    fields = line.split(" ")
    if len(fields) != 3 or not _SIZE.fullmatch(fields[1]):
        raise FormatError(f"heads, line {number}", line, "a log's name, a size and a root in base64")
    return LogHead(Origin.parse(fields[0]).text(), int(fields[1]), unb64(fields[2], f"heads, line {number}"))


def newest_cut(database: Path) -> Cut:
    """Return the cut of all that is countersigned of the units, and of the pharmacy's whole own log.

    Raises: `StoreFault` where a database cannot be read; `FormatError` where a row holds something else.
    """
    heads = []
    for path in _files(database):
        with LedgerFile.open(path) as file:
            notes = (_own_head(file, name) if file.is_unit else _receipted(file, name) for name in file.logs())
            checkpoints = [Checkpoint.parse(parse_note(note).text) for note in notes if note is not None]
            heads += [LogHead(each.origin, each.size, each.root) for each in checkpoints]
    return Cut(tuple(sorted(heads)))


def _receipted(file: LedgerFile, name: LogName) -> str | None:
    newest = max(file.receipts(name), key=lambda receipt: receipt.size, default=None)
    return None if newest is None else newest.note


def _own_head(file: LedgerFile, name: LogName) -> str | None:
    stored = file.head(name, "")
    return None if stored is None else stored.note


def entries_of(database: Path, cut: Cut, types: frozenset[str]) -> Iterator[Entry]:
    """Yield the records of these types up to the cut, log by log, once all of a log has been found to lead to its root.

    Raises: `PharmacyFault` where the kept records are not those of the cut; `StoreFault` where they cannot be read.
    """
    with ExitStack() as stack:
        files = [stack.enter_context(LedgerFile.open(path)) for path in _files(database)]
        known = {(name.unit, name.epoch): (file, name) for file in files for name in file.logs()}
        for head in cut.heads:
            place = Origin.parse(head.origin)
            if (place.unit, place.epoch) not in known:
                seen = f"{head.origin} {head.size}"
                raise PharmacyFault(seen, "a log that this pharmacy keeps", _ADVICE)
            yield from _checked(*known[place.unit, place.epoch], head, types)


def _files(database: Path) -> Iterable[Path]:
    own = log.beside(database)
    return (database, own) if own.exists() else (database,)


def _checked(file: LedgerFile, name: LogName, head: LogHead, types: frozenset[str]) -> list[Entry]:
    grown, wanted = tree.Frontier(), []
    for seq, row in zip(range(head.size), file.rows(name), strict=False):
        grown = grown.append(tree.leaf_hash(row.text.encode("utf-8", "surrogatepass")))
        if says_type(row.text, *types):
            wanted.append((seq, row.text))
    if grown.size != head.size or grown.root() != head.root:
        seen = f"{head.origin} at {head.size}: {grown.size} records with root {b64(grown.root())}"
        raise PharmacyFault(seen, f"those with root {b64(head.root)}", f"{_ADVICE} Or run nebctl ledger verify.")
    return [_entry(file, name, seq, text) for seq, text in wanted]


def _entry(file: LedgerFile, name: LogName, seq: int, text: str) -> Entry:
    try:
        return envelope.parse_entry(text, file.disclosures(name, seq))
    except (FormatError, sqlite3.Error) as error:
        raise StoreFault(
            seen=f"{name.unit} epoch {name.epoch} record {seq}: {error}",
            expected="a whole record",
            advice="Run nebctl ledger verify.",
        ) from error
