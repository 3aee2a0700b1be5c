"""The bench of a test: the talker, what may be done to the controller, and the questions that rules share."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from nebctl.core.device import CommandFailed, DeviceReport, EndCause, Output
from nebctl_drivers.mesh_reference.answers import Granted, Hello, Unreadable, read_hello, read_start, read_status
from nebctl_drivers.mesh_reference.frames import Answer, Line, Refused

from .talker import Reply, Talker, WireGone, show, sign
from .verdicts import Broken, Need, Untested

POLL_S = 0.02
BEAT_S = 0.5
PATIENCE_S = 15.0
"""How long a restarted controller may take until it answers; a generous guess, since no page asks for it."""
OFF_ATTEMPTS = 10

Read = TypeVar("Read")
Act = Callable[[], Awaitable[str | None]]
"""Does something to the controller from outside; a text says why it could not."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What STAT said, between the loop's times of asking and hearing."""

    report: DeviceReport
    sent_s: float
    heard_s: float

    @property
    def is_on(self) -> bool:
        """Tell whether the output was on."""
        return self.report.output is not Output.OFF


@dataclass(frozen=True, slots=True)
class WentOff:
    """When an output went OFF: certainly after `after_s` and before `before_s`, and what STAT said then."""

    report: DeviceReport
    after_s: float
    before_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What the bench may do beside talking; None means that it may not.

    `load` is "wet" or "dummy"; without it no START is ever sent. `new_id` gives eight lower-case hexadecimal digits.
    `adapter_ms` is how many milliseconds the adapter in between keeps bytes back, 0 where there is none.
    """

    new_id: Callable[[], str]
    adapter_ms: int = 0
    load: str | None = None
    power: Act | None = None
    reset: Act | None = None
    dry: Act | None = None

    def lacks(self, need: Need) -> bool:
        """Tell whether something is missing that a rule needs."""
        given = {Need.LOAD: self.load, Need.RESTART: self.reset or self.power, Need.POWER: self.power}
        return (given | {Need.DRY: self.dry})[need] is None


class Bench:
    """One controller under test; a rule that it breaks is raised as `Broken`."""

    def __init__(self, talker: Talker, means: Means) -> None:
        self.talker = talker
        self.means = means
        self._may_be_on = False
        self._is_dry = False
        self._lost_off = False

    async def ask(self, command: str, *args: str | int, seq: int | None = None) -> Answer | Refused:
        """Send a request and return its answer or refusal; silence breaks the rule."""
        return heard(await self.talker.ask(command, *args, seq=seq), command)

    async def answer(self, command: str, *args: str | int, seq: int | None = None) -> Answer:
        """Send a request and return its answer; silence and a refusal break the rule."""
        line = await self.ask(command, *args, seq=seq)
        if isinstance(line, Refused):
            raise Broken(f"{tell(line)}", f"an answer to {command}")
        return line

    async def expect_refusal(self, reason: str, command: str, *args: str | int, seq: int | None = None) -> None:
        """Send a request that must be refused for that reason."""
        line = await self.ask(command, *args, seq=seq)
        asked = ",".join((command, *map(str, args)))
        expect(isinstance(line, Refused) and line.reason == reason, tell(line), f"{asked} refused with {reason}")

    async def expect_dropped(self, evil: bytes) -> None:
        """Send bytes that nobody may answer, and a good request behind them that must be answered alone."""
        self.talker.take_answers()
        self.talker.send(evil)
        reply = await self.talker.ask("STAT")
        answered = self.talker.take_answers()
        expect(not answered, "; ".join(map(tell, answered)), f"no answer to {show(evil)}")
        expect(reply.line is not None, f"silence after {show(evil)}", "an answer to the good request behind it")

    async def hello(self) -> Hello:
        """Greet the controller with a fresh nonce, which turns its output OFF."""
        return readable(read_hello((await self.answer("HELLO", self.means.new_id())).fields), "HELLO")

    async def stat(self) -> Reading:
        """Read the controller once."""
        reply = await self.talker.ask("STAT")
        line = heard(reply, "STAT")
        expect(isinstance(line, Answer), tell(line), "an answer to STAT")
        assert isinstance(line, Answer)
        report = readable(read_status(line.fields, round(reply.heard_s * 1e9)), "STAT")
        return Reading(report, reply.sent_s, reply.heard_s)

    async def start(self, run: str, max_on_ms: int) -> Granted:
        """Start a run that must be accepted."""
        reply = await self.try_start(run, max_on_ms)
        line = heard(reply, "START")
        expect(isinstance(line, Answer), tell(line), f"START,{run},{max_on_ms} accepted")
        assert isinstance(line, Answer)
        return readable(read_start(line.fields), "START")

    async def try_start(self, *args: str | int, seq: int | None = None) -> Reply:
        """Send START, whatever its arguments, where `allow_start` allows it."""
        await self.allow_start()
        return await self.talker.ask("START", *args, seq=seq)

    async def allow_start(self) -> None:
        """Ask for leave before each START, however it is sent; it takes the last request's number.

        Raises: `Untested` on a mesh that was found dry: it would crack.
        """
        assert self.means.load is not None, "a rule that sends START names the need LOAD"
        if self._is_dry or (await self.stat()).report.dry:
            raise Untested("the mesh was found dry: fill the cup (or mend the dummy load) and begin again")
        if self._lost_off:
            raise Untested("an earlier run could not be turned OFF: no START is sent any more")
        self._may_be_on = True

    async def run_for(self, seconds: float) -> Reading:
        """Keep a run alive with beats and return the last reading, which must show it on."""
        went_off = await self.follow(seconds, beating=True)
        if went_off is not None:
            raise Broken(f"the output went OFF with {word(went_off.report.end)}", f"{seconds:g} s of a run")
        return await self.stat()

    async def follow(self, limit_s: float, *, beating: bool = False) -> WentOff | None:
        """Read the controller until its output is OFF; None means that it is on after `limit_s`."""
        loop = asyncio.get_running_loop()
        begun_s = beat_s = after_s = loop.time()
        while loop.time() < begun_s + limit_s:
            if beating and loop.time() >= beat_s:
                await self.answer("BEAT")
                beat_s += BEAT_S
            reading = await self.stat()
            if not reading.is_on:
                return WentOff(reading.report, after_s, reading.heard_s)
            after_s = reading.sent_s
            await asyncio.sleep(POLL_S)
        return None

    async def restart(self, *, power: bool = False, seq: int | None = None) -> Answer | Refused:
        """Restart the controller and return its first answer: to STAT, or to LAST under the number `seq`.

        `power` asks for a loss of power.

        Raises: `Untested` where the command fails; `Broken` where the controller does not come back.
        """
        act = self.means.power if power else self.means.reset or self.means.power
        assert act is not None, "a rule that restarts names the need RESTART or POWER"
        self.talker.is_judging = False  # a line that is cut by a loss of power is nobody's fault
        try:
            failure = await act()
            if failure is not None:
                raise Untested(failure)
            return await self._wait_until_back(seq)
        finally:
            self.talker.is_judging = True

    async def make_dry(self) -> float:
        """Let the load run dry; return the loop's time at which it certainly was.

        Raises: `Untested` where the command fails.
        """
        assert self.means.dry is not None, "a rule that runs dry names the need DRY"
        self._is_dry = True  # from here on no START is sent any more
        failure = await self.means.dry()
        if failure is not None:
            raise Untested(failure)
        return asyncio.get_running_loop().time()

    async def leave_off(self, *, always: bool = False) -> str | None:
        """Turn the output OFF where it may be on, or `always`; a text says that OFF could not be proven.

        The first STOP leaves in this very call, before anything is awaited.
        """
        if not self._may_be_on and not always:
            return None
        attempts = OFF_ATTEMPTS if self._may_be_on else 1
        for _ in range(attempts):
            try:
                await self.talker.ask("STOP")
                if not (await self.stat()).is_on:
                    self._may_be_on = False
                    return None
            except Broken:
                continue
            except WireGone as gone:
                return str(gone)
        self._lost_off = True
        return f"the output is not proven OFF after {attempts} times STOP: use the device's own switch"

    async def _wait_until_back(self, seq: int | None) -> Answer | Refused:
        loop = asyncio.get_running_loop()
        due_s = loop.time() + PATIENCE_S
        while loop.time() < due_s:
            try:
                reply = await self.talker.ask("STAT" if seq is None else "LAST", seq=seq)
                if reply.line is not None:
                    return reply.line
            except WireGone:
                await self._open_again()
        raise Broken(f"silence for {PATIENCE_S:g} s after the restart", "a controller that answers again")

    async def _open_again(self) -> None:
        await self.talker.close()
        if isinstance(await self.talker.open(), CommandFailed):
            await asyncio.sleep(POLL_S)


_WORDS = {
    Output.OFF: "OFF",
    Output.SWEEP: "SWEEP",
    Output.RUNNING: "RUN",
    EndCause.NONE: "-",
    EndCause.POWER_UP: "POWER",
    EndCause.HOST: "HOST",
    EndCause.STOP: "STOP",
    EndCause.DRY: "DRY",
    EndCause.MAX_ON: "MAXON",
    EndCause.BEAT: "BEAT",
    EndCause.FAULT: "FAULT",
}


def word(value: Output | EndCause) -> str:
    """Return a state or an end cause as it stands on the wire."""
    return _WORDS[value]


def expect(is_so: bool, seen: str, expected: str) -> None:
    """Raise `Broken` unless it is so."""
    if not is_so:
        raise Broken(seen, expected)


def heard(reply: Reply, command: str) -> Answer | Refused:
    """Return the answer or refusal; silence breaks the rule."""
    if reply.line is None:
        raise Broken("silence", f"an answer to {command} (number {reply.seq})")
    return reply.line


def readable(read: Read | Unreadable, command: str) -> Read:
    """Return what was read; fields that are not as the page says break the rule."""
    if isinstance(read, Unreadable):
        raise Broken(read.why, f"the fields of {command} as section 3 or 4 has them")
    return read


def tell(line: Line) -> str:
    """Return a line as it stood on the wire, without its end."""
    match line:
        case Answer(seq, command, fields):
            payload = ",".join(("A", str(seq), command, *fields))
        case Refused(seq, command, reason):
            payload = f"N,{seq},{command},{reason}"
        case _:
            payload = getattr(line, "payload", "") or ",".join(("E", line.name, *line.fields))  # type: ignore[union-attr]
    return show(sign(payload.encode()).rstrip())
