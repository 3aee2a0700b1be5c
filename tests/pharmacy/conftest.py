"""A unit that writes real signed records in memory, and a pharmacy that has enrolled it."""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from nebctl import keys
from nebctl.core.instant import ClockState, Instant
from nebctl.core.kits import KitState, LotState
from nebctl.core.ledger import disclosure, envelope, head, jws, tree
from nebctl.core.ledger.note import COSIGNATURE, ED25519, Vkey
from nebctl.core.ledger.records import Draft, SessionDay
from nebctl.core.orders import Operator
from nebctl.core.regimen import SiteRules
from nebctl.pharmacy import stock, tables
from nebctl.pharmacy.books import Books, Rulebook
from nebctl.pharmacy.enrolment import Enrolment, enrol_subject, enrol_unit
from nebctl.pharmacy.ingest import Ingest
from nebctl.pharmacy.leases import Dispensing, dispense
from nebctl.pharmacy.log import Log, entries
from nebctl.publish.topics import format_record
from nebctl_protocols import StudyProtocol, builtin, load_protocol

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
    books: Books

    def at(self, hours: int, **changed: Any) -> Books:
        """Return the books so many hours after 10:00 on Day 1, with what the test changes."""
        wall_ns = NOW_NS + hours * 3600 * 10**9
        return replace(self.books, at=replace(self.books.at, wall_ns=wall_ns), **changed)

    def said(self, typ: str) -> list[dict[str, Any]]:
        """Return the records of a type in the pharmacy's own log, private facts among them."""
        own = [each for each in entries(self.books.log.path) if each.payload["typ"] == typ]
        return [{**each.payload, **disclosure.check(each.payload, each.disclosures)} for each in own]

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


def make_books(db: sqlite3.Connection, folder: Path) -> Books:
    """Return a pharmacy's books at 10:00 UTC on Day 1, with two pharmacists, an investigator and a therapist."""
    signer = keys.Ed25519Signer.from_seed(b"\x09" * 32)
    log = Log(path=folder / "pharmacy-log.db", site=SITE, signer=signer, config_sha256="0" * 64, simulated=True)
    study = load_protocol(builtin("NCT04276987"), "study")
    assert isinstance(study, StudyProtocol)
    book = Rulebook(regimen=study.regimen(), follow_up=study.follow_up, rules=SiteRules())
    roles = {"PH-01": "pharmacist", "PH-02": "pharmacist", "PI-01": "investigator", "RT-07": "therapist"}
    staff = tuple(Operator(code=code, name=code, roles=(role,)) for code, role in roles.items())
    at = Instant(mono_ns=1, wall_ns=NOW_NS, boot="boot", clock=ClockState(sync=True, source="sim", scale=60))
    lease_ns = 30 * 86_400 * 10**9
    return Books(db=db, log=log, at=at, zone=ZoneInfo("UTC"), founders=staff, book=book, lease_ns=lease_ns)


def furnish(books: Books, kits: tuple[str, ...], lot: str = "EXO2020A") -> None:
    """Receive kits of a lot and release both."""
    stock.add_lot(books, lot, "PH-01")
    stock.change_lot(books, lot, LotState.RELEASED, "PH-01", "certificate")
    new = [stock.NewKit(kit=kit, lot=lot, expires=date(2026, 12, 31)) for kit in kits]
    stock.import_kits(books, new, "PH-01")
    stock.change_kits(books, kits, KitState.RELEASED, "PH-01", "checked")


def enrolment(**changed: Any) -> Enrolment:
    """Return the enrolment of MEX-001 from 14 February, with what the test changes."""
    facts = {"subject": "MEX-001", "day1": date(2026, 2, 14), "unit": "neb-0001", "by": "PH-01", "second": "PH-02"}
    return Enrolment(**{**facts, **changed})


@pytest.fixture
def unit() -> Unit:
    """Return a unit with nothing written yet."""
    return Unit()


def open_db(folder: Path) -> sqlite3.Connection:
    """Return an empty database; speed counts here, not durability."""
    connection = sqlite3.connect(folder / "pharmacy.db", isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    tables.prepare(connection)
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def new_pharmacy(db: sqlite3.Connection, folder: Path) -> Pharmacy:
    """Return a register that knows neb-0001 and the course of MEX-001, with its five kits dispensed."""
    books = make_books(db, folder)
    enrol(db, Unit())
    furnish(books, KITS)
    enrol_subject(books, enrolment())
    dispense(books, Dispensing(subject="MEX-001", day=1, dose=1, kits=KITS, by="PH-01"))
    witness = keys.Ed25519Signer.from_seed(b"\x02" * 32)
    vkey = Vkey(f"{SITE}/nebctl-pharmacy", COSIGNATURE, witness.public)
    return Pharmacy(db, Ingest(db, simulated=True, verify=keys.verify), witness, vkey, books)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Return an empty database."""
    connection = open_db(tmp_path)
    yield connection
    connection.close()


@pytest.fixture
def pharmacy(db: sqlite3.Connection, tmp_path: Path) -> Pharmacy:
    """Return a new pharmacy."""
    return new_pharmacy(db, tmp_path)


@pytest.fixture
def make_pharmacy() -> Iterator[Callable[[Path], Pharmacy]]:
    """Return what makes further pharmacies, each in its own folder."""
    with contextlib.ExitStack() as stack:

        def make(folder: Path) -> Pharmacy:
            return new_pharmacy(stack.enter_context(contextlib.closing(open_db(folder))), folder)

        yield make
