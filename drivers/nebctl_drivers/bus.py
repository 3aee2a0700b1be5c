"""The bus guard: one for each physical bus. It hands no answer to another request, and lets STOP pass everything.

Why no late answer is ever believed. With numbers an answer counts only under its own. Without them (Modbus RTU, ASCII
lines) a request that was given up stays on the list as a ghost, and an answer goes to the oldest request that it fits:
so it can come too late for its own request, but never count for a later one. After a request without an answer the bus
is quiet for as long as the answer might still take (quarantine), and a station that owes one is first asked something
whose answer cannot be mistaken (a probe): stations answer in order, so what it owed before will not come any more.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic

from nebctl.core.device import Certainty, CommandFailed
from nebctl.ports import Link

from .exchange import A, Answered, Dialect, R, Unasked, Unusable
from .seat import Pending, Seat
from .timing import (
    MOST_WIRE_S,
    NOT_OPEN,
    NOTHING,
    READER_ENDED,
    UNUSABLE,
    Permit,
    Reply,
    Result,
    Silence,
    Timing,
    too_long,
)

__all__ = ["Bus", "Pending", "Permit", "Reply", "Result", "Seat", "Silence", "Timing"]

STOP_HOLD_S = 0.030
"""How long the others make room after a STOP's frame; then they go on, or their watchdogs would trip for its sake."""
GHOST_LIFE_S = 1.0
"""A request that was given up is answered at most so late, or four late windows where these are longer."""


@dataclass(eq=False, slots=True)
class _Call(Generic[R, A]):
    """A request in its turn; `wanted` falls when the caller is cancelled before it went out."""

    seat: "Seat[R, A]"
    request: R
    permit: Permit | None
    wanted: bool = True


class Bus(Generic[R, A]):
    """One physical bus: the devices on it take fair turns, one exchange at a time.

    `now_ns` is the host's monotonic time, which stamps the answers; time-outs run on the event loop's own clock.
    """

    def __init__(self, link: Link, dialect: Dialect[R, A], timing: Timing, *, now_ns: Callable[[], int]) -> None:
        self._link = link
        self._dialect = dialect
        self.timing = timing
        self._now_ns = now_ns
        self._seats: set[Seat[R, A]] = set()
        self._waiting: list[Pending[R, A]] = []
        self._urgent: deque[Pending[R, A]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._turn = asyncio.Lock()
        self._opening = asyncio.Lock()
        self._busy_until = self._quiet_until = self._hold_until = float("-inf")
        self._pump: asyncio.Task[None] | None = None
        self._exchanges: dict[asyncio.Task[Result[A] | None], Seat[R, A]] = {}
        self._stir: asyncio.Future[None] | None = None
        self.loss: CommandFailed | None = NOT_OPEN

    def seat(self, *, probe: R | None = None, unasked: Callable[[A, int], None] | None = None) -> "Seat[R, A]":
        """Return a place on the bus for one station.

        `probe` is a harmless request that the station surely answers; None leaves the quarantine alone to keep late
        answers away. `unasked` takes what stations say by themselves, with its arrival in ns.
        """
        return Seat(self, probe, unasked)

    async def join(self, seat: "Seat[R, A]") -> CommandFailed | None:
        """Take a seat in; the link is opened where it is not, or was lost."""
        async with self._opening:
            failure = None if self.loss is None else await self._open()
            if failure is None:
                self._seats.add(seat)
            return failure

    async def leave(self, seat: "Seat[R, A]") -> None:
        """Let a seat go with all it waits for; with the last one the link closes."""
        async with self._opening:
            self.give_up(seat, replace(NOT_OPEN, certainty=Certainty.UNKNOWN))
            self._seats.discard(seat)
            self._wake()
            ending = {exchange for exchange, of in self._exchanges.items() if of is seat}
            if ending:
                await asyncio.wait(ending)
            if not self._seats:
                await self._close()

    async def ask(self, seat: "Seat[R, A]", request: R, permit: Permit | None) -> "Result[A]":
        """Run one exchange in the seat's turn; the caller may be cancelled, an exchange on the wire is not."""
        while True:
            await seat.no_stop.wait()
            await self._turn.acquire()
            call = _Call(seat, request, permit)
            exchange = asyncio.get_running_loop().create_task(self._exchange(call))
            self._exchanges[exchange] = seat
            exchange.add_done_callback(self._end_turn)
            try:
                result = await asyncio.shield(exchange)
            except asyncio.CancelledError:
                call.wanted = False
                raise
            if result is not None:
                return result

    def urge(self, seat: "Seat[R, A]", requests: Sequence[R]) -> list["Pending[R, A] | CommandFailed"]:
        """Put a STOP's requests ahead of everything but other STOPs, each at the first silence."""
        failure = seat.loss
        if failure is not None:
            return [replace(failure, certainty=Certainty.NOT_DONE) for _ in requests]
        now = _now()
        fresh = [Pending(seat, request, now, urgent=True) for request in requests]
        self._urgent.extend(fresh)
        self._send_urgent()
        return list(fresh)

    def has_unsent(self, seat: "Seat[R, A]") -> bool:
        """Return whether requests of a STOP still wait for silence."""
        return any(pending.seat is seat for pending in self._urgent)

    def give_up(self, seat: "Seat[R, A]", result: "Result[A]") -> None:
        """Settle all that a seat waits for; what may still be answered stays behind as a ghost."""
        self.drop_unsent(seat)
        for pending in self._waiting:
            if pending.seat is seat:
                pending.settle(result)
        self._forget_numbered()

    def heard(self) -> str:
        """Return what came since the last request and was no answer; empty for silence."""
        return self._dialect.heard()

    def _end_turn(self, exchange: "asyncio.Task[Result[A] | None]") -> None:
        del self._exchanges[exchange]
        self._turn.release()

    def _wake(self) -> None:
        """Let whoever waits for the wire look again."""
        if self._stir is not None:
            self._stir.set_result(None)
            self._stir = asyncio.get_running_loop().create_future()

    async def _exchange(self, call: _Call[R, A]) -> "Result[A] | None":
        """Return what came of a request; None means that it was not sent because its seat stops."""
        if not await self._clear(call.seat):
            return None
        if self._owes(call.seat, call.request):
            stuck = await self._get_in_step(call.seat)
            if stuck is not None:
                return stuck
            if not await self._clear(call.seat):
                return None
        if not call.wanted:
            return Silence("nobody waits for it any more")
        refusal = call.seat.loss or (call.permit() if call.permit is not None else None)
        if refusal is not None:
            return replace(refusal, certainty=Certainty.NOT_DONE)
        return await self._round(call.seat, call.request)

    async def _round(self, seat: "Seat[R, A]", request: R) -> "Result[A]":
        pending = Pending(seat, request, _now())
        failure = self._send(pending)
        if failure is not None:
            return failure
        await asyncio.wait({pending.answer}, timeout=pending.due - _now())
        if not pending.answer.done():
            pending.settle(Silence(self.heard() or NOTHING))
        result = pending.answer.result()
        if pending in self._waiting and not self._dialect.numbered:
            self._quiet_until = max(self._quiet_until, _now() + self.timing.late_s())
        self._forget_numbered()
        return result

    async def _clear(self, seat: "Seat[R, A]") -> bool:
        """Wait until the wire is the seat's; False means that the seat has begun to stop."""
        while seat.no_stop.is_set():
            if seat.loss is not None:
                return True
            ready = max(self._quiet_until, self._hold_until, self._busy_until + self.timing.gap_s)
            if self._urgent:
                ready = max(ready, _now() + self.timing.gap_s)
            elif ready <= _now():
                return True
            assert self._stir is not None  # an open bus has one
            await asyncio.wait({self._stir}, timeout=ready - _now())
        return False

    async def _get_in_step(self, seat: "Seat[R, A]") -> "Silence | CommandFailed | None":
        """Ask what cannot be mistaken; None means that nothing is owed any more."""
        if seat.probe is None:  # the quarantine has passed, and there is nothing better to go by
            self._waiting = [pending for pending in self._waiting if pending.seat is not seat]
            return None
        for probe in self._dialect.probes(seat.probe):
            if not self._owes(seat, probe):
                result = await self._round(seat, probe)
                return None if isinstance(result, Reply) else result
        return Silence("a line that is not in step, and no answer yet")

    def _owes(self, seat: "Seat[R, A]", request: R) -> bool:
        """Return whether an answer that could be taken for one to `request` may still come."""
        oldest = _now() - max(GHOST_LIFE_S, 4 * self.timing.late_s())
        self._waiting = [w for w in self._waiting if not w.answer.done() or w.due > oldest]
        return any(
            pending.seat is seat and self._dialect.alike(pending.request, request)
            for pending in self._waiting
            if pending.answer.done()
        )

    def _send(self, pending: Pending[R, A]) -> CommandFailed | None:
        sent = self._dialect.encode(pending.request)
        longest = self._dialect.longest(pending.request)
        wire_s = self.timing.wire_s(len(sent.frame) + longest)
        if wire_s > MOST_WIRE_S:
            return too_long(wire_s)
        failure = self._link.write(sent.frame)
        if failure is not None:
            return failure
        self._busy_until = max(self._busy_until, _now()) + self.timing.wire_s(len(sent.frame))
        pending.sent = sent
        pending.due = self._busy_until if self.timing.baud else _now()
        pending.due += self.timing.answer_s + self.timing.wire_s(longest) + 2 * self.timing.latency_s
        self._waiting.append(pending)
        return None

    def _send_urgent(self) -> None:
        """Send what a STOP has waiting as soon as the wire is silent; a line that never is cannot hold it for ever."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._urgent:
            pending = self._urgent[0]
            silent = max(self._busy_until + self.timing.gap_s, self._hold_until)
            ready = min(silent, pending.asked + MOST_WIRE_S + self.timing.gap_s)
            if ready > _now():
                self._timer = asyncio.get_running_loop().call_at(ready, self._send_urgent)
                return
            self._urgent.popleft()
            failure = self._send(pending)
            if failure is not None:
                pending.settle(failure)
            elif not self._dialect.numbered:
                self._hold_until = min(_now() + STOP_HOLD_S, pending.due)

    def drop_unsent(self, seat: "Seat[R, A]") -> None:
        """Drop what a stop has not sent yet: it begins anew."""
        for pending in [pending for pending in self._urgent if pending.seat is seat]:
            pending.settle(Silence("no silence on the wire"))
            self._urgent.remove(pending)

    def _forget_numbered(self) -> None:
        if self._dialect.numbered:
            self._waiting = [pending for pending in self._waiting if not pending.answer.done()]

    async def _open(self) -> CommandFailed | None:
        await self._close()
        failure = await self._link.open()
        if failure is not None:
            return failure
        self._dialect.reset()
        self._busy_until = self._quiet_until = self._hold_until = float("-inf")
        self.loss = None
        self._stir = asyncio.get_running_loop().create_future()
        self._pump = asyncio.create_task(self._listen())
        return None

    async def _close(self) -> None:
        self._lose(NOT_OPEN)
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.wait({self._pump})
            self._pump = None
        self._link.close()

    async def _listen(self) -> None:
        reason = READER_ENDED
        try:
            while not isinstance(data := await self._link.read(), CommandFailed):
                self._busy_until = max(self._busy_until, _now())
                unusable = self._take(data)
                if unusable is not None:
                    reason = replace(UNUSABLE, seen=unusable.why)
                    return
            reason = data
        finally:
            self._lose(reason)  # whatever ends this task, nobody is left waiting for it

    def _take(self, data: bytes) -> Unusable | None:
        at_ns = self._now_ns()
        waiting = [pending.sent for pending in self._waiting if pending.sent is not None]
        for heard in self._dialect.feed(data, waiting):
            if isinstance(heard, Unusable):
                return heard
            if isinstance(heard, Unasked):
                for seat in self._seats:
                    seat.hear(heard.answer, at_ns)
            else:
                self._answer(heard, at_ns)
        return None

    def _answer(self, heard: Answered[R, A], at_ns: int) -> None:
        pending = next((pending for pending in self._waiting if pending.sent is heard.sent), None)
        if pending is None:
            return
        place = self._waiting.index(pending)
        older = self._waiting[:place]
        # stations answer in order: what this one owed for earlier requests will not come any more
        kept = [w for w in older if w.seat is not pending.seat or not w.answer.done()]
        self._waiting = kept + self._waiting[place + 1 :]
        pending.settle(Reply(heard.answer, at_ns))
        self._busy_until = _now()  # it came after its request had left, whatever the baud rate says
        if pending.urgent:
            self._hold_until = _now()
            self._send_urgent()

    def _lose(self, reason: CommandFailed) -> None:
        self.loss = self.loss or reason
        self._wake()
        unsent, self._urgent = self._urgent, deque()
        for pending in unsent:
            pending.settle(replace(reason, certainty=Certainty.NOT_DONE))
        abandoned, self._waiting = self._waiting, []
        for pending in abandoned:
            pending.settle(replace(reason, certainty=Certainty.UNKNOWN))
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _now() -> float:
    return asyncio.get_running_loop().time()
