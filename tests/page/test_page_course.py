"""What the page shows of a course: the unit's own records first, then the pharmacy's list, then the plan."""

from datetime import date

from nebctl.bedside.course import course, due, prefixes
from nebctl.core.history import GivenDose, UnitHistory
from nebctl.core.orders import DoseState, HistoryItem, Order, PlannedDose, Worklist
from nebctl.core.regimen import Regimen

REGIMEN = Regimen(
    study="NCT04276987",
    product="exosomes",
    arm="treatment",
    volume_nl=3_000_000,
    content_low=200_000_000,
    content_high=200_000_000,
    days=(1, 2, 3, 4, 5),
    doses_per_day=1,
    blinded=False,
)
DAY1 = date(2026, 2, 14)


def planned(day: int) -> PlannedDose:
    """Return the dose of a day, with a lease that does not matter here."""
    return PlannedDose(day=day, dose=1, kit=f"KIT-040{day}", lot="EXO2020A", not_after_ns=2**60)


def given(day: int, end: str, best_nl: int | None) -> GivenDose:
    """Return a dose of this unit's own records."""
    return GivenDose(
        subject="MEX-001",
        day=day,
        dose=1,
        date_local=date(2026, 2, 13 + day).isoformat(),
        session=f"2026-02-{13 + day}-abcdef",
        started_wall_ns=0,
        ended_wall_ns=None,
        high_nl=3_000_000,
        end=end,
        best_nl=best_nl,
    )


def order(*days: int, history: tuple[HistoryItem, ...] = ()) -> Order:
    """Return an order that still holds the doses of these days."""
    return Order(order="o", subject="MEX-001", day1=DAY1, doses=tuple(map(planned, days)), history=history)


def worklist(held: Order) -> Worklist:
    """Return a list with one order."""
    return Worklist(version=1, issued_ns=0, expires_ns=2**60, study="NCT04276987", orders=(held,), operators=())


def test_a_course_shows_what_is_known_of_each_day() -> None:
    """Each day shows the unit's own record, else the pharmacy's word, else the plan; volumes only of records."""
    elsewhere = HistoryItem(day=1, dose=1, state=DoseState.MISSED, unit="neb-0002", session="")
    own = UnitHistory(doses={"a": given(2, "complete", 2_900_000), "b": given(3, "open", None)})
    shown = course(order(4, 5, history=(elsewhere,)), own, REGIMEN)
    assert [(one["day"], one["state"], one["best_nl"]) for one in shown if isinstance(one, dict)] == [
        (1, "missed", None),
        (2, "complete", 2_900_000),
        (3, "open", None),
        (4, "planned", None),
        (5, "planned", None),
    ]


def test_today_shows_held_and_given_doses_alone() -> None:
    """Of today the page shows a dose that is held, and one that was given though the list no longer holds it."""
    held = due(worklist(order(2, 3)), UnitHistory(), REGIMEN, date(2026, 2, 15))
    assert [(one["day"], one["kit"], one["state"]) for one in held if isinstance(one, dict)] == [
        (2, "KIT-0402", "planned")
    ]
    own = UnitHistory(doses={"a": given(2, "complete", 2_900_000)})
    after = due(worklist(order(3)), own, REGIMEN, date(2026, 2, 15))
    assert [(one["day"], one["kit"], one["started"]) for one in after if isinstance(one, dict)] == [
        (2, None, "1970-01-01T00:00:00.000Z")
    ]
    assert due(worklist(order(3)), UnitHistory(), REGIMEN, date(2026, 2, 15)) == []
    assert due(None, own, REGIMEN, date(2026, 2, 15)) == []


def test_codes_begin_alike() -> None:
    """The beginning of a code is what stands before its first digit, each once."""
    assert prefixes(("RT-07", "RT-08", "N-1", "X")) == ["RT-", "N-", "X"]
