"""The cut-off relay on GPIO lines that are fake, in virtual time: what holds it, what opens it, what it refuses."""

import asyncio
from typing import Any

import pytest

from nebctl.core.device import Certainty, CommandFailed, EndCause
from nebctl_drivers.watchdog_relay.gpio import GpioRelay
from nebctl_drivers.watchdog_relay.registers import RelayReading

from .conftest import FakeLines, now

pytestmark = pytest.mark.virtual

RUN = "0badcafe"
MAX_ON_MS = 60_000


def make(**traits: Any) -> tuple[GpioRelay, FakeLines]:
    """Return a relay and its lines."""
    lines = FakeLines(**traits)
    return GpioRelay(lines, name="gpiochip0:17,27,22", now_ns=lambda: round(now() * 1e9)), lines


async def closed_relay(max_on_ms: int = MAX_ON_MS, **traits: Any) -> tuple[GpioRelay, FakeLines]:
    """Return a relay that is closed for a run."""
    relay, lines = make(**traits)
    assert relay.arm(RUN, max_on_ms) is None
    assert await relay.close_contact() is None
    return relay, lines


async def hold(relay: GpioRelay, seconds: float) -> list[CommandFailed | None]:
    """Feed the relay every 400 ms."""
    results = []
    until = now() + seconds
    while now() < until:
        results.append(await relay.feed())
        await asyncio.sleep(0.4)
    return results


def read(relay: GpioRelay) -> RelayReading:
    """Read the relay, which must be possible."""
    reading = relay.read()
    assert isinstance(reading, RelayReading), reading
    return reading


async def test_it_holds_as_long_as_it_is_fed() -> None:
    """Closing is proven by the sense line, feeding holds it, and the host counts the time without the trial's."""
    relay, lines = await closed_relay()
    reading = read(relay)
    assert (reading.closed, reading.cause, reading.run) == (True, EndCause.NONE, RUN)
    assert reading.serial == "gpiochip0:17,27,22"
    assert await hold(relay, 20) == [None] * 50
    assert await relay.open_contact() is None
    reading = read(relay)
    assert (reading.closed, reading.cause) == (False, EndCause.STOP)
    assert reading.closed_ms == pytest.approx(20_000, abs=450)
    assert not lines.closed


@pytest.mark.req("S20")
async def test_a_stop_opens_it_in_the_very_call() -> None:
    """`cut` makes clear active before it returns; the contact is open as soon as a relay can be, and stays so."""
    relay, lines = await closed_relay()
    await hold(relay, 1)
    pressed = now()
    assert relay.cut() is None
    assert lines.moves[-1] == (pressed, "clear", True)
    assert now() == pressed
    await asyncio.sleep(0.010)
    assert not lines.closed
    assert isinstance(await relay.feed(), CommandFailed)
    lines.drive(high=True)
    assert not lines.closed


async def test_clear_is_let_go_before_the_pulse_and_never_under_a_high_one() -> None:
    """Between two moves of clear the pulse line is low: a 74HC123 would take such a release for a pulse."""
    relay, lines = await closed_relay()
    await hold(relay, 1)
    await relay.open_contact()
    high = False
    for _, line, value in lines.moves:
        high = value if line == "pulse" else high
        assert not (line == "clear" and not value and high)
    assert [value for _, line, value in lines.moves if line == "clear"] == [False, True]


@pytest.mark.req("S22")
async def test_a_lost_host_opens_it() -> None:
    """Without a pulse the contact opens within 2 s, with the line left high too, and a late pulse does not close it."""
    relay, lines = await closed_relay()
    await hold(relay, 2)
    lines.drive(high=True)
    await asyncio.sleep(2)
    assert not lines.closed
    failure = await relay.feed()
    assert isinstance(failure, CommandFailed)
    assert failure.certainty is Certainty.NOT_DONE
    assert not lines.closed
    reading = read(relay)
    assert (reading.cause, reading.run) == (EndCause.BEAT, RUN)


async def test_the_host_counts_the_maximum_over_the_whole_run() -> None:
    """At the run's maximum the host opens it; a pause does not count, the same run cannot go on, another can."""
    relay, lines = await closed_relay(max_on_ms=5_000)
    await hold(relay, 2)
    await relay.open_contact()
    await asyncio.sleep(10)
    assert relay.arm(RUN, 5_000) is None
    again = now()
    assert await relay.close_contact() is None
    assert now() - again < 0.1, "the trial belongs to the beginning of a run"
    results = await hold(relay, 5)
    assert any(isinstance(result, CommandFailed) for result in results)
    assert not lines.closed
    reading = read(relay)
    assert reading.cause is EndCause.MAX_ON
    assert 5_000 <= reading.closed_ms <= 5_900
    assert isinstance(await relay.close_contact(), CommandFailed)
    assert relay.arm("0badcaff", 5_000) is None
    assert await relay.close_contact() is None
    assert read(relay).closed_ms < 50


async def test_the_maximum_does_not_wait_for_a_beat() -> None:
    """The contact is closed 20 ms before the maximum and open 20 ms after it, between two beats."""
    relay, lines = await closed_relay(max_on_ms=5_000)
    ends = now() + 5
    beats = asyncio.create_task(hold(relay, 6))
    await asyncio.sleep(ends - 0.02 - now())
    assert lines.closed
    await asyncio.sleep(0.04)
    assert not lines.closed
    await beats


async def test_each_run_begins_with_a_trial_of_the_one_shot() -> None:
    """Before the contact is closed for a run it has opened by itself once, within 2.1 s of a single pulse."""
    _, lines = await closed_relay()
    first, second = lines.rises
    assert 1.9 < second - first < 2.1 + 0.1
    assert lines.closings == 2


async def test_nothing_is_closed_without_a_run() -> None:
    """A relay that was never armed stays open."""
    relay, lines = make()
    failure = await relay.close_contact()
    assert isinstance(failure, CommandFailed)
    assert not lines.closed


@pytest.mark.parametrize("at_s", [0.02, 0.5, 1.5, 1.965])
async def test_a_stop_in_the_middle_of_a_closing_leaves_it_open(at_s: float) -> None:
    """Whenever STOP comes, in the trial or in the closing itself, no later pulse goes out and the contact is open."""
    relay, lines = make()
    relay.arm(RUN, MAX_ON_MS)
    closing = asyncio.create_task(relay.close_contact())
    await asyncio.sleep(at_s)
    relay.cut()
    pressed = now()
    failure = await closing
    assert isinstance(failure, CommandFailed)
    await asyncio.sleep(3)
    assert not lines.closed
    assert all(rise <= pressed for rise in lines.rises)


async def test_a_permit_that_is_withdrawn_moves_no_line() -> None:
    """A closing or a beat that may not go out any more leaves pulse and clear as they are."""
    no = CommandFailed(command="x", certainty=Certainty.NOT_DONE, seen="a STOP", expected="none", advice="none")
    relay, lines = make()
    relay.arm(RUN, MAX_ON_MS)
    assert await relay.close_contact(lambda: no) is no
    assert lines.moves == []
    relay, lines = await closed_relay()
    rises = len(lines.rises)
    assert await relay.feed(lambda: no) is no
    assert len(lines.rises) == rises


async def test_the_proof_of_a_good_relay() -> None:
    """A good one-shot passes: held across its own time by two pulses, opened by its time, by clear, and kept open."""
    relay, lines = make()
    assert await relay.prove() is None
    assert len(lines.rises) == 4
    assert not lines.closed
    assert now() < 4.5


@pytest.mark.parametrize(
    ("traits", "words"),
    [
        ({"kind": "plain"}, "open 900 ms after a pulse"),
        ({"kind": "single", "hold_s": 1.5}, "open 1000 ms after a pulse"),
        ({"kind": "latching"}, "still closed 2000 ms"),
        ({"kind": "welded"}, "stays closed when cleared"),
        ({"kind": "cut"}, "open 900 ms"),
        ({"hold_s": 0.5}, "open 900 ms"),
        ({"hold_s": 3.5}, "still closed 2000 ms"),
        ({"kind": "deaf"}, "stays closed when cleared"),
        ({"kind": "edge"}, "closes when clear is let go"),
    ],
)
async def test_what_is_no_watchdog_is_found(traits: dict[str, Any], words: str) -> None:
    """Each relay that does not keep to the page fails its proof at the place where it differs."""
    relay, _ = make(**traits)
    failure = await relay.prove()
    assert isinstance(failure, CommandFailed)
    assert words in failure.seen


@pytest.mark.req("S22")
@pytest.mark.parametrize("traits", [{"kind": "plain"}, {"kind": "latching"}, {"kind": "cut"}, {"hold_s": 3.5}])
async def test_no_run_begins_on_what_is_no_watchdog(traits: dict[str, Any]) -> None:
    """A relay without a timer of its own is found at the start of a run, and left open."""
    relay, lines = make(**traits)
    relay.arm(RUN, MAX_ON_MS)
    assert isinstance(await relay.close_contact(), CommandFailed)
    await asyncio.sleep(0.02)
    assert not lines.closed


@pytest.mark.req("S26")
async def test_a_contact_that_welds_in_use_is_found() -> None:
    """A contact that stays closed when cleared fails the stop, reads as closed, and bars the next run."""
    relay, lines = await closed_relay()
    lines.kind = "welded"
    began = now()
    failure = await relay.open_contact()
    assert isinstance(failure, CommandFailed)
    assert "welded" in failure.advice
    assert now() - began < 0.2
    assert read(relay).closed
    assert isinstance(relay.arm(RUN, MAX_ON_MS), CommandFailed)
    assert isinstance(await relay.close_contact(), CommandFailed)


async def test_a_contact_that_outlasts_its_pulse_is_cut() -> None:
    """A one-shot that has gone too long is noticed by the next look, which makes clear active."""
    relay, lines = await closed_relay()
    lines.hold_s = 10
    await asyncio.sleep(2.2)
    assert read(relay).closed
    await asyncio.sleep(0.01)
    reading = read(relay)
    assert (reading.closed, reading.cause) == (False, EndCause.FAULT)


async def test_a_contact_that_opens_although_it_is_fed_is_a_fault() -> None:
    """A contact that drops out between two pulses is no lost beat, and no pulse closes it again."""
    relay, lines = await closed_relay()
    await hold(relay, 1)
    lines.kind = "cut"
    reading = read(relay)
    assert (reading.closed, reading.cause) == (False, EndCause.FAULT)
    lines.kind = "one-shot"
    assert isinstance(await relay.feed(), CommandFailed)
    await asyncio.sleep(0.01)
    assert not lines.closed


@pytest.mark.parametrize("line", ["pulse", "clear", "sense"])
async def test_a_line_that_fails_is_a_value(line: str) -> None:
    """An error of the kernel comes back as a failure with its reason and line, and is remembered as broken."""
    relay, lines = await closed_relay()
    lines.faults[line] = OSError(19, "No such device")
    failures = [await relay.feed(), await relay.open_contact(), await relay.prove(), relay.release()]
    told = [failure for failure in failures if failure is not None]
    assert told
    assert all("No such device" in failure.seen for failure in told if line in failure.seen)
    assert relay.broken is not None
    assert relay.broken.seen == f"No such device on the {line} line" or line != "clear"
    relay.move_to(FakeLines())
    assert relay.broken is None


async def test_releasing_opens_it() -> None:
    """The lines are given back with pulse and clear low, and the contact is open at once."""
    relay, lines = await closed_relay()
    assert relay.release() is None
    await asyncio.sleep(0.01)
    assert (lines.released, lines.high, lines.let_go, lines.closed) == (True, False, False, False)
