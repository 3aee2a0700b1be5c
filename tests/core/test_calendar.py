"""Study days, SDTM days and the dates of a course."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebctl.core.calendar import course_dates, date_of, follow_up_end, sdtm_day, study_day
from nebctl.core.regimen import DISCHARGE, FIRST_TREATMENT, FollowUp, Regimen

DATES = st.dates(min_value=date(1990, 1, 1), max_value=date(2100, 1, 1))


def regimen(*days: int) -> Regimen:
    """Return a regimen on these days."""
    return Regimen(
        study="S",
        product="P",
        arm="a",
        volume_nl=1,
        content_low=1,
        content_high=1,
        days=days,
        doses_per_day=1,
        blinded=False,
    )


@pytest.mark.parametrize(
    ("today", "study", "sdtm"),
    [
        (date(2026, 2, 12), -1, -2),
        (date(2026, 2, 13), 0, -1),
        (date(2026, 2, 14), 1, 1),
        (date(2026, 2, 18), 5, 5),
        (date(2026, 3, 13), 28, 28),
    ],
)
def test_days_around_day_1(today: date, study: int, sdtm: int) -> None:
    """The day before Day 1 is study Day 0 and SDTM day -1; from Day 1 on both count alike."""
    day1 = date(2026, 2, 14)
    assert study_day(day1, today) == study
    assert sdtm_day(day1, today) == sdtm


def test_a_course_crosses_a_leap_day() -> None:
    """A course that starts two days before 29 February has that day as Day 3."""
    dates = course_dates(regimen(1, 2, 3, 4, 5), date(2028, 2, 27))
    assert dates[2] == (3, date(2028, 2, 29))
    assert dates[4] == (5, date(2028, 3, 2))


@given(day1=DATES, offset=st.integers(min_value=-400, max_value=400))
def test_sdtm_day_has_no_zero_and_rises(day1: date, offset: int) -> None:
    """The SDTM day is never 0 and differs from the study day only before Day 1, by one."""
    today = day1 + timedelta(days=offset)
    day = study_day(day1, today)
    assert sdtm_day(day1, today) == (day if day >= 1 else day - 1) != 0
    assert sdtm_day(day1, today + timedelta(days=1)) > sdtm_day(day1, today)


@given(day1=DATES, day=st.integers(min_value=-400, max_value=400))
def test_date_and_study_day_are_inverse(day1: date, day: int) -> None:
    """The study day of a study day's date is that day."""
    assert study_day(day1, date_of(day1, day)) == day


def test_course_skips_days_without_doses() -> None:
    """Only the regimen's own days are dosing days."""
    assert course_dates(regimen(1, 4), date(2026, 12, 30)) == ((1, date(2026, 12, 30)), (4, date(2027, 1, 2)))


def test_follow_up_after_the_first_treatment() -> None:
    """28 days after a first treatment on 14 February end on 14 March, one day after Day 28."""
    follow_up = FollowUp(adverse_events_days=28, counted_from=FIRST_TREATMENT, assessments=(0, 28))
    assert follow_up_end(date(2026, 2, 14), follow_up) == date(2026, 3, 14)


def test_follow_up_after_discharge_has_no_date_yet() -> None:
    """A follow-up that is counted from discharge has no end that Day 1 could tell."""
    follow_up = FollowUp(adverse_events_days=30, counted_from=DISCHARGE, assessments=())
    assert follow_up_end(date(2026, 2, 14), follow_up) is None
