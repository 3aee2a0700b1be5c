"""Three cycles of alarm, stop and start in 10 min, and then no start."""

import pytest

from nebctl.core import lockout
from nebctl.core.instant import NS_PER_S, ClockState, Instant
from nebctl.core.lockout import NO_CYCLES, Cycles

WINDOW_NS = 600 * NS_PER_S


def at(seconds: float) -> Instant:
    """Return a moment."""
    ns = int(seconds * NS_PER_S)
    return Instant(mono_ns=ns, wall_ns=ns, boot="b007", clock=ClockState(sync=True, source="sim"))


def started(cycles: Cycles, seconds: float) -> Cycles:
    """Return the cycles after a start."""
    return lockout.start_asked(cycles, at(seconds), most=3, window_ns=WINDOW_NS)


def cycle(cycles: Cycles, seconds: float) -> Cycles:
    """Return the cycles after an alarm, a stop and a start."""
    return started(lockout.turned_off(lockout.alarm_raised(cycles)), seconds)


def locked(cycles: Cycles, seconds: float) -> bool:
    """Return whether no start may be made then."""
    return lockout.is_locked(cycles, at(seconds), WINDOW_NS)


@pytest.mark.req("S25")
def test_the_third_cycle_locks_out() -> None:
    """The start that ends the third cycle in 10 min is one too many, and so is every start for 10 min from then on."""
    cycles = cycle(cycle(started(NO_CYCLES, 0), 100), 200)
    assert not locked(cycles, 200)
    cycles = cycle(cycles, 599)
    assert locked(cycles, 599)
    assert locked(started(cycles, 1100), 1198)
    assert not locked(cycles, 1199)


@pytest.mark.req("S25")
def test_cycles_that_lie_apart_do_not_count() -> None:
    """Three cycles in more than 10 min lock nothing; the fourth, with two others in its window, does."""
    cycles = cycle(cycle(cycle(NO_CYCLES, 0), 300), 600)
    assert not locked(cycles, 600)
    assert locked(cycle(cycles, 899), 899)


@pytest.mark.req("S25")
def test_a_start_without_an_alarm_or_without_a_stop_is_no_cycle() -> None:
    """A pause for a cough, and an alarm under which the dose went on, count nothing."""
    cycles = NO_CYCLES
    for seconds in range(10):
        cycles = started(lockout.turned_off(cycles), seconds)
        cycles = started(lockout.alarm_raised(cycles), seconds)
    assert not locked(cycles, 10)
    assert not cycles.begun_ns
