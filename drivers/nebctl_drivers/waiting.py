"""What may still be answered on a bus, oldest first: requests that are awaited, and ghosts of those given up."""

from collections.abc import Iterator
from typing import Generic

from .exchange import A, Dialect, R, Sent
from .seat import Pending, Seat
from .timing import Result

GHOST_LIFE_S = 5.0
"""A request that was given up is answered at most so late; a device server between may hold bytes back."""


class WaitingList(Generic[R, A]):
    """The requests of a bus that are on the wire, in the order of sending.

    `late_s` is how long after its time an answer may still come. A station that has answered something since its newest
    ghost went out, and then nothing for four times as long, and a second, has nothing more to say to them.
    """

    def __init__(self, dialect: Dialect[R, A], late_s: float) -> None:
        self._dialect = dialect
        self._done_s = max(1.0, 4 * late_s)
        self._items: list[Pending[R, A]] = []

    def __iter__(self) -> Iterator[Pending[R, A]]:
        """Return those on the list, oldest first."""
        return iter(tuple(self._items))

    def add(self, pending: Pending[R, A]) -> None:
        """Put a request that has gone out on the list."""
        self._items.append(pending)

    def sent(self) -> list[Sent[R]]:
        """Return what went out, for the dialect to find answers to."""
        return [pending.sent for pending in self._items if pending.sent is not None]

    def take(self, sent: Sent[R], now: float) -> Pending[R, A] | None:
        """Take an answered request off the list; None where it is not there.

        Stations answer in order: what the same one owed for earlier requests will not come any more.
        """
        for place, pending in enumerate(self._items):
            if pending.sent is sent:
                pending.seat.spoke_at = now
                older = (w for w in self._items[:place] if w.seat is not pending.seat or not w.answer.done())
                self._items = [*older, *self._items[place + 1 :]]
                return pending
        return None

    def has(self, pending: Pending[R, A]) -> bool:
        """Return whether a request may still be answered."""
        return pending in self._items

    def crosses(self, pending: Pending[R, A], now: float) -> bool:
        """Return whether another's answer is still to come in its time, beside those to the same stop."""
        return any(w.due > now and (w.first is None or w.seat is not pending.seat) for w in self._items)

    def owes(self, seat: Seat[R, A], request: R, now: float) -> bool:
        """Return whether an answer that could be taken for one to `request` may still come from a ghost."""
        self._items = [w for w in self._items if not w.answer.done() or w.due > now - GHOST_LIFE_S]
        ghosts = [w for w in self._items if w.seat is seat and w.answer.done()]
        if ghosts and ghosts[-1].left < seat.spoke_at < now - self._done_s:
            self.drop(seat)
            return False
        return any(self._dialect.alike(ghost.request, request) for ghost in ghosts)

    def drop(self, seat: Seat[R, A]) -> None:
        """Forget what a seat was owed."""
        self._items = [pending for pending in self._items if pending.seat is not seat]

    def settle(self, result: Result[A], seat: Seat[R, A] | None = None) -> None:
        """Give up what a seat waits for, or everything; ghosts stay on the list where a late answer may mislead."""
        for pending in self._items:
            if seat is None or pending.seat is seat:
                pending.settle(result)
        self.lay()

    def lay(self) -> None:
        """Take the ghosts off the list where numbers keep their answers from misleading anybody."""
        if self._dialect.numbered:
            self._items = [pending for pending in self._items if not pending.answer.done()]
