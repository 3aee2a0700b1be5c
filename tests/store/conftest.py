"""A unit and its pharmacy for the store's tests: keys, a clock that only counts, drafts, receipts, a trust folder."""

import asyncio
import hashlib
import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from nebctl.core.instant import ClockState, Instant
from nebctl.core.ledger import head, note
from nebctl.core.ledger.envelope import Stamp
from nebctl.core.ledger.note import Vkey
from nebctl.core.ledger.records import Draft, Entry, SessionDay
from nebctl.core.trace import Trace
from nebctl.keys import Ed25519Signer, verify, write_public
from nebctl.store.ledger import UnitLedger

SITE = "sim.mexcovid.example"
UNIT = "neb-0001"
WITNESS = f"{SITE}/nebctl-pharmacy"
START_NS = 1_771_081_200_000_000_000
TRACE_CSV = "t_ms,on_ms,best_nl\n0,0,0\n1000,1000,6000\n"


@dataclass
class Bench:
    """Everything a test needs to run one unit's ledger in a folder."""

    folder: Path
    unit: Ed25519Signer = field(default_factory=lambda: Ed25519Signer.from_seed(b"u" * 32))
    pharmacy: Ed25519Signer = field(default_factory=lambda: Ed25519Signer.from_seed(b"p" * 32))
    ticks: "itertools.count[int]" = field(default_factory=itertools.count)
    salts: "itertools.count[int]" = field(default_factory=itertools.count)

    @property
    def path(self) -> Path:
        """Return where the unit keeps its ledger."""
        return self.folder / "unit.db"

    @property
    def trust(self) -> Path:
        """Return the folder of trusted keys."""
        return self.folder / "trust"

    @property
    def unit_vkey(self) -> Vkey:
        """Return the unit's verifier key."""
        return Vkey(head.origin(SITE, UNIT, 1), note.ED25519, self.unit.public)

    @property
    def pharmacy_vkey(self) -> Vkey:
        """Return the pharmacy's countersigning key."""
        return Vkey(WITNESS, note.COSIGNATURE, self.pharmacy.public)

    def write_trust(self) -> Path:
        """Write both public keys to the trust folder."""
        write_public(self.trust, UNIT, self.unit_vkey)
        write_public(self.trust, "pharmacy", self.pharmacy_vkey)
        return self.trust

    def at(self) -> Instant:
        """Return the next moment, one second after the last."""
        ns = next(self.ticks) * 1_000_000_000
        return Instant(
            mono_ns=ns, wall_ns=START_NS + ns, boot="b007", clock=ClockState(sync=True, source="sim", scale=60)
        )

    def random(self, count: int) -> bytes:
        """Return bytes that differ at each call and repeat in each run."""
        return hashlib.sha256(b"salt %d" % next(self.salts)).digest()[:count]

    async def open(self, **changes: Any) -> UnitLedger:
        """Open the unit's ledger; `changes` replace arguments of `UnitLedger.open`."""
        stamp = Stamp(unit=UNIT, epoch=1, software="nebctl test", config_sha256="0" * 64, simulated=True)
        arguments: dict[str, Any] = {
            "path": self.path,
            "site": SITE,
            "unit": UNIT,
            "signer": self.unit,
            "verify": verify,
            "witness": self.pharmacy_vkey,
            "stamp": stamp,
            "random": self.random,
            "at": self.at(),
        }
        return await UnitLedger.open(**arguments | changes)

    def receipt(self, head_note: str, *, signer: Ed25519Signer | None = None) -> str:
        """Return the pharmacy's countersignature over a head."""
        checkpoint = head.Checkpoint.parse(note.parse_note(head_note).text)
        line = head.cosign(checkpoint, 1_771_081_300, WITNESS, signer or self.pharmacy)
        return head_note + line

    async def give_dose(self, ledger: UnitLedger, session: str, trace: str = TRACE_CSV) -> Entry:
        """Append the records of one complete dose and return its `dose` record."""
        day = SessionDay(session=session, day=1, tz="UTC", date_local=session[:10])
        private = {"subject": "MEX-001", "operator": "RT-07"}
        started = await ledger.append(
            [Draft(typ="start", facts={"kit": "KIT-0401"}, private=private, session=day)], self.at()
        )
        kept = Trace(session=session, csv=trace)
        interval = {"low_nl": 2_900_000, "best_nl": 2_950_000, "high_nl": 3_000_000}
        facts = {
            **interval,
            "start_seq": started[0].seq,
            "charge": {"low_nl": 2_970_000, "best_nl": 3_000_000, "high_nl": 3_030_000},
            "end": "complete",
            "verdict": "WITHIN",
            "trace": kept.sha256,
        }
        draft = Draft(typ="dose", facts=facts, private=private, session=day)
        return (await ledger.append([draft], self.at(), traces=[kept]))[0]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A unit that has no ledger yet."""
    return Bench(tmp_path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A unit whose closed ledger holds two doses, the first receipted; copy it before any change."""
    bench = Bench(tmp_path_factory.mktemp("finished"))
    bench.write_trust()
    asyncio.run(_finish(bench))
    return bench


async def _finish(bench: Bench) -> None:
    ledger = await bench.open()
    await bench.give_dose(ledger, "2026-02-14-7f3a9c")
    await ledger.take_receipt(bench.receipt(ledger.head_note))
    await ledger.append([Draft(typ="chart", facts={"code": "spo2"}, private={"text": "97 %"})], bench.at())
    await ledger.take_receipt(bench.receipt(ledger.head_note))
    await bench.give_dose(ledger, "2026-02-15-0a0b0c", TRACE_CSV + "2000,2000,12000\n")
    await ledger.close()
