"""What the bus guard and a wire's dialect say to each other: requests as sent, and what was heard of them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Never, Protocol, TypeAlias, TypeVar

R = TypeVar("R")
"""A dialect's request: a frozen value."""
A = TypeVar("A")
"""A dialect's answer."""
A_co = TypeVar("A_co", covariant=True)


@dataclass(frozen=True, slots=True, eq=False)
class Sent(Generic[R]):
    """A request as it went out; `key` is the number by which a numbered dialect knows its answer, else None."""

    request: R
    frame: bytes
    key: object = None


@dataclass(frozen=True, slots=True)
class Answered(Generic[R, A_co]):
    """A request has been answered."""

    sent: Sent[R]
    answer: A_co


@dataclass(frozen=True, slots=True)
class Unasked(Generic[A_co]):
    """A station said something by itself: an event, or a status that it streams."""

    answer: A_co


@dataclass(frozen=True, slots=True)
class Stray(Generic[R]):
    """A good answer that nobody waits for, like the one to `sent`, which was answered already."""

    sent: Sent[R]


@dataclass(frozen=True, slots=True)
class Unusable:
    """The stream of bytes is not of this dialect; nobody can tell any more where a frame begins."""

    why: str


Heard: TypeAlias = Answered[R, A_co] | Unasked[A_co] | Stray[R] | Unusable


class Dialect(Protocol[R, A_co]):
    """How requests and answers look on a wire; it does no I/O and knows no time.

    `numbered` means that each answer names its request, so that a late one cannot be taken for another's.
    """

    @property
    def numbered(self) -> bool:
        """Return whether an answer names its request."""
        ...

    def reset(self) -> None:
        """Forget what was heard: the wire was opened afresh."""
        ...

    def encode(self, request: R) -> Sent[R]:
        """Return the request as it goes out now, and begin to note what is heard since."""
        ...

    def longest(self, request: R) -> int:
        """Return the bytes of the longest good answer to `request`."""
        ...

    def feed(self, data: bytes, waiting: Sequence[Sent[R]]) -> Iterable[Heard[R, A_co]]:
        """Take received bytes and yield what they complete.

        `waiting` are the requests that may still be answered, oldest first, those that are given up included. Without
        numbers an answer belongs to the oldest request that it fits.
        """
        ...

    def heard(self) -> str:
        """Return what came since the last request and is no answer, for a person; empty for silence."""
        ...

    def probes(self, known: R, /) -> Iterable[R]:
        """Return harmless requests like `known` whose answers can be told from each other."""
        ...

    def alike(self, one: R, other: R, /) -> bool:
        """Return whether an answer to `one` could be taken for an answer to `other`."""
        ...


class Numbered:
    """What dialects have in common whose answers bear their request's number: none can be mistaken for another."""

    numbered = True

    def probes(self, _known: object, /) -> Iterator[Never]:
        """Return nothing: there is never any doubt."""
        yield from ()

    def alike(self, _one: object, _other: object, /) -> bool:
        """Return False: numbers tell the answers apart."""
        return False
