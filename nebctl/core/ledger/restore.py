"""A unit's own records on their way back to it: each is believed for its signature and its place alone.

The message has two lines, and travels on the receipt topic, where nothing can start or raise a dose:

    nebctl/restore/v1
    <record>~<disclosure>~...~
"""

from collections.abc import Iterable, Sequence

from nebctl.core.ledger.check import check_record
from nebctl.core.ledger.encoding import FormatError, b64url
from nebctl.core.ledger.head import Checkpoint
from nebctl.core.ledger.keyring import KeyRing
from nebctl.core.ledger.records import Entry
from nebctl.core.ledger.signing import Verifier
from nebctl.core.ledger.tree import Frontier

HEAD = "nebctl/restore/v1"
BATCH = 100
"""How many records the pharmacy sends for one wish; the unit asks again for what follows."""


def format_restored(jws_text: str, disclosures: Sequence[str]) -> str:
    """Return the message that carries one record back."""
    return f"{HEAD}\n{'~'.join((jws_text, *disclosures, ''))}\n"


def parse_restored(text: str) -> tuple[str, tuple[str, ...]]:
    """Return the record's text and its disclosures; nothing of them is believed yet.

    Raises: `FormatError` where it is no such message.
    """
    lines = text.split("\n")
    if len(lines) != 3 or lines[0] != HEAD or lines[2] or not lines[1].endswith("~"):
        raise FormatError("restored record", text[:60], f"{HEAD}, then record~disclosures~")
    jws_text, *disclosures = lines[1][:-1].split("~")
    return jws_text, tuple(disclosures)


def check_restored(
    records: Iterable[tuple[str, tuple[str, ...]]], grown: Frontier, kept: Checkpoint, ring: KeyRing, verify: Verifier
) -> tuple[tuple[Entry, ...], KeyRing]:
    """Return records that continue the tree `grown` up to exactly the one that the pharmacy keeps, and the keys then.

    Each carries the unit's own signature by its key at that place; `ring` are the keys of what is there, and a `key`
    record among the lost ones hands over to the next. Whether the unit holds the newest is for the caller to see.
    Raises: `FormatError` naming the first that does not.
    """
    entries: list[Entry] = []
    for text, disclosures in records:
        entry = check_record(text, sorted(disclosures), ring.newest, verify)
        if entry.seq != grown.size or entry.payload["prev"] != b64url(grown.root()):
            raise FormatError(f"restored record {entry.seq}", "another history", f"one that continues {grown.size}")
        ring, grown = ring.take(entry, verify), grown.append(entry.leaf)
        entries.append(entry)
    if (grown.size, grown.root()) != (kept.size, kept.root):
        raise FormatError("restored records", f"another tree of {grown.size}", f"that of {kept.size} which is kept")
    return tuple(entries), ring
