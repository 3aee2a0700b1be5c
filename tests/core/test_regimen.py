"""Regimens and the limits that a site's rules draw from them."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebctl.core.regimen import Regimen, SiteRules

MEXCOVID = Regimen(
    study="NCT04276987",
    product="MSCs-derived exosomes",
    arm="treatment",
    volume_nl=3_000_000,
    content_low=200_000_000,
    content_high=200_000_000,
    days=(1, 2, 3, 4, 5),
    doses_per_day=1,
    blinded=False,
)


def test_course_arithmetic() -> None:
    """Five doses of 2.0e8 in 3 mL are 1.0e9 vesicles and 15 mL, at exactly 2.0e8/3 per mL."""
    assert MEXCOVID.total_doses == 5
    assert MEXCOVID.total_volume_nl == 15_000_000
    assert MEXCOVID.total_content_low == MEXCOVID.total_content_high == 10**9
    assert MEXCOVID.vesicles_per_ml == MEXCOVID.vesicles_per_ml_high == Fraction(200_000_000, 3)


def test_planned_doses_are_days_times_doses() -> None:
    """Every dose of the course is listed once, by day and then by its number in the day."""
    twice = replace(MEXCOVID, days=(1, 3), doses_per_day=2)
    assert twice.planned_doses() == ((1, 1), (1, 2), (3, 1), (3, 2))


def test_read_back_of_a_fixed_content() -> None:
    """The line that a person reads back shows content, concentration and the whole course."""
    expected = "2.0e8 vesicles in 3 mL = 6.67e7 per mL; 5 doses: 1.0e9 vesicles and 15 mL in all"
    assert MEXCOVID.read_back() == expected
    assert MEXCOVID.content_text() == "2.0e8 vesicles"


def test_read_back_shows_a_power_of_ten() -> None:
    """A content ten times as large reads back differently in every number."""
    slipped = replace(MEXCOVID, content_low=2 * 10**9, content_high=2 * 10**9)
    assert slipped.read_back() == "2.0e9 vesicles in 3 mL = 6.67e8 per mL; 5 doses: 1.0e10 vesicles and 15 mL in all"


def test_read_back_of_a_range_and_of_a_placebo() -> None:
    """A range shows both ends; a placebo says that it holds no vesicles."""
    ranged = replace(MEXCOVID, content_low=5 * 10**9, content_high=2 * 10**10, days=(1,))
    assert ranged.read_back() == (
        "5.0e9 to 2.0e10 vesicles in 3 mL = 1.67e9 to 6.67e9 per mL; 1 dose: 5.0e9 to 2.0e10 vesicles and 3 mL in all"
    )
    placebo = replace(MEXCOVID, content_low=0, content_high=0)
    assert placebo.placebo
    assert placebo.read_back() == "no vesicles in 3 mL (placebo); 5 doses: 15 mL in all"


@pytest.mark.parametrize(
    "change",
    [
        {"volume_nl": 0},
        {"doses_per_day": 0},
        {"content_low": -1},
        {"content_low": 300_000_000},
        {"days": ()},
        {"days": (2, 3)},
        {"days": (1, 1)},
        {"days": (1, 3, 2)},
    ],
)
def test_values_that_make_no_regimen_are_refused(change: dict[str, object]) -> None:
    """A regimen without volume, doses, rising days from Day 1 or a right content cannot be made."""
    with pytest.raises(ValueError, match=r"regimen|content|days"):
        replace(MEXCOVID, **change)  # type: ignore[arg-type]


def test_default_limits_of_three_millilitres() -> None:
    """By the defaults a 3 mL dose is complete from 2.7 mL to 3.15 mL."""
    rules = SiteRules()
    assert rules.lower_nl(MEXCOVID) == 2_700_000
    assert rules.upper_nl(MEXCOVID) == 3_150_000


@given(
    volume=st.integers(min_value=1, max_value=10**8),
    low=st.integers(min_value=1, max_value=10**6),
    high=st.integers(min_value=10**6, max_value=2 * 10**6),
)
def test_limits_are_rounded_against_the_claim(volume: int, low: int, high: int) -> None:
    """The lower limit is never below, and the upper never above, the exact fraction, by less than a nanolitre."""
    rules = SiteRules(completeness_low_ppm=low, completeness_high_ppm=high)
    regimen = replace(MEXCOVID, volume_nl=volume)
    assert 0 <= rules.lower_nl(regimen) - Fraction(volume * low, 10**6) < 1
    assert 0 <= Fraction(volume * high, 10**6) - rules.upper_nl(regimen) < 1
