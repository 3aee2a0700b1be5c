"""From drafts to signed records and heads: what the writer computes before it touches the disk."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from nebctl.core.instant import Instant
from nebctl.core.ledger import envelope, head, jws, note, tree
from nebctl.core.ledger.disclosure import SALT_BYTES
from nebctl.core.ledger.envelope import Stamp
from nebctl.core.ledger.keyring import KeyRing, rotation
from nebctl.core.ledger.note import Vkey
from nebctl.core.ledger.records import Draft, Entry
from nebctl.ports import Signer, Verifier
from nebctl.store import codec


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealer:
    """Who signs for a unit: its name, its key and the randomness of its salts.

    `witness` is the pharmacy's key; None means that no receipt can be taken. `ring` are the keys of the log so far, of
    which `signer` is the newest; None means that it is the only one.
    """

    site: str
    stamp: Stamp
    signer: Signer
    verify: Verifier
    witness: Vkey | None
    random: Callable[[int], bytes]
    ring: KeyRing | None = None

    @property
    def keys(self) -> KeyRing:
        """Return every key of the log, in the order of their use."""
        return self.ring or KeyRing.of(self.vkey)

    @property
    def may_sign(self) -> bool:
        """Return whether the log names the signer's key as its newest: nothing is signed by any other."""
        return self.ring is None or self.ring.newest == self.vkey

    @property
    def vkey(self) -> Vkey:
        """Return the unit's own verifier key, named by its origin."""
        return _own_key(self.site, self.stamp.unit, self.stamp.epoch, self.signer.public)


@lru_cache(maxsize=16)
def _own_key(site: str, unit: str, epoch: int, public: bytes) -> Vkey:
    return Vkey(head.origin(site, unit, epoch), note.ED25519, public)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tip:
    """Where the log stands: its frontier, its root and its signed head (empty before the first record)."""

    frontier: tree.Frontier
    root: bytes
    head_note: str

    @property
    def size(self) -> int:
        """Return the number of records."""
        return self.frontier.size


EMPTY = Tip(frontier=tree.Frontier(), root=tree.EMPTY_ROOT, head_note="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A signed record and the unit's signature line over the tree that ends with it."""

    entry: Entry
    head_line: str


def genesis(sealer: Sealer) -> Draft:
    """Return the first record of an epoch: whose log it is and by which key."""
    vkey = sealer.vkey
    return Draft(typ="genesis", facts={"site": sealer.site, "vkey": vkey.text()})


def seal(sealer: Sealer, tip: Tip, drafts: Sequence[Draft], at: Instant) -> tuple[tuple[Sealed, ...], Tip]:
    """Return the drafts as signed records, each under a signed head, and where the log then stands.

    Raises: `FormatError` where a draft cannot be written as a record.
    """
    sealed: list[Sealed] = []
    for draft in drafts:
        record, tip = _seal_one(sealer, tip, draft, at)
        sealed.append(record)
    return tuple(sealed), tip


def reseal(sealer: Sealer, tip: Tip, entries: Sequence[Entry]) -> tuple[tuple[Sealed, ...], Tip]:
    """Return own records that were lost under the heads that they had, and where the log then stands.

    The same key signs the same trees again, which gives the same bytes: nothing new is said. What an earlier key
    signed has no line here (empty), for that key is gone; the pharmacy's receipt must cover it.
    """
    sealed = []
    for entry in entries:
        if sealer.keys.of_head(entry.seq + 1) == (sealer.vkey,):
            record, tip = _under_head(sealer, tip, entry)
        else:
            frontier = tip.frontier.append(entry.leaf)
            record, tip = Sealed(entry=entry, head_line=""), Tip(frontier=frontier, root=frontier.root(), head_note="")
        sealed.append(record)
    return tuple(sealed), tip


def seal_rotation(sealer: Sealer, tip: Tip, new: Signer, at: Instant) -> tuple[Sealed, Tip, Sealer]:
    """Return the `key` record that hands the log over to a new key, under a head by both, and who signs from then on.

    Raises: `FormatError` where the key was used in this log before.
    """
    sealed, tip = _seal_one(sealer, tip, rotation(tip.size, sealer.vkey.name, new), at)
    ring = sealer.keys.take(sealed.entry, sealer.verify)
    checkpoint = head.Checkpoint(sealer.vkey.name, tip.size, tip.root)
    lines = sealed.head_line + head.head_line(checkpoint, new)
    head_note = note.assemble_note(checkpoint.text(), [lines])
    whole = Sealed(entry=sealed.entry, head_line=lines)
    return whole, replace(tip, head_note=head_note), replace(sealer, signer=new, ring=ring)


def _seal_one(sealer: Sealer, tip: Tip, draft: Draft, at: Instant) -> tuple[Sealed, Tip]:
    vkey = sealer.vkey
    salts = [sealer.random(SALT_BYTES) for _ in draft.private]
    payload, disclosures = envelope.build(draft, tip.size, tip.root, at, sealer.stamp, sealer.random(SALT_BYTES), salts)
    # Envelope and payload are checked by the rules that the strict reader goes by, before they are signed: whatever is
    # sealed can be read, which tests/store/test_store_seal.py tries with all that a draft may hold.
    text = jws.sign(payload, sealer.signer, head.kid(vkey), codec.encode)
    entry = Entry(
        epoch=sealer.stamp.epoch,
        seq=tip.size,
        jws=text,
        leaf=tree.leaf_hash(text.encode("ascii")),
        payload=payload,
        disclosures=tuple(sorted(disclosures)),
    )
    return _under_head(sealer, tip, entry)


def _under_head(sealer: Sealer, tip: Tip, entry: Entry) -> tuple[Sealed, Tip]:
    frontier = tip.frontier.append(entry.leaf)
    checkpoint = head.Checkpoint(sealer.vkey.name, frontier.size, frontier.root())
    line = head.head_line(checkpoint, sealer.signer)
    head_note = note.assemble_note(checkpoint.text(), [line])
    return Sealed(entry=entry, head_line=line), Tip(frontier=frontier, root=checkpoint.root, head_note=head_note)
