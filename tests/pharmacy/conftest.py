"""A unit that writes real signed records in memory, and a pharmacy that has enrolled it."""

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from nebctl import keys
from nebctl.core.instant import ClockState, Instant
from nebctl.core.ledger import envelope, head, jws, tree
from nebctl.core.ledger.note import COSIGNATURE, ED25519, Vkey
from nebctl.core.ledger.records import Draft, SessionDay
from nebctl.pharmacy import schema
from nebctl.pharmacy.enrolment import Course, enrol_subject, enrol_unit
from nebctl.pharmacy.ingest import Ingest
from nebctl.publish.topics import format_record

SITE = "sim.mexcovid.example"
NOW_NS = 1_771_063_200_000_000_000  # 2026-02-14T10:00:00Z
KITS = ("KIT-0401", "KIT-0402", "KIT-0403", "KIT-0404", "KIT-0405")


def interval(low: int, best: int, high: int) -> dict[str, Any]:
    """Return an interval as records carry it, in nanolitres."""
    return {"low_nl": low, "best_nl": best, "high_nl": high}


@dataclass
class Unit:
    """Writes records; a test changes one thing of one record and sees what the pharmacy says."""

    unit: str = "neb-0001"
    site: str = SITE
    epoch: int = 1
    simulated: bool = True
    seed: bytes = b"\x01" * 32
    frontier: tree.Frontier = field(default_factory=tree.Frontier)
    salts: int = 0

    def __post_init__(self) -> None:
        self.signer = keys.Ed25519Signer.from_seed(self.seed)
        self.vkey = Vkey(head.origin(self.site, self.unit, self.epoch), ED25519, self.signer.public)

    def salt(self) -> bytes:
        """Return 16 bytes that were not used before."""
        self.salts += 1
        return self.salts.to_bytes(16, "big")

    def write(self, draft: Draft, *, keep: bool = True, **changed: Any) -> bytes:
        """Return the next record's message; `changed` replaces payload members before signing."""
        stamp = envelope.Stamp(
            unit=self.unit, epoch=self.epoch, software="test", config_sha256="0" * 64, simulated=self.simulated
        )
        at = Instant(mono_ns=1, wall_ns=NOW_NS, boot="boot", clock=ClockState(sync=True, source="sim", scale=60))
        salts = [self.salt() for _ in draft.private]
        payload, disclosures = envelope.build(
            draft, self.frontier.size, self.frontier.root(), at, stamp, self.salt(), salts
        )
        text = jws.sign({**payload, **changed}, self.signer, head.kid(self.vkey))
        grown = self.frontier.append(tree.leaf_hash(text.encode()))
        line = head.head_line(head.Checkpoint(self.vkey.name, grown.size, grown.root()), self.signer)
        if keep:
            self.frontier = grown
        return format_record(text, disclosures, line)

    def dose(self, day: int, *, end: str = "complete", subject: str = "MEX-001", **facts: Any) -> bytes:
        """Return the outcome record of one dose."""
        said: dict[str, Any] = {
            "dose": 1,
            "kit": KITS[day - 1],
            "lot": "EXO2020A",
            "end": end,
            "started": "2026-02-14T10:00:00.000Z",
            "ended": "2026-02-14T10:10:00.000Z",
            **interval(2_800_000, 2_950_000, 3_000_000),
            "residual": interval(20_000, 40_000, 60_000),
            "verdict": "WITHIN",
            "limits": {"lower_nl": 2_700_000, "upper_nl": 3_150_000},
        }
        session = SessionDay(
            session=f"2026-02-{13 + day}-0000aa", day=day, tz="America/Mexico_City", date_local=f"2026-02-{13 + day}"
        )
        return self.write(Draft(typ="dose", facts={**said, **facts}, private={"subject": subject}, session=session))

    def boot(self) -> bytes:
        """Return the next record, of a boot."""
        return self.write(Draft(typ="boot", facts={"reason": "start"}))


@dataclass
class Pharmacy:
    """A register with its witness key."""

    db: sqlite3.Connection
    ingest: Ingest
    witness: keys.Ed25519Signer
    vkey: Vkey

    def take(self, body: bytes, unit: str = "neb-0001", at_ns: int = NOW_NS) -> Any:
        """Hand one message in."""
        return self.ingest.take(unit, body, at_ns)

    def receipt(self, at_ns: int = NOW_NS) -> Any:
        """Ask for the receipt of neb-0001."""
        return self.ingest.countersign("neb-0001", self.vkey.name, self.witness, at_ns)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Read the tables."""
        return self.db.execute(query).fetchall()


def enrol(db: sqlite3.Connection, unit: Unit) -> None:
    """Enrol the unit with its key."""
    enrol_unit(db, unit.site, unit.unit, unit.vkey, NOW_NS)


def course(**changed: Any) -> Course:
    """Return a course of five days for MEX-001, with what the test changes."""
    facts: Mapping[str, Any] = {
        "subject": "MEX-001",
        "unit": "neb-0001",
        "kits": KITS,
        "lot": "EXO2020A",
        "day1": None,
        "doses_a_day": 1,
        "not_after_ns": NOW_NS + 30 * 86_400 * 10**9,
    }
    return Course(**{**facts, **changed})


@pytest.fixture
def unit() -> Unit:
    """Return a unit with nothing written yet."""
    return Unit()


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Return an empty database; speed counts here, not durability."""
    connection = sqlite3.connect(tmp_path / "pharmacy.db", isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.executescript(schema.TABLES)
    connection.execute("PRAGMA foreign_keys = ON")
    yield connection
    connection.close()


@pytest.fixture
def pharmacy(db: sqlite3.Connection, unit: Unit) -> Pharmacy:
    """Return a register that knows neb-0001 and the course of MEX-001."""
    enrol(db, unit)
    enrol_subject(db, course(), NOW_NS)
    witness = keys.Ed25519Signer.from_seed(b"\x02" * 32)
    vkey = Vkey(f"{SITE}/nebctl-pharmacy", COSIGNATURE, witness.public)
    return Pharmacy(db, Ingest(db, simulated=True, verify=keys.verify), witness, vkey)
