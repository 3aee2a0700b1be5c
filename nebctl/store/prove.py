"""Find a dose in a database and build the proof that its record stands under a countersigned head."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from nebctl.core.ledger import disclosure, envelope, head, note, tree
from nebctl.core.ledger.consistency import ConsistencyProof, format_consistency
from nebctl.core.ledger.encoding import FormatError
from nebctl.core.ledger.proof import DoseProof, format_proof
from nebctl.core.ledger.records import Entry, Json
from nebctl.store.faults import StoreFault
from nebctl.store.reader import LedgerFile, LogName


@dataclass(frozen=True, slots=True)
class NotReceipted:
    """The record is kept, but the pharmacy has countersigned only the first `receipted` records of its log."""

    seq: int
    receipted: int


def read(file: LedgerFile) -> Iterator[tuple[LogName, Entry]]:
    """Yield every record with its disclosures, log by log; nothing is verified beyond what reading needs.

    Raises: `StoreFault` naming the record that cannot be read.
    """
    for log in file.logs():
        for row in file.rows(log):
            try:
                yield log, envelope.parse_entry(row.text, file.disclosures(log, row.seq))
            except FormatError as error:
                raise StoreFault(
                    seen=f"unit {log.unit or 'unknown'} epoch {row.epoch} seq {row.seq}: {error.where} {error.seen}",
                    expected=error.expected,
                    advice="Examine the file with `nebctl ledger verify`.",
                ) from error


def find_doses(file: LedgerFile, session: str) -> list[tuple[LogName, Entry]]:
    """Return the `dose` records of a session; more than one only where units share an id."""
    return [
        (log, entry)
        for log, entry in read(file)
        if entry.payload["typ"] == "dose" and entry.payload.get("session") == session
    ]


def reveal(entry: Entry) -> dict[str, Json]:
    """Return the private facts kept beside a record, by name."""
    return disclosure.check(entry.payload, entry.disclosures)


def prove(file: LedgerFile, log: LogName, entry: Entry) -> str | NotReceipted:
    """Return the text of a proof under the newest countersigned head that covers the record.

    Raises: `FormatError` where the stored records do not lead to that head's root.
    """
    newest = max(file.receipts(log), key=lambda receipt: receipt.size, default=None)
    if newest is None or newest.size <= entry.seq:
        return NotReceipted(entry.seq, 0 if newest is None else newest.size)
    size, text = newest.size, newest.note
    leaves = [leaf for _, leaf in zip(range(size), (row.leaf for row in file.rows(log)), strict=False)]
    root = head.Checkpoint.parse(note.parse_note(text).text).root
    path = tree.inclusion_path(leaves, entry.seq) if len(leaves) == size else ()
    if not tree.verify_inclusion(entry.leaf, entry.seq, size, path, root):
        raise FormatError("proof", f"another root over {len(leaves)} records", f"the countersigned root at size {size}")
    return format_proof(DoseProof(index=entry.seq, path=path, checkpoint_note=text))


def prove_growth(file: LedgerFile, log: LogName, old_note: str, new_note: str) -> str:
    """Return the text of the proof that a log only grew from one head to another; no signature is checked.

    Raises: `FormatError` where a note is no head of this log, the older is not the smaller, or the stored records do
    not lead to both roots.
    """
    old, new = (head.Checkpoint.parse(note.parse_note(each).text) for each in (old_note, new_note))
    for checkpoint in (old, new):
        owner = head.Origin.parse(checkpoint.origin)
        if (owner.unit, owner.epoch) != (log.unit, log.epoch):
            raise FormatError("head origin", checkpoint.origin, f"a head of unit {log.unit} epoch {log.epoch}")
    if not 0 < old.size <= new.size:
        raise FormatError("head sizes", f"{old.size}, then {new.size}", "an older head, not empty, then a newer one")
    leaves = [row.leaf for row in itertools.islice(file.rows(log), new.size)]
    path = tree.consistency_path(leaves, old.size) if len(leaves) == new.size else ()
    if not tree.verify_consistency(old.size, old.root, new.size, new.root, path):
        seen = f"other roots over {len(leaves)} records"
        raise FormatError("proof", seen, f"the heads' roots at sizes {old.size} and {new.size}")
    return format_consistency(ConsistencyProof(old_size=old.size, path=path, new_note=new_note))
