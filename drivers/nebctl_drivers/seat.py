"""The place of one station on a bus, and what it has on its way there."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol

from nebctl.core.device import CommandFailed

from .exchange import A, R, Sent
from .timing import NOT_OPEN, Permit, Result, Silence, Timing


@dataclass(eq=False, slots=True)
class Pending(Generic[R, A]):
    """A request on its way.

    `sent` is None while it waits for silence, `left` the loop time at which its last byte has left, `due` that until
    which it is awaited, `held` the time until which the others make room for its answer. `first` marks what turns off
    in a STOP, None an ordinary request; `crossed` that another's answer may still come and meet it. A pending
    whose answer is settled and which is still on the bus's list is a ghost: its answer may yet come.
    """

    seat: "Seat[R, A]"
    request: R
    asked: float
    answer: "asyncio.Future[Result[A]]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    sent: Sent[R] | None = None
    left: float = 0.0
    due: float = 0.0
    held: float = 0.0
    first: bool | None = None
    crossed: bool = False

    def settle(self, result: "Result[A]") -> None:
        """Give the answer to who waits for it, unless they have one."""
        if not self.answer.done():
            self.answer.set_result(result)


class Guard(Protocol[R, A]):
    """What a seat asks of its bus; the methods are those of `bus.Bus`."""

    loss: CommandFailed | None
    timing: Timing

    @property
    def numbered(self) -> bool:
        """Return whether answers name their requests."""
        ...

    async def join(self, seat: "Seat[R, A]") -> CommandFailed | None:
        """Take a seat in."""
        ...

    async def leave(self, seat: "Seat[R, A]") -> None:
        """Let a seat go."""
        ...

    async def ask(self, seat: "Seat[R, A]", request: R, permit: Permit | None) -> Result[A]:
        """Run one exchange."""
        ...

    def urge(self, seat: "Seat[R, A]", requests: Sequence[R], *, first: bool) -> list["Pending[R, A] | CommandFailed"]:
        """Put requests ahead of everything."""
        ...

    def has_unsent(self, seat: "Seat[R, A]") -> bool:
        """Return whether urgent requests still wait for silence."""
        ...

    def give_up(self, seat: "Seat[R, A]", result: Result[A]) -> None:
        """Settle all that a seat waits for."""
        ...

    def heard(self) -> str:
        """Return what came since the last request and was no answer."""
        ...


class Seat(Generic[R, A]):
    """The place of one station on a bus; a device asks through it and never touches the link.

    The bus keeps its own notes here: whether the station is `in_step`, how many requests of one look it has answered
    without a pause, when it last spoke, its `last` answered request, and how many `rounds` its present STOP has made.
    """

    def __init__(self, bus: Guard[R, A], probe: R | None, unasked: Callable[[A, int], None] | None) -> None:
        self._bus = bus
        self.probe = probe
        self._unasked = unasked
        self._joined = False
        self._turn = asyncio.Lock()
        self.no_stop = asyncio.Event()
        self.no_stop.set()
        self.in_step = True
        self.alike_in_a_row = 0
        self.spoke_at = float("-inf")
        self.last: Pending[R, A] | None = None
        self.rounds = 0

    @property
    def loss(self) -> CommandFailed | None:
        """Return why there is no wire; None while there is one."""
        return self._bus.loss if self._joined else self._bus.loss or NOT_OPEN

    @property
    def timing(self) -> Timing:
        """Return the bus's timing."""
        return self._bus.timing

    async def open(self) -> CommandFailed | None:
        """Take the place; the link is opened where nobody has, and opened afresh after a loss. None means open."""
        failure = await self._bus.join(self)
        self._joined = failure is None
        return failure

    async def close(self) -> None:
        """End every request of this seat and leave; the last one closes the link. Closing twice is harmless."""
        self._joined = False
        await self._bus.leave(self)

    async def ask(self, request: R, permit: Permit | None = None) -> "Result[A]":
        """Send a request once, in fair turn with the other seats, and return what came of it."""
        async with self._turn:
            return await self._bus.ask(self, request, permit)

    def begin_stop(self, requests: Sequence[R]) -> list["Pending[R, A] | CommandFailed"]:
        """Abandon what this seat waits for, hold its other requests back, and send these at the first silence."""
        self.no_stop.clear()
        self.rounds = 0
        self._bus.give_up(self, Silence("a STOP ahead of it"))
        return self._bus.urge(self, requests, first=True)

    def urge(self, requests: Sequence[R], *, first: bool) -> list["Pending[R, A] | CommandFailed"]:
        """Send more requests of the same stop; `first` marks those that turn off: they go ahead of every read-back."""
        self.rounds += first
        return self._bus.urge(self, requests, first=first)

    @property
    def numbered(self) -> bool:
        """Return whether answers name their requests."""
        return self._bus.numbered

    def has_unsent(self) -> bool:
        """Return whether requests of the stop still wait for silence."""
        return self._bus.has_unsent(self)

    def end_stop(self) -> None:
        """Let this seat's other requests go on, and take no more answers to the stop's own."""
        self._bus.give_up(self, Silence("the end of the stop"))
        self.no_stop.set()

    def heard(self) -> str:
        """Return what came since the last request and was no answer; empty for silence."""
        return self._bus.heard()

    def hear(self, answer: A, at_ns: int) -> None:
        """Take what a station said by itself."""
        if self._unasked is not None:
            self._unasked(answer, at_ns)
