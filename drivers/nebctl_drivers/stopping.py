"""STOP, again and again, until a read-back shows OFF."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeAlias, TypeVar

from nebctl.core.device import Certainty, CommandFailed

from .exchange import A, R
from .seat import Pending, Seat
from .timing import Permit, Reply

T = TypeVar("T")

STOP_PERIOD_S = 0.050
STOP_LASTS_S = 2.0
"""Without a beat for that long a device's own watchdog, or its cut-off's, has acted too (S22)."""
OTHERS_TURN_S = 0.015
"""What the other seats of a bus get between two repeats: a device that is gone must not starve their watchdogs."""


@dataclass(frozen=True, slots=True)
class StopPart(Generic[R, A]):
    """What a STOP sends to one seat: `writes` turn off, `reads` show what came of them."""

    seat: Seat[R, A]
    writes: tuple[R, ...]
    reads: tuple[R, ...]


@dataclass(frozen=True, slots=True)
class LocalStop(Generic[A]):
    """What a STOP does to a part that stands on no bus, such as a line of this computer.

    `act` turns off before it returns, and says what kept it from that; `reads` show what came of it. None of them waits
    or raises. They have no loss that would end the stop: it goes on for the sake of the parts beside them.
    """

    act: Callable[[], CommandFailed | None]
    reads: tuple[Callable[[], Reply[A] | CommandFailed], ...]


AnyPart: TypeAlias = StopPart[Any, Any] | LocalStop[Any]
Parts: TypeAlias = Sequence[AnyPart]
Judge: TypeAlias = Callable[[tuple[Reply[Any], ...]], T | str]


class _Round(Generic[R, A]):
    """One part of a stop on its seat: what was sent, and the answers to its reads; its first writes go out at once.

    A read-back is sent behind the writes on a wire that keeps order, so it shows what they came to; of the answers to a
    read of this stop the newest counts.
    """

    def __init__(self, part: StopPart[R, A]) -> None:
        self._part = part
        self._sent = part.seat.begin_stop(part.writes)
        self._asked: list[list[Pending[R, A] | CommandFailed]] = []

    @property
    def loss(self) -> CommandFailed | None:
        """Return why there is no wire; None while there is one."""
        return self._part.seat.loss

    def end(self) -> None:
        """Let the seat's other requests go on."""
        self._part.seat.end_stop()

    def ask(self) -> None:
        """Ask for the read-backs, behind the writes."""
        self._asked.append(self._part.seat.urge(self._part.reads, first=False))

    def repeat(self) -> bool:
        """Send the writes again; return whether the read-backs are to be asked for again.

        Where answers bear no number a repeat would talk over the answers to the last one: it waits until these have had
        their time, and the other seats a turn.
        """
        seat, now = self._part.seat, asyncio.get_running_loop().time()
        open_reads = [item for item in self._asked[-1] if isinstance(item, Pending) and not item.answer.done()]
        if not seat.numbered:
            out = [item for item in self._sent if isinstance(item, Pending) and not item.answer.done()]
            if seat.has_unsent() or any(item.held + OTHERS_TURN_S > now for item in (*out, *open_reads)):
                return False
        elif any(item.due > now for item in open_reads):
            self._sent = seat.urge(self._part.writes, first=True)
            return False
        self._sent = seat.urge(self._part.writes, first=True)
        return True

    def waiting(self) -> "set[asyncio.Future[Any]]":
        """Return the answers to reads that are still to come."""
        items = (item for asked in self._asked for item in asked)
        return {item.answer for item in items if isinstance(item, Pending) and not item.answer.done()}

    def replies(self) -> tuple[Reply[A], ...] | str:
        """Return the newest answer to each read; an empty text while one has none."""
        newest = [
            max(_replies(items), key=lambda reply: reply.at_ns, default=None)
            for items in zip(*self._asked, strict=True)
        ]
        good = tuple(reply for reply in newest if reply is not None)
        return good if len(good) == len(self._part.reads) else ""


class _LocalRound(Generic[A]):
    """One part of a stop on no bus: acted on at once, and looked at afresh each time that it is judged."""

    loss: CommandFailed | None = None

    def __init__(self, part: LocalStop[A]) -> None:
        self._part = part
        self._failure = part.act()

    def end(self) -> None:
        """Do nothing: nobody was held back."""

    def ask(self) -> None:
        """Do nothing: it is looked at when it is judged."""

    def repeat(self) -> bool:
        """Act again; there is nothing to ask for."""
        self._failure = self._part.act()
        return False

    def waiting(self) -> "set[asyncio.Future[Any]]":
        """Return nothing: its answers do not take time."""
        return set()

    def replies(self) -> tuple[Reply[A], ...] | str:
        """Return what each read shows now, or why one cannot."""
        good: list[Reply[A]] = []
        for look in self._part.reads:
            shown = look()
            if isinstance(shown, CommandFailed):
                return (self._failure or shown).seen
            good.append(shown)
        return tuple(good)


_AnyRound: TypeAlias = _Round[Any, Any] | _LocalRound[Any]


def _begin(part: AnyPart) -> _AnyRound:
    return _LocalRound(part) if isinstance(part, LocalStop) else _Round(part)


def _loss(rounds: Sequence[_AnyRound]) -> CommandFailed | None:
    """Return why there is no wire to any part that stands on one; the others are to be stopped all the same."""
    lost = [each.loss for each in rounds]
    return None if None in lost else next(iter(lost), None)


def _replies(items: Iterable[Pending[R, A] | CommandFailed]) -> Iterator[Reply[A]]:
    for item in items:
        result = item.answer.result() if isinstance(item, Pending) and item.answer.done() else None
        if isinstance(result, Reply):
            yield result


class StopSwitch(Generic[T]):
    """The STOP of one device, which may stand on several seats, or on none: one at a time, shared by its callers.

    `judge` gets the answers to all reads, in the order of the parts, and returns the proof of OFF, or a text that says
    what is not off. `unproven` is set from the first byte of a STOP until a read-back shows OFF.
    """

    def __init__(self, parts: Callable[[], Parts], judge: Judge[T], *, expected: str, advice: str) -> None:
        self._parts = parts
        self._judge = judge
        self._expected = expected
        self._advice = advice
        self._task: asyncio.Task[T | CommandFailed] | None = None
        self._count = 0
        self.unproven = False

    @property
    def count(self) -> int:
        """Return how many stops there have been."""
        return self._count

    async def stop(self) -> T | CommandFailed:
        """Put STOP on its way in this very call, and repeat it until a read-back shows OFF.

        Callers at the same time share one stop; a caller that is cancelled does not end it.
        """
        if self._task is None or self._task.done():
            self._count += 1
            self.unproven = True
            rounds = [_begin(part) for part in self._parts()]
            for each in rounds:
                each.ask()
            self._task = asyncio.create_task(self._run(rounds))
        return await asyncio.shield(self._task)

    async def settled(self) -> None:
        """Wait for a stop under way to come to its end."""
        if self._task is not None:
            await asyncio.wait({self._task})

    def refuse_unproven(self) -> CommandFailed | None:
        """Return why nothing may be asked for now; None where the last STOP is proven."""
        if not self.unproven:
            return None
        return _refuse("request", "a STOP whose effect is not proven", "a read-back of OFF after it; stop again")

    def forbid_after(self) -> Permit:
        """Return a permit that is withdrawn by the next STOP."""
        count = self._count

        def permit() -> CommandFailed | None:
            return None if self._count == count else _refuse("START", "a STOP in the meantime", "none")

        return permit

    async def _run(self, rounds: Sequence[_AnyRound]) -> T | CommandFailed:
        try:
            result = await self._until_off(rounds)
        finally:
            for each in rounds:
                each.end()
        self.unproven = isinstance(result, CommandFailed)
        return result

    async def _until_off(self, rounds: Sequence[_AnyRound]) -> T | CommandFailed:
        loop = asyncio.get_running_loop()
        began, attempts, seen = loop.time(), 0, "no read-back"
        while loop.time() - began < STOP_LASTS_S:
            lost = _loss(rounds)
            if lost is not None:
                return replace(lost, command="STOP", certainty=Certainty.UNKNOWN)
            if attempts:
                for each in [each for each in rounds if each.repeat()]:
                    each.ask()
            attempts += 1
            judged = await self._watch(rounds)
            if not isinstance(judged, str):
                return judged
            seen = judged or seen
        lost = next((each.loss for each in rounds if each.loss is not None), None)
        if lost is not None:
            return replace(lost, command="STOP", certainty=Certainty.UNKNOWN)
        return CommandFailed(
            command="STOP",
            certainty=Certainty.UNKNOWN,
            seen=f"{seen} after {attempts} times STOP",
            expected=self._expected,
            advice=self._advice,
        )

    async def _watch(self, rounds: Sequence[_AnyRound]) -> T | str:
        """Return the proof of OFF within one period, or what was seen instead; empty means that no read-back came."""
        loop = asyncio.get_running_loop()
        until = loop.time() + STOP_PERIOD_S
        judged = self._weigh(rounds)
        while isinstance(judged, str) and (waiting := {answer for each in rounds for answer in each.waiting()}):
            done, _ = await asyncio.wait(waiting, timeout=until - loop.time(), return_when=asyncio.FIRST_COMPLETED)
            if not done:
                return judged
            judged = self._weigh(rounds)
        if isinstance(judged, str) and _loss(rounds) is None:
            await asyncio.sleep(until - loop.time())
        return judged

    def _weigh(self, rounds: Sequence[_AnyRound]) -> T | str:
        found = [each.replies() for each in rounds]
        missing = [replies for replies in found if isinstance(replies, str)]
        if missing:
            return next(filter(None, missing), "")
        return self._judge(tuple(reply for replies in found if not isinstance(replies, str) for reply in replies))


def _refuse(command: str, seen: str, expected: str) -> CommandFailed:
    return CommandFailed(
        command=command, certainty=Certainty.NOT_DONE, seen=seen, expected=expected, advice="Nothing was sent."
    )
