"""The cut-off relay on three GPIO lines: pulses hold a one-shot, `clear` ends it, and a sense line tells the contact.

A line that the host merely switches is no watchdog: a host that hangs leaves it as it is. So the timer must sit in the
relay's own hardware, as docs/devices/watchdog-relay.md has it, and each run begins with a trial of it. The times here
are those of that page.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from nebctl.core.device import Certainty, CommandFailed, EndCause
from nebctl_drivers.timing import Permit

from .gpio_lines import Lines
from .registers import RelayReading

WATCHDOG_MS = 2000
LATE_MS = 100
"""What contact and sense line may take beyond the one-shot's time, and after `clear`."""
SHORTEST_HOLD_MS = 1000
"""A pulse holds at least so long: the host pulses every 400 ms, and one may be lost."""
PULSE_S = 0.001
SETTLE_S = 0.05
"""How long a contact is watched that must not close."""
PROVE_GAP_S = 0.9
_STEP_S = 0.005
_NS_PER_MS = 1_000_000


@dataclass(slots=True)
class _Held:
    """What is known of the present run; times are the host's monotonic ones in ns.

    `held_ns` is the last pulse, None before the first; `seen_ns` the last look. `may_hold`: pulses are allowed.
    `tried`: the one-shot has opened by itself in this run.
    """

    run: str | None = None
    max_on_ms: int = 0
    closed_ns: int = 0
    held_ns: int | None = None
    seen_ns: int | None = None
    was_closed: bool = False
    may_hold: bool = False
    tried: bool = False
    cause: EndCause = EndCause.POWER_UP


class GpioRelay:
    """One cut-off relay on GPIO lines; `name` stands for its serial number, `now_ns` is the host's monotonic time.

    It keeps S22 by its hardware alone. It does not keep S24: the maximum on-time is counted by the host, which opens
    the contact then, and no timer below it does. From the making on the contact is held open. `broken` says which line
    the kernel refused, None where none: then nothing of it can be relied on before `move_to`.
    """

    def __init__(self, lines: Lines, *, name: str, now_ns: Callable[[], int]) -> None:
        self._lines = lines
        self._name = name
        self._now_ns = now_ns
        self._held = _Held()
        self._cleared = True
        self._limit: asyncio.TimerHandle | None = None
        self.broken: CommandFailed | None = None

    def arm(self, run: str, max_on_ms: int) -> CommandFailed | None:
        """Name the run (8 hex digits) and its maximum on-time in all; only while the contact is open."""
        reading = self.read()
        if isinstance(reading, CommandFailed):
            return reading
        if reading.closed:
            return _refuse("START", "a closed contact", "an open one")
        if run == self._held.run:
            self._held.max_on_ms = max_on_ms
        else:
            self._held = _Held(run=run, max_on_ms=max_on_ms, seen_ns=self._held.seen_ns, cause=self._held.cause)
        return None

    async def close_contact(self, permit: Permit | None = None) -> CommandFailed | None:
        """Begin to hold the contact for the run that was named, and prove it closed; each run begins with `trip`."""
        reading = self.read()
        if isinstance(reading, CommandFailed):
            return reading
        held = self._held
        if held.run is None or reading.closed or held.closed_ns >= held.max_on_ms * _NS_PER_MS:
            seen = "a closed contact" if reading.closed else f"run {held.run}, on for {reading.closed_ms} ms"
            return _refuse("START", seen, f"an open contact, a run, and on-time left of {held.max_on_ms} ms")
        try:
            return await self._close_once(held, permit)
        finally:
            if not held.may_hold:  # it failed, or the caller was cancelled
                self.cut()

    async def feed(self, permit: Permit | None = None) -> CommandFailed | None:
        """Pulse once more; refused where nothing is to be held, or the run's on-time is used up, which opens it."""
        reading = self.read()
        if isinstance(reading, CommandFailed):
            return reading
        held = self._held
        if held.may_hold and held.closed_ns >= held.max_on_ms * _NS_PER_MS:
            failure = self.cut(EndCause.MAX_ON)
            if failure is not None:
                return failure
        if not held.may_hold:
            return _refuse("BEAT", f"nothing to hold ({held.cause.value})", "a run that was begun and not ended")
        return (permit() if permit is not None else None) or await self._pulse("BEAT")

    def cut(self, cause: EndCause = EndCause.STOP) -> CommandFailed | None:
        """Open the contact in this very call: no more pulses, and `clear` active until the next closing."""
        if self._held.may_hold:
            self._held.may_hold, self._held.cause = False, cause
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
        self._cleared = True
        try:
            self._lines.clear(active=True)
        except OSError as error:
            return self._break("STOP", "clear", error)
        return None

    async def open_contact(self) -> CommandFailed | None:
        """Cut, and prove the contact open, within 100 ms."""
        failure = self.cut()
        if failure is not None:
            return failure
        return await self._wait(
            "STOP", closed=False, within_ms=LATE_MS, seen="a contact that stays closed when cleared"
        )

    def read(self) -> RelayReading | CommandFailed:
        """Return what the sense line says; a contact that outlasts its last pulse is cut, and counts as a fault."""
        closed = self._look("read the relay")
        if isinstance(closed, CommandFailed):
            return closed
        held = self._held
        if closed and not self._cleared and self._unfed_ms() > WATCHDOG_MS + LATE_MS:
            self.cut(EndCause.FAULT)
        if not closed and held.may_hold:
            # it opened by itself: a pulse would close it again, and nothing resumes by itself
            self.cut(EndCause.BEAT if self._unfed_ms() >= SHORTEST_HOLD_MS else EndCause.FAULT)
        return RelayReading(
            at_ns=self._now_ns(),
            closed=closed,
            cause=EndCause.NONE if closed else held.cause,
            watchdog_ms=WATCHDOG_MS,
            run=held.run,
            max_on_ms=held.max_on_ms,
            closed_ms=held.closed_ns // _NS_PER_MS,
            serial=self._name,
        )

    def move_to(self, lines: Lines) -> None:
        """Take the lines of a new opening, which hold the contact open; what is known of the run stays."""
        self._lines = lines
        self._cleared = True
        self.broken = None

    async def trip(self, permit: Permit | None = None) -> CommandFailed | None:
        """Let the one-shot run out once, in about 2 s: no gas may be set meanwhile.

        Letting `clear` go must close nothing, a pulse must hold for 1.0 s, and the contact must open by itself 2.1 s
        after it at the latest. A plain or latching relay, a welded contact and a cut wire do not pass.
        """
        return await self._check_rest(permit) or await self._check_hold(SHORTEST_HOLD_MS) or await self._check_end()

    async def prove(self) -> CommandFailed | None:
        """Try all that the page asks of the relay, in about 4 s, while nothing hangs on it.

        Beyond `trip`: a second pulse prolongs the first, `clear` ends a pulse, and no pulse closes a cleared contact.
        """
        failure = (
            await self._check_rest(None)
            or await self._check_hold(round(PROVE_GAP_S * 1000))
            or await self._check_hold(SHORTEST_HOLD_MS)
            or await self._check_end()
            or await self._check_hold(round(SETTLE_S * 1000))
            or await self.open_contact()
            or await self._pulse("PROVE", although_cleared=True)
        )
        return failure or await self._stay_open("a contact that closes although it is cleared")

    def release(self) -> CommandFailed | None:
        """Open the contact and give the lines back."""
        failure = self.cut()
        self._look("close the relay")
        try:
            self._lines.release()
        except OSError as error:
            return self._break("close the relay", "clear", error)
        return failure

    async def _close_once(self, held: _Held, permit: Permit | None) -> CommandFailed | None:
        failure = None if held.tried else await self.trip(permit)
        if failure is not None:
            return failure
        if not held.tried:  # the time for which the contact was closed in the trial is no time of the run
            held.closed_ns, held.tried = 0, True
        failure = self._let_go(permit) or await self._pulse("START")
        if failure is None:
            failure = await self._wait("START", closed=True, within_ms=LATE_MS, seen="an open contact after the pulse")
        if failure is not None:
            return failure
        held.may_hold, held.cause = True, EndCause.NONE
        left_s = (held.max_on_ms * _NS_PER_MS - held.closed_ns) / (1000 * _NS_PER_MS)
        self._limit = asyncio.get_running_loop().call_later(left_s, self.cut, EndCause.MAX_ON)
        return None

    async def _check_rest(self, permit: Permit | None) -> CommandFailed | None:
        """Prove the contact open when cleared, and still open when `clear` is let go."""
        failure = await self.open_contact()
        if failure is not None:
            return failure
        return self._let_go(permit) or await self._stay_open("a contact that closes when clear is let go")

    async def _check_hold(self, wait_ms: int) -> CommandFailed | None:
        failure = await self._pulse("TRIP")
        if failure is not None:
            return failure
        await asyncio.sleep(wait_ms / 1000)
        closed = self._look("TRIP")
        if isinstance(closed, CommandFailed):
            return closed
        if self._cleared:
            return _overtaken()
        if closed:
            return None
        return _fail("TRIP", f"a contact that is open {wait_ms} ms after a pulse", "a closed one", _NO_WATCHDOG)

    async def _check_end(self) -> CommandFailed | None:
        left_ms = WATCHDOG_MS + LATE_MS - self._unfed_ms()
        seen = f"a contact still closed {WATCHDOG_MS} ms after the last pulse"
        failure = await self._wait("TRIP", closed=False, within_ms=left_ms, seen=seen)
        return failure or (_overtaken() if self._cleared else None)

    async def _stay_open(self, seen: str) -> CommandFailed | None:
        for _ in range(round(SETTLE_S / _STEP_S)):
            closed = self._look("TRIP")
            if isinstance(closed, CommandFailed):
                return closed
            if closed:
                return _fail("TRIP", seen, "an open one", _NO_WATCHDOG)
            await asyncio.sleep(_STEP_S)
        return None

    async def _wait(self, command: str, *, closed: bool, within_ms: int, seen: str) -> CommandFailed | None:
        """Wait until the contact is as it should be; a STOP in the meantime ends the wait for a closed one."""
        until_ns = self._now_ns() + within_ms * _NS_PER_MS
        while True:
            now_closed = self._look(command)
            if isinstance(now_closed, CommandFailed):
                return now_closed
            if closed and self._cleared:
                return _overtaken()
            if now_closed is closed:
                return None
            if self._now_ns() >= until_ns:
                advice = "Check wiring and supply of the relay." if closed else _NO_WATCHDOG
                return _fail(command, seen, "a closed one" if closed else "an open one", advice)
            await asyncio.sleep(_STEP_S)

    def _let_go(self, permit: Permit | None) -> CommandFailed | None:
        """Let `clear` go, with the pulse line low: some one-shots take the release under a high one for a pulse."""
        refusal = permit() if permit is not None else None
        if refusal is not None:
            return refusal
        try:
            self._lines.drive(high=False)
            self._lines.clear(active=False)
        except OSError as error:
            return self._break("START", "clear", error)
        self._cleared = False
        return None

    async def _pulse(self, command: str, *, although_cleared: bool = False) -> CommandFailed | None:
        """Raise the line and lower it again; the one-shot counts from the rise, so a line left high holds nothing."""
        if self._cleared and not although_cleared:
            return _overtaken()
        try:
            self._lines.drive(high=True)
            self._held.held_ns = self._now_ns()
            try:
                await asyncio.sleep(PULSE_S)
            finally:
                self._lines.drive(high=False)
        except OSError as error:
            return self._break(command, "pulse", error)
        return None

    def _look(self, command: str) -> bool | CommandFailed:
        """Read the sense line, and count the time since the last look where the contact was closed at either end."""
        try:
            closed = self._lines.is_closed()
        except OSError as error:
            return self._break(command, "sense", error)
        now_ns, held = self._now_ns(), self._held
        if held.seen_ns is not None and (closed or held.was_closed):
            held.closed_ns += now_ns - held.seen_ns
        held.seen_ns, held.was_closed = now_ns, closed
        return closed

    def _break(self, command: str, line: str, error: OSError) -> CommandFailed:
        seen = f"{error.strerror or error} on the {line} line"
        advice = "Check the GPIO chip, and the url of the cut-off."
        self.broken = _fail(command, seen, "a line that obeys", advice)
        return self.broken

    def _unfed_ms(self) -> int:
        """Return the time since the last pulse; as long as need be where there was none."""
        held_ns = self._held.held_ns
        return WATCHDOG_MS + LATE_MS + 1 if held_ns is None else (self._now_ns() - held_ns) // _NS_PER_MS


_NO_WATCHDOG = (
    "Take the relay out of use: its contact is welded, or it is no retriggerable one-shot of 2 s with a clear."
)


def _overtaken() -> CommandFailed:
    return _fail("START", "a STOP in the meantime", "none", "Start again when it is wanted.")


def _fail(command: str, seen: str, expected: str, advice: str) -> CommandFailed:
    return CommandFailed(command=command, certainty=Certainty.UNKNOWN, seen=seen, expected=expected, advice=advice)


def _refuse(command: str, seen: str, expected: str) -> CommandFailed:
    return CommandFailed(
        command=command, certainty=Certainty.NOT_DONE, seen=seen, expected=expected, advice="Nothing was done."
    )
