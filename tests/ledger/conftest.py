"""A small ledger with fixed keys and salts, so that every byte of it is the same in every run."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from nebctl.bundle import write_bundle
from nebctl.core.instant import ClockState, Instant
from nebctl.core.ledger import envelope, head, jws, tree
from nebctl.core.ledger.note import COSIGNATURE, ED25519, Vkey, assemble_note
from nebctl.core.ledger.proof import DoseProof, format_proof
from nebctl.core.ledger.records import Draft, Entry, Json, SessionDay
from nebctl.keys import Ed25519Signer, write_public

SITE = "sim.mexcovid.example"
WALL_NS = 1_795_345_900_123_000_000  # 2026-11-22


def salt(text: str) -> bytes:
    """Return 16 bytes that are always the same for one text."""
    return hashlib.sha256(text.encode()).digest()[:16]


@dataclass
class Book:
    """One unit's ledger in memory, and the pharmacy that countersigns it."""

    unit: str = "neb-0001"
    epoch: int = 1
    site: str = SITE
    entries: list[Entry] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.signer = Ed25519Signer.from_seed(hashlib.sha256(f"{self.unit}/{self.epoch}".encode()).digest())
        self.witness = Ed25519Signer.from_seed(hashlib.sha256(b"pharmacy").digest())
        self.vkey = Vkey(head.origin(self.site, self.unit, self.epoch), ED25519, self.signer.public)
        self.pharmacy = Vkey(f"{self.site}/nebctl-pharmacy", COSIGNATURE, self.witness.public)
        self.stamp = envelope.Stamp(
            unit=self.unit,
            epoch=self.epoch,
            software="nebctl 0.1.0",
            config_sha256="ab" * 32,
            simulated=self.site.startswith("sim."),
        )

    @property
    def leaves(self) -> list[bytes]:
        """Return the leaf hashes in order."""
        return [entry.leaf for entry in self.entries]

    @property
    def rows(self) -> list[tuple[int, int, bytes, str]]:
        """Return the records as a store holds them."""
        return [(entry.epoch, entry.seq, entry.leaf, entry.jws) for entry in self.entries]

    def payload(self, draft: Draft) -> tuple[dict[str, Json], tuple[str, ...]]:
        """Return the payload and the disclosures of a draft at the next place."""
        seq = len(self.entries)
        at = Instant(
            mono_ns=1_000_000_000 * seq,
            wall_ns=WALL_NS + 60_000_000_000 * seq,
            boot="b00t",
            clock=ClockState(sync=True, source="sim", scale=30),
        )
        salts = [salt(f"{seq}/{name}") for name in draft.private]
        return envelope.build(draft, seq, tree.root_of(self.leaves), at, self.stamp, salt(f"{seq}"), salts)

    def add(self, draft: Draft, **changed: Json) -> Entry:
        """Sign and append a record; `changed` members replace what the draft gave, wrong ones too."""
        payload, disclosures = self.payload(draft)
        text = jws.sign(payload | changed, self.signer, head.kid(self.vkey))
        leaf = tree.leaf_hash(text.encode())
        self.entries.append(
            Entry(
                epoch=self.epoch,
                seq=len(self.entries),
                jws=text,
                leaf=leaf,
                payload=payload | changed,
                disclosures=disclosures,
            )
        )
        return self.entries[-1]

    def give(self, name: str, /, **changed: Json) -> Entry:
        """Append start and dose of one session; `changed` members replace those of the dose."""
        day = SessionDay(session=name, day=1, tz="America/Mexico_City", date_local=name[:10])
        start = self.add(Draft(typ="start", facts={"kit": "KIT-0401"}, session=day))
        return self.add(Draft(typ="dose", facts=dose_facts(start.seq), private=PRIVATE, session=day), **changed)

    def checkpoint(self, size: int | None = None) -> head.Checkpoint:
        """Return the tree of the first `size` records; None means of all."""
        size = len(self.entries) if size is None else size
        return head.Checkpoint(self.vkey.name, size, tree.root_of(self.leaves[:size]))

    def head(self) -> str:
        """Return the signed head."""
        checkpoint = self.checkpoint()
        return assemble_note(checkpoint.text(), [head.head_line(checkpoint, self.signer)])

    def receipt(self, size: int | None = None, time_s: int = 1_795_346_000) -> str:
        """Return the countersigned head of the first `size` records; None means of all."""
        checkpoint = self.checkpoint(size)
        lines = [
            head.head_line(checkpoint, self.signer),
            head.cosign(checkpoint, time_s, self.pharmacy.name, self.witness),
        ]
        return assemble_note(checkpoint.text(), lines)

    def proof(self, index: int) -> str:
        """Return the proof of one record under the newest receipt."""
        path = tree.inclusion_path(self.leaves, index)
        return format_proof(DoseProof(index=index, path=path, checkpoint_note=self.receipt()))

    def trust(self, folder: Path) -> Path:
        """Write the trusted keys."""
        write_public(folder, self.unit, self.vkey)
        write_public(folder, "pharmacy", self.pharmacy)
        return folder

    def bundle(self, folder: Path, entry: Entry) -> Path:
        """Write the bundle of one record with all its disclosures."""
        write_bundle(folder, entry.jws, self.proof(entry.seq), entry.disclosures)
        return folder


PRIVATE: Mapping[str, Json] = {"subject": "MEX-001", "operator": "RT-07"}


def dose_facts(start_seq: int) -> dict[str, Json]:
    """Return the public facts of a complete dose."""
    return {
        "dose": 1,
        "kit": "KIT-0401",
        "lot": "EXO2020A",
        "start_seq": start_seq,
        "end": "complete",
        "low_nl": 2_871_400,
        "best_nl": 2_900_000,
        "high_nl": 2_930_100,
        "charge": {"low_nl": 2_970_000, "best_nl": 3_000_000, "high_nl": 3_030_000},
        "verdict": "WITHIN",
    }


@pytest.fixture
def new_book() -> Callable[..., Book]:
    """Make an empty book."""
    return Book


@pytest.fixture
def book() -> Book:
    """Make a book of thirteen records with four doses; the second dose is at seq 4."""
    made = Book()
    made.add(Draft(typ="genesis", facts={"site": SITE, "vkey": made.vkey.text()}))
    for number in range(1, 5):
        made.give(f"2026-11-2{number}-7f3a9c")
    while len(made.entries) < 13:
        made.add(Draft(typ="clock"))
    return made
