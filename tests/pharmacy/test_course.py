"""A subject's course as it is computed from the records."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from nebctl.core.dose.charge import Interval
from nebctl.core.ledger.records import Draft, SessionDay
from nebctl.pharmacy.show import CourseFault, course_of


def sheet_of(pharmacy: Any, subject: str = "MEX-001") -> Any:
    """Return the course as it stands."""
    return course_of(pharmacy.db, subject)


@pytest.mark.req("S38")
def test_the_course_adds_up_to_its_doses(pharmacy: Any, unit: Any) -> None:
    """Every dose of the records stands in the course, in order, and the totals are their sums."""
    pharmacy.take(unit.dose(1))
    pharmacy.take(unit.dose(2, low_nl=1_000_000, best_nl=1_200_000, high_nl=1_500_000, end="partial", verdict="UNDER"))
    sheet = sheet_of(pharmacy)
    assert [(line.day, line.end, line.verdict) for line in sheet.lines] == [
        (1, "complete", "WITHIN"),
        (2, "partial", "UNDER"),
        (3, "due", None),
        (4, "due", None),
        (5, "due", None),
    ]
    assert sheet.emitted == Interval(low_nl=3_800_000, best_nl=4_150_000, high_nl=4_500_000)
    assert sheet.lines[0].residual == Interval(low_nl=20_000, best_nl=40_000, high_nl=60_000)
    assert sheet.uncertain == 0


@pytest.mark.req("S38")
def test_what_is_in_doubt_is_shown_as_such(pharmacy: Any, unit: Any) -> None:
    """A dose that ended in doubt is never shown as complete, and a wide interval is no verdict."""
    pharmacy.take(unit.dose(1, end="uncertain", low_nl=0, best_nl=1_500_000, verdict="UNCERTAIN"))
    pharmacy.take(unit.dose(2, low_nl=2_500_000, verdict="UNCERTAIN"))
    sheet = sheet_of(pharmacy)
    assert [(line.end, line.verdict) for line in sheet.lines[:2]] == [
        ("uncertain", "UNCERTAIN"),
        ("complete", "UNCERTAIN"),
    ]
    assert sheet.uncertain == 2


def test_a_wrong_recorded_verdict_shows(pharmacy: Any, unit: Any) -> None:
    """The verdict is computed from the volume and the limits; what the unit said stands beside it."""
    pharmacy.take(unit.dose(1, low_nl=100, best_nl=200, high_nl=300, verdict="WITHIN"))
    [line, *_] = sheet_of(pharmacy).lines
    assert (line.verdict, line.recorded) == ("UNDER", "WITHIN")


def test_receipted_means_under_a_countersigned_head(pharmacy: Any, unit: Any) -> None:
    """A dose counts as receipted only once a countersigned head covers it."""
    pharmacy.take(unit.dose(1))
    assert sheet_of(pharmacy).lines[0].receipted is False
    pharmacy.receipt()
    pharmacy.take(unit.dose(2))
    assert [line.receipted for line in sheet_of(pharmacy).lines[:3]] == [True, False, None]


def test_a_missed_dose_stands_in_the_course(pharmacy: Any, unit: Any) -> None:
    """A dose recorded as missed is shown as missed, without a volume, and is no longer due."""
    day = SessionDay(session="2026-02-14-0000aa", day=1, tz="UTC", date_local="2026-02-14")
    pharmacy.take(unit.write(Draft(typ="missed", facts={"dose": 1}, private={"subject": "MEX-001"}, session=day)))
    line = sheet_of(pharmacy).lines[0]
    assert (line.end, line.emitted, line.verdict) == ("missed", None, None)


def test_a_subject_nobody_knows_has_no_course(pharmacy: Any) -> None:
    """A pseudonym without enrolment and record yields None, not an empty course."""
    assert sheet_of(pharmacy, "MEX-404") is None


@pytest.mark.req("S34")
@pytest.mark.parametrize("column", ["jws", "leaf"])
def test_an_altered_record_is_found_before_it_is_shown(pharmacy: Any, unit: Any, column: str) -> None:
    """A record that was changed behind the triggers' back stops the course, named by unit, epoch and number."""
    pharmacy.take(unit.dose(1))
    pharmacy.db.execute("DROP TRIGGER rec_no_update")
    change = "replace(jws, 'A', 'B')" if column == "jws" else "zeroblob(32)"
    pharmacy.db.execute(f"UPDATE rec SET {column} = {change}")
    with pytest.raises(CourseFault, match="neb-0001 epoch 1 record 0"):
        sheet_of(pharmacy)


@pytest.mark.parametrize(("name", "value"), [("low_nl", 4_000_000), ("limits", 1), ("verdict", None), ("end", 5)])
def test_an_incomplete_dose_record_is_named(pharmacy: Any, unit: Any, name: str, value: Any) -> None:
    """A signed dose record without what a course needs is reported by its place and member."""
    pharmacy.take(unit.dose(1, **{name: value}))
    with pytest.raises(CourseFault, match=name):
        sheet_of(pharmacy)


def test_show_prints_the_course_and_one_json_object(pharmacy: Any, unit: Any, tmp_path: Path) -> None:
    """`pharmacy show` prints a line a dose; with --json one object; exit code 1 where a verdict is wrong."""
    from nebctl.cli.pharmacy import pharmacy as command

    pharmacy.take(unit.dose(1))
    call = ["show", "--db", str(tmp_path / "pharmacy.db"), "--subject", "MEX-001"]
    shown = CliRunner().invoke(command, call)
    assert shown.exit_code == 0
    assert "2.95 (2.80 to 3.00)" in shown.output
    assert json.loads(CliRunner().invoke(command, [*call, "--json"]).output)["emitted"]["best_nl"] == 2_950_000
    pharmacy.take(unit.dose(2, verdict="OVER"))
    assert CliRunner().invoke(command, call).exit_code == 1


@pytest.mark.req("S16")
@pytest.mark.req("S38")
def test_doses_in_doubt_add_up_by_their_bounds(pharmacy: Any, unit: Any) -> None:
    """Three doses that may have been nothing or all may be nothing or all together: no total calls them UNDER."""
    spread = {"calibration_nl": 0, "device_nl": 0, "lot_nl": 0, "run_nl": 780_613}
    doubt = {"end": "uncertain", "low_nl": 0, "best_nl": 10_000, "high_nl": 3_060_000, "verdict": "UNCERTAIN"}
    for day in (1, 2, 3):
        pharmacy.take(unit.dose(day, spread=spread, **doubt))
    whole = sheet_of(pharmacy).totals[-1]
    assert (whole.emitted.low_nl, whole.emitted.high_nl, whole.verdict) == (0, 9_180_000, "UNCERTAIN")
