"""Three cycles of alarm, stop and start in 10 min, and then no start."""

from dataclasses import replace

import pytest

from nebctl.core import lockout
from nebctl.core.instant import NS_PER_S, ClockState, Instant
from nebctl.core.ledger.records import Entry, Json
from nebctl.core.lockout import MOST_CYCLES, NO_CYCLES, NOTHING, Cycles, Recorded, followed, taken_over

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


BEGAN = "2026-02-14T15:00:00.000Z"


def record(typ: str, seconds: float, **facts: Json) -> Entry:
    """Return a record as the log has it."""
    payload: dict[str, Json] = {"typ": typ, "boot": "b007", "mono_ns": int(seconds * NS_PER_S), "utc": BEGAN, **facts}
    return Entry(
        epoch=1, seq=1, jws="", leaf=b"", payload={**payload, "clk": {"sync": True, "src": "sim"}}, disclosures=()
    )


def alarm(condition: str, seconds: float, state: str = "raised") -> Entry:
    """Return the record of an alarm."""
    return record("alarm", seconds, condition=condition, state=state)


def told(*entries: Entry) -> Recorded:
    """Return what the log says after these."""
    found = NOTHING
    for entry in entries:
        found = followed(found, entry)
    return found


@pytest.mark.req("S25")
@pytest.mark.parametrize("typ", ["start", "resume"])
def test_the_log_counts_as_the_unit_did(typ: str) -> None:
    """A restart in the same boot finds the cycles as they were: one more alarm, stop and start locks out, in time."""
    log = [record("start", 0), alarm("link-lost", 50), record(typ, 100), alarm("rate-low", 150), record(typ, 200)]
    cycles = taken_over(told(*log, alarm("stopped-itself", 250)), at(260))
    assert cycles == Cycles(alarmed=True, stopped=True, begun_ns=tuple(seconds * NS_PER_S for seconds in (100, 200)))
    assert locked(started(cycles, 699), 699)
    assert not locked(started(cycles, 700), 700)
    assert locked(cycle(taken_over(told(*log), at(260)), 300), 300)
    assert not locked(started(taken_over(told(*log), at(260)), 300), 300)


@pytest.mark.req("S25")
def test_an_alarm_of_something_else_counts_nothing() -> None:
    """Alarms of records or people, and what became of an alarm later, begin no cycle."""
    other = alarm("unsigned", 50), alarm("link-lost", 60, "cleared"), record("pause", 70)
    assert told(record("start", 0), *other, record("start", 100)) == NOTHING
    assert told(alarm("link-lost", 50), alarm("unsigned", 60)).alarmed


@pytest.mark.req("S25")
def test_a_lock_out_survives_a_restart() -> None:
    """It began at its first record, however often it is raised again, and ends with its own time or with a start."""
    log = told(alarm("link-lost", 50), alarm("locked-out", 100), alarm("locked-out", 300))
    assert taken_over(log, at(400)) == Cycles(locked_ns=100 * NS_PER_S)
    assert locked(taken_over(log, at(699)), 699)
    assert not locked(taken_over(log, at(700)), 700)
    assert told(alarm("locked-out", 100), record("start", 800)) == NOTHING


@pytest.mark.req("S25")
def test_a_lock_out_survives_a_reboot_for_as_long_as_time_is_not_sure() -> None:
    """After a reboot two synchronised wall clocks tell how much is left; without them it begins anew."""
    log = told(alarm("locked-out", 5000))
    (begun,) = [log.locked] if log.locked else []
    now = Instant(mono_ns=20 * NS_PER_S, wall_ns=begun.wall_ns + 200 * NS_PER_S, boot="b008", clock=begun.clock)
    assert taken_over(log, now).locked_ns == -180 * NS_PER_S
    assert taken_over(log, replace(now, wall_ns=begun.wall_ns - 1)).locked_ns == 20 * NS_PER_S
    free = ClockState(sync=False, source="sim")
    assert taken_over(log, replace(now, clock=free)).locked_ns == 20 * NS_PER_S
    unsure = replace(log, locked=replace(begun, clock=free))
    assert taken_over(unsure, now).locked_ns == 20 * NS_PER_S


def test_the_log_keeps_no_more_cycles_than_any_rules_count() -> None:
    """However many starts followed an alarm, the newest are enough."""
    log = [each for second in range(30) for each in (alarm("rate-low", second), record("start", second))]
    assert [begun.mono_ns // NS_PER_S for begun in told(*log).begun] == list(range(30 - MOST_CYCLES, 30))
