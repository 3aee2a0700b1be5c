"""The bus guard: one for each physical bus. It hands no answer to another request, and lets STOP pass everything.

Why no late answer is believed. With numbers an answer counts only under its own. Without them (Modbus RTU, ASCII lines)
a request that was given up stays on the list as a ghost, and an answer goes to the oldest request that it fits: so it
can come too late for its own request, but never count for a later one. After a request without an answer, and after
each opening, the bus is quiet for as long as an answer might still take (quarantine), and a station that owes one is
first asked something whose answer cannot be mistaken (a probe): stations answer in order, so what it owed before will
not come any more. The same is done after an answer that nobody waited for, and now and then where requests of one look
follow each other without a pause, because a doubled answer shows in no other way.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic

from nebctl.core.device import Certainty, CommandFailed
from nebctl.ports import Link

from .exchange import A, Answered, Dialect, R, Stray, Unasked, Unusable
from .seat import Pending, Seat
from .timing import (
    LEAST_THINK_S,
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
from .waiting import WaitingList

__all__ = ["Bus", "Pending", "Permit", "Reply", "Result", "Seat", "Silence", "Timing"]

MOST_IN_A_ROW = 64
PAUSE_S = 0.02
"""Requests of one look that follow each other faster than this are interrupted by a probe once in `MOST_IN_A_ROW`."""
DOUBT_LASTS_S = 60.0
"""For so long after a doubled answer the bus waits, before it asks on, twice as long as the second copy took."""
PATIENT_ROUND = 8
"""Each eighth read-back of a STOP is given all the time that the station may think, the others what it used to take."""
MOST_CLEAR_S = 3.0
"""Nobody waits longer for a line that is never silent; a STOP of another device may last 2 s."""


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
        self._waiting = WaitingList(dialect, timing.late_s())
        self._urgent: deque[Pending[R, A]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._turn = asyncio.Lock()
        self._opening = asyncio.Lock()
        self._busy_until = self._left_until = self._orderly_at = self._quiet_until = self._hold_until = float("-inf")
        self._thought_s: float | None = None
        self._settle_s, self._settles_until = 0.0, float("-inf")
        self._pump: asyncio.Task[None] | None = None
        self._exchanges: dict[asyncio.Task[Result[A] | None], Seat[R, A]] = {}
        self._stir: asyncio.Future[None] | None = None
        self.loss: CommandFailed | None = NOT_OPEN

    @property
    def numbered(self) -> bool:
        """Return whether answers name their requests."""
        return self._dialect.numbered

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
        """Let a seat go with all it waits for; what turns off goes out first. With the last seat the link closes."""
        async with self._opening:
            for pending in [pending for pending in self._urgent if pending.seat is seat and pending.first]:
                self._send(pending)  # no silence is waited for: it is now or never
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

    def urge(self, seat: "Seat[R, A]", requests: Sequence[R], *, first: bool) -> list["Pending[R, A] | CommandFailed"]:
        """Put a STOP's requests ahead of everything, each at the first silence; `first` ones before read-backs."""
        failure = seat.loss
        if failure is not None:
            return [replace(failure, certainty=Certainty.NOT_DONE) for _ in requests]
        now = _now()
        fresh = [Pending(seat, request, now, first=first, crossed=first) for request in requests]
        ahead = sum(bool(pending.first) for pending in self._urgent) if first else len(self._urgent)
        for place, pending in enumerate(fresh, ahead):
            self._urgent.insert(place, pending)
        self._send_urgent()
        return list(fresh)

    def has_unsent(self, seat: "Seat[R, A]") -> bool:
        """Return whether requests of a STOP still wait for silence."""
        return any(pending.seat is seat for pending in self._urgent)

    def give_up(self, seat: "Seat[R, A]", result: "Result[A]") -> None:
        """Settle all that a seat waits for; what may still be answered stays behind as a ghost."""
        for pending in [pending for pending in self._urgent if pending.seat is seat]:
            pending.settle(Silence("no silence on the wire"))
            self._urgent.remove(pending)
        self._waiting.settle(result, seat)

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
        hindrance = await self._clear(call.seat)
        if hindrance is None and self._is_in_doubt(call.seat, call.request):
            stuck = await self._get_in_step(call.seat)
            if stuck is not None:
                return stuck
            hindrance = await self._clear(call.seat)
        if hindrance is not None:
            return hindrance if isinstance(hindrance, Silence) else None
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
        if self._waiting.has(pending) and not self._dialect.numbered:
            self._quiet_until = max(self._quiet_until, _now() + self.timing.late_s())
        self._waiting.lay()
        return result

    async def _clear(self, seat: "Seat[R, A]") -> "Silence | bool | None":
        """Wait until the wire is the seat's: None. True means that the seat stops, a silence that it was never free."""
        until = _now() + MOST_CLEAR_S + self.timing.late_s()
        while seat.no_stop.is_set():
            if seat.loss is not None:
                return None
            gap_s = self.timing.gap_s + (self._settle_s if _now() < self._settles_until else 0.0)
            ready = max(self._quiet_until, self._hold_until, self._busy_until + gap_s)
            if self._urgent:
                ready = max(ready, _now() + self.timing.gap_s)
            elif ready <= _now():
                return None
            if ready > until:
                return Silence("a line that is never silent")
            assert self._stir is not None  # an open bus has one
            await asyncio.wait({self._stir}, timeout=ready - _now())
        return True

    def _is_in_doubt(self, seat: "Seat[R, A]", request: R) -> bool:
        """Return whether the next answer could be taken for one to `request` without being it."""
        if self._dialect.numbered:
            return False
        last = seat.last
        hurried = last is not None and _now() - last.due < PAUSE_S and self._dialect.alike(last.request, request)
        seat.alike_in_a_row = seat.alike_in_a_row + 1 if hurried else 0
        in_doubt = not seat.in_step or self._waiting.owes(seat, request, _now())
        return in_doubt or (seat.alike_in_a_row >= MOST_IN_A_ROW and seat.probe is not None)

    async def _get_in_step(self, seat: "Seat[R, A]") -> "Silence | CommandFailed | None":
        """Ask what cannot be mistaken; None means that nothing is owed any more."""
        seat.alike_in_a_row = 0
        if seat.probe is None:  # nothing better to go by than time
            late = not seat.in_step
            seat.in_step = True
            self._waiting.drop(seat)
            self._quiet_until = max(self._quiet_until, _now() + self.timing.late_s()) if late else self._quiet_until
            return None
        probes = list(self._dialect.probes(seat.probe))
        free = [probe for probe in probes if not self._waiting.owes(seat, probe, _now())] or probes
        # a second copy of the last answer must not look like the probe's, where there is a choice
        last = seat.last
        other = (probe for probe in free if last is None or not self._dialect.alike(last.request, probe))
        probe = next(other, free[0])
        result = await self._round(seat, probe)
        seat.in_step = isinstance(result, Reply)
        return None if isinstance(result, Reply) else result

    def _send(self, pending: Pending[R, A]) -> CommandFailed | None:
        sent = self._dialect.encode(pending.request)
        longest = self._dialect.longest(pending.request)
        wire_s = self.timing.wire_s(len(sent.frame) + longest)
        if wire_s > MOST_WIRE_S:
            return too_long(wire_s)
        now = _now()
        pending.crossed &= not self._dialect.numbered and self._waiting.crosses(pending, now)
        failure = self._link.write(sent.frame)
        if failure is not None:
            return failure
        self._left_until = max(self._left_until, now) + self.timing.wire_s(len(sent.frame))
        self._busy_until = max(self._busy_until, self._left_until)
        self._orderly_at = self._left_until
        pending.sent, pending.left = sent, self._left_until
        after_s = self.timing.wire_s(longest) + 2 * self.timing.latency_s
        pending.due = pending.left + self.timing.answer_s + after_s
        thought_s = self.timing.answer_s if self._thought_s is None else self._thought_s
        patient = not pending.first and pending.seat.rounds % PATIENT_ROUND == PATIENT_ROUND - 1
        think_s = self.timing.answer_s if patient else max(LEAST_THINK_S, 2 * thought_s)
        pending.held = pending.left + min(self.timing.answer_s, think_s) + after_s
        self._waiting.add(pending)
        return None

    def _send_urgent(self) -> None:
        """Send what a STOP has waiting as soon as the wire is silent; a line that never is cannot hold it for ever."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._urgent:
            pending, gap_s = self._urgent[0], self.timing.gap_s
            patient = max(pending.asked, self._orderly_at) + MOST_WIRE_S + gap_s
            ready = max(self._hold_until, self._left_until + gap_s, min(self._busy_until + gap_s, patient))
            if ready > _now():
                self._timer = asyncio.get_running_loop().call_at(ready, self._send_urgent)
                return
            if not pending.first and self._repeat_crossed(pending.seat):
                continue
            self._urgent.popleft()
            failure = self._send(pending)
            if failure is not None:
                pending.settle(failure)
            elif not self._dialect.numbered:
                self._hold_until = pending.held

    async def _open(self) -> CommandFailed | None:
        await self._close()
        failure = await self._link.open()
        if failure is not None:
            return failure
        self._dialect.reset()
        now = _now()
        self._busy_until = self._left_until = self._orderly_at = self._hold_until = float("-inf")
        # bytes for an earlier owner of the port may still be on their way; ghosts stay for the same reason
        self._quiet_until = float("-inf") if self._dialect.numbered else now + self.timing.late_s()
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
        for heard in self._dialect.feed(data, self._waiting.sent()):
            match heard:
                case Unusable():
                    return heard
                case Unasked():
                    for seat in self._seats:
                        seat.hear(heard.answer, at_ns)
                case Stray():
                    self._doubt(heard)
                case _:
                    self._answer(heard, at_ns)
        if self._repeat_crossed():
            self._hold_until = float("-inf")
            self._send_urgent()
        return None

    def _doubt(self, heard: Stray[R]) -> None:
        """Note that a station says things twice: it is asked a probe, and the bus waits longer after answers."""
        for seat in self._seats:
            if seat.last is not None and seat.last.sent is heard.sent:
                seat.in_step = False
                self._settle_s = min(max(self._settle_s, 2 * (_now() - seat.last.due)), self.timing.late_s())
                self._settles_until = _now() + DOUBT_LASTS_S

    def _repeat_crossed(self, seat: "Seat[R, A] | None" = None) -> bool:
        """Put what turns off ahead once more where it met another's answer on the wire, of one seat or of all."""
        met = [w for w in self._waiting if w.first and w.crossed and not w.answer.done() and seat in (None, w.seat)]
        for pending in met:
            pending.crossed = False
            self._urgent.appendleft(Pending(pending.seat, pending.request, _now(), first=True))
        return bool(met)

    def _answer(self, heard: Answered[R, A], at_ns: int) -> None:
        pending = self._waiting.take(heard.sent, _now())
        if pending is None:
            return
        now = _now()
        thought_s = now - pending.left - self.timing.wire_s(self._dialect.longest(pending.request))
        self._thought_s = max(thought_s, (self._thought_s or 0.0) * 0.95)
        pending.settle(Reply(heard.answer, at_ns))
        # it came after its request had left, whatever the baud rate says
        self._busy_until = self._left_until = self._orderly_at = now
        pending.due = now
        pending.seat.last = pending
        if pending.first is not None:
            self._hold_until = now
        self._send_urgent()

    def _lose(self, reason: CommandFailed) -> None:
        self.loss = self.loss or reason
        self._wake()
        unsent, self._urgent = self._urgent, deque()
        for pending in unsent:
            pending.settle(replace(reason, certainty=Certainty.NOT_DONE))
        self._waiting.settle(replace(reason, certainty=Certainty.UNKNOWN))
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _now() -> float:
    return asyncio.get_running_loop().time()
