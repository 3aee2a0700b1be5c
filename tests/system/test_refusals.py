"""What the pharmacy says of a kit reaches the bedside: each command there is a sentence here, and no start."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from nebctl.clock import FileClock
from nebctl.core.instant import NS_PER_S
from nebctl.core.kits import KitState, KnownKit, LotState
from nebctl.core.ledger.note import sign_note
from nebctl.core.operators import Operator
from nebctl.core.orders import DoseState, HistoryItem, Order, PlannedDose, Worklist, worklist_text
from nebctl.core.scan.message import shown
from nebctl.keys import load_signer
from nebctl.pharmacy import log
from nebctl.pharmacy.setup import orders_name
from nebctl_lab.bedside import Answer
from nebctl_lab.bench_site import Bench, until
from nebctl_lab.codes import coded, scans
from nebctl_lab.demo.site import FIRST_MORNING, LEASE_NS, LOT, MESH, SITE, STUDY, THERAPIST
from nebctl_lab.people import with_pin
from nebctl_lab.processes import Child

pytestmark = pytest.mark.timeout(60)

NOW_NS = int(FIRST_MORNING.timestamp()) * NS_PER_S
STATES = {
    "KIT-0700": (KitState.RECEIVED, "kit-quarantined"),
    "KIT-0701": (KitState.QUARANTINED, "kit-quarantined"),
    "KIT-0702": (KitState.RELEASED, "kit-not-dispensed"),
    "KIT-0703": (KitState.OPENED, "kit-opened"),
    "KIT-0704": (KitState.USED, "kit-used"),
    "KIT-0705": (KitState.PARTIAL, "kit-used"),
    "KIT-0706": (KitState.RETURNED, "kit-returned"),
    "KIT-0707": (KitState.DAMAGED, "kit-damaged"),
    "KIT-0708": (KitState.LOST, "kit-lost"),
    "KIT-0709": (KitState.DESTROYED, "kit-destroyed"),
}
REFUSED = [
    *((THERAPIST[0], "MEX-001", kit, code) for kit, (_, code) in STATES.items()),
    (THERAPIST[0], "MEX-001", "KIT-0710", "kit-expired"),
    (THERAPIST[0], "MEX-001", "KIT-0711", "kit-recalled"),
    (THERAPIST[0], "MEX-001", "KIT-0712", "held-elsewhere"),
    (THERAPIST[0], "MEX-001", "KIT-0777", "kit-serial"),
    (THERAPIST[0], "MEX-001", "KIT-0402", "kit-other-day"),
    (THERAPIST[0], "MEX-002", "KIT-0401", "kit-other-subject"),
    (THERAPIST[0], "MEX-003", "KIT-0713", "dose-given"),
    (THERAPIST[0], "MEX-009", "KIT-0720", "no-lease"),
    ("PH-01", "MEX-001", "KIT-0401", "operator-not-therapist"),
    ("RT-99", "MEX-001", "KIT-0401", "operator-unknown"),
]


def kit(name: str, **changed: Any) -> KnownKit:
    """Return a kit that is dispensed to MEX-001, with what the test changes."""
    expires = (FIRST_MORNING + timedelta(days=300)).date()
    facts = {"lot": LOT, "lot_state": LotState.RELEASED, "expires": expires, "state": KitState.DISPENSED}
    return KnownKit(**{"kit": name, "since_ns": NOW_NS, "subject": "MEX-001", "day": 1, **facts, **changed})


def order(subject: str, doses: dict[int, str], history: tuple[HistoryItem, ...] = ()) -> Order:
    """Return a subject's order with one kit a day."""
    leased = tuple(
        PlannedDose(day=day, dose=1, kit=name, lot=LOT, not_after_ns=NOW_NS + LEASE_NS) for day, name in doses.items()
    )
    return Order(order=f"{subject}@{MESH.unit}", subject=subject, day1=None, doses=leased, history=history)


def worklist() -> Worklist:
    """Return a list with a kit in every state that refuses it."""
    given = HistoryItem(day=1, dose=1, state=DoseState.COMPLETE, unit="neb-0002", session="2026-02-14-000000")
    yesterday = (FIRST_MORNING - timedelta(days=1)).date()
    return Worklist(
        version=1,
        issued_ns=NOW_NS,
        expires_ns=NOW_NS + LEASE_NS,
        study=STUDY,
        orders=(
            order("MEX-001", {1: "KIT-0401", 2: "KIT-0402"}),
            order("MEX-002", {1: "KIT-0501"}),
            order("MEX-003", {1: "KIT-0713"}, (given,)),
        ),
        operators=(
            Operator(code=THERAPIST[0], name=THERAPIST[1], roles=("therapist",)),
            Operator(code="PH-01", name="A pharmacist", roles=("pharmacist",)),
        ),
        kits=(
            *(kit(name, state=state) for name, (state, _) in STATES.items()),
            kit("KIT-0401"),
            kit("KIT-0710", expires=yesterday),
            kit("KIT-0711", lot="EXO2020B", lot_state=LotState.RECALLED),
            kit("KIT-0712", held_by="neb-0002"),
            kit("KIT-0713", subject="MEX-003"),
            kit("KIT-0720", subject="MEX-009"),
        ),
    )


@pytest.fixture(scope="module")
def unit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Return a unit that is up, with that list."""
    bench = Bench(tmp_path_factory.mktemp("refusals") / "site")
    signer = load_signer(bench.site.root / "keys" / "orders.key")
    by_hand = coded(worklist(), bench.pin_key, "MEX-008", "MEX-009")
    staff = tuple(with_pin(person, bench.pin_key) for person in by_hand.operators)
    note = sign_note(worklist_text(replace(by_hand, operators=staff), SITE, MESH.unit), orders_name(SITE), signer)
    (bench.folder / "worklist.note").write_text(note, "utf-8")
    yield bench.start()
    bench.close()


@pytest.mark.req("S10")
@pytest.mark.parametrize(("operator", "subject", "name", "code"), REFUSED, ids=[f"{r[3]}-{r[2]}" for r in REFUSED])
def test_the_unit_refuses_and_records_it(unit: Bench, operator: str, subject: str, name: str, code: str) -> None:
    """Through the unit's API each reason is a 409 with its own code, is recorded, and begins no session."""
    with pytest.raises(Answer, match=rf"^409 {code}: .+\.$"):
        unit.api.post("/api/scan", operator=operator, **scans(subject, name, worklist().kits))
    assert unit.view()["state"] == "idle"
    record = unit.records("refusal")[-1]
    assert record["code"] == code
    if code != "operator-unknown":  # nobody scans who cannot sign in
        by_code = scans(subject, name)["kit"] if code == "kit-serial" else name
        assert (record["kit"], record["subject"]) == (shown(by_code), "" if code == "kit-serial" else subject)


class Site:
    """A unit with a broker, a pharmacy, and the commands of its pharmacist."""

    def __init__(self, bench: Bench, pharmacy: Child, nebctl: Callable[..., Any]) -> None:
        self.bench, self.pharmacy, self._nebctl = bench, pharmacy, nebctl

    def pharmacist(self, *arguments: object) -> str:
        """Give a command that must succeed."""
        by = ("--by", "PH-01", "--reason", "test")
        done = self._nebctl("pharmacy", *arguments, "--config", self.bench.site.pharmacy, *by)
        assert done.returncode == 0, done.stdout + done.stderr
        return str(done.stdout)

    def scan(self) -> str:
        """Scan today's kit and return the code of the refusal; a session that began is ended at once."""
        try:
            self.bench.scan()
        except Answer as answer:
            return answer.code
        self.bench.settle()
        return "admitted"


@pytest.fixture
def site(tmp_path: Path, nebctl: Callable[..., Any]) -> Iterator[Site]:
    """Return a whole site that is up; its worklist came from the pharmacy."""
    broker = Child("broker", ["-m", "nebctl_lab.broker", "--port", "0"], tmp_path / "broker.log").start()
    bench = Bench(tmp_path / "site", broker=broker.ready)
    arguments = ["-m", "nebctl", "pharmacy", "run", "--config", str(bench.site.pharmacy)]
    pharmacy = Child("pharmacy", arguments, bench.site.log("pharmacy")).start()
    bench.start()
    yield Site(bench, pharmacy, nebctl)
    bench.close()
    pharmacy.stop()
    broker.stop()


@pytest.mark.req("S10")
def test_a_lot_held_back_is_refused_at_the_bedside(site: Site) -> None:
    """A command at the pharmacy reaches the unit as a list: quarantine refuses, release admits, recall is for ever."""
    until(lambda: site.scan() == "admitted", "the first list")
    site.pharmacist("lot", "quarantine", LOT)
    until(lambda: site.scan() == "kit-quarantined", "the quarantine")
    site.pharmacist("lot", "release", LOT)
    until(lambda: site.scan() == "admitted", "the release")
    site.pharmacist("lot", "recall", LOT)
    until(lambda: site.scan() == "kit-recalled", "the recall")


@pytest.mark.req("S53")
def test_the_service_judges_the_day(site: Site) -> None:
    """When the site's day ends without a dose, the running service signs it as missed, and says so in its log."""
    database = site.bench.site.pharmacy_db
    site.bench.skip(24 * 3600)
    until(lambda: missed(database), "a missed dose")
    assert missed(database) == [1]
    now = FileClock(site.bench.site.clock).instant()
    assert now.wall_ns > NOW_NS
    text = site.bench.site.log("pharmacy").read_text("utf-8")
    assert "MEX-001 day 1 dose 1 of 2026-02-14 was missed" in text


def missed(database: Path) -> list[Any]:
    """Return the days that the pharmacy's log calls missed."""
    own = log.entries(log.beside(database))
    return [entry.payload["day"] for entry in own if entry.payload["typ"] == "missed"]
