"""Which fault waits for what: terms, windows of time, chance, and the log of what happened."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Protocol

ALWAYS = 1_000_000_000
"""The count of a fault that goes on until it is cleared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """What an answer is about, as far as its dialect can tell; None where it cannot. `command` is a request's word."""

    unit: int | None = None
    function: int | None = None
    address: int | None = None
    command: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A device's own clocks: plant time, and how long the output has been on in the present run; None: it is off."""

    plant_ns: int
    run_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """From when until when, in ns of plant time or of the run's on-time; `until_ns` itself is outside, None: no end."""

    from_ns: int = 0
    until_ns: int | None = None
    of_run: bool = False

    def holds(self, moment: Moment) -> bool:
        """Return whether the window is open; a window of a run is closed while the output is off."""
        now_ns = moment.run_ns if self.of_run else moment.plant_ns
        return now_ns is not None and now_ns >= self.from_ns and (self.until_ns is None or now_ns < self.until_ns)

    def is_past(self, moment: Moment) -> bool:
        """Return whether it never opens again; a run's does in the next run."""
        return not self.of_run and self.until_ns is not None and moment.plant_ns >= self.until_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Which answers a fault takes; None takes any. `code` is the fault's own number, such as an exception's.

    `among` names the units of one device where several share a line. `probability` is the chance that an answer which
    fits is taken. `most_ms` makes the fault's time a draw between its `ms` and this. `point` and `value` are for
    faults of values: which of them, None for all, and by how much, in its unit.
    """

    unit: int | None = None
    function: int | None = None
    address: int | None = None
    code: int | None = None
    among: frozenset[int] | None = None
    command: str | None = None
    probability: float = 1.0
    window: Window | None = None
    most_ms: int | None = None
    point: str | None = None
    value: float | None = None

    def fit(self, tag: Tag) -> bool:
        """Return whether the answer is one of those."""
        if self.among is not None and tag.unit not in self.among:
            return False
        pairs = (
            (self.unit, tag.unit),
            (self.function, tag.function),
            (self.address, tag.address),
            (self.command, tag.command),
        )
        return all(wanted is None or wanted == seen for wanted, seen in pairs)

    @property
    def names_request(self) -> bool:
        """Whether they say which of a unit's requests is meant."""
        return any(wanted is not None for wanted in (self.function, self.address, self.command))

    @property
    def given(self) -> tuple[str, ...]:
        """The names of the terms that are not as they are in ANY."""
        return tuple(one.name for one in fields(self) if getattr(self, one.name) != getattr(ANY, one.name))


ANY = Terms()


class Target(Protocol):
    """A device that faults happen to."""

    def moment(self) -> Moment:
        """Return the device's clocks as of its last step."""
        ...

    def strike(self, fault: str, count: int, ms: int | None, real_ns: int) -> None:
        """Let a fault of the device begin now, for `ms`, or its own time with None."""
        ...

    def release(self, fault: str, real_ns: int) -> None:
        """End a fault of the device."""
        ...


@dataclass(slots=True, kw_only=True, eq=False)
class Armed:
    """A fault that waits: how many more times it happens, its time in ms, and when.

    `chance` is its own, so that what happens to one fault depends on no other. `until_ns` is the real time after which
    it is over; None: never. `held` and `since_ns` are what a fault of values remembers: the value of each point when
    it began, and the plant time of that.
    """

    fault: str
    count: int
    ms: int
    chance: random.Random
    terms: Terms = ANY
    moment: Callable[[], Moment] | None = None
    until_ns: int | None = None
    held: dict[str, float] = field(default_factory=dict)
    since_ns: int | None = None

    def is_open(self, now_ns: int) -> bool:
        """Return whether its time is now."""
        if self.until_ns is not None and now_ns >= self.until_ns:
            return False
        window = self.terms.window
        return window is None or (self.moment is not None and window.holds(self.moment()))

    def is_over(self, now_ns: int) -> bool:
        """Return whether it can never happen again."""
        if self.until_ns is not None and now_ns >= self.until_ns:
            return True
        window = self.terms.window
        return window is not None and self.moment is not None and window.is_past(self.moment())

    def count_down(self) -> bool:
        """Count that it happens, and return whether this was the last time."""
        if self.count != ALWAYS:
            self.count -= 1
        return self.count == 0

    def happens(self) -> bool:
        """Draw whether it happens this time."""
        return self.terms.probability >= 1 or self.chance.random() < self.terms.probability

    def draw_ms(self) -> int:
        """Return its time in ms, drawn where it has a range."""
        most_ms = self.terms.most_ms
        return self.ms if most_ms is None else self.chance.randint(self.ms, max(self.ms, most_ms))


@dataclass(slots=True, kw_only=True, eq=False)
class Planned:
    """A fault of the device that waits for its window or its request; `own_ms` is None for the fault's own time."""

    armed: Armed
    own_ms: int | None
    target: Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """One fault as it happened, numbered from 1 on; `at_ns` is real time, `t_ns` plant time, None where nobody knows.

    `before` is the answer as it was meant, `after` all that became of it, b"" where it was lost. Both are b"" for a
    fault that the device or its dialect carried out.
    """

    number: int
    fault: str
    at_ns: int
    tag: Tag
    before: bytes
    after: bytes
    t_ns: int | None = None
