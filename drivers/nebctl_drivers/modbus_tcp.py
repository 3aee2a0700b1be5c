"""Modbus TCP over one link: one transaction at a time, and a STOP ahead of all of them.

Why no late answer is ever taken: an answer counts only under the transaction number of a request that still waits, the
numbers repeat after 65535 requests only, and each opening is a connection of its own. A read may be asked again, under
a new number; a write is never sent again by itself.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from nebctl.core.device import Certainty, CommandFailed
from nebctl.ports import Link

from .modbus import (
    Denied,
    Done,
    FrameReader,
    NoModbus,
    Odd,
    Outcome,
    Read,
    Request,
    SetCoil,
    Words,
    Write,
    encode_request,
    judge_answer,
    next_transaction,
)

READ_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Reply:
    """What a unit answered, and the host's monotonic time of its arrival."""

    outcome: Outcome
    at_ns: int


Result: TypeAlias = Reply | CommandFailed | None
"""What became of a request; None means silence, or that a STOP went ahead of it."""

Permit: TypeAlias = Callable[[], CommandFailed | None]
"""Asked in the very moment before the bytes go out; a failure keeps them back."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A request on the wire; `due` is the loop time until which its answer may still come."""

    request: Request
    answer: asyncio.Future[Result]
    due: float


class ModbusTcp:
    """One host's talk with the units behind one port.

    `now_ns` is the host's monotonic time; `timeout_s` how long an answer is awaited, on the event loop's own clock.
    """

    def __init__(self, link: Link, *, now_ns: Callable[[], int], timeout_s: float) -> None:
        self._link = link
        self._now_ns = now_ns
        self._timeout_s = timeout_s
        self._tid = 0
        self._pending: dict[int, Pending] = {}
        self._turn = asyncio.Lock()
        self._no_stop = asyncio.Event()
        self._no_stop.set()
        self._pump: asyncio.Task[None] | None = None
        self._loss: CommandFailed | None = _NOT_OPEN

    @property
    def loss(self) -> CommandFailed | None:
        """Return why the wire is gone; None while it is up."""
        return self._loss

    @property
    def timeout_s(self) -> float:
        """Return how long an answer is awaited."""
        return self._timeout_s

    async def open(self) -> CommandFailed | None:
        """Open the link and begin to listen; None means open."""
        failure = await self._link.open()
        if failure is not None:
            return failure
        self._loss = None
        self._pump = asyncio.create_task(self._listen())
        return None

    async def close(self) -> None:
        """End every request with the reason, stop listening and close the link; closing twice is harmless."""
        self._lose(_NOT_OPEN)
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.wait({self._pump})
            self._pump = None
        self._link.close()

    async def read(self, request: Read, name: str) -> tuple[tuple[int, ...], int] | CommandFailed:
        """Return the registers and the time of their arrival, asked for at most `READ_ATTEMPTS` times."""
        seen = "no answer"
        for _ in range(READ_ATTEMPTS):
            result = await self.ask(request)
            if isinstance(result, CommandFailed):
                return replace(result, command=name)
            if result is None:
                continue
            if isinstance(result.outcome, Words):
                return result.outcome.values, result.at_ns
            seen = _say(result.outcome)
        return _fail(name, Certainty.UNKNOWN, f"{seen} ({READ_ATTEMPTS} times asked)", "registers of the unit's map")

    async def write(self, request: Write | SetCoil, name: str, permit: Permit | None = None) -> CommandFailed | None:
        """Send a write once; None means acknowledged, and an exception of the unit means not done."""
        result = await self.ask(request, permit)
        if isinstance(result, CommandFailed):
            return replace(result, command=name)
        if result is None:
            return _fail(name, Certainty.UNKNOWN, "no answer", "the write to be acknowledged")
        if isinstance(result.outcome, Done):
            return None
        certainty = Certainty.NOT_DONE if isinstance(result.outcome, Denied) else Certainty.UNKNOWN
        return _fail(name, certainty, _say(result.outcome), "the write to be acknowledged")

    async def ask(self, request: Request, permit: Permit | None = None) -> Result:
        """Send a request when it is its turn and no STOP is under way, and return what came of it.

        A caller that is cancelled leaves its request to `_drain`: the next one waits until that answer has passed.
        """
        async with self._turn:
            while self._pending or not self._no_stop.is_set():
                await (self._drain() if self._no_stop.is_set() else self._no_stop.wait())
            refusal = permit() if permit is not None else None
            pending = refusal or self.send(request)
            if isinstance(pending, CommandFailed):
                return pending
            await asyncio.wait({pending.answer}, timeout=self._timeout_s)
            self._forget(pending)
            return pending.answer.result() if pending.answer.done() else None

    def send(self, request: Request) -> Pending | CommandFailed:
        """Put a request on the wire now, whoever's turn it is."""
        if self._loss is not None:
            return replace(self._loss, certainty=Certainty.NOT_DONE)  # no byte of it was sent
        self._tid = next_transaction(self._tid)
        failure = self._link.write(encode_request(request, self._tid))
        if failure is not None:
            return failure
        loop = asyncio.get_running_loop()
        pending = Pending(request, loop.create_future(), loop.time() + self._timeout_s)
        self._pending[self._tid] = pending
        return pending

    def begin_stop(self, requests: Sequence[Request]) -> list[Pending | CommandFailed]:
        """Abandon what is pending, hold every other request back, and put these on the wire in this very call."""
        self._no_stop.clear()
        self._settle(None)
        return [self.send(request) for request in requests]

    def end_stop(self) -> None:
        """Let the other requests go on, and take no more answers to the stop's own."""
        self._settle(None)
        self._no_stop.set()

    async def _drain(self) -> None:
        """Wait while an earlier request may still be answered in its time; a STOP does not wait here."""
        owed = list(self._pending.values())
        if owed:
            wait_s = max(pending.due for pending in owed) - asyncio.get_running_loop().time()
            await asyncio.wait({pending.answer for pending in owed}, timeout=max(0.0, wait_s))
        for pending in owed:
            self._forget(pending)

    def _forget(self, pending: Pending) -> None:
        for tid in [tid for tid, known in self._pending.items() if known is pending]:
            del self._pending[tid]

    async def _listen(self) -> None:
        reason, reader = _READER_ENDED, FrameReader()
        try:
            while not isinstance(data := await self._link.read(), CommandFailed):
                for frame in reader.feed(data):
                    if isinstance(frame, NoModbus):
                        reason = replace(_NO_MODBUS, seen=f"bytes that are no Modbus TCP, {frame.sample.hex()}")
                        return
                    pending = self._pending.pop(frame.tid, None)
                    if pending is not None and not pending.answer.done():
                        pending.answer.set_result(Reply(judge_answer(pending.request, frame), self._now_ns()))
            reason = data
        finally:
            self._lose(reason)  # whatever ends this task, nobody is left waiting for it

    def _lose(self, reason: CommandFailed) -> None:
        self._loss = self._loss or reason
        self._settle(replace(reason, certainty=Certainty.UNKNOWN))

    def _settle(self, result: CommandFailed | None) -> None:
        abandoned, self._pending = self._pending, {}
        for pending in abandoned.values():
            if not pending.answer.done():
                pending.answer.set_result(result)


def _say(outcome: Outcome) -> str:
    match outcome:
        case Denied():
            return outcome.text()
        case Odd():
            return outcome.why
        case _:
            return f"a {type(outcome).__name__.lower()} answer of another kind"


def _fail(command: str, certainty: Certainty, seen: str, expected: str) -> CommandFailed:
    advice = "Check cable, power, unit ids and register map."
    return CommandFailed(command=command, certainty=certainty, seen=seen, expected=expected, advice=advice)


_NOT_OPEN = CommandFailed(
    command="request",
    certainty=Certainty.NOT_DONE,
    seen="no open conversation",
    expected="one",
    advice="Open the device first.",
)
_READER_ENDED = CommandFailed(
    command="read",
    certainty=Certainty.UNKNOWN,
    seen="the reader ended by itself",
    expected="a reader for as long as the device is open",
    advice="Close the device and open it again.",
)
_NO_MODBUS = CommandFailed(
    command="read",
    certainty=Certainty.UNKNOWN,
    seen="bytes that are no Modbus TCP",
    expected="Modbus TCP",
    advice="Check [device] port: another service answers there.",
)
