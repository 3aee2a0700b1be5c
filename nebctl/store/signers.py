"""Whether the key file fits the log, where a copy from before a rotation was put back, or the key file was.

Nothing is ever signed by a key that the log does not name as its newest. A log that lacks the `key` record of the key
that is there may get it back from the pharmacy; then it is continued, and else a person is told what to do.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from nebctl.core.ledger.encoding import FormatError, unb64url
from nebctl.core.ledger.head import Checkpoint, kid
from nebctl.core.ledger.keyring import KeyRing, open_receipt_by
from nebctl.core.ledger.records import Entry
from nebctl.store.faults import NEW_EPOCH, StoreFault
from nebctl.store.sealing import Sealer


def check_signer(sealer: Sealer, path: Path, *, heard: bool = False) -> None:
    """Refuse a key that the log does not name; `heard` says that what the pharmacy holds does not name it either.

    Raises: `StoreFault` as it does.
    """
    if sealer.may_sign:
        return
    own, newest = kid(sealer.vkey), kid(sealer.keys.newest)
    found = f"{path}: no record names key {own} of the key file; the newest key in it is {newest}"
    if heard:
        raise StoreFault(
            seen=f"{found}; and no record that the pharmacy holds names it",
            expected=f"key {newest}, or a `key` record by which the log was handed over to {own}",
            advice=f"Put the key file of {newest} back. Where that is lost, {NEW_EPOCH}",
        )
    raise StoreFault(
        seen=found,
        expected=f"the `key` record by which `nebctl keys rotate` handed the log over to {own}",
        advice="A copy from before the rotation was put back? Start the unit where it reaches the pharmacy, which "
        f"gives the records back. Another key file? Put that of {newest} back.",
    )


def take_over(sealer: Sealer, ring: KeyRing, path: Path) -> Sealer:
    """Return the sealer for a log with these keys, some of which came back with lost records.

    Raises: `StoreFault` where the newest of them is not the sealer's own.
    """
    if ring.newest == sealer.vkey:
        return replace(sealer, ring=ring)
    if ring == sealer.keys:
        check_signer(sealer, path, heard=True)
    newest, first = ring.newest, ring.spans[-1].first
    raise StoreFault(
        seen=f"{path}: a copy from before the rotation, and a key file with key {kid(sealer.vkey)}",
        expected=f"key {kid(newest)}, to which record {first - 1} at the pharmacy hands this log over",
        advice=f"Put the key file of {kid(newest)} in its place and start again: the pharmacy gives back what is "
        f"missing. Where that key is lost, {NEW_EPOCH}",
    )


def receipted_by(sealer: Sealer, receipt: str | None, back: Sequence[Entry], kept: Checkpoint) -> int:
    """Return how many records a receipt covers, which must end among those that came back; 0 where it is none.

    Raises: `StoreFault` where records that an earlier key signed are not covered: their heads cannot be signed again.
    """
    roots = {entry.seq: unb64url(str(entry.payload["prev"])) for entry in back} | {kept.size: kept.root}
    size = 0
    if receipt is not None and sealer.witness is not None:
        try:
            opened = open_receipt_by(receipt, sealer.keys, sealer.witness, sealer.verify).checkpoint
        except FormatError:
            pass
        else:
            size = opened.size if roots.get(opened.size) == opened.root else 0
    first = sealer.keys.spans[-1].first
    if back and size < first and first > back[0].seq:
        raise StoreFault(
            seen="no receipt of the pharmacy over the records of the key before the present one",
            expected=f"one over {first} records or more",
            advice="Look whether the pharmacy's clock is right (it says so in its log), then start the unit again.",
        )
    return size
