"""Requests and their answers over one link: one transaction at a time, and a STOP ahead of all of them.

Why no answer is ever given to the wrong request: a request is answered only by a line with its own sequence number
*and* command, numbers repeat after 65535 requests only, and a number left by an earlier conversation cannot come up,
because the wire keeps order: once the answer with our own HELLO's nonce is here, everything older has passed.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from nebctl.core.device import Certainty, CommandFailed
from nebctl.ports import Link

from .frames import Answer, Line, LineReader, Malformed, Refused, encode_request, next_seq

ANSWER_TIMEOUT_S = 0.110
"""How long an answer is awaited: the page's 100 ms and one tick of 10 ms for the host's own scheduler.

Source: docs/wire-protocol.md section 2.
"""
_SAMPLE = 40


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer or a refusal, and the host's monotonic time of its arrival."""

    line: Answer | Refused
    at_ns: int


Result: TypeAlias = Reply | CommandFailed | None
"""What became of a request; None means silence: it may have been acted on, and nobody said so in time."""

Permit = Callable[[], CommandFailed | None]
"""Asked in the very moment before the bytes go out; a failure keeps them back."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A request on the wire; `due` is the loop time until which its answer may still come."""

    command: str
    answer: asyncio.Future[Result]
    due: float


class Conversation:
    """One host's talk with one controller."""

    def __init__(self, link: Link, now_ns: Callable[[], int]) -> None:
        self._link = link
        self._now_ns = now_ns
        self._seq = 0
        self._pending: dict[int, Pending] = {}
        self._turn = asyncio.Lock()
        self._no_stop = asyncio.Event()
        self._no_stop.set()
        self._pump: asyncio.Task[None] | None = None
        self._lines = LineReader()
        self._sample = b""
        self._odd: Malformed | None = None
        self._loss: CommandFailed | None = _NOT_OPEN
        self.lost = asyncio.Event()
        self.lost.set()

    @property
    def loss(self) -> CommandFailed | None:
        """Return why the wire is gone; None while it is up."""
        return self._loss

    async def open(self) -> CommandFailed | None:
        """Open the link and begin to listen; None means open."""
        failure = await self._link.open()
        if failure is not None:
            return failure
        self._lines, self._sample, self._odd = LineReader(), b"", None
        self._loss = None
        self.lost.clear()
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

    async def ask(self, command: str, *args: str | int, permit: Permit | None = None) -> Result:
        """Send a request when it is its turn and no STOP is under way, and return what came of it.

        A caller that is cancelled leaves its request to `_drain`: the next one waits until that answer has passed.
        """
        async with self._turn:
            while self._pending or not self._no_stop.is_set():
                await (self._drain() if self._no_stop.is_set() else self._no_stop.wait())
            refusal = permit() if permit is not None else None
            pending = refusal or self.send(command, *args)
            if isinstance(pending, CommandFailed):
                return pending
            await asyncio.wait({pending.answer}, timeout=ANSWER_TIMEOUT_S)
            self._forget(pending)
            return pending.answer.result() if pending.answer.done() else None

    def send(self, command: str, *args: str | int) -> Pending | CommandFailed:
        """Put a request on the wire now, whoever's turn it is."""
        if self._loss is not None:
            return replace(self._loss, certainty=Certainty.NOT_DONE)  # no byte of it was sent
        self._seq = next_seq(self._seq)
        failure = self._link.write(encode_request(self._seq, command, *args))
        if failure is not None:
            return failure
        loop = asyncio.get_running_loop()
        pending = Pending(command, loop.create_future(), loop.time() + ANSWER_TIMEOUT_S)
        self._pending[self._seq] = pending
        return pending

    def begin_stop(self) -> Pending | CommandFailed:
        """Abandon what is pending, hold every other request back, and put STOP on the wire in this very call."""
        self._no_stop.clear()
        self._settle(None)
        return self.send("STOP")

    def end_stop(self) -> None:
        """Let the other requests go on."""
        self._no_stop.set()

    def describe_heard(self) -> str:
        """Return what came over the wire since the opening, for a person who looks for the wrong device."""
        if self._odd is not None:
            return f"the line {self._odd.payload!r} ({self._odd.why})"
        if self._sample:
            return f"bytes that are no answer, beginning {self._sample!r}"
        return "silence"

    async def _drain(self) -> None:
        """Wait while an earlier request may still be answered in its time; a STOP does not wait here."""
        owed = list(self._pending.values())
        if owed:
            wait_s = max(pending.due for pending in owed) - asyncio.get_running_loop().time()
            await asyncio.wait({pending.answer for pending in owed}, timeout=max(0.0, wait_s))
        for pending in owed:
            self._forget(pending)

    def _forget(self, pending: Pending) -> None:
        for seq in [seq for seq, known in self._pending.items() if known is pending]:
            del self._pending[seq]

    async def _listen(self) -> None:
        reason = _READER_ENDED
        try:
            while not isinstance(data := await self._link.read(), CommandFailed):
                self._sample = (self._sample + data)[:_SAMPLE]
                for line in self._lines.feed(data):
                    self._dispatch(line)
            reason = data
        finally:
            self._lose(reason)  # whatever ends this task, nobody is left waiting for it

    def _dispatch(self, line: Line) -> None:
        if isinstance(line, Malformed):
            self._odd = line
        if not isinstance(line, Answer | Refused):
            return
        pending = self._pending.get(line.seq)
        if pending is None or pending.command != line.command:
            return
        del self._pending[line.seq]
        if not pending.answer.done():
            pending.answer.set_result(Reply(line, self._now_ns()))

    def _lose(self, reason: CommandFailed) -> None:
        if self._loss is None:
            self._loss = reason
            self.lost.set()
        self._settle(replace(reason, certainty=Certainty.UNKNOWN))

    def _settle(self, result: CommandFailed | None) -> None:
        abandoned, self._pending = self._pending, {}
        for pending in abandoned.values():
            if not pending.answer.done():
                pending.answer.set_result(result)


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
