"""When a record was really made: its own clock's word, bounded by every synchronised reading and receipt around it.

A record made under a synchronised clock pairs its boot's own time with UTC. Time runs on within a boot, to within
`DRIFT_PPM`; from one boot to the next only the order is known. Two passes over a log carry every bound to every
record.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from nebctl.core.instant import NS_PER_MS
from nebctl.core.ledger.envelope import parse_utc
from nebctl.core.ledger.records import Json

DRIFT_PPM = 500
"""How far a boot's own time may run wrong. Source: Linux timekeeping, the rate at which maxerror grows (500 ppm)."""
_PPM = 1_000_000


@dataclass(frozen=True, slots=True)
class Reading:
    """What a record says of its time; `error_ns` bounds the wall clock's error, None: it was not synchronised."""

    boot: str
    mono_ns: int
    wall_ns: int
    error_ns: int | None


@dataclass(frozen=True, slots=True)
class Span:
    """When a record was made, as Unix nanoseconds; None means no bound on that side.

    `contradicted` says that two readings around it exclude each other: the span then holds what both say.
    """

    low_ns: int | None
    high_ns: int | None
    contradicted: bool = False

    def holds(self, moment_ns: int) -> bool:
        """Return whether the record can have been made at this moment."""
        return (self.low_ns is None or self.low_ns <= moment_ns) and (self.high_ns is None or moment_ns <= self.high_ns)


_NOTHING = Span(None, None)


def read(payload: Mapping[str, Json]) -> Reading:
    """Return a record's reading; the record must have passed the strict reader.

    A simulated clock is exact by definition; any other without a bound counts as not synchronised.
    """
    clock = payload["clk"]
    assert isinstance(clock, dict)
    mono_ns, bound_us = payload["mono_ns"], clock.get("max_us", 0 if clock["src"] == "sim" else None)
    assert isinstance(mono_ns, int)
    error_ns = bound_us * 1000 if clock["sync"] and isinstance(bound_us, int) else None
    return Reading(str(payload["boot"]), mono_ns, parse_utc(str(payload["utc"])), error_ns)


def correct(readings: Sequence[Reading], no_later_than: Iterable[tuple[int, int]] = ()) -> list[Span]:
    """Return when each record of one log was made, in the log's order.

    `no_later_than` are (size, Unix nanoseconds): the first `size` records existed then, as a receipt proves.
    """
    own = [_own(reading) for reading in readings]
    for size, at_ns in no_later_than:
        if 0 < size <= len(own):
            own[size - 1] = _meet(own[size - 1], Span(None, at_ns))
    past, future = _carry(own, readings, _carried_on), _carry(own[::-1], readings[::-1], _carried_back)[::-1]
    return [_meet(*all_told) for all_told in zip(own, past, future, strict=True)]


_Carried: TypeAlias = Callable[[Span, Reading, Reading], Span]


def _carry(own: Sequence[Span], readings: Sequence[Reading], carried: _Carried) -> list[Span]:
    """Return for each record what all those that come before it in the sequence say of it."""
    told, all_so_far = [], _NOTHING
    for i, reading in enumerate(readings):
        told.append(carried(all_so_far, readings[i - 1], reading) if i else _NOTHING)
        all_so_far = _meet(own[i], told[-1])
    return told


def _own(reading: Reading) -> Span:
    """Return what a synchronised record itself says: its text was rounded down to the millisecond."""
    if reading.error_ns is None:
        return Span(None, None)
    return Span(reading.wall_ns - reading.error_ns, reading.wall_ns + NS_PER_MS + reading.error_ns)


def _carried_on(span: Span, here: Reading, after: Reading) -> Span:
    """Return what a record's span says of the next one."""
    if here.boot != after.boot:
        return replace(span, high_ns=None)
    passed, drift = _passed(here, after)
    return replace(span, low_ns=_plus(span.low_ns, passed - drift), high_ns=_plus(span.high_ns, passed + drift))


def _carried_back(span: Span, here: Reading, before: Reading) -> Span:
    """Return what a record's span says of the one before."""
    if here.boot != before.boot:
        return replace(span, low_ns=None)
    passed, drift = _passed(before, here)
    return replace(span, low_ns=_plus(span.low_ns, -passed - drift), high_ns=_plus(span.high_ns, drift - passed))


def _passed(before: Reading, after: Reading) -> tuple[int, int]:
    """Return the boot's own time between two records and how far it may be wrong; never back in time."""
    passed = max(0, after.mono_ns - before.mono_ns)
    return passed, -(-passed * DRIFT_PPM // _PPM)


def _plus(bound_ns: int | None, more_ns: int) -> int | None:
    return None if bound_ns is None else bound_ns + more_ns


def _meet(*spans: Span) -> Span:
    """Return what all the spans allow; where they exclude each other, all that any of them allows, and say so."""
    low = max((span.low_ns for span in spans if span.low_ns is not None), default=None)
    high = min((span.high_ns for span in spans if span.high_ns is not None), default=None)
    if low is None or high is None or low <= high:
        agreed = Span(low, high)
        return agreed if agreed in spans else replace(agreed, contradicted=any(span.contradicted for span in spans))
    said = [span for span in spans if span != _NOTHING]
    lows, highs = [span.low_ns for span in said], [span.high_ns for span in said]
    return Span(
        None if None in lows else min(each for each in lows if each is not None),
        None if None in highs else max(each for each in highs if each is not None),
        contradicted=True,
    )
