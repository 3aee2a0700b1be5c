"""When the clock itself is recorded."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebctl.core.clock_records import HOURLY_NS, ClockSeen, look
from nebctl.core.instant import NS_PER_S, ClockState, Instant

SYNCED = ClockState(sync=True, source=532_226, max_error_us=16_000)
ALONE = ClockState(sync=False, source=532_224, max_error_us=16_000_000)
START = Instant(mono_ns=7 * NS_PER_S, wall_ns=1_771_063_200 * NS_PER_S, boot="boot", clock=ALONE)


def later(at: Instant, seconds: float, *, step_ns: int = 0, clock: ClockState | None = None) -> Instant:
    """Return a moment so much later; `step_ns` is how far the wall clock jumped meanwhile."""
    passed = int(seconds * NS_PER_S)
    return replace(at, mono_ns=at.mono_ns + passed, wall_ns=at.wall_ns + passed + step_ns, clock=clock or at.clock)


def test_the_first_synchronisation_of_a_boot_is_recorded_once() -> None:
    """A clock that comes right by slewing leaves one record, from which earlier times of the boot are corrected."""
    seen, due = look(ClockSeen.at(START), later(START, 60))
    assert due is None
    seen, due = look(seen, synced := later(START, 61, clock=SYNCED))
    assert due is not None
    assert due.facts == {"reason": "first-sync"}
    assert look(seen, later(synced, 1))[1] is None


def test_a_boot_under_a_synchronised_clock_needs_no_first_record() -> None:
    """The boot record itself pairs both times, so nothing is said again before the hour."""
    seen = ClockSeen.at(replace(START, clock=SYNCED))
    assert look(seen, later(START, 3599, clock=SYNCED))[1] is None
    due = look(seen, later(START, 3600, clock=SYNCED))[1]
    assert due is not None
    assert due.facts == {"reason": "hourly"}


@pytest.mark.req("S32")
@given(st.integers(-(10**15), 10**15))
def test_every_step_over_a_tenth_of_a_second_is_recorded_with_its_size(step_ns: int) -> None:
    """A jump of the wall clock is recorded with its size and what the clock said before; a smaller one is not."""
    due = look(ClockSeen.at(START), later(START, 1, step_ns=step_ns))[1]
    assert (due is not None) is (abs(step_ns) > NS_PER_S // 10)
    if due is not None:
        told = due.facts["step_us"]
        assert isinstance(told, int)
        assert abs(told * 1000 - step_ns) < 1000
        assert due.facts["before"] == "2026-02-14T10:00:00.000Z"


def test_a_step_that_brings_synchronisation_is_told_as_a_step() -> None:
    """The usual start of a machine without a clock of its own: one record tells of the jump and begins the hour."""
    seen, due = look(ClockSeen.at(START), right := later(START, 1, step_ns=10**15, clock=SYNCED))
    assert due is not None
    assert due.facts["reason"] == "step"
    assert seen.told == right
    assert look(seen, later(right, 5))[1] is None
    again = look(seen, later(right, HOURLY_NS / NS_PER_S))[1]
    assert again is not None
    assert again.facts == {"reason": "hourly"}
