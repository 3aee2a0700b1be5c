"""What an alarm sounds like: pulses of a pitch, a start and a length, the same for page and buzzer.

The melody is that of drug delivery in the manner of IEC 60601-1-8. nebctl is not a certified alarm system.
"""

from dataclasses import dataclass

from nebctl.core.alarms import Priority
from nebctl.core.ledger.records import Json

C4, D4, E4, G4, C5 = 261_626, 293_665, 329_628, 391_995, 523_251
"""Pitches in millihertz, equal temperament on A4 = 440 Hz; a pulse's fundamental lies between 150 and 1000 Hz.

Source: facts of IEC 60601-1-8 in https://elsmar.com/elsmarqualityforum/threads/iec-60601-1-8-difference-between-table-4-and-annex-d.77568/
"""
_DRUG = (C5, D4, G4)
_AGAIN = (C5, D4)
"""Drug delivery is C5 D4 G4, and for HIGH C5 D4 more.

Source: http://www.anaesthesia.med.usyd.edu.au/resources/alarms/
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """One tone: its pitch in millihertz, when it begins after the burst does, and how long it lasts."""

    millihertz: int
    start_ms: int
    length_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rhythm:
    length_ms: int
    gap_ms: int
    between_ms: int = 0
    halves_ms: int = 0


_HIGH = _Rhythm(length_ms=150, gap_ms=100, between_ms=400, halves_ms=700)
_CALM = _Rhythm(length_ms=200, gap_ms=200)
"""Silence between pulses, between the third and the fourth, and between the two halves of a burst of HIGH.

Source: the standard's table of pulse and burst times, recalled (high: 75 to 200 ms long, 50 to 125 ms apart; medium and
low: 125 to 250 ms; 0.35 to 1.3 s between the halves); compare with the standard before anybody claims it.
"""
_PERIOD_MS = {Priority.HIGH: 8_000, Priority.MEDIUM: 12_000, Priority.LOW: 24_000}
"""From one burst's begin to the next one's: 2.5 to 15, 2.5 to 30 and over 15 s of silence lie between.

Source: the standard's table, recalled, as above.
"""


def melody(priority: Priority | None) -> tuple[Pulse, ...]:
    """Return one burst of a priority's melody; None is the information tone, one pulse, of a dose that has ended."""
    match priority:
        case Priority.HIGH:
            half = _burst(_DRUG, _HIGH, 0) + _burst(_AGAIN, _HIGH, 3 * 150 + 2 * 100 + _HIGH.between_ms)
            later_ms = half[-1].start_ms + half[-1].length_ms + _HIGH.halves_ms
            return half + tuple(_later(pulse, later_ms) for pulse in half)
        case Priority.MEDIUM:
            return _burst(_DRUG, _CALM, 0)
        case Priority.LOW:
            return _burst((E4, C4), _CALM, 0)
        case None:
            return _burst((G4,), _CALM, 0)


def period_ms(priority: Priority | None) -> int | None:
    """Return how long after a burst's begin the next one begins; None means that it is not repeated."""
    return None if priority is None else _PERIOD_MS[priority]


def sounding(priority: Priority | None, after_ms: int) -> tuple[int, int]:
    """Return the pitch in millihertz that is heard so long after the first burst began, and the ms until that changes.

    A pitch of 0 is silence. `priority` None is silence for ever: the period of the least urgent stands for that.
    """
    if priority is None:
        return 0, _PERIOD_MS[Priority.LOW]
    at_ms = after_ms % _PERIOD_MS[priority]
    for pulse in melody(priority):
        if at_ms < pulse.start_ms:
            return 0, pulse.start_ms - at_ms
        if at_ms < pulse.start_ms + pulse.length_ms:
            return pulse.millihertz, pulse.start_ms + pulse.length_ms - at_ms
    return 0, _PERIOD_MS[priority] - at_ms


def information(after_ms: int) -> tuple[int, int]:
    """Return what is heard of the information tone so long after it began, as `sounding` does; it is not repeated."""
    (pulse,) = melody(None)
    left_ms = pulse.length_ms - after_ms
    return (pulse.millihertz, left_ms) if left_ms > 0 else sounding(None, after_ms)


def composed(priority: Priority | None) -> Json:
    """Return a burst and its period as members, for a player that is not ours."""
    pulses: list[Json] = [
        {"millihertz": pulse.millihertz, "start_ms": pulse.start_ms, "length_ms": pulse.length_ms}
        for pulse in melody(priority)
    ]
    return {"pulses": pulses, "period_ms": period_ms(priority)}


def _burst(pitches: tuple[int, ...], rhythm: _Rhythm, start_ms: int) -> tuple[Pulse, ...]:
    step_ms = rhythm.length_ms + rhythm.gap_ms
    return tuple(
        Pulse(millihertz=pitch, start_ms=start_ms + place * step_ms, length_ms=rhythm.length_ms)
        for place, pitch in enumerate(pitches)
    )


def _later(pulse: Pulse, by_ms: int) -> Pulse:
    return Pulse(millihertz=pulse.millihertz, start_ms=pulse.start_ms + by_ms, length_ms=pulse.length_ms)
