"""A balance on a bus of its own: weigh, tare, zero, and a stream of weights.

There is no checksum on this wire. A stable weight therefore counts only when two answers in a row say it. A balance
that starts anew while it is open has lost tare and zero; it must be opened again before it is believed. So must one
that was silent: it may have been without power, and what it says when it starts may have been lost with the cable.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from nebctl.core.device import Certainty, CommandFailed
from nebctl.ports import Link
from nebctl_drivers.bus import Bus
from nebctl_drivers.lines import LineDialect
from nebctl_drivers.reading import read
from nebctl_drivers.timing import NOTHING, Reply, Result, Silence

from .frames import Answer, Command, Done, Fault, Hindered, MtSicsGrammar, State, Told, Weighed
from .profile import BalanceProfile, read_balance_profile

BalanceBus: TypeAlias = Bus[Command, Answer]
_ANEW = "a balance that has started anew, without its tare and zero"
_SILENT = "a balance that did not answer, and may have started anew, without its tare and zero"
ATTEMPTS = 3
"""So often a weight is asked for where what came was no answer."""
_STATES = {
    State.BUSY: "a balance that is busy, or not at rest",
    State.OVER: "an overload",
    State.UNDER: "an underload",
    State.WRONG_PARAMETER: "a refusal",
}
_ADVICE = {
    State.BUSY: "Keep draughts and hands off, and try again.",
    State.OVER: "Take the load off.",
    State.UNDER: "Put the pan in its place.",
    State.WRONG_PARAMETER: "Check the balance's model and settings.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceIdentity:
    """Who answered: serial number, model with its range as the balance words it, and software."""

    serial: str
    model: str
    software: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """A net weight in micrograms, whether it is stable, and the host's monotonic time of its arrival."""

    ug: int
    stable: bool
    at_ns: int


Watcher: TypeAlias = Callable[[Weight | State], None]
"""Takes each weight of a stream, or the state that stands in its place."""


def make_bus(
    link: Link, *, baud: int | None, now_ns: Callable[[], int], profile: BalanceProfile | None = None
) -> BalanceBus:
    """Return a bus for one balance; `baud` None for a TCP stream."""
    timing = (profile or read_balance_profile()).timing(baud)
    return Bus(link, LineDialect(MtSicsGrammar()), timing, now_ns=now_ns)


class Balance:
    """The balance on `bus`; `serial` is the number it must have, None for any."""

    def __init__(self, bus: BalanceBus, *, serial: str | None = None, profile: BalanceProfile | None = None) -> None:
        self._profile = profile if profile is not None else read_balance_profile()
        self._serial = serial
        self._seat = bus.seat(probe=Command.BALANCE, unasked=self._hear)
        self._watcher: Watcher | None = None
        self._doubt: str | None = None
        self._ready = False

    @property
    def loss(self) -> CommandFailed | None:
        """Return why there is no wire; None while there is one."""
        return self._seat.loss

    @property
    def is_believed(self) -> bool:
        """Return whether it is open, and has neither been silent nor started anew since: its weights share one zero."""
        return self._ready and self._doubt is None and self._seat.loss is None

    async def open(self) -> BalanceIdentity | CommandFailed:
        """Reset the balance, which ends a stream as well, and find out who answers; it may be called again."""
        await self.close()
        failure = await self._seat.open()
        if failure is not None:
            return failure
        identity: BalanceIdentity | CommandFailed | None = None
        try:
            identity = await self._greet()
        finally:
            self._ready = isinstance(identity, BalanceIdentity)
            if not self._ready:
                await self._seat.close()
        return identity

    async def close(self) -> None:
        """End a stream and leave the bus; closing twice is harmless."""
        if self._watcher is not None:
            await self.stop_stream()
        self._ready = False
        await self._seat.close()

    async def weigh(self, *, stable: bool = True) -> Weight | CommandFailed:
        """Return the net weight: a stable one that two answers in a row say, or the one of this moment.

        A balance that does not come to rest in time, overload and underload are failures, never a number. After a
        question without any answer all weighing is refused until the next opening.
        """
        refusal = self._refuse("weigh")
        if refusal is not None:
            return refusal
        if not stable:
            return await self._weigh_now()
        rest = await self._come_to_rest()
        return rest if isinstance(rest, CommandFailed) else _weight(rest.answer, rest.at_ns)

    async def tare(self) -> CommandFailed | None:
        """Tare, once; None means that the net weight then reads 0."""
        return await self._settle(Command.TARE, "tare")

    async def zero(self) -> CommandFailed | None:
        """Set zero, once; None means that the weight then reads 0."""
        return await self._settle(Command.ZERO, "zero")

    async def stream(self, watcher: Watcher) -> CommandFailed | None:
        """Let the balance send weights by itself, each to `watcher`; until `stop_stream` nothing else can be asked."""
        refusal = self._refuse("stream")
        if refusal is not None:
            return refusal
        self._watcher = watcher
        first = await self._seat.ask(Command.REPEAT)
        if isinstance(first, Reply) and isinstance(first.answer, Weighed | Hindered):
            self._hear(first.answer, first.at_ns)
            return None
        failure = _failed("stream", first)
        await self.stop_stream()  # the command may have arrived all the same
        return failure

    async def stop_stream(self) -> CommandFailed | None:
        """End the stream by a reset, which may also take the tare away; None means that the balance has answered it."""
        self._watcher = None
        serial = await self._reset("stop the stream")
        if isinstance(serial, CommandFailed):
            self._doubt = self._doubt or _SILENT
            return serial
        return None

    async def _greet(self) -> BalanceIdentity | CommandFailed:
        serial = await self._reset("open")
        if isinstance(serial, CommandFailed):
            return serial
        if self._serial not in (None, serial):
            return _fail("open", f"the serial number {serial}", str(self._serial), "Connect the right balance.")
        model = await self._tell(Command.BALANCE)
        if isinstance(model, CommandFailed):
            return model
        software = await self._tell(Command.SOFTWARE)
        if isinstance(software, CommandFailed):
            return software
        self._doubt = None
        return BalanceIdentity(serial=serial, model=model, software=software)

    async def _reset(self, name: str) -> str | CommandFailed:
        return await self._tell(Command.RESET, name)

    async def _tell(self, command: Command, name: str = "open") -> str | CommandFailed:
        told = await read(
            self._seat,
            command,
            name=name,
            parse=_told,
            expected="a balance that speaks MT-SICS",
            advice="Check port, baud rate and the balance's interface settings.",
        )
        return told if isinstance(told, CommandFailed) else " ".join(told.texts)

    async def _weigh_now(self) -> Weight | CommandFailed:
        answer = await self._ask_now()
        if isinstance(answer, CommandFailed):
            return answer
        weighed = answer.answer
        return _weight(weighed, answer.at_ns) if isinstance(weighed, Weighed) else _hindered("weigh", weighed.state)

    async def _come_to_rest(self) -> Reply[Weighed] | CommandFailed:
        """Ask until two stable weights in a row agree; a digit that the line has changed does not come twice."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._profile.stable_s
        before: Weighed | None = None
        while True:
            answer = await self._ask_now()
            if isinstance(answer, CommandFailed):
                return answer
            now = answer.answer
            if isinstance(now, Hindered) and now.state is not State.BUSY:
                return _hindered("weigh", now.state)
            if isinstance(now, Weighed) and before is not None and self._agree(before, now):
                return Reply(now, answer.at_ns)
            if loop.time() >= until:
                return replace(_hindered("weigh", State.BUSY), expected=f"rest within {self._profile.stable_s:g} s")
            before = now if isinstance(now, Weighed) else None
            await asyncio.sleep(self._profile.poll_s)

    async def _ask_now(self) -> Reply[Weighed | Hindered] | CommandFailed:
        for attempt in range(1, ATTEMPTS + 1):
            result = await self._seat.ask(Command.NOW, lambda: self._refuse("weigh"))
            if isinstance(result, CommandFailed):
                return replace(result, command="weigh")
            if isinstance(result, Reply) and isinstance(result.answer, Weighed | Hindered):
                # it may have started anew while it was asked
                return self._refuse("weigh") or Reply(result.answer, result.at_ns)
            seen = result.seen if isinstance(result, Silence) else _say(result.answer)
            self._weigh_silence(result, is_last=attempt == ATTEMPTS)
            if self._doubt is not None:
                break
        advice = "Check cable, power and the balance's unit, and open it again."
        return _fail("weigh", seen, "a weight in g, mg or kg", advice)

    def _weigh_silence(self, result: Result[Answer], *, is_last: bool = True) -> None:
        """Doubt tare and zero where nothing came at all, or nothing good to the last."""
        if isinstance(result, Silence) and (is_last or result.seen == NOTHING):
            self._doubt = self._doubt or _SILENT

    async def _settle(self, command: Command, name: str) -> CommandFailed | None:
        """Send `command` once while the balance is at rest, and weigh: only a weight of 0 shows that it was done."""
        before = await self.weigh()
        if isinstance(before, CommandFailed):
            return replace(before, command=name, certainty=Certainty.NOT_DONE)
        result = await self._seat.ask(command, lambda: self._refuse(name))
        if isinstance(result, Silence):
            self._weigh_silence(result)
            await self._reset(name)  # or it might still be done, in the middle of something else
        if not isinstance(result, Reply) or not isinstance(result.answer, Weighed | Done):
            return _failed(name, result)
        after = await self._come_to_rest()
        if isinstance(after, CommandFailed):
            return replace(after, command=name, certainty=Certainty.UNKNOWN)
        most_ug = self._profile.agree_steps * after.answer.step_ug
        if abs(after.answer.ug) > most_ug:
            return _fail(name, f"{after.answer.ug} micrograms afterwards", f"at most {most_ug}", "Try again.")
        return None

    def _agree(self, one: Weighed, other: Weighed) -> bool:
        apart = abs(one.ug - other.ug)
        return one.stable and other.stable and apart <= self._profile.agree_steps * max(one.step_ug, other.step_ug)

    def _refuse(self, name: str) -> CommandFailed | None:
        if not self._ready:
            return self._seat.loss or _refusal(name, "a balance that is not open", "an open one")
        if self._watcher is not None:
            return _refusal(name, "a stream under way", "its end first")
        if self._doubt is not None:
            return _refusal(name, self._doubt, "it to be opened again")
        return None

    def _hear(self, answer: Answer, at_ns: int) -> None:
        if isinstance(answer, Told):
            self._doubt = _ANEW
        elif self._watcher is not None:
            if isinstance(answer, Weighed):
                self._watcher(_weight(answer, at_ns))
            elif isinstance(answer, Hindered):
                self._watcher(answer.state)


def _told(reply: Reply[Answer]) -> Told | str:
    return reply.answer if isinstance(reply.answer, Told) else _say(reply.answer)


def _weight(weighed: Weighed, at_ns: int) -> Weight:
    return Weight(ug=weighed.ug, stable=weighed.stable, at_ns=at_ns)


def _say(answer: Answer) -> str:
    match answer:
        case Hindered():
            return _STATES[answer.state]
        case Fault():
            return f"the fault {answer.value}"
    return "an answer of another kind"


def _failed(name: str, result: Result[Answer]) -> CommandFailed:
    """Return why a command that was sent once came to nothing, or may have."""
    if isinstance(result, CommandFailed):
        return replace(result, command=name)
    if isinstance(result, Silence):
        return _fail(name, result.seen, "an answer", "Weigh again: it may have been done.")
    if isinstance(result.answer, Hindered):
        return _hindered(name, result.answer.state)
    return _refusal(name, _say(result.answer), "the command to be taken")


def _hindered(name: str, state: State) -> CommandFailed:
    return CommandFailed(
        command=name,
        certainty=Certainty.NOT_DONE,
        seen=_STATES[state],
        expected="a load within the range, at rest",
        advice=_ADVICE[state],
    )


def _fail(name: str, seen: str, expected: str, advice: str) -> CommandFailed:
    return CommandFailed(command=name, certainty=Certainty.UNKNOWN, seen=seen, expected=expected, advice=advice)


def _refusal(name: str, seen: str, expected: str) -> CommandFailed:
    return CommandFailed(
        command=name, certainty=Certainty.NOT_DONE, seen=seen, expected=expected, advice="Nothing was changed."
    )
