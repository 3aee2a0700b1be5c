"""A scanner and buttons at a unit's own loop: a pipe stands in for the device, and nothing waits on a real clock."""

import asyncio
import os
import struct
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nebctl.bedside.buttons import Buttons, Shown
from nebctl.bedside.hardware import NOTHING_BESIDE, Hardware
from nebctl.bedside.scanner import HALF, Scanner
from nebctl.bedside.tray import Tray
from nebctl.core.alarms import Priority
from nebctl.core.device import Certainty, CommandFailed
from nebctl.core.guard import Refusal
from nebctl.core.hardware import DARK, SLOW, START, STEADY, STOP, WAITS, Edge, lamp_of
from nebctl.core.melody import C5
from nebctl.core.session import State
from nebctl_drivers.panel import PipePanel, open_panel
from nebctl_drivers.pwm import Pwm
from nebctl_drivers.scanner import open_scanner
from nebctl_drivers.scanner.evdev import EVENT, EvdevLink
from nebctl_drivers.scanner.keys import LAYOUTS

GONE = CommandFailed(
    command="read", certainty=Certainty.UNKNOWN, seen="unplugged", expected="a wire", advice="Plug it in."
)


class _Wire:
    """A link in memory: `come` puts bytes on it, `pull` takes it away, and it can be opened again."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[bytes | CommandFailed] = asyncio.Queue()
        self.opened = 0

    async def open(self) -> CommandFailed | None:
        self.opened += 1
        return None

    def write(self, data: bytes) -> CommandFailed | None:
        return None

    async def read(self) -> bytes | CommandFailed:
        return await self.inbox.get()

    def close(self) -> None:
        pass


class _Desk:
    """Takes what a scanner says."""

    def __init__(self) -> None:
        self.codes: list[str] = []
        self.halves: list[Refusal] = []

    async def take(self, code: str) -> None:
        self.codes.append(code)

    async def half(self, refusal: Refusal) -> None:
        self.halves.append(refusal)


def nanoseconds() -> int:
    """Return the loop's time."""
    return int(asyncio.get_running_loop().time() * 1e9)


@pytest.mark.virtual
async def test_a_scanner_that_was_unplugged_is_seen_and_found_again() -> None:
    """Codes come through; a pulled plug is shown within the moment, and a plug that is back is used within 1 s."""
    wire, desk, told = _Wire(), _Desk(), []
    scanner = Scanner(wire, desk.take, desk.half, lambda: told.append(scanner.there), nanoseconds)
    task = asyncio.ensure_future(scanner.run())
    wire.inbox.put_nowait(b"]C0RT-07\r")
    await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    assert (desk.codes, scanner.there, scanner.check().note) == (["]C0RT-07"], True, "plugged in")
    wire.inbox.put_nowait(GONE)
    await asyncio.sleep(0.01)
    assert not scanner.there
    assert "UNPLUGGED" in scanner.check().note
    await asyncio.sleep(1.1)
    wire.inbox.put_nowait(b"]C0RT-08\r")
    await asyncio.sleep(0.01)
    assert (desk.codes, told, wire.opened) == (["]C0RT-07", "]C0RT-08"], [True, False, True], 2)
    task.cancel()


@pytest.mark.virtual
@pytest.mark.req("S09")
async def test_half_a_code_is_told_and_not_taken() -> None:
    """A code whose end does not come is refused after a quarter of a second, and the next one is taken."""
    wire, desk = _Wire(), _Desk()
    task = asyncio.ensure_future(Scanner(wire, desk.take, desk.half, lambda: None, nanoseconds).run())
    wire.inbox.put_nowait(b"]d201020000")
    await asyncio.sleep(0.5)
    assert (desk.codes, desk.halves) == ([], [HALF])
    wire.inbox.put_nowait(b"]C0RT-07\r")
    await asyncio.sleep(0.01)
    assert desk.codes == ["]C0RT-07"]
    task.cancel()


async def test_key_events_from_a_pipe(tmp_path: Path) -> None:
    """What a keyboard's events say comes as bytes, also where the kernel cuts an event in two; an end is a loss."""
    path = tmp_path / "event0"
    os.mkfifo(path)
    writing = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    link = EvdevLink(str(path), LAYOUTS["us"])
    assert await link.open() is None
    events = b"".join(EVENT.pack(0, 0, 1, key, value) for key in (30, 48, 28) for value in (1, 0))
    noise = EVENT.pack(0, 0, 4, 4, 7)
    os.write(writing, noise + events[:30])
    os.write(writing, events[30:])
    read = b""
    while not read.endswith(b"\r"):
        data = await link.read()
        assert isinstance(data, bytes)
        read += data
    assert read == b"ab\r"
    link.close()
    assert isinstance(await link.read(), CommandFailed)
    os.close(writing)


async def test_what_is_no_scanner_says_so(tmp_path: Path) -> None:
    """A missing device, a plain file, a layout that is not known and a path that is none: each with what to do."""
    plain = tmp_path / "plain"
    plain.write_bytes(b"")
    for path in (tmp_path / "missing", plain):
        failed = await EvdevLink(str(path), LAYOUTS["us"]).open()
        assert isinstance(failed, CommandFailed)
        assert str(path) in failed.sentence()
    for url, layout in (("evdev:///dev/input/event0", "fr"), ("evdev://event0", "us")):
        assert isinstance(open_scanner(url, layout), CommandFailed)


class _Lines:
    """A panel in memory."""

    def __init__(self) -> None:
        self.edges: asyncio.Queue[tuple[Edge, ...] | CommandFailed] = asyncio.Queue()
        self.lit: bool | None = None
        self.heard: list[tuple[float, int]] = []

    async def open(self) -> CommandFailed | None:
        return None

    async def read(self) -> tuple[Edge, ...] | CommandFailed:
        return await self.edges.get()

    def light(self, *, on: bool) -> None:
        self.lit = on

    def sound(self, millihertz: int) -> None:
        if millihertz != (self.heard[-1][1] if self.heard else 0):
            self.heard.append((asyncio.get_running_loop().time(), millihertz))

    def close(self) -> None:
        self.lit = False

    def press(self, button: str, *, down: bool = True) -> None:
        self.edges.put_nowait((Edge(button=button, down=down),))


class Pressed:
    """Buttons on a panel in memory, with what they did and when."""

    def __init__(self, state: State = State.READY, priority: Priority | None = None) -> None:
        self.lines, self.done = _Lines(), []
        self.shows: Callable[[], Any] = lambda: Shown(state, priority, None)
        self.buttons = Buttons(self.lines, self._does(STOP), self._does(START), self._show, nanoseconds)
        self.task = asyncio.ensure_future(self.buttons.run())

    def _show(self) -> Any:
        return self.shows()

    def _does(self, name: str) -> Callable[[], Any]:
        async def act() -> None:
            self.done.append((name, round(asyncio.get_running_loop().time(), 3)))

        return act


@pytest.mark.virtual
@pytest.mark.req("S20")
@pytest.mark.req("S21")
async def test_stop_acts_on_its_first_edge() -> None:
    """STOP needs no hold and no release, and is the first thing done even while START is held."""
    at = Pressed()
    await asyncio.sleep(1)
    began = asyncio.get_running_loop().time()
    at.lines.press(START)
    await asyncio.sleep(0.5)
    at.lines.press(STOP)
    await asyncio.sleep(2)
    assert at.done == [(STOP, round(began + 0.5, 3))]
    at.task.cancel()


@pytest.mark.virtual
@pytest.mark.req("S44")
@pytest.mark.parametrize(("held_s", "starts"), [(0.1, 0), (0.79, 0), (0.81, 1), (5.0, 1)])
async def test_start_is_held_like_the_pages(held_s: float, starts: int) -> None:
    """START acts once, after 0.8 s; a shorter press does nothing, and a longer one does it once."""
    at = Pressed()
    at.lines.press(START)
    await asyncio.sleep(held_s)
    at.lines.press(START, down=False)
    await asyncio.sleep(2)
    assert [name for name, _ in at.done] == [START] * starts
    at.task.cancel()


@pytest.mark.virtual
@pytest.mark.req("S45")
async def test_taps_on_start_are_no_hold() -> None:
    """Twenty taps in a second start nothing, and bounces of a held button start once."""
    at = Pressed()
    for _ in range(20):
        at.lines.press(START)
        await asyncio.sleep(0.03)
        at.lines.press(START, down=False)
        await asyncio.sleep(0.02)
    assert at.done == []
    for _ in range(3):
        at.lines.press(START)
        await asyncio.sleep(1)
    assert [name for name, _ in at.done] == [START]
    at.task.cancel()


@pytest.mark.virtual
async def test_the_lamp_shows_the_session_and_an_alarm_first() -> None:
    """Lit while aerosol may come; an alarm blinks in its rhythm, heard or not."""
    at = Pressed(State.RUNNING)
    await asyncio.sleep(0.1)
    assert at.lines.lit
    at.shows = lambda: Shown(State.RUNNING, Priority.HIGH, None)
    seen = set()
    for _ in range(20):
        await asyncio.sleep(0.05)
        seen.add(at.lines.lit)
    assert seen == {True, False}
    assert at.lines.heard == []
    at.task.cancel()


def test_a_pulse_width_output_swings_at_the_pitch(tmp_path: Path) -> None:
    """C5 is a period of 1,911,128 ns, high for half of it; silence disables it; what is not exported says so."""
    for name in ("enable", "period", "duty_cycle"):
        (tmp_path / name).write_text("9999999999\n")
    pwm = Pwm(tmp_path)
    assert pwm.open() is None
    assert (tmp_path / "enable").read_text() == "0\n"
    pwm.sound(C5)
    written = [(tmp_path / name).read_text().strip() for name in ("period", "duty_cycle", "enable")]
    assert written == ["1911128", "955564", "1"]
    pwm.sound(0)
    assert (tmp_path / "enable").read_text() == "0\n"
    failed = Pwm(tmp_path / "missing").open()
    assert isinstance(failed, CommandFailed)
    assert "Export it" in failed.sentence()
    Pwm(tmp_path / "missing").sound(C5)  # one that is gone in mid-alarm ends nothing


def test_every_state_has_its_lamp() -> None:
    """Dark at rest and before the review, winking under review, slow in a pause, steady whenever aerosol may come."""
    assert {state: lamp_of(state, None) for state in (State.IDLE, State.READY, State.PAUSED, State.RUNNING)} == {
        State.IDLE: DARK,
        State.READY: WAITS,
        State.PAUSED: SLOW,
        State.RUNNING: STEADY,
    }
    assert lamp_of(State.LOST, None) == STEADY
    high = lamp_of(State.IDLE, Priority.HIGH)
    assert 1.4 <= 1000 / (high.on_ms + high.off_ms) <= 2.8


async def test_a_pipe_stands_in_for_the_lines(tmp_path: Path) -> None:
    """Words on a pipe are presses, anything else is nothing, and what lamp and buzzer do is written down."""
    os.mkfifo(tmp_path / "in")
    panel = open_panel(f"pipe://{tmp_path}", {}, active_low=True)
    assert isinstance(panel, PipePanel)
    assert await panel.open() is None
    with (tmp_path / "in").open("w", encoding="ascii") as file:
        file.write("nonsense\nstart down\nstop down\nstart up\n")
        file.flush()
        assert await panel.read() == (
            Edge(button=START, down=True),
            Edge(button=STOP, down=True),
            Edge(button=START, down=False),
        )
    for on in (True, True, False):
        panel.light(on=on)
    for pitch in (0, C5, C5, 0):
        panel.sound(pitch)
    assert (tmp_path / "out").read_text("ascii") == "lamp on\nlamp off\nbuzzer 523251\nbuzzer off\n"
    panel.close()


async def test_lines_that_are_not_there_say_so(tmp_path: Path) -> None:
    """A folder without a pipe is named, with what to do."""
    failed = await PipePanel(tmp_path).open()
    assert isinstance(failed, CommandFailed)
    assert "mkfifo" in failed.sentence()


def test_an_event_is_24_bytes() -> None:
    """The kernel's struct input_event on a 64-bit machine."""
    assert (EVENT.size, struct.calcsize("@l")) == (24, 8)


@pytest.mark.req("S44")
@pytest.mark.parametrize(("since_ms", "started"), [(0, []), (799, []), (800, ["a1b2c3d4"])])
async def test_the_whole_hold_lies_after_the_review(since_ms: int, started: list[str]) -> None:
    """A START button that was down before the review came up starts nothing: the sentence says what to do."""
    done: list[str] = []

    async def start(auth: str, _: str) -> None:
        done.append(auth)

    desk: Any = SimpleNamespace(reviewed="a1b2c3d4", reviewed_ns=5, tray=Tray(), start=start)
    session = SimpleNamespace(authorisation=SimpleNamespace(auth="a1b2c3d4", operator="RT-07"))
    runner: Any = SimpleNamespace(session=session, tell_changed=lambda: None)
    logins: Any = SimpleNamespace(has=lambda _: True)
    clock: Any = SimpleNamespace(instant=lambda: SimpleNamespace(mono_ns=5 + since_ms * 1_000_000))
    await Hardware(NOTHING_BESIDE, runner, desk, logins, clock).start()
    assert done == started
    assert (desk.tray.refused is None) is bool(started)
