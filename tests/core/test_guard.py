"""The gate: silent by default, open only when every rule holds, and each rule alone can close it."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebctl.core.device import Output
from nebctl.core.guard import LATE_PRESS_MS, RULES, SILENT, Actuation, Envelope, Permit, Refusal, permit
from nebctl.core.instant import Instant

BREAKS: dict[str, dict[str, Any]] = {
    "intent-not-durable": {"intent": None},
    "authorisation-used": {"authorisation_used": True},
    "other-device": {"device": "SIM-0002"},
    "fault": {"fault": "HW"},
    "locked-out": {"locked_out": True},
    "unresolved": {"unresolved": "start"},
    "output-on": {"output": Output.RUNNING},
    "self-test": {"self_tested": False},
    "clock-not-trusted": {"clock_trusted": False},
    "records-not-durable": {"records_durable": False},
    "extra-dose": {"doses_a_day": 0},
    "day-limit": {"given_high_nl": 60_001},
    "on-time": {"max_on_ceiling_ms": 1_199_999},
    "stopped-since": {"stops": 4},
}


@pytest.fixture(scope="module")
def good(bench: Any) -> tuple[Actuation, Envelope, Instant]:
    """Return a command, an envelope and a moment that pass every rule, at each rule's very edge."""
    auth = bench.authorisation()
    command = Actuation(session=auth.session, run="0badcafe", max_on_ms=1_200_000, stops=3, waited_ms=LATE_PRESS_MS)
    envelope = Envelope(
        authorisation=auth,
        authorisation_used=False,
        intent=auth.session,
        output=Output.OFF,
        device=auth.device,
        clock_trusted=True,
        records_durable=True,
        self_tested=True,
        charge_high_nl=3_090_000,
        given_high_nl=60_000,
        limit_nl=3_150_000,
        doses_a_day=1,
        max_on_ceiling_ms=1_200_000,
        stops=3,
    )
    return command, envelope, bench.now()


def code(decision: Permit | Refusal) -> str:
    """Return a refusal's code, "" for a permit."""
    return decision.code if isinstance(decision, Refusal) else ""


def test_all_rules_kept_is_a_permit(good: Any) -> None:
    """With every condition met the command passes, and the permit names that very command."""
    command, envelope, now = good
    assert permit(command, envelope, now) == Permit(actuation=command)


@pytest.mark.req("S01")
def test_silence_is_a_refusal(good: Any) -> None:
    """An envelope that knows nothing refuses every command."""
    command, _, now = good
    assert isinstance(permit(command, SILENT, now), Refusal)
    assert sum(holds(command, SILENT, now) for _, _, holds in RULES) < len(RULES) / 3


@pytest.mark.parametrize("rule", BREAKS)
@pytest.mark.req("S01")
@pytest.mark.req("S15")
def test_each_condition_alone_refuses(good: Any, rule: str) -> None:
    """One condition broken, all others met: the command is refused, by that rule's own code and sentence."""
    command, envelope, now = good
    decision = permit(command, replace(envelope, **BREAKS[rule]), now)
    assert isinstance(decision, Refusal)
    assert decision.code == rule
    assert decision.sentence.endswith(".")


@pytest.mark.req("S01")
def test_the_authorisation_is_bound_and_expires(good: Any, bench: Any) -> None:
    """Another session's authorisation, one past its time or of another boot, and a lease that ended are refused, each
    in the very nanosecond.
    """
    command, envelope, now = good
    auth = envelope.authorisation
    other = replace(auth, place=replace(auth.place, session="2026-02-14-000002"))
    assert code(permit(command, replace(envelope, authorisation=other), now)) == "no-authorisation"
    assert code(permit(command, replace(envelope, authorisation=None), now)) == "no-authorisation"
    last = replace(now, mono_ns=auth.expires_mono_ns - 1)
    assert code(permit(command, envelope, last)) == ""
    assert code(permit(command, envelope, replace(last, mono_ns=auth.expires_mono_ns))) == "authorisation-expired"
    assert code(permit(command, envelope, bench.now(boot="b008"))) == "authorisation-expired"
    assert code(permit(command, envelope, replace(now, wall_ns=auth.not_after_ns - 1))) == ""
    assert code(permit(command, envelope, replace(now, wall_ns=auth.not_after_ns))) == "lease-ended"


@pytest.mark.req("S02")
def test_a_dose_beyond_the_day_s_number_needs_two_persons(good: Any, bench: Any) -> None:
    """The second dose of a day passes only where it is on disk that two persons let this session pass."""
    command, envelope, now = good
    second = replace(envelope, authorisation=bench.authorisation(dose=2))
    assert code(permit(command, second, now)) == "extra-dose"
    assert code(permit(command, replace(second, overridden=True), now)) == ""


@pytest.mark.req("S47")
def test_a_late_press_is_refused(good: Any) -> None:
    """A press of more than five seconds ago, or from the future, does not pass."""
    command, envelope, now = good
    for waited_ms in (LATE_PRESS_MS + 1, -1):
        assert code(permit(replace(command, waited_ms=waited_ms), envelope, now)) == "late-press"


def test_every_rule_is_tried() -> None:
    """The tests of this file break every rule there is."""
    apart = {"no-authorisation", "authorisation-expired", "lease-ended", "late-press", "other-dose", "in-use-over"}
    assert {name for name, _, _ in RULES} == set(BREAKS) | apart


@pytest.fixture
def going_on(good: Any, bench: Any) -> Envelope:
    """Return an envelope in which a resume passes: leave of its own, whose session was started before."""
    _, envelope, _ = good
    return replace(envelope, authorisation=bench.leave(), first=bench.authorisation(), self_tested=False)


@pytest.mark.req("S03")
def test_a_resume_has_leave_of_its_own(good: Any, going_on: Envelope, bench: Any) -> None:
    """A resume passes under its own fresh leave, after the lease's end too, and is refused by every other rule.

    The leave of the start is none to go on, and one that was used, is old or is of another boot is none either.
    """
    command, _, now = good
    assert code(permit(command, going_on, now)) == ""
    for rule in set(BREAKS) - {"self-test"}:
        assert code(permit(command, replace(going_on, **BREAKS[rule]), now)) == rule
    ended = replace(going_on, authorisation=bench.leave(not_after_ns=0))
    assert code(permit(command, ended, now)) == ""
    again = replace(going_on, authorisation=bench.authorisation())
    assert code(permit(command, again, now)) == "other-dose"
    late = replace(now, mono_ns=bench.leave().expires_mono_ns)
    assert code(permit(command, going_on, late)) == "authorisation-expired"
    assert code(permit(command, going_on, bench.now(boot="b008"))) == "authorisation-expired"


@pytest.mark.req("S03")
@pytest.mark.parametrize(
    "changed",
    [
        {"subject": "MEX-002"},
        {"kit": "KIT-0402"},
        {"lot": "EXO2020B"},
        {"dose": 2},
        {"resumes": None},
    ],
    ids=str,
)
def test_a_resume_is_the_same_dose(good: Any, going_on: Envelope, bench: Any, changed: dict[str, Any]) -> None:
    """Leave for another subject, kit, lot or dose, or one that names no start, lets nothing go on."""
    command, _, now = good
    assert code(permit(command, replace(going_on, authorisation=bench.leave(**changed)), now)) == "other-dose"
    day = replace(bench.leave().place, day=2)
    assert code(permit(command, replace(going_on, authorisation=bench.leave(place=day)), now)) == "other-dose"


@pytest.mark.req("S01")
@pytest.mark.req("S03")
def test_leave_to_go_on_starts_nothing(good: Any, bench: Any) -> None:
    """A session that was never let start is not begun by leave to resume."""
    command, envelope, now = good
    assert code(permit(command, replace(envelope, authorisation=bench.leave()), now)) == "other-dose"


@pytest.mark.req("S03")
def test_nothing_starts_or_goes_on_past_the_time_from_thaw_to_use(good: Any, going_on: Envelope, bench: Any) -> None:
    """In the very nanosecond at which the in-use time ends neither a start nor a resume passes."""
    command, envelope, now = good
    for made, whole in ((bench.authorisation, envelope), (bench.leave, going_on)):
        assert code(permit(command, replace(whole, authorisation=made(use_by_ns=now.wall_ns + 1)), now)) == ""
        assert code(permit(command, replace(whole, authorisation=made(use_by_ns=now.wall_ns)), now)) == "in-use-over"


@given(given_nl=st.integers(0, 10_000_000), charge=st.integers(0, 10_000_000), limit=st.integers(0, 10_000_000))
@pytest.mark.req("S02")
@pytest.mark.req("S03")
def test_no_cup_may_exceed_the_day(good: Any, given_nl: int, charge: int, limit: int) -> None:
    """A command passes exactly where all that may have been given and all that the cup may hold fit the day's limit."""
    command, envelope, now = good
    changed = replace(envelope, given_high_nl=given_nl, charge_high_nl=charge, limit_nl=limit)
    assert isinstance(permit(command, changed, now), Permit) == (given_nl + charge <= limit)
    assert code(permit(command, replace(changed, charge_high_nl=None), now)) == "day-limit"
