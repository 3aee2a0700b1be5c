"""What must be true of a stream at its end: each committed record receipted once, in order, and nothing invented."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nebctl import keys
from nebctl.core.ledger import head, tree
from nebctl.core.ledger.note import Vkey
from nebctl.store.reader import LedgerFile, LogName, StoredReceipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side's copy of a log: the texts in order of their places, the receipts, and how many records wait."""

    places: tuple[int, ...]
    texts: tuple[str, ...]
    receipts: tuple[StoredReceipt, ...]
    waiting: int


def read_side(database: Path, log: LogName) -> Side:
    """Return what a database holds of a log, as its rows have it."""
    with LedgerFile.open(database) as file:
        rows = list(file.rows(log))
        return Side(
            places=tuple(row.seq for row in rows),
            texts=tuple(row.text for row in rows),
            receipts=tuple(file.receipts(log)),
            waiting=file.count("outbox", log),
        )


def check_unit(unit_database: Path, journal: Path, pharmacy_database: Path, unit: Vkey, pharmacy: Vkey) -> list[str]:
    """Return what is wrong with one unit's stream, as sentences; none means that all of it holds.

    `journal` are the records that the unit's ledger acknowledged before each of its deaths.
    """
    log = LogName(head.Origin.parse(unit.name).unit, head.Origin.parse(unit.name).epoch)
    own, kept = read_side(unit_database, log), read_side(pharmacy_database, log)
    findings = [*_compare(own, kept), *_acknowledged(own, journal), *_receipted(own, kept, unit, pharmacy)]
    return [f"{log.unit}: {finding}" for finding in findings]


def _compare(own: Side, kept: Side) -> Iterator[str]:
    for name, side in (("unit", own), ("pharmacy", kept)):
        if side.places != tuple(range(len(side.places))):
            yield f"the {name}'s records are not numbered 0 to {len(side.places) - 1} without a gap"
    if own.texts == kept.texts:
        return
    same = next((at for at, pair in enumerate(zip(own.texts, kept.texts, strict=False)) if pair[0] != pair[1]), None)
    if same is not None:
        yield f"record {same} is another one at the pharmacy"
    elif len(own.texts) > len(kept.texts):
        yield f"{len(own.texts) - len(kept.texts)} records never arrived, the first of them {len(kept.texts)}"
    else:
        yield f"{len(kept.texts) - len(own.texts)} records at the pharmacy were invented, from {len(own.texts)} on"


def _acknowledged(own: Side, journal: Path) -> Iterator[str]:
    leaves = [tree.leaf_hash(text.encode()).hex() for text in own.texts]
    for line in journal.read_text("ascii").splitlines():
        place, leaf = line.split(" ")
        if int(place) >= len(leaves) or leaves[int(place)] != leaf:
            yield f"record {place} was acknowledged and is not there as it was"


def _receipted(own: Side, kept: Side, unit: Vkey, pharmacy: Vkey) -> Iterator[str]:
    if own.waiting:
        yield f"{own.waiting} records still wait for a receipt"
    sizes = [receipt.size for receipt in own.receipts]
    if sizes != sorted(set(sizes)):
        yield f"receipts of sizes {sizes}: a record is covered anew by two of the same size"
    if not sizes or sizes[-1] != len(own.texts):
        yield f"the newest receipt is over {sizes[-1:]} of {len(own.texts)} records"
    for receipt in (*own.receipts, *kept.receipts):
        yield from _check_receipt(receipt, own, unit, pharmacy)


def _check_receipt(receipt: StoredReceipt, own: Side, unit: Vkey, pharmacy: Vkey) -> Iterator[str]:
    try:
        checkpoint = head.open_receipt(receipt.note, unit, pharmacy, keys.verify).checkpoint
    except ValueError as fault:
        yield f"a receipt over {receipt.size} records: {fault}"
        return
    leaves = [tree.leaf_hash(text.encode()) for text in own.texts[: receipt.size]]
    if (checkpoint.size, checkpoint.root) != (receipt.size, tree.root_of(leaves)):
        yield f"the receipt over {receipt.size} records is over another tree than the unit's"


def check_all(folder: Path, trust: Path, pharmacy_database: Path, units: Sequence[str]) -> list[str]:
    """Return what is wrong with the streams of units whose files lie in a folder."""
    pharmacy = keys.load_trust(trust, "pharmacy")
    return [
        finding
        for unit in units
        for finding in check_unit(
            folder / f"{unit}.db",
            folder / f"{unit}.journal",
            pharmacy_database,
            keys.load_trust(trust, unit),
            pharmacy,
        )
    ]
