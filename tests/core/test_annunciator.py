"""What stands of the alarms and what is heard, with time as an argument."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebctl.core import annunciator as an
from nebctl.core.alarms import MESSAGES, Condition, Priority
from nebctl.core.annunciator import NONE, Alarms, Seen
from nebctl.core.instant import NS_PER_S, ClockState, Instant

QUIET = Seen(
    off=True, present=True, heard=True, unresolved=False, begun=False, running=False, paused=False, locked=False
)
LOW, MEDIUM, HIGH = Condition.PAUSED_LONG, Condition.RATE_HIGH, Condition.CANNOT_STOP


def at(seconds: float) -> Instant:
    """Return a moment."""
    ns = int(seconds * NS_PER_S)
    return Instant(mono_ns=ns, wall_ns=ns, boot="b007", clock=ClockState(sync=True, source="sim"))


def standing(*conditions: Condition, seconds: float = 0) -> Alarms:
    """Return alarms that were raised at one moment."""
    alarms = NONE
    for condition in conditions:
        alarms, _ = an.raised(alarms, condition, at(seconds))
    return alarms


def test_an_alarm_is_raised_once() -> None:
    """What stands already is not raised again, and leaves no second line in the log."""
    alarms, changes = an.raised(NONE, HIGH, at(1))
    again, none = an.raised(alarms, HIGH, at(2))
    assert [(change.condition, change.state) for change in changes] == [(HIGH, "raised")]
    assert (again, none) == (alarms, ())


def test_the_log_says_who_has_seen_it_and_nobody_where_it_was_time() -> None:
    """An acknowledgement names its person; what time or the device brings about names nobody."""
    alarms, [raised] = an.raised(NONE, MEDIUM, at(0))
    assert (raised.state, raised.by) == ("raised", "")
    _, [seen] = an.acknowledged(alarms, MEDIUM, "RT-07")
    assert (seen.state, seen.by, seen.priority) == ("acknowledged", "RT-07", Priority.MEDIUM)


def test_all_that_is_late_rises_at_once() -> None:
    """Two alarms that nobody acknowledged rise in the same moment, each with its line in the log."""
    _, changes = an.risen(standing(LOW, MEDIUM), at(300), 120 * NS_PER_S)
    assert [(change.condition, change.priority) for change in changes] == [
        (LOW, Priority.MEDIUM),
        (MEDIUM, Priority.HIGH),
    ]


def test_what_somebody_else_raised_stands_until_they_say_so() -> None:
    """An alarm whose cause the loop cannot see goes neither by time nor by being dealt with."""
    alarms = standing(Condition.UNRECEIPTED)
    assert an.passed(alarms, QUIET) == an.attended(alarms, QUIET) == (alarms, ())
    assert not an.cleared(alarms, [Condition.UNRECEIPTED])[0].standing


@pytest.mark.req("S42")
def test_the_highest_priority_wins() -> None:
    """Of several alarms the most urgent is heard, in whatever order they came; an acknowledged one is not heard."""
    alarms = standing(LOW, HIGH, MEDIUM)
    assert an.heard(alarms, at(1)) is Priority.HIGH
    alarms, _ = an.acknowledged(alarms, HIGH, "RT-07")
    assert an.heard(alarms, at(1)) is Priority.MEDIUM
    assert an.heard(NONE, at(1)) is None


@pytest.mark.req("S43")
def test_an_audio_pause_lasts_120_s_at_most() -> None:
    """Whatever length is asked for, sound is back after 120 s; a second press meanwhile prolongs nothing."""
    alarms, [change] = an.paused(standing(HIGH), at(10), 3600 * NS_PER_S, "RT-07")
    again, none = an.paused(alarms, at(100), 120 * NS_PER_S, "RT-07")
    assert (again, none) == (alarms, ())
    assert (change.state, change.condition, change.by) == ("paused", HIGH, "RT-07")
    assert an.heard(alarms, at(10)) is None
    assert an.heard(alarms, at(129.9)) is None
    assert an.quiet_left_ns(alarms, at(129)) == NS_PER_S
    assert an.heard(alarms, at(130)) is Priority.HIGH


@pytest.mark.req("S43")
@pytest.mark.parametrize(
    ("first", "new", "sounds"),
    [(LOW, MEDIUM, True), (LOW, HIGH, True), (MEDIUM, HIGH, True), (MEDIUM, LOW, False), (MEDIUM, MEDIUM, False)],
)
def test_a_new_alarm_of_higher_priority_sounds_through(first: Condition, new: Condition, sounds: bool) -> None:
    """A more urgent alarm ends the audio pause at once; one as urgent, or less, waits for its end."""
    new = Condition.NOT_STARTED if new is first else new
    alarms, _ = an.paused(standing(first), at(0), 120 * NS_PER_S, "")
    alarms, _ = an.raised(alarms, new, at(5))
    assert an.heard(alarms, at(5)) is (MESSAGES[new].priority if sounds else None)


@pytest.mark.req("S43")
def test_nothing_is_paused_where_nothing_sounds() -> None:
    """A pause cannot be begun in advance: without an alarm the press does nothing."""
    assert an.paused(NONE, at(0), 120 * NS_PER_S, "") == (NONE, ())
    seen, _ = an.acknowledged(standing(HIGH), HIGH, "RT-07")
    assert an.paused(seen, at(0), 120 * NS_PER_S, "") == (seen, ())


@pytest.mark.req("S43")
def test_what_rises_sounds_through() -> None:
    """An alarm that rises above the priority that the pause was begun over is heard at once."""
    alarms, _ = an.paused(standing(MEDIUM), at(0), 120 * NS_PER_S, "")
    alarms, [change] = an.risen(alarms, at(60), 60 * NS_PER_S)
    assert (change.state, change.priority) == ("escalated", Priority.HIGH)
    assert an.heard(alarms, at(60)) is Priority.HIGH


def test_an_alarm_rises_in_time_unless_it_was_acknowledged() -> None:
    """One that nobody acknowledged rises once, after the site's time; one that was seen, or has no step, stays."""
    alarms = standing(MEDIUM, Condition.NOT_STARTED)
    assert an.risen(alarms, at(119), 120 * NS_PER_S) == (alarms, ())
    higher, [change] = an.risen(alarms, at(120), 120 * NS_PER_S)
    assert (change.condition, higher.standing[MEDIUM].priority) == (MEDIUM, Priority.HIGH)
    assert an.risen(higher, at(500), 120 * NS_PER_S) == (higher, ())
    seen, _ = an.acknowledged(standing(MEDIUM), MEDIUM, "RT-07")
    assert an.risen(seen, at(500), 120 * NS_PER_S) == (seen, ())


def test_a_latching_alarm_waits_until_it_was_seen() -> None:
    """After its cause is gone a latching alarm stands until a person acknowledged it; another one goes by itself."""
    alarms, changes = an.passed(standing(HIGH, LOW), QUIET)
    assert set(alarms.standing) == {HIGH}
    assert [(change.condition, change.state) for change in changes] == [(LOW, "cleared")]
    alarms, _ = an.acknowledged(alarms, HIGH, "RT-07")
    assert not an.passed(alarms, QUIET)[0].standing


def test_an_alarm_with_a_cause_is_not_cleared_by_seeing_it() -> None:
    """As long as the cause stands the alarm is shown, acknowledged or not, and whatever a person settled."""
    on = replace(QUIET, off=False)
    alarms, _ = an.acknowledged(standing(HIGH), HIGH, "RT-07")
    assert set(an.passed(alarms, on)[0].standing) == {HIGH}
    assert set(an.attended(alarms, on)[0].standing) == {HIGH}
    assert not an.attended(standing(HIGH), QUIET)[0].standing


def test_every_rise_goes_up_and_every_word_is_there() -> None:
    """The table has a row for each condition; what escalates, escalates upwards."""
    rank = [Priority.LOW, Priority.MEDIUM, Priority.HIGH]
    assert set(MESSAGES) == set(Condition)
    for message in MESSAGES.values():
        assert message.wrong.endswith(".")
        assert message.act.endswith(".")
        assert message.escalates is None or rank.index(message.escalates) > rank.index(message.priority)


@pytest.mark.req("S43")
@given(
    st.lists(
        st.tuples(st.sampled_from(["raise", "pause", "see"]), st.sampled_from(list(Condition)), st.integers(0, 90))
    )
)
def test_an_alarm_that_nobody_saw_is_never_silent_for_longer_than_120_s(
    steps: list[tuple[str, Condition, int]],
) -> None:
    """Whatever is pressed and raised, an alarm that was not acknowledged is heard within 120 s of the last pause."""
    alarms, now, begun = NONE, 0.0, -1000.0
    for what, condition, later in steps:
        now += later
        before = an.quiet_left_ns(alarms, at(now))
        match what:
            case "raise":
                alarms, _ = an.raised(alarms, condition, at(now))
            case "pause":
                alarms, changes = an.paused(alarms, at(now), 120 * NS_PER_S, "")
                begun = now if changes else begun
                assert not (changes and before)
            case "see":
                alarms, _ = an.acknowledged(alarms, condition, "RT-07")
        if an.most_urgent(alarms) is not None and an.heard(alarms, at(now)) is None:
            assert now - begun < 120


def test_the_documented_table_is_the_table() -> None:
    """The reference page has one row for each condition, with its priority, whether it latches and what it rises to."""
    page = Path(__file__).parents[2].joinpath("docs", "reference", "alarms.md").read_text("utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert rows == [
        f"| `{condition.value}` | {message.priority.value} | {'yes' if message.latching else 'no'} | "
        f"{message.escalates.value if message.escalates else '–'} | {message.wrong} | {message.act} |"
        for condition, message in MESSAGES.items()
    ]
