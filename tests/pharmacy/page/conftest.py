"""A unit's course as the page sees it: configuration, starts, doses and receipts, and clients of the page."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from nebctl import keys
from nebctl.core.instant import ClockState, Instant
from nebctl.core.ledger.records import Draft, SessionDay
from nebctl.core.verify import Limits
from nebctl.pharmacy.examine import Examiner
from nebctl.pharmacy.web import Page
from nebctl_protocols import builtin, default_site_rules

NOW_NS = 1_771_063_200_000_000_000
HOST = "127.0.0.1:8081"
TOKEN = "a-token"
SIMULATED = ClockState(sync=True, source="sim", scale=60)
CHARGE = {"low_nl": 2_980_000, "best_nl": 3_000_000, "high_nl": 3_020_000}


@dataclass
class StillClock:
    """A clock that stands one minute after the records came."""

    wall_ns: int = NOW_NS + 60 * 10**9

    def instant(self) -> Instant:
        """Return the moment."""
        return Instant(mono_ns=1, wall_ns=self.wall_ns, boot="boot", clock=SIMULATED)


@dataclass
class Course:
    """Records what a unit records around its doses, and hands it to the pharmacy."""

    unit: Any
    pharmacy: Any
    subject: str = "MEX-001"

    def place(self, day: int) -> SessionDay:
        """Return the session of a study day, as the unit's dose records name it."""
        date = f"2026-02-{13 + day}"
        return SessionDay(session=f"{date}-0000aa", day=day, tz="America/Mexico_City", date_local=date)

    def take(self, body: bytes) -> None:
        """Hand one record in, which must be kept."""
        taken = self.pharmacy.take(body, self.unit.unit)
        assert type(taken).__name__ == "Accepted", taken

    def configure(self, site: str | None = None) -> None:
        """Record the study protocol and the site rules that the unit gives by."""
        facts = {"protocol": builtin("NCT04276987"), "site": site or default_site_rules()}
        self.take(self.unit.write(Draft(typ="config", facts=facts)))

    def give(self, day: int, *, started: bool = True, **facts: Any) -> None:
        """Record a start and the dose that came of it."""
        seq, private = self.unit.frontier.size, {"subject": self.subject}
        if started:
            draft = Draft(typ="start", facts={"dose": 1}, private=private, session=self.place(day))
            self.take(self.unit.write(draft))
        said = {"start_seq": seq, "charge": CHARGE, "planned_nl": 3_000_000, **facts}
        self.take(self.unit.dose(day, subject=self.subject, **said))

    def stand(self, **facts: Any) -> None:
        """Record a configuration (0), a start (1), a dose (2) and a boot (3), and countersign them."""
        self.configure()
        self.give(1, **facts)
        self.take(self.unit.boot())
        self.receipt()

    def receipt(self) -> None:
        """Countersign all that is kept."""
        pharmacy = self.pharmacy
        pharmacy.ingest.countersign(self.unit.unit, pharmacy.vkey.name, pharmacy.witness, NOW_NS)


@pytest.fixture
def course(unit: Any, pharmacy: Any) -> Course:
    """Return the course of MEX-001 on neb-0001, with nothing recorded yet."""
    return Course(unit, pharmacy)


@pytest.fixture
def page(pharmacy: Any, tmp_path: Path) -> Page:
    """Return the page over the test's database."""
    limits = Limits(lower_nl=2_700_000, upper_nl=3_150_000)
    return Page(
        database=tmp_path / "pharmacy.db",
        site="sim.mexcovid.example",
        clock=StillClock(),
        examiner=Examiner(pharmacy=pharmacy.vkey, limits=limits, verify=keys.verify),
        token=TOKEN,
        hosts=frozenset({HOST}),
    )


@pytest.fixture
async def web(page: Page) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client without token and cookie."""
    transport = httpx.ASGITransport(app=page.app())
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
        yield client


@pytest.fixture
def own(web: httpx.AsyncClient) -> httpx.AsyncClient:
    """Give a client that sends the token, as scripts do."""
    web.headers["authorization"] = f"Bearer {TOKEN}"
    return web
