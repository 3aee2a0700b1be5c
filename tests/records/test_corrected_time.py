"""When records were really made: a world with a true time, drifting clocks and receipts, and what is told of it."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebctl.core.instant import NS_PER_MS, NS_PER_S
from nebctl.core.ledger.corrected import DRIFT_PPM, Reading, Span, correct, read

TRUE_NS = 1_771_063_200 * NS_PER_S
HOUR_NS = 3600 * NS_PER_S


def rounded(wall_ns: int) -> int:
    """Return a wall time as a record carries it."""
    return wall_ns // NS_PER_MS * NS_PER_MS


def counted(passed_ns: int, drift_ppm: int) -> int:
    """Return what a clock counts in this time: whole nanoseconds, rounded so that its drift is not exceeded."""
    if drift_ppm < 0:
        return passed_ns * 1_000_000 // (1_000_000 + drift_ppm)
    return -(-passed_ns * 1_000_000 // (1_000_000 + drift_ppm))


@dataclass
class World:
    """Records as they were made: the true time of each, what it says, and receipts as (size, time)."""

    true_ns: list[int]
    readings: list[Reading]
    receipts: list[tuple[int, int]]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Draw a unit's life: boots with clocks that drift, are wrong, come right, and a pharmacy that countersigns."""
    world, now = World([], [], []), TRUE_NS
    for boot in range(draw(st.integers(1, 4))):
        now += draw(st.integers(1, 100 * HOUR_NS))
        drift_ppm, mono = draw(st.integers(-DRIFT_PPM, DRIFT_PPM)), draw(st.integers(0, HOUR_NS))
        for _ in range(draw(st.integers(1, 6))):
            passed = draw(st.integers(0, 3 * HOUR_NS))
            now, mono = now + passed, mono + counted(passed, drift_ppm)
            error_ns = draw(st.none() | st.integers(0, NS_PER_S))
            wrong = draw(st.integers(-(10**17), 10**17)) if error_ns is None else draw(st.integers(-error_ns, error_ns))
            world.true_ns.append(now)
            world.readings.append(Reading(f"boot-{boot}", mono, rounded(now + wrong), error_ns))
            if draw(st.booleans()):
                world.receipts.append((len(world.true_ns), now + draw(st.integers(0, HOUR_NS))))
    return world


@given(worlds())
def test_the_span_of_every_record_holds_the_true_time(world: World) -> None:
    """Whatever the clocks did within their claims, each record's span holds its true time, and nothing contradicts."""
    spans = correct(world.readings, world.receipts)
    assert all(span.holds(true) for span, true in zip(spans, world.true_ns, strict=True))
    assert not any(span.contradicted for span in spans)


@given(worlds())
def test_what_is_told_of_more_never_widens_a_span(world: World) -> None:
    """Receipts and synchronised records only ever narrow what is known of the others."""
    bare = [Reading(r.boot, r.mono_ns, r.wall_ns, None) for r in world.readings]
    some, more = correct(world.readings), correct(world.readings, world.receipts)
    for wide, narrow in [*zip(correct(bare), some, strict=True), *zip(some, more, strict=True)]:
        assert wide.low_ns is None or (narrow.low_ns is not None and narrow.low_ns >= wide.low_ns)
        assert wide.high_ns is None or (narrow.high_ns is not None and narrow.high_ns <= wide.high_ns)


@given(st.integers(-(10**14), 10**14), st.integers(0, 10**9), st.integers(-(10**15), 10**15))
def test_within_a_boot_time_is_counted_from_the_synchronised_record(
    apart_ns: int, error_ns: int, wrong_ns: int
) -> None:
    """A record so much earlier or later is bounded by the clock's error, the drift of that time, and 1 ms."""
    pair = Reading("b", 10**15, TRUE_NS, error_ns)
    other = Reading("b", 10**15 + apart_ns, TRUE_NS + wrong_ns, None)
    order = [other, pair] if apart_ns < 0 else [pair, other]
    span = correct(order)[order.index(other)]
    drift = -(-abs(apart_ns) * 500 // 1_000_000)
    middle = TRUE_NS + apart_ns
    assert span == Span(middle - error_ns - drift, middle + NS_PER_MS + error_ns + drift)


def test_a_boot_that_never_synchronised_lies_between_its_neighbours() -> None:
    """Only the order is known then: after the record before the boot, before the one after it or the first receipt."""
    before = Reading("a", 0, TRUE_NS, 0)
    lost = [Reading("b", 5 * NS_PER_S, 0, None), Reading("b", 65 * NS_PER_S, 0, None)]
    after = Reading("c", 0, TRUE_NS + HOUR_NS, 0)
    first, second = correct([before, *lost, after])[1:3]
    minute = 60 * NS_PER_S
    slow = minute - minute * 500 // 1_000_000
    assert (first.low_ns, second.low_ns) == (TRUE_NS, TRUE_NS + slow)
    high = TRUE_NS + HOUR_NS + NS_PER_MS
    assert (first.high_ns, second.high_ns) == (high - slow, high)
    received = correct([before, *lost, after], [(3, TRUE_NS + 2 * minute)])[2]
    assert received.high_ns == TRUE_NS + 2 * minute
    assert correct(lost) == [Span(None, None), Span(None, None)]


def test_two_clocks_that_exclude_each_other_are_told_and_both_are_held() -> None:
    """A clock that claimed to be right and then jumped a day: the two records at the jump hold both."""
    day = 24 * HOUR_NS
    readings = [Reading("b", i * NS_PER_S, TRUE_NS + i * NS_PER_S + (day if i > 1 else 0), 0) for i in range(4)]
    spans = correct(readings)
    assert [span.contradicted for span in spans] == [False, True, True, False]
    for i in (1, 2):
        assert spans[i].holds(TRUE_NS + i * NS_PER_S)
        assert spans[i].holds(TRUE_NS + i * NS_PER_S + day)


@pytest.mark.parametrize(
    ("clk", "error_ns"),
    [
        ({"sync": True, "src": 532_226, "max_us": 16_000}, 16_000_000),
        ({"sync": True, "src": 532_226}, None),
        ({"sync": False, "src": 532_224, "max_us": 16_000_000}, None),
        ({"sync": True, "src": "sim", "scale": 60}, 0),
        ({"sync": False, "src": "sim"}, None),
    ],
)
def test_a_record_is_believed_as_far_as_its_own_clock_state_says(clk: dict[str, object], error_ns: int | None) -> None:
    """Only a synchronised clock with a bound counts; a simulated one is exact by definition."""
    reading = read({"boot": "b", "mono_ns": 5, "utc": "2026-02-14T10:00:00.000Z", "clk": clk})  # type: ignore[dict-item]
    assert reading == Reading("b", 5, TRUE_NS, error_ns)


def test_a_span_holds_its_ends_and_nothing_beyond() -> None:
    """Both ends belong to it; a side without a bound holds everything on that side."""
    assert [Span(5, 7).holds(moment) for moment in (4, 5, 7, 8)] == [False, True, True, False]
    assert [Span(None, 7).holds(moment) for moment in (-(10**20), 7, 8)] == [True, True, False]
    assert [Span(5, None).holds(moment) for moment in (4, 5, 10**20)] == [False, True, True]


def test_a_receipt_bounds_what_it_covers_and_nothing_else() -> None:
    """The first record and the last may be covered; one over nothing, or over more than there is, says nothing."""
    readings = [Reading(f"boot-{i}", 0, 0, None) for i in range(3)]
    late, nothing = TRUE_NS, Span(None, None)
    assert correct(readings, [(0, late), (4, late)]) == [nothing] * 3
    assert correct(readings, [(1, late)]) == [Span(None, late), nothing, nothing]
    assert correct(readings, [(3, late)]) == [Span(None, late)] * 3


def test_clocks_that_exclude_each_other_leave_open_what_one_of_them_leaves_open() -> None:
    """A side on which one of the two has no bound has none; the other side holds both."""
    day = 24 * HOUR_NS
    apart = [Reading("a", 0, TRUE_NS + day, 0), Reading("b", 0, TRUE_NS, 0)]
    told = correct(apart)
    assert [span.contradicted for span in told] == [True, True]
    assert told[0] == Span(None, TRUE_NS + day + NS_PER_MS, contradicted=True)
    assert told[1] == Span(TRUE_NS, None, contradicted=True)


def test_a_record_between_clocks_that_exclude_each_other_is_told_so_too() -> None:
    """What is known of a record without a clock only by clocks that contradict each other is contradicted itself."""
    day = 24 * HOUR_NS
    apart = [Reading("b", 0, TRUE_NS + day, 0), Reading("b", 0, TRUE_NS, 0), Reading("b", 0, 0, None)]
    both = Span(TRUE_NS, TRUE_NS + day + NS_PER_MS, contradicted=True)
    assert correct(apart)[2] == both
    assert correct(apart[::-1])[0] == both


def test_a_receipt_at_the_very_moment_contradicts_nothing() -> None:
    """A record that was countersigned in the first nanosecond in which it can have been made was made then."""
    assert correct([Reading("b", 0, TRUE_NS, 0)], [(1, TRUE_NS)]) == [Span(TRUE_NS, TRUE_NS)]
