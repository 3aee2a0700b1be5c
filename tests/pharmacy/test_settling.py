"""What two persons settle, which adverse events are taken, and the calendar that follows from the doses."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from nebctl.cli.pharmacy import pharmacy as command
from nebctl.core.orders import DoseState
from nebctl.core.verify import Verdict
from nebctl.pharmacy.course_calendar import calendar_of
from nebctl.pharmacy.events import AdverseEvent, Settlement, add_adverse, settle
from nebctl.pharmacy.faults import PharmacyFault
from nebctl.pharmacy.log import entries
from nebctl.pharmacy.orders import _history
from nebctl.pharmacy.show import course_of

SESSION = "2026-02-14-0000aa"
CHARGE = {"low_nl": 2_980_000, "best_nl": 3_000_000, "high_nl": 3_020_000}
DOUBT = {"end": "uncertain", "low_nl": 900_000, "best_nl": 1_500_000, "high_nl": 3_020_000, "verdict": "UNCERTAIN"}


def wish(**changed: Any) -> Settlement:
    """Return what two persons hold to be true, with what the test changes."""
    facts = {"session": SESSION, "low_nl": 1_000_000, "high_nl": 1_600_000, "reason": "weighed again"}
    return Settlement(**{**facts, "by": "PH-01", "second": "PI-01", **changed})


@pytest.fixture
def doubtful(pharmacy: Any, unit: Any) -> Any:
    """Return a pharmacy with a dose of Day 1 in doubt."""
    pharmacy.take(unit.dose(1, charge=CHARGE, **DOUBT))
    return pharmacy


@pytest.mark.req("S19")
def test_a_settlement_is_a_correction_and_both_are_shown(doubtful: Any) -> None:
    """The correction names unit, epoch, number and leaf of the record; the record is unchanged and shown beside it."""
    before = doubtful.rows("SELECT * FROM rec")
    assert settle(doubtful.books, wish()) is Verdict.UNDER
    assert doubtful.rows("SELECT * FROM rec") == before
    [said] = doubtful.said("correction")
    [(leaf,)] = doubtful.rows("SELECT leaf FROM rec")
    assert said["ref"] == {"unit": "neb-0001", "ep": 1, "seq": 0, "leaf": leaf.hex()}
    assert (said["operator"], said["second"], said["text"]) == ("PH-01", "PI-01", "weighed again")
    sheet = course_of(doubtful.db, "MEX-001", entries(doubtful.books.log.path))
    assert sheet is not None
    [line, *_] = sheet.lines
    assert (line.end, line.verdict) == ("uncertain", "UNCERTAIN")
    assert line.settled is not None
    assert (line.settled.low_nl, line.settled.high_nl, line.settled.verdict) == (1_000_000, 1_600_000, "UNDER")
    assert sheet.uncertain == 0


@pytest.mark.req("S19")
def test_what_surely_emitted_something_is_never_not_done(pharmacy: Any, unit: Any) -> None:
    """A dose settled at nothing counts as not done only where the unit's own record allows nothing."""
    pharmacy.take(unit.dose(1, charge=CHARGE, **{**DOUBT, "low_nl": 0}))
    settle(pharmacy.books, wish(low_nl=0, high_nl=0))
    assert pharmacy.rows("SELECT state FROM settled") == [(DoseState.NOT_DONE.value,)]


@pytest.mark.req("S19")
def test_show_prints_the_record_and_the_settlement(doubtful: Any, tmp_path: Path) -> None:
    """A person sees the dose as it was recorded, in doubt, and beside it what two persons made of it."""
    settle(doubtful.books, wish())
    shown = CliRunner().invoke(command, ["show", "--db", str(tmp_path / "pharmacy.db"), "--subject", "MEX-001"])
    assert shown.exit_code == 0, shown.output
    assert "1.50 (0.90 to 3.02)" in shown.output
    assert f"{SESSION} was settled by two persons: 1.00 to 1.60 mL, UNDER" in shown.output


@pytest.mark.req("S19")
@pytest.mark.parametrize(
    ("low", "high", "state", "kit"),
    [
        (2_800_000, 3_000_000, DoseState.COMPLETE, "USED"),
        (1_000_000, 1_600_000, DoseState.PARTIAL, "PARTIAL"),
        (2_000_000, 3_000_000, DoseState.UNCERTAIN, "OPENED"),
    ],
)
def test_what_is_settled_counts_from_then_on(doubtful: Any, low: int, high: int, state: DoseState, kit: str) -> None:
    """Worklists carry what was settled; what is still in doubt goes on counting as given."""
    settle(doubtful.books, wish(low_nl=low, high_nl=high))
    assert [h.state for h in _history(doubtful.db, "MEX-001")] == [state]
    assert doubtful.rows("SELECT state FROM kit WHERE kit = 'KIT-0401'") == [(kit,)]


@pytest.mark.req("S19")
@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"second": "PH-01"}, "two different persons"),
        ({"second": "RT-07"}, "pharmacist or investigator"),
        ({"high_nl": 3_020_001}, "within what was recorded"),
        ({"low_nl": 899_999}, "within what was recorded"),
        ({"low_nl": 2_000_000}, "within what was recorded"),
        ({"low_nl": -1}, "within what was recorded"),
        ({"session": "2026-02-14-ffffff"}, "one dose of that id"),
    ],
)
def test_what_cannot_be_settled_is_refused(doubtful: Any, changed: dict[str, Any], words: str) -> None:
    """One person alone, an impossible interval or an unknown dose settles nothing and signs nothing."""
    with pytest.raises(PharmacyFault, match=words):
        settle(doubtful.books, wish(**changed))
    assert doubtful.said("correction") == []


@pytest.mark.req("S19")
def test_what_is_certain_or_settled_is_not_settled_again(doubtful: Any, unit: Any) -> None:
    """A complete dose is in no doubt, and a settlement is made once."""
    settle(doubtful.books, wish())
    with pytest.raises(PharmacyFault, match="settled before"):
        settle(doubtful.books, wish())
    doubtful.take(unit.dose(2, charge=CHARGE))
    with pytest.raises(PharmacyFault, match="a dose in doubt"):
        settle(doubtful.books, wish(session="2026-02-15-0000aa"))


def event(**changed: Any) -> AdverseEvent:
    """Return an adverse event, with what the test changes."""
    facts = {"subject": "MEX-001", "on": date(2026, 2, 14), "grade": "2", "relation": "possible"}
    return AdverseEvent(**{**facts, "action": "none", "text": "cough", "by": "PI-01", **changed})


def test_an_adverse_event_is_private_throughout(pharmacy: Any) -> None:
    """Everything of an event is a disclosure: its record says nothing but its type without them."""
    add_adverse(pharmacy.books, event())
    [entry] = [each for each in entries(pharmacy.books.log.path) if each.payload["typ"] == "adverse"]
    assert not {"subject", "grade", "relation", "action", "text", "onset"} & set(entry.payload)
    [said] = pharmacy.said("adverse")
    assert (said["subject"], said["grade"], said["relation"], said["onset"]) == (
        "MEX-001",
        "2",
        "possible",
        "2026-02-14",
    )


@pytest.mark.parametrize(("day", "taken"), [(date(2026, 3, 14), True), (date(2026, 3, 15), False)])
def test_adverse_events_are_taken_until_the_end_of_follow_up(pharmacy: Any, unit: Any, day: date, taken: bool) -> None:
    """28 days after the first delivered dose the last event is taken; one of the day after is refused in words."""
    pharmacy.take(unit.dose(1))
    books = pharmacy.at(24 * 40)
    if taken:
        add_adverse(books, event(on=day))
    else:
        with pytest.raises(PharmacyFault, match="one until 2026-03-14, the end of the follow-up"):
            add_adverse(books, event(on=day))
    assert len(pharmacy.said("adverse")) == taken


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"on": date(2026, 2, 15)}, "today, 2026-02-14, or earlier"),
        ({"subject": "MEX-404"}, "enrolled subject"),
        ({"by": "PH-99"}, "staff code PH-99"),
    ],
)
def test_an_impossible_adverse_event_is_refused(pharmacy: Any, changed: dict[str, Any], words: str) -> None:
    """A date to come, an unknown subject or person enters nothing."""
    with pytest.raises(PharmacyFault, match=words):
        add_adverse(pharmacy.books, event(**changed))
    assert pharmacy.said("adverse") == []


def test_the_calendar_counts_follow_up_from_the_first_delivered_dose(pharmacy: Any, unit: Any) -> None:
    """Day 1 and the end of follow-up move to the first emission; a dose without any moves neither."""
    book = pharmacy.books.book
    assert calendar_of(pharmacy.db, "MEX-001", book).first_delivered is None
    pharmacy.take(unit.dose(1, end="stopped", low_nl=0, best_nl=0, high_nl=0))
    assert calendar_of(pharmacy.db, "MEX-001", book).first_delivered is None
    pharmacy.take(unit.dose(2))
    found = calendar_of(pharmacy.db, "MEX-001", book)
    assert (found.first_delivered, found.follow_up_end) == (date(2026, 2, 15), date(2026, 3, 15))


def test_a_protocol_with_another_follow_up_has_another_calendar(pharmacy: Any) -> None:
    """Assessments and follow-up come from the study protocol, not from the program."""
    follow_up = replace(pharmacy.books.book.follow_up, adverse_events_days=7, assessments=(0, 10))
    found = calendar_of(pharmacy.db, "MEX-001", replace(pharmacy.books.book, follow_up=follow_up))
    assert found.follow_up_end == date(2026, 2, 21)
    assert [line.day for line in found.lines if "assessment" in line.what] == [0, 10]
