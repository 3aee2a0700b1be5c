"""The cut-off relay on GPIO lines that are fake, in virtual time: what holds it, what opens it, what it refuses."""

import asyncio
import sys
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from nebctl.core.device import Certainty, CommandFailed, EndCause
from nebctl_drivers.watchdog_relay.gpio import GpioRelay, open_lines
from nebctl_drivers.watchdog_relay.registers import RelayReading

pytestmark = pytest.mark.virtual

RUN = "0badcafe"
MAX_ON_MS = 60_000


def now() -> float:
    """Return the loop's virtual time in seconds."""
    return asyncio.get_running_loop().time()


@dataclass
class FakeLines:
    """A one-shot of `hold_s` seconds that a rising edge starts anew; `kind` names what else may hang on the lines."""

    kind: str = "one-shot"
    hold_s: float = 1.9
    high: bool = False
    rises: list[float] = field(default_factory=list)
    fault: OSError | None = None
    released: bool = False

    def drive(self, *, high: bool) -> None:
        """Set the pulse line."""
        if self.fault is not None:
            raise self.fault
        rising, self.high = high and not self.high, high
        running = self.rises and now() - self.rises[-1] < self.hold_s
        if rising and not (self.kind == "single" and running):
            self.rises.append(now())

    def is_closed(self) -> bool:
        """Return what the contact does."""
        if self.fault is not None:
            raise self.fault
        if self.kind == "plain":
            return self.high
        if self.kind == "cut":
            return False
        if self.kind == "welded":
            return True
        if self.kind == "latching":
            return bool(self.rises)
        return bool(self.rises) and now() - self.rises[-1] < self.hold_s

    def release(self) -> None:
        """Give the lines back."""
        self.released = True


def make(**traits: Any) -> tuple[GpioRelay, FakeLines]:
    """Return a relay and its lines."""
    lines = FakeLines(**traits)
    return GpioRelay(lines, name="gpiochip0:17,27", now_ns=lambda: round(now() * 1e9)), lines


async def hold(relay: GpioRelay, seconds: float) -> list[CommandFailed | None]:
    """Feed the relay every 400 ms."""
    results = []
    until = now() + seconds
    while now() < until:
        results.append(await relay.feed())
        await asyncio.sleep(0.4)
    return results


async def test_it_holds_as_long_as_it_is_fed() -> None:
    """Closing is proven by the sense line, feeding holds it, the host counts the closed time, and STOP opens it."""
    relay, _ = make()
    closed = await relay.close_contact(RUN, MAX_ON_MS)
    assert isinstance(closed, RelayReading), closed
    assert (closed.closed, closed.cause, closed.run, closed.serial) == (True, EndCause.NONE, RUN, "gpiochip0:17,27")
    assert await hold(relay, 20) == [None] * 50
    began = now()
    opened = await relay.open_contact()
    assert isinstance(opened, RelayReading)
    assert (opened.closed, opened.cause) == (False, EndCause.STOP)
    assert 1 < now() - began < 2.1
    assert opened.closed_ms == pytest.approx(21_900, abs=500)


@pytest.mark.req("S22")
async def test_a_lost_host_opens_it() -> None:
    """Without a pulse the contact opens within 2 s, with the line left high too, and a late pulse does not close it."""
    relay, lines = make()
    await relay.close_contact(RUN, MAX_ON_MS)
    await hold(relay, 2)
    lines.drive(high=True)
    await asyncio.sleep(2)
    assert not lines.is_closed()
    failure = await relay.feed()
    assert isinstance(failure, CommandFailed)
    assert failure.certainty is Certainty.NOT_DONE
    assert not lines.is_closed()
    reading = relay.read()
    assert isinstance(reading, RelayReading)
    assert (reading.cause, reading.run) == (EndCause.BEAT, RUN)


async def test_the_host_counts_the_maximum() -> None:
    """At the run's maximum the host pulses no more; the same run cannot go on, another can."""
    relay, lines = make()
    await relay.close_contact(RUN, 5_000)
    results = await hold(relay, 12)
    assert results[:12] == [None] * 12
    assert isinstance(results[-1], CommandFailed)
    assert not lines.is_closed()
    reading = relay.read()
    assert isinstance(reading, RelayReading)
    assert reading.cause is EndCause.MAX_ON
    assert 5_000 <= reading.closed_ms <= 7_800
    assert isinstance(await relay.close_contact(RUN, 5_000), CommandFailed)
    other = await relay.close_contact("0badcaff", 5_000)
    assert isinstance(other, RelayReading)
    assert other.closed_ms < 50


async def test_no_pulse_goes_out_after_open() -> None:
    """From the call of `open_contact` on, feeding is refused although the contact is still closed."""
    relay, lines = make()
    await relay.close_contact(RUN, MAX_ON_MS)
    opening = asyncio.create_task(relay.open_contact())
    await asyncio.sleep(0.2)
    rises = len(lines.rises)
    assert isinstance(await relay.feed(), CommandFailed)
    assert isinstance(await opening, RelayReading)
    assert len(lines.rises) == rises


async def test_the_proof_of_a_good_relay() -> None:
    """A retriggerable one-shot passes: held across its own time by two pulses, open within 2.1 s after the last."""
    relay, lines = make()
    proven = await relay.prove()
    assert isinstance(proven, RelayReading), proven
    assert not proven.closed
    assert len(lines.rises) == 2
    assert now() < 4.5


@pytest.mark.parametrize(
    ("traits", "words"),
    [
        ({"kind": "plain"}, "open 900 ms after a pulse"),
        ({"kind": "single", "hold_s": 1.5}, "open 1000 ms after a pulse"),
        ({"kind": "latching"}, "still closed"),
        ({"kind": "welded"}, "closed and stays so"),
        ({"kind": "cut"}, "open 900 ms"),
        ({"hold_s": 0.5}, "open 900 ms"),
        ({"hold_s": 3.5}, "still closed 2000 ms"),
    ],
)
async def test_what_is_no_watchdog_is_found(traits: dict[str, Any], words: str) -> None:
    """A plain or latching relay, a welded contact, a cut wire and a one-shot of another time do not pass."""
    relay, _ = make(**traits)
    failure = await relay.prove()
    assert isinstance(failure, CommandFailed)
    assert words in failure.seen


@pytest.mark.req("S26")
async def test_a_contact_that_welds_in_use_is_found() -> None:
    """A contact that stays closed without its pulses is a failure at the stop and at every later reading."""
    relay, lines = make()
    await relay.close_contact(RUN, MAX_ON_MS)
    lines.kind = "welded"
    for failure in (await relay.open_contact(), relay.read(), await relay.close_contact(RUN, MAX_ON_MS)):
        assert isinstance(failure, CommandFailed)
        assert "welded" in failure.advice


async def test_a_contact_that_opens_although_it_is_fed_is_a_fault() -> None:
    """A contact that drops out between two pulses is no lost beat, and no pulse closes it again."""
    relay, lines = make()
    await relay.close_contact(RUN, MAX_ON_MS)
    await hold(relay, 1)
    lines.kind = "cut"
    reading = relay.read()
    assert isinstance(reading, RelayReading)
    assert (reading.closed, reading.cause) == (False, EndCause.FAULT)
    lines.kind = "one-shot"
    assert isinstance(await relay.feed(), CommandFailed)


async def test_a_contact_that_does_not_close_is_told() -> None:
    """Where the sense line does not follow the pulse, closing has failed and is not tried again by feeding."""
    relay, _ = make(kind="cut")
    failure = await relay.close_contact(RUN, MAX_ON_MS)
    assert isinstance(failure, CommandFailed)
    assert isinstance(await relay.feed(), CommandFailed)


async def test_a_line_that_fails_is_a_value() -> None:
    """An error of the kernel comes back as a failure with its reason, from every call."""
    relay, lines = make()
    await relay.close_contact(RUN, MAX_ON_MS)
    lines.fault = OSError(19, "No such device")
    for failure in (relay.read(), await relay.feed(), await relay.open_contact(), await relay.prove()):
        assert isinstance(failure, CommandFailed)
        assert "No such device" in failure.seen
    relay.release()
    assert lines.released


@pytest.mark.parametrize(("pulse", "sense"), [(17, None), (17, 17), (-1, 27)])
def test_a_relay_without_a_sense_line_is_refused(pulse: int, sense: int | None) -> None:
    """A contact that nobody reads back is no cut-off; nothing of the machine is touched."""
    failure = open_lines("/dev/gpiochip0", pulse, sense)
    assert isinstance(failure, CommandFailed)
    assert "sense line" in failure.seen + failure.expected


def test_without_gpiod_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing module names the extra; Debian's gpiod 1, whose interface is another, is told apart."""
    monkeypatch.setitem(sys.modules, "gpiod", None)
    missing = open_lines("/dev/gpiochip0", 17, 27)
    assert isinstance(missing, CommandFailed)
    assert missing.advice == "Install nebctl[gpio]."
    monkeypatch.setitem(sys.modules, "gpiod", ModuleType("gpiod"))
    monkeypatch.setitem(sys.modules, "gpiod.line", ModuleType("gpiod.line"))
    old = open_lines("/dev/gpiochip0", 17, 27)
    assert isinstance(old, CommandFailed)
    assert (old.seen, old.expected) == ("gpiod 1", "gpiod 2")


def install_gpiod(monkeypatch: pytest.MonkeyPatch, request: Any) -> list[Any]:
    """Put a gpiod 2 in place whose `request_lines` is `request`; return its calls."""
    calls: list[Any] = []
    line = SimpleNamespace(
        Value=SimpleNamespace(ACTIVE="active", INACTIVE="inactive"),
        Direction=SimpleNamespace(INPUT="in", OUTPUT="out"),
    )

    def request_lines(chip: str, *, consumer: str, config: dict[int, Any]) -> Any:
        calls.append((chip, consumer, config))
        if isinstance(request, OSError):
            raise request
        return request

    settings = lambda **traits: traits  # noqa: E731 - stands for a class
    module = SimpleNamespace(line=line, LineSettings=settings, request_lines=request_lines)
    monkeypatch.setitem(sys.modules, "gpiod", module)
    monkeypatch.setitem(sys.modules, "gpiod.line", line)
    return calls


def test_the_kernel_s_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pulse line is asked for as an output that is low, the sense line as an input, both in one request."""
    done: list[Any] = []
    request = SimpleNamespace(
        set_value=lambda offset, value: done.append((offset, value)),
        get_value=lambda offset: "active" if offset == 27 else "inactive",
        release=lambda: done.append("released"),
    )
    calls = install_gpiod(monkeypatch, request)
    lines = open_lines("/dev/gpiochip0", 17, 27)
    assert not isinstance(lines, CommandFailed)
    wanted = {17: {"direction": "out", "output_value": "inactive"}, 27: {"direction": "in"}}
    assert calls == [("/dev/gpiochip0", "nebctl", wanted)]
    lines.drive(high=True)
    lines.drive(high=False)
    assert lines.is_closed()
    lines.release()
    assert done == [(17, "active"), (17, "inactive"), "released"]


def test_lines_that_are_taken_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the kernel refuses, chip, lines and reason stand in one sentence."""
    install_gpiod(monkeypatch, OSError(16, "Device or resource busy"))
    failure = open_lines("/dev/gpiochip0", 17, 27)
    assert isinstance(failure, CommandFailed)
    assert "/dev/gpiochip0, lines 17 and 27: Device or resource busy" in failure.seen
