"""The day judged: doses that are late or missed by the pharmacy's clock, or not done by a person's word."""

from dataclasses import replace
from datetime import date, time
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from nebctl.core.regimen import SiteRules
from nebctl.pharmacy.faults import PharmacyFault
from nebctl.pharmacy.judging import correct_contradicted, note_not_done, open_doses, overdue, raise_overdue
from nebctl.pharmacy.log import entries
from nebctl.pharmacy.show import course_of

TO_MIDNIGHT = 14
"""Hours from 10:00 on Day 1 to the end of that day."""


def judge(books: Any) -> list[tuple[int, bool]]:
    """Raise what is overdue and return each as its day and whether it was missed."""
    found = overdue(books)
    raise_overdue(books, found)
    return [(each.dose.day, each.missed) for each in found]


def ends(pharmacy: Any) -> list[str]:
    """Return how the five doses stand in the course."""
    sheet = course_of(pharmacy.db, "MEX-001", entries(pharmacy.books.log.path))
    return [line.end for line in sheet.lines]


@pytest.mark.req("S53")
def test_a_dose_is_missed_once_its_day_has_ended(pharmacy: Any) -> None:
    """At 23:59 nothing is raised; at midnight the dose is missed, as one signed record, and never raised again."""
    last_minute = pharmacy.at(TO_MIDNIGHT)
    last_minute = replace(last_minute, at=replace(last_minute.at, wall_ns=last_minute.at.wall_ns - 60 * 10**9))
    assert judge(last_minute) == []
    assert judge(pharmacy.at(TO_MIDNIGHT)) == [(1, True)]
    assert judge(pharmacy.at(TO_MIDNIGHT)) == []
    [said] = pharmacy.said("missed")
    assert (said["subject"], said["day"], said["dose"], said["date_local"]) == ("MEX-001", 1, 1, "2026-02-14")
    assert "high_nl" not in said, "never a zero volume"
    assert ends(pharmacy) == ["missed", "due", "due", "due", "due"]


@pytest.mark.req("S53")
def test_a_whole_course_unheard_is_missed_dose_by_dose(pharmacy: Any) -> None:
    """After five silent days every ordered dose has exactly one end."""
    assert judge(pharmacy.at(24 * 5)) == [(day, True) for day in range(1, 6)]
    assert ends(pharmacy) == ["missed"] * 5
    assert open_doses(pharmacy.db) == ()


@pytest.mark.req("S04")
def test_the_day_ends_in_the_sites_zone(pharmacy: Any) -> None:
    """Midnight is the site's: in Shanghai the day of 14 February ends at 16:00 UTC."""
    shanghai = ZoneInfo("Asia/Shanghai")
    assert overdue(pharmacy.at(5, zone=shanghai)) == ()
    assert [each.dose.day for each in overdue(pharmacy.at(6, zone=shanghai))] == [1]


@pytest.mark.req("S53")
def test_a_dose_is_late_after_the_window_and_raised_once(pharmacy: Any) -> None:
    """After the site's window the open dose is raised as late, once, and it is missed only when the day ends."""
    rules = SiteRules(window_start=time(8), window_end=time(12))
    book = replace(pharmacy.books.book, rules=rules)
    assert judge(pharmacy.at(2, book=book)) == []
    assert judge(pharmacy.at(3, book=book)) == [(1, False)]
    assert judge(pharmacy.at(4, book=book)) == []
    [said] = pharmacy.said("incident")
    assert (said["kind"], said["subject"], said["kit"]) == ("dose-late", "MEX-001", "KIT-0401")
    assert ends(pharmacy)[:2] == ["late", "due"]
    assert judge(pharmacy.at(TO_MIDNIGHT, book=book)) == [(1, True)]


def test_a_dose_given_is_never_overdue(pharmacy: Any, unit: Any) -> None:
    """A dose whose record came in time is not raised, however it ended."""
    pharmacy.take(unit.dose(1, end="uncertain"))
    assert judge(pharmacy.at(TO_MIDNIGHT)) == []


@pytest.mark.req("S53")
def test_a_record_that_comes_late_stands_instead(pharmacy: Any, unit: Any) -> None:
    """What was called missed and was given after all is corrected: the dose stands, and the log keeps both."""
    judge(pharmacy.at(TO_MIDNIGHT))
    pharmacy.take(unit.dose(1))
    [sentence] = correct_contradicted(pharmacy.at(TO_MIDNIGHT))
    assert "the record stands" in sentence
    assert correct_contradicted(pharmacy.at(TO_MIDNIGHT)) == ()
    assert ends(pharmacy) == ["complete", "due", "due", "due", "due"]
    [missed], [correction] = pharmacy.said("missed"), pharmacy.said("correction")
    assert correction["ref"]["seq"] == missed["seq"]
    assert correction["stands"]["unit"] == "neb-0001"


def test_days_stay_counted_from_the_plan_once_a_dose_was_missed(pharmacy: Any, unit: Any) -> None:
    """With Day 1 missed, a first emission on Day 2 moves no later dose to another date."""
    judge(pharmacy.at(TO_MIDNIGHT))
    pharmacy.take(unit.dose(2))
    assert {each.day: each.on for each in open_doses(pharmacy.db)}[3] == date(2026, 2, 16)


@pytest.mark.req("S53")
def test_a_dose_not_done_has_a_reason_and_a_person(pharmacy: Any) -> None:
    """`notdone` names its coded reason and who said it; the dose then has its one end."""
    note_not_done(pharmacy.books, "MEX-001", 1, 1, "subject-declined", "felt sick", "RT-07")
    [said] = pharmacy.said("notdone")
    assert (said["reason"], said["operator"], said["text"]) == ("subject-declined", "RT-07", "felt sick")
    assert judge(pharmacy.at(TO_MIDNIGHT)) == []
    assert ends(pharmacy)[0] == "notdone"
    for day in (1, 9):
        with pytest.raises(PharmacyFault, match="nothing came of yet"):
            note_not_done(pharmacy.books, "MEX-001", day, 1, "subject-declined", "", "RT-07")


def test_a_stranger_enters_nothing(pharmacy: Any) -> None:
    """A code that is not on the staff list is refused before anything is signed."""
    before = len(entries(pharmacy.books.log.path))
    with pytest.raises(PharmacyFault, match="PH-99"):
        note_not_done(pharmacy.books, "MEX-001", 1, 1, "subject-declined", "", "PH-99")
    assert len(entries(pharmacy.books.log.path)) == before
