"""The gate: silent by default, open only when every rule holds, and each rule alone can close it."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebctl.core.device import Output
from nebctl.core.guard import LATE_PRESS_MS, RULES, SILENT, Actuation, Envelope, Permit, Refusal, permit
from nebctl.core.instant import NS_PER_S, Instant

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


@pytest.mark.req("S47")
def test_a_late_press_is_refused(good: Any) -> None:
    """A press of more than five seconds ago, or from the future, does not pass."""
    command, envelope, now = good
    for waited_ms in (LATE_PRESS_MS + 1, -1):
        assert code(permit(replace(command, waited_ms=waited_ms), envelope, now)) == "late-press"


def test_every_rule_is_tried() -> None:
    """The tests of this file break every rule there is."""
    apart = {"no-authorisation", "authorisation-expired", "lease-ended", "late-press"}
    assert {name for name, _, _ in RULES} == set(BREAKS) | apart


@pytest.mark.req("S03")
def test_a_resume_needs_all_but_a_fresh_authorisation(good: Any) -> None:
    """A resume of a started session passes with its used authorisation, and is refused by every other rule."""
    command, envelope, now = good
    resuming = replace(envelope, resuming=True, authorisation_used=True, self_tested=False)
    late = replace(now, mono_ns=now.mono_ns + 3600 * NS_PER_S)
    assert code(permit(command, resuming, late)) == ""
    for rule in set(BREAKS) - {"authorisation-used", "self-test"}:
        assert code(permit(command, replace(resuming, **BREAKS[rule]), late)) == rule


@given(given_nl=st.integers(0, 10_000_000), charge=st.integers(0, 10_000_000), limit=st.integers(0, 10_000_000))
@pytest.mark.req("S02")
@pytest.mark.req("S03")
def test_no_cup_may_exceed_the_day(good: Any, given_nl: int, charge: int, limit: int) -> None:
    """A command passes exactly where all that may have been given and all that the cup may hold fit the day's limit."""
    command, envelope, now = good
    changed = replace(envelope, given_high_nl=given_nl, charge_high_nl=charge, limit_nl=limit)
    assert isinstance(permit(command, changed, now), Permit) == (given_nl + charge <= limit)
    assert code(permit(command, replace(changed, charge_high_nl=None), now)) == "day-limit"
