"""Every reason why a subject may not have a kit now: its own code, its own sentence, and nothing else in the way."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, time, timedelta
from typing import Any

import pytest

from nebctl.core.admission import Admitted, Request, admit
from nebctl.core.guard import Refusal
from nebctl.core.history import GivenDose, UnitHistory
from nebctl.core.instant import ClockState, Instant
from nebctl.core.kits import KitState, KnownKit, LotState
from nebctl.core.leases import DoseState, HistoryItem, Order, PlannedDose, Worklist
from nebctl.core.operators import Operator
from nebctl.core.regimen import Regimen, SiteRules

HOUR = 3_600_000_000_000
NOW_NS = 1_771_063_200_000_000_000
"""2026-02-14T10:00:00Z, 18:00 at the site."""
DAY1 = date(2026, 2, 14)
REGIMEN = Regimen(
    study="NCT04276987",
    product="exosomes",
    arm="only",
    volume_nl=3_000_000,
    content_low=200_000_000,
    content_high=200_000_000,
    days=(1, 2, 3, 4, 5),
    doses_per_day=1,
    blinded=False,
)


def known(number: int, **changed: Any) -> KnownKit:
    """Return a kit that is dispensed to MEX-001 for the study day `number`."""
    kit = KnownKit(
        kit=f"KIT-040{number}",
        lot="EXO2020A",
        lot_state=LotState.RELEASED,
        expires=date(2026, 12, 31),
        state=KitState.DISPENSED,
        since_ns=NOW_NS - 8 * HOUR,
        subject="MEX-001",
        day=number,
    )
    return replace(kit, **changed)


def planned(number: int, **changed: Any) -> PlannedDose:
    """Return the lease of a study day."""
    dose = PlannedDose(day=number, dose=1, kit=f"KIT-040{number}", lot="EXO2020A", not_after_ns=NOW_NS + 999 * HOUR)
    return replace(dose, **changed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Everything that an admission looks at; the plain one is admitted."""

    request: Request
    worklist: Worklist | None
    history: UnitHistory
    rules: SiteRules
    now: Instant

    def admit(self) -> Admitted | Refusal:
        """Ask."""
        return admit(self.request, self.worklist, self.history, REGIMEN, self.rules, self.now)

    def asking(self, **changed: Any) -> "Case":
        """Return the case with another request."""
        return replace(self, request=replace(self.request, **changed))

    def listed(self, **changed: Any) -> "Case":
        """Return the case with another worklist."""
        assert self.worklist
        return replace(self, worklist=replace(self.worklist, **changed))

    def kit(self, **changed: Any) -> "Case":
        """Return the case where the pharmacy knows something else of today's kit."""
        return self.listed(kits=(known(1, **changed), known(2)))

    def order(self, **changed: Any) -> "Case":
        """Return the case with another order for MEX-001."""
        assert self.worklist
        return self.listed(orders=(replace(self.worklist.orders[0], **changed), *self.worklist.orders[1:]))


ORDER = Order(order="MEX-001@neb-0001", subject="MEX-001", day1=DAY1, doses=(planned(1), planned(2)), history=())
OTHER = Order(order="MEX-002@neb-0001", subject="MEX-002", day1=DAY1, doses=(planned(1, kit="KIT-0501"),), history=())
PLAIN = Case(
    request=Request(operator="RT-07", subject="MEX-001", kit="KIT-0401", today=DAY1, local_minute=18 * 60),
    worklist=Worklist(
        version=3,
        issued_ns=NOW_NS - HOUR,
        expires_ns=NOW_NS + HOUR,
        study="NCT04276987",
        orders=(ORDER, OTHER),
        operators=(
            Operator(code="RT-07", name="A", roles=("therapist",)),
            Operator(code="PH-01", name="B", roles=("pharmacist",)),
        ),
        kits=(known(1), known(2)),
    ),
    history=UnitHistory(),
    rules=SiteRules(),
    now=Instant(mono_ns=1, wall_ns=NOW_NS, boot="boot", clock=ClockState(sync=True, source=1)),
)


def given(hours_ago: int = 9, **changed: Any) -> UnitHistory:
    """Return a history with one dose of MEX-001 on this unit, begun so many hours ago."""
    dose = GivenDose(
        subject="MEX-001",
        day=1,
        dose=1,
        date_local="2026-02-14",
        session="2026-02-14-0000aa",
        started_wall_ns=NOW_NS - hours_ago * HOUR,
        ended_wall_ns=None,
        high_nl=3_000_000,
        end="complete",
    )
    return UnitHistory(doses={dose.session: replace(dose, **changed)}, kits={"KIT-0999": dose.session})


def item(state: DoseState) -> HistoryItem:
    """Return what came of Day 1 on another unit."""
    return HistoryItem(day=1, dose=1, state=state, unit="neb-0002", session="")


def thawed(hours: int | None, use_by: int | None = None) -> PlannedDose:
    """Return today's lease, thawed so many hours ago."""
    at = None if hours is None else NOW_NS - hours * HOUR
    return planned(1, thawed_at_ns=at, use_by_ns=None if use_by is None else NOW_NS + use_by * HOUR)


IN_USE = replace(PLAIN, rules=SiteRules(in_use_ns=4 * HOUR))
WINDOW = SiteRules(window_start=time(8), window_end=time(12))

REFUSED: dict[str, tuple[Case, str, str]] = {
    "nothing sent": (replace(PLAIN, worklist=None), "no-worklist", "has sent no list"),
    "stale": (PLAIN.listed(expires_ns=NOW_NS), "worklist-expired", "has expired"),
    "stranger": (PLAIN.asking(operator="RT-99"), "operator-unknown", "Badge RT-99"),
    "pharmacist": (PLAIN.asking(operator="PH-01"), "operator-not-therapist", "Let a therapist scan"),
    "subject unknown": (PLAIN.asking(subject="MEX-009", kit="KIT-0777"), "no-lease", "No dose for MEX-009"),
    "lease moved": (PLAIN.kit(held_by="neb-0002").order(doses=()), "held-elsewhere", "held by unit neb-0002"),
    "subject elsewhere": (
        PLAIN.listed(orders=(), kits=(known(1, held_by="neb-0002"),)).asking(kit="KIT-0777"),
        "held-elsewhere",
        "held by unit neb-0002",
    ),
    "lease given back": (PLAIN.order(doses=(planned(2),)), "no-lease", "no dose open for kit KIT-0401"),
    "kit unknown": (PLAIN.asking(kit="KIT-0777"), "kit-unknown", "Kit KIT-0777 is not on"),
    "expired": (PLAIN.kit(expires=date(2026, 2, 13)), "kit-expired", "expired on 13 Feb"),
    "not released": (PLAIN.kit(state=KitState.RECEIVED), "kit-quarantined", "not released yet"),
    "quarantined": (PLAIN.kit(state=KitState.QUARANTINED), "kit-quarantined", "This kit is in quarantine"),
    "lot quarantined": (PLAIN.kit(lot_state=LotState.QUARANTINED), "kit-quarantined", "Lot EXO2020A is in quarantine"),
    "lot recalled": (PLAIN.kit(lot_state=LotState.RECALLED), "kit-recalled", "Lot EXO2020A was recalled"),
    "not dispensed": (PLAIN.kit(state=KitState.RELEASED, subject=None), "kit-not-dispensed", "to no subject yet"),
    "opened": (PLAIN.kit(state=KitState.OPENED), "kit-opened", "was opened on 14 Feb at 10:00"),
    "opened here": (
        replace(PLAIN, history=given()).asking(kit="KIT-0999"),
        "kit-opened",
        "was opened on 14 Feb at 09:00",
    ),
    "used": (PLAIN.kit(state=KitState.USED), "kit-used", "was used up on 14 Feb at 10:00"),
    "used in part": (PLAIN.kit(state=KitState.PARTIAL), "kit-used", "was used in part"),
    "returned": (PLAIN.kit(state=KitState.RETURNED), "kit-returned", "was returned on"),
    "damaged": (PLAIN.kit(state=KitState.DAMAGED), "kit-damaged", "was reported damaged"),
    "lost": (PLAIN.kit(state=KitState.LOST), "kit-lost", "was reported lost"),
    "destroyed": (PLAIN.kit(state=KitState.DESTROYED), "kit-destroyed", "recorded as destroyed"),
    "another's": (PLAIN.asking(kit="KIT-0501"), "kit-other-subject", "Take the kit for MEX-001."),
    "another's, known": (PLAIN.kit(subject="MEX-002"), "kit-other-subject", "Take the kit for MEX-001."),
    "given today": (replace(PLAIN, history=given()), "dose-given", "was given at 09:00. No second dose"),
    "begun today": (replace(PLAIN, history=given(end="uncertain")), "dose-given", "was begun at 09:00"),
    "given elsewhere": (PLAIN.order(history=(item(DoseState.COMPLETE),)), "dose-given", "was given on unit neb-0002"),
    "in doubt elsewhere": (
        PLAIN.order(history=(item(DoseState.UNCERTAIN),)),
        "dose-given",
        "may have been given on unit neb-0002",
    ),
    "too soon": (
        replace(PLAIN, history=given(day=0, date_local="2026-02-13", high_nl=0)),
        "too-soon",
        "Wait 11 h 0 min",
    ),
    "too soon after another unit's dose": (
        PLAIN.order(history=(replace(item(DoseState.STOPPED), day=2, started_ns=NOW_NS - 9 * HOUR),)),
        "too-soon",
        "Wait 11 h 0 min",
    ),
    "outside window": (replace(PLAIN, rules=WINDOW), "outside-window", "between 08:00 and 12:00"),
    "kit of another day": (PLAIN.asking(kit="KIT-0402"), "kit-other-day", "is for Day 2; today is Day 1"),
    "course over": (PLAIN.asking(today=date(2026, 2, 19)), "wrong-day", "Today is Day 6"),
    "not begun": (PLAIN.asking(today=date(2026, 2, 13)), "wrong-day", "Today is Day 0"),
    "lease over": (
        PLAIN.order(doses=(planned(1, not_after_ns=NOW_NS),)),
        "lease-ended",
        "lease for this dose has ended",
    ),
    "older lease": (
        PLAIN.listed(overtaken=frozenset({("MEX-001", 1, 1)})),
        "lease-overtaken",
        "an older lease of this dose than this unit has seen",
    ),
    "given back": (
        replace(PLAIN.order(doses=(planned(1, sequence=4),)), history=UnitHistory(returned={"MEX-001": 4})),
        "lease-returned",
        "given back at this unit",
    ),
    "given back, by a list without sequences": (
        replace(PLAIN, history=UnitHistory(returned={"MEX-001": 0})),
        "lease-returned",
        "given back at this unit",
    ),
    "thaw unknown": (IN_USE.order(doses=(thawed(None),)), "thaw-unknown", "not known when kit KIT-0401 was thawed"),
    "thawed long ago": (IN_USE.order(doses=(thawed(4),)), "in-use-over", "thawed too long ago"),
    "use by soon": (IN_USE.order(doses=(thawed(1, 0),)), "in-use-over", "thawed too long ago"),
}
ROWS = {
    "no-worklist": "S50",
    "worklist-expired": "S50",
    "no-lease": "S50",
    "held-elsewhere": "S50",
    "lease-ended": "S50",
    "lease-overtaken": "S50",
    "lease-returned": "S50",
    "dose-given": "S02",
    "wrong-day": "S04",
    "kit-other-day": "S04",
    "too-soon": "S04",
    "kit-unknown": "S09",
    "thaw-unknown": "S11",
    "in-use-over": "S11",
}


def cases() -> list[Any]:
    """Return every refusal with the promise that it keeps."""
    kits = {code for _, code, _ in REFUSED.values() if code.startswith("kit-")}
    rows = {**dict.fromkeys(kits, "S10"), **ROWS}
    return [
        pytest.param(*row, id=name, marks=[pytest.mark.req(rows[row[1]])] if row[1] in rows else [])
        for name, row in REFUSED.items()
    ]


def test_the_plain_case_is_admitted() -> None:
    """Nothing speaks against the plain case, so that every refusal below has one reason alone."""
    admitted = PLAIN.admit()
    assert isinstance(admitted, Admitted)
    assert (admitted.planned.kit, admitted.day, admitted.operator.code) == ("KIT-0401", 1, "RT-07")


@pytest.mark.req("S50")
def test_a_later_lease_than_the_one_given_back_is_good() -> None:
    """A return binds the leases up to it, of that subject: a new one for the same dose starts, so does another's."""
    again = PLAIN.order(doses=(planned(1, sequence=5),))
    assert isinstance(replace(again, history=UnitHistory(returned={"MEX-001": 4})).admit(), Admitted)
    assert isinstance(replace(again, history=UnitHistory(returned={"MEX-002": 9})).admit(), Admitted)
    other = PLAIN.listed(overtaken=frozenset({("MEX-002", 1, 1), ("MEX-001", 2, 1)}))
    assert isinstance(other.admit(), Admitted)


@pytest.mark.parametrize(("case", "code", "words"), cases())
def test_each_reason_has_its_code_and_sentence(case: Case, code: str, words: str) -> None:
    """The refusal carries its own code, says what is wrong in plain words, and then what to do."""
    refusal = case.admit()
    assert isinstance(refusal, Refusal)
    assert refusal.code == code
    assert words in refusal.sentence
    assert len(re.findall(r"[.]( |$)", refusal.sentence)) >= 2, "what is wrong, then what to do"
    assert "error" not in refusal.sentence.lower()
    assert refusal.code not in refusal.sentence


def test_no_two_codes_share_a_sentence() -> None:
    """A person can tell the reasons apart by the sentence alone."""
    found: dict[str, set[str]] = {}
    for case, code, _ in REFUSED.values():
        refusal = case.admit()
        assert isinstance(refusal, Refusal)
        found.setdefault(refusal.sentence, set()).add(code)
    assert [sentence for sentence, codes in found.items() if len(codes) > 1] == []


@pytest.mark.req("S11")
@pytest.mark.parametrize(
    ("minutes_left", "admitted"), [(30, True), (29, False)], ids=["just enough", "a minute too little"]
)
def test_a_thawed_kit_needs_half_as_much_again_of_the_longest_dose(minutes_left: int, admitted: bool) -> None:
    """With 20 min as the longest on-time, 30 min must be left of the time from thaw to use at the start."""
    thawed_at = NOW_NS - 4 * HOUR + minutes_left * 60_000_000_000
    case = IN_USE.order(doses=(planned(1, thawed_at_ns=thawed_at),))
    assert isinstance(case.admit(), Admitted) is admitted


@pytest.mark.parametrize(
    "allowed",
    [
        lambda: PLAIN.listed(kits=()),
        lambda: PLAIN.kit(state=KitState.AT_BEDSIDE),
        lambda: PLAIN.kit(expires=DAY1),
        lambda: PLAIN.order(history=(item(DoseState.MISSED),)),
        lambda: PLAIN.order(day1=None),
        lambda: IN_USE.order(doses=(thawed(1, 3),)),
    ],
    ids=["no stock told", "at the bedside", "expires today", "missed elsewhere", "no Day 1 yet", "freshly thawed"],
)
def test_what_speaks_for_a_dose_is_admitted(allowed: Callable[[], Case]) -> None:
    """What looks like a reason and is none does not keep a dose from a subject."""
    assert isinstance(allowed().admit(), Admitted)


@pytest.mark.req("S04")
@pytest.mark.parametrize("day1", [None, DAY1 + timedelta(days=1)])
def test_an_own_first_dose_on_day_2_counts_the_days_as_its_record_does(day1: date | None) -> None:
    """The day after a first dose of Day 2 is Day 3, whatever the list says of Day 1: no dose is left out for it."""
    dose = given(25, day=2, date_local=(DAY1 + timedelta(days=1)).isoformat())
    case = replace(PLAIN.order(day1=day1, doses=(planned(3),)), history=dose)
    found = case.listed(kits=(known(3),)).asking(kit="KIT-0403", today=DAY1 + timedelta(days=2)).admit()
    assert isinstance(found, Admitted)
    assert found.day == 3
