"""What an alarm sounds like, counted and timed."""

import pytest

from nebctl.core.alarms import Priority
from nebctl.core.melody import C5, D4, G4, Pulse, melody, period_ms


def gaps(pulses: tuple[Pulse, ...]) -> list[int]:
    """Return the silences between the pulses."""
    ends = [pulse.start_ms + pulse.length_ms for pulse in pulses]
    return [pulse.start_ms - end for pulse, end in zip(pulses[1:], ends, strict=False)]


@pytest.mark.req("S42")
@pytest.mark.parametrize(
    ("priority", "count", "shortest", "longest"),
    [(Priority.HIGH, 10, 75, 200), (Priority.MEDIUM, 3, 125, 250), (Priority.LOW, 2, 125, 250), (None, 1, 125, 250)],
)
def test_a_burst_has_its_pulses(priority: Priority | None, count: int, shortest: int, longest: int) -> None:
    """HIGH is ten short pulses, MEDIUM three, LOW two, information one; each within the length of its priority."""
    pulses = melody(priority)
    assert len(pulses) == count
    assert all(shortest <= pulse.length_ms <= longest for pulse in pulses)
    assert all(150_000 <= pulse.millihertz <= 1_000_000 for pulse in pulses)
    assert all(gap > 0 for gap in gaps(pulses))


def test_the_melody_is_that_of_drug_delivery() -> None:
    """MEDIUM is C5 D4 G4; HIGH is C5 D4 G4, C5 D4, twice."""
    assert [pulse.millihertz for pulse in melody(Priority.MEDIUM)] == [C5, D4, G4]
    assert [pulse.millihertz for pulse in melody(Priority.HIGH)] == [C5, D4, G4, C5, D4] * 2


def test_a_high_burst_is_in_two_halves() -> None:
    """Within a group pulses lie 50 to 125 ms apart, the groups further, and the halves 0.35 to 1.3 s."""
    silences = gaps(melody(Priority.HIGH))
    assert all(50 <= silences[place] <= 125 for place in (0, 1, 3, 5, 6, 8))
    assert silences[2] == silences[7] > 125
    assert 350 <= silences[4] <= 1300


@pytest.mark.parametrize(
    ("priority", "least_ms", "most_ms"),
    [(Priority.HIGH, 2_500, 15_000), (Priority.MEDIUM, 2_500, 30_000), (Priority.LOW, 15_000, 60_000)],
)
def test_bursts_are_repeated(priority: Priority, least_ms: int, most_ms: int) -> None:
    """Between two bursts lies the silence of the priority; the information tone is not repeated."""
    last, again = melody(priority)[-1], period_ms(priority)
    assert again is not None
    assert least_ms <= again - last.start_ms - last.length_ms <= most_ms
    assert period_ms(None) is None
