"""STOP, again and again, until a read-back shows the contact open, the set-point gone and no gas."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from nebctl.core.device import Certainty, CommandFailed
from nebctl_drivers.modbus import Request, Words
from nebctl_drivers.modbus_tcp import ModbusTcp, Pending, Reply, Result

STOP_PERIOD_S = 0.050
STOP_ATTEMPTS = 40
"""2 s in all: without a beat for that long the relay's own watchdog has acted too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadBack:
    """The three blocks of one read-back, and the time of the last answer."""

    relay: tuple[int, ...]
    setpoint: tuple[int, ...]
    process: tuple[int, ...]
    at_ns: int


class StopUntilOff:
    """One stop. `writes` turn off, `reads` are relay, set-point and process; `judge` says what is not OFF, or "".

    A read-back is sent behind the writes on a wire that keeps order, so it shows what they came to.
    """

    def __init__(
        self, wire: ModbusTcp, writes: tuple[Request, ...], reads: tuple[Request, ...], judge: Callable[[ReadBack], str]
    ) -> None:
        self._wire = wire
        self._writes = writes
        self._reads = reads
        self._judge = judge
        self._seen = "no read-back"

    def begin(self) -> list[Pending | CommandFailed]:
        """Put the first STOP on the wire in this very call."""
        return self._wire.begin_stop((*self._writes, *self._reads))

    async def run(self, sent: list[Pending | CommandFailed]) -> ReadBack | CommandFailed:
        """Follow the STOP that is on the wire already; return the read-back, or that OFF is not proven."""
        loop = asyncio.get_running_loop()
        asked, asked_at = sent[len(self._writes) :], loop.time()
        for attempt in range(STOP_ATTEMPTS):
            if attempt:
                for request in self._writes:
                    self._wire.send(request)
            if self._wire.loss is not None:
                return replace(self._wire.loss, command="STOP", certainty=Certainty.UNKNOWN)
            if attempt and (_all_answered(asked) or loop.time() - asked_at >= self._wire.timeout_s):
                asked, asked_at = [self._wire.send(request) for request in self._reads], loop.time()
            words = await self._watch(asked)
            if words is not None:
                return words
        return CommandFailed(
            command="STOP",
            certainty=Certainty.UNKNOWN,
            seen=f"{self._seen} after {STOP_ATTEMPTS} times STOP",
            expected="the relay open, the set-point 0 and no gas",
            advice="Close the gas by hand.",
        )

    async def _watch(self, asked: list[Pending | CommandFailed]) -> ReadBack | None:
        """Wait one period for the read-back; None means that it is time for the next STOP."""
        loop = asyncio.get_running_loop()
        until = loop.time() + STOP_PERIOD_S
        waiting = {item.answer for item in asked if isinstance(item, Pending)}
        if waiting:
            await asyncio.wait(waiting, timeout=STOP_PERIOD_S)
        words = self._weigh(asked)
        if words is None:
            await asyncio.sleep(max(0.0, until - loop.time()))
        return words

    def _weigh(self, asked: list[Pending | CommandFailed]) -> ReadBack | None:
        replies = [_reply(item) for item in asked]
        good = [reply for reply in replies if isinstance(reply, Reply) and isinstance(reply.outcome, Words)]
        if len(good) < len(self._reads):
            self._seen = "the relay silent" if good and replies[0] not in good else "no read-back"
            return None
        relay, setpoint, process = (reply.outcome.values for reply in good if isinstance(reply.outcome, Words))
        words = ReadBack(relay=relay, setpoint=setpoint, process=process, at_ns=good[-1].at_ns)
        self._seen = self._judge(words)
        return None if self._seen else words


def _reply(item: Pending | CommandFailed) -> Result:
    if isinstance(item, CommandFailed):
        return item
    return item.answer.result() if item.answer.done() else None


def _all_answered(asked: list[Pending | CommandFailed]) -> bool:
    return all(not isinstance(item, Pending) or item.answer.done() for item in asked)
