"""The player: it finds what is not as expected, keeps its times, and holds every scenario to the common promises."""

from xml.etree import ElementTree

import pytest

from nebctl_lab.scenario.form import Scenario, load_scenario
from nebctl_lab.scenario.timeline import Line, Report, Result, junit
from nebctl_lab.scenario.virtual import play

pytestmark = pytest.mark.timeout(60)
HEAD = """format = "nebctl-scenario/1"
title = "A test"
about = "Of the player."
promises = ["S16"]
[[unit]]
id = "neb-0001"
device = "mesh"
subjects = ["MEX-001"]
"""


def played(steps: str, *, seed: int | None = None) -> Report:
    """Play a scenario of these steps."""
    scenario = load_scenario(HEAD + steps, "a.toml", "a")
    assert isinstance(scenario, Scenario), [str(fault) for fault in scenario]
    return play(scenario, seed)


def line_of(report: Report, text: str) -> Line:
    """Return the one line of a timeline that has this text."""
    (found,) = (line for line in report.lines if line.text == text)
    return found


def test_what_is_not_as_expected_is_seen_and_the_rest_is_played() -> None:
    """A wrong expectation fails with what was there instead; what stands beside and behind it is looked at too."""
    report = played(
        '[[step]]\ndo = "scan"\nexpect = ["state ready", "state authorised"]\n[[step]]\ndo = "press STOP"\n'
    )
    assert not report.passed
    wrong, right = line_of(report, "state ready"), line_of(report, "state authorised")
    assert (wrong.result, wrong.seen, wrong.line) == (Result.FAILED, "state authorised", 9)
    assert right.result is line_of(report, "press STOP").result is Result.OK
    assert "FAILED: saw state authorised" in report.text()
    assert report.text().splitlines()[-1].startswith("FAILED: ")


@pytest.mark.parametrize(("said", "records"), [("true", "4 calibration records"), ("false", "no calibration record")])
def test_a_device_begins_calibrated_or_not(said: str, records: str) -> None:
    """A unit that is `calibrated` has three saline runs and what they came to in its ledger; one that is not, none."""
    report = played(f'calibrated = {said}\n[[step]]\nexpect = "{records}"\n')
    assert report.passed, report.text()


def test_a_refusal_that_nobody_expected_ends_the_scenario() -> None:
    """A refused deed fails with its code and sentence, and the steps behind it are named as not played."""
    report = played('[[step]]\ndo = ["scan", "hold START"]\n[[step]]\ndo = "sign"\nexpect = "no alarm"\n')
    assert line_of(report, "hold START").result is Result.FAILED
    assert "409" in line_of(report, "hold START").seen
    assert [line.result for line in report.lines[2:]] == [Result.NOT_PLAYED, Result.NOT_PLAYED]
    assert not report.heads


def test_a_refusal_must_be_the_one_expected() -> None:
    """A refusal for another reason fails, and so does none at all."""
    other = played('[[step]]\ndo = "scan MEX-001 with kit KIT-9999"\nexpect = "refused kit-opened"\n')
    assert line_of(other, "refused kit-opened").seen == "refused kit-serial"
    none = played('[[step]]\ndo = "scan"\nexpect = "refused kit-opened"\n')
    assert line_of(none, "refused kit-opened").seen == "nothing was refused"
    assert not other.passed
    assert not none.passed


def test_a_refusal_by_the_pharmacy_is_one_too() -> None:
    """What the pharmacy's own functions refuse is refused in the scenario, in their words."""
    report = played('[[step]]\ndo = "thaw kit KIT-9999"\nexpect = "refused pharmacy"\n')
    assert report.passed
    assert "KIT-9999" in line_of(report, "thaw kit KIT-9999").seen


def test_a_time_after_a_start_that_was_not_held_fails() -> None:
    """Such a time counts from nothing: the step fails, and is not played at some other moment."""
    report = played('[[step]]\nat = "30 s after START"\ndo = "press STOP"\n')
    assert not report.passed
    assert line_of(report, "30 s after START").seen == "no START was held"
    assert line_of(report, "press STOP").result is Result.NOT_PLAYED


def test_times_are_kept() -> None:
    """Steps come at their own times: from the beginning, from START, after the step before, and by the site's clock."""
    steps = """[[step]]
at = "10 s"
note = "ten"
do = "begin a dose"
[[step]]
at = "20 s after START"
note = "thirty"
do = "press STOP"
[[step]]
after = "5 s"
note = "thirty-five"
do = ["weigh the residual", "leave unsigned"]
[[step]]
at = "day 2 09:00"
note = "a day"
expect = "state idle"
"""
    report = played(steps)
    assert report.passed, report.text()
    times = {line.text: line.ms for line in report.lines if line.kind == "do"}
    assert times["begin a dose"] == pytest.approx(10_000, abs=50)
    assert times["press STOP"] == pytest.approx(30_000, abs=150)
    assert times["weigh the residual"] == pytest.approx(35_000, abs=200)
    last = report.lines[-5]
    assert (last.text, last.clock) == ("state idle", "09:00:00")
    assert last.ms == pytest.approx(86_400_000, abs=500)


def test_a_time_that_is_past_is_a_fault_of_the_file() -> None:
    """A step whose time has passed before it can begin fails, with how much too late it is."""
    report = played('[[step]]\nafter = "10 s"\ndo = "scan"\n[[step]]\nat = "5 s"\nexpect = "state authorised"\n')
    assert "past by 5.0" in line_of(report, "5 s").seen
    assert not report.passed


def test_what_undoes_itself_does_so_in_time() -> None:
    """`for 3 s` ends after 3 s of the site, between the steps as well."""
    steps = """[[step]]
do = "unplug for 3 s"
expect = "the device is missing"
within = "2 s"
[[step]]
at = "9 s"
expect = "the device is known"
"""
    report = played(steps)
    assert report.passed, report.text()
    assert line_of(report, "the cable is back").ms == pytest.approx(3000, abs=20)


def test_what_does_not_come_is_waited_for_no_longer_than_said() -> None:
    """A `when` that does not come in time ends the scenario with what was there at last."""
    report = played('[[step]]\nwhen = "state running"\nwithin = "7 s"\ndo = "press STOP"\n')
    assert line_of(report, "state running").seen == "state idle"
    assert line_of(report, "state running").ms == pytest.approx(7000, abs=150)
    assert line_of(report, "press STOP").result is Result.NOT_PLAYED


def test_a_promise_that_is_kept_by_now_must_not_be_called_open() -> None:
    """An expectation under not_yet has to fail: one that holds fails the scenario, so that nobody forgets it."""
    kept = played('[[step]]\nexpect = "state idle"\nnot_yet = "S16"\n')
    assert "S16 kept: take not_yet out of this step" in line_of(kept, "state idle").seen
    assert not kept.passed
    assert played('[[step]]\nexpect = "state idle"\nnot_yet = "S16"\n', seed=7).passed, "by chance, with another seed"
    still = played('[[step]]\nexpect = "state running"\nnot_yet = "S16"\n')
    assert still.passed
    assert still.open_promises == ("S16",)
    assert "1 not yet kept (S16)" in still.text()


def test_a_record_that_is_not_true_fails_without_being_asked_for() -> None:
    """Every dose record is held against what was really emitted, whether the scenario asks for it or not.

    A small top-up that nobody declares and no balance sees is not found (S54), and so the record is wrong.
    """
    steps = """[[step]]
do = "begin a dose"
[[step]]
at = "60 s after START"
do = "top up 0.5 mL"
[[step]]
when = "state paused or residual"
do = "press STOP"
[[step]]
when = "state residual"
do = ["weigh the residual", "sign"]
"""
    report = played(steps)
    told = line_of(report, "every dose record covers the truth (S16, S33)")
    assert (told.result, report.passed) == (Result.FAILED, False)
    assert "nL emitted, recorded" in told.seen


def test_another_seed_is_another_chance() -> None:
    """The seed draws the plant and the keys: two seeds differ in their records, and one is named in the report."""
    steps = '[[step]]\ndo = "scan"\n'
    first, second = played(steps), played(steps, seed=7)
    assert (first.seed, second.seed) == (1, 7)
    assert first.heads != second.heads


def test_junit_tells_what_failed_and_what_was_skipped() -> None:
    """The JUnit report has a case for each line, with totals, failures with what was seen, and skips with a reason."""
    steps = """[[step]]
expect = ["state running", "state idle"]
[[step]]
expect = "alarm link-lost"
not_yet = "S16"
[[step]]
do = "sign"
[[step]]
do = "press STOP"
"""
    root = ElementTree.fromstring(junit([played(steps)]))
    (suite,) = root
    cases = {case.get("name"): case for case in suite}
    failure = cases["step 1 expect: state running"].find("failure")
    skipped = cases["step 2 expect: alarm link-lost"].find("skipped")
    assert failure is not None
    assert failure.get("message") == "saw state idle"
    assert skipped is not None
    assert "S16 is not yet kept" in str(skipped.get("message"))
    assert cases["step 4 do: press STOP"].find("skipped") is not None
    assert len(cases["step 1 expect: state idle"]) == 0
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == (str(len(suite)), "2", "2")
