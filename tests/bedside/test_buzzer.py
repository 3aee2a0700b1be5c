"""What a buzzer plays: the page's melodies, the same pauses, and one tone at the end of a dose."""

import asyncio

import pytest

from nebctl.bedside.buttons import Shown
from nebctl.core.alarms import Priority
from nebctl.core.melody import melody, period_ms
from nebctl.core.session import State

from .test_hardware import Pressed


def bursts(priority: Priority, begin_s: float, count: int) -> list[tuple[float, int]]:
    """Return the changes of pitch that so many bursts of a priority's melody are, 0 for silence."""
    period_s = (period_ms(priority) or 0) / 1000
    return [
        (round(begin_s + number * period_s + at_ms / 1000, 3), pitch)
        for number in range(count)
        for pulse in melody(priority)
        for at_ms, pitch in ((pulse.start_ms, pulse.millihertz), (pulse.start_ms + pulse.length_ms, 0))
    ]


@pytest.mark.virtual
@pytest.mark.parametrize("priority", list(Priority))
async def test_the_buzzer_plays_the_melody_of_the_page(priority: Priority) -> None:
    """Each pulse has the pitch, the begin and the length that the page plays, and bursts come in their period."""
    at = Pressed()
    await asyncio.sleep(1)
    at.shows = lambda: Shown(State.RUNNING, priority, priority)
    await asyncio.sleep(1 + 2 * (period_ms(priority) or 0) / 1000)
    heard = [(round(when, 3), pitch) for when, pitch in at.lines.heard]
    whole = bursts(priority, heard[0][0], 3)
    assert len(heard) >= 2 * len(melody(priority)) * 2
    for (when, pitch), (due, wanted) in zip(heard, whole, strict=False):
        assert pitch == wanted
        assert when == pytest.approx(due, abs=0.002)
    at.task.cancel()


@pytest.mark.virtual
@pytest.mark.req("S43")
async def test_the_buzzer_is_silent_in_a_pause_and_what_is_more_urgent_sounds_through() -> None:
    """A pause ends a pulse within 50 ms; a higher priority begins its own burst at once, as on the page."""
    at = Pressed()
    at.shows = lambda: Shown(State.RUNNING, Priority.MEDIUM, Priority.MEDIUM)
    await asyncio.sleep(0.1)
    assert at.lines.heard[-1][1] == melody(Priority.MEDIUM)[0].millihertz
    at.shows = lambda: Shown(State.RUNNING, Priority.MEDIUM, None)
    await asyncio.sleep(0.051)
    assert at.lines.heard[-1][1] == 0
    told = len(at.lines.heard)
    await asyncio.sleep(60)
    assert len(at.lines.heard) == told
    at.shows = lambda: Shown(State.RUNNING, Priority.HIGH, Priority.HIGH)
    began = asyncio.get_running_loop().time()
    await asyncio.sleep(4)
    assert at.lines.heard[told][0] - began <= 0.051
    assert [pitch for _, pitch in at.lines.heard[told:] if pitch] == [p.millihertz for p in melody(Priority.HIGH)]
    at.task.cancel()


@pytest.mark.virtual
@pytest.mark.req("S29")
async def test_the_buzzer_has_one_tone_at_the_end_of_a_dose() -> None:
    """A dose that runs dry is heard once, as on the page; an alarm goes before it, a unit that begins plays none."""
    [tone] = melody(None)
    at = Pressed()
    at.shows = lambda: Shown(State.RESIDUAL, None, None, ended=True)
    await asyncio.sleep(30)
    assert at.lines.heard == []
    at.shows = lambda: Shown(State.RUNNING, None, None)
    await asyncio.sleep(1)
    at.shows = lambda: Shown(State.RESIDUAL, None, None, ended=True)
    await asyncio.sleep(30)
    (began_s, pitch), (over_s, silence) = at.lines.heard
    assert (pitch, silence) == (tone.millihertz, 0)
    assert over_s - began_s == pytest.approx(tone.length_ms / 1000, abs=0.002)
    at.shows = lambda: Shown(State.RUNNING, Priority.LOW, Priority.LOW)
    await asyncio.sleep(1)
    at.shows = lambda: Shown(State.RESIDUAL, Priority.LOW, Priority.LOW, ended=True)
    await asyncio.sleep(1)
    assert tone.millihertz not in [pitch for _, pitch in at.lines.heard[2:]]
    at.task.cancel()
