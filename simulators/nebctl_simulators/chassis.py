"""What every serial device has besides its program: time, power, a cable, and a line with faults on it."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from nebctl_simulators.shim import ANY, DEFAULT_MS, NS_PER_MS, Injection, LineFault, Shim, Terms
from nebctl_simulators.simtime import SimTime


class Built(Protocol):
    """The unit that a device is: which preset and which seed made it."""

    @property
    def preset(self) -> str:
        """The preset's name."""
        ...

    @property
    def seed(self) -> int:
        """The seed."""
        ...


class CommonFault(StrEnum):
    """What can happen to any device: the cable out or nothing heard for `ms`, or a short loss of power."""

    UNPLUG = "unplug"
    MUTE = "mute"
    BROWNOUT = "brownout"


TIMED_MS: dict[str, int] = {CommonFault.UNPLUG: 1000, CommonFault.MUTE: 1000}


@dataclass(frozen=True, slots=True, kw_only=True)
class Harm:
    """The faults that a kind of device knows.

    `line` are those of its line; `answers` spoil what the program says, a counted number of times; `lasting` stay for
    `ms` of real time, or without `ms` until they are cleared.
    """

    line: tuple[str, ...]
    answers: tuple[str, ...]
    lasting: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Every fault that can be injected."""
        return (*self.line, *self.answers, *CommonFault, *self.lasting)


def line_faults(*, checked: bool) -> tuple[str, ...]:
    """Return the faults of a line; only a dialect whose frames carry a check can have a wrong one."""
    return tuple(fault.value for fault in LineFault if checked or fault is not LineFault.BAD_CRC)


class Chassis(ABC):
    """A device as its wire and the bench beside it see it; every call names the real time in ns.

    Plant time follows from real time by `sim_time`. A kind of device adds its program by the methods below.
    """

    harm: Harm

    def __init__(self, *, unit: Built, serial: str, sim_time: SimTime, real_ns: int, shim: Shim) -> None:
        self.unit = unit
        self.serial = serial
        self._time = sim_time
        self._shim = shim
        self._real_ns = real_ns
        self._sim_ns = sim_time.at(real_ns)
        self._powered = True
        self._until_ns: dict[str, int | None] = {}

    @abstractmethod
    def _advance(self, dt_ns: int) -> None:
        """Let `dt_ns` of plant time pass up to `self._real_ns`, and queue what the device says unasked."""

    @abstractmethod
    def _hear(self, data: bytes) -> None:
        """Take bytes from the host and queue the answers."""

    @abstractmethod
    def _come_up(self) -> None:
        """Begin anew after a loss of power."""

    @abstractmethod
    def _unasked_ns(self) -> int | None:
        """Return the real time in ns of the next thing to say unasked; None: there is none."""

    @property
    def is_plugged(self) -> bool:
        """Whether the cable was in at the last step."""
        return not self._has(CommonFault.UNPLUG)

    def pass_time(self, real_ns: int) -> None:
        """Let time pass up to `real_ns`; what is due to the host waits for the next step."""
        self._real_ns = real_ns
        sim_ns = self._time.at(real_ns)
        dt_ns, self._sim_ns = sim_ns - self._sim_ns, sim_ns
        self._advance(dt_ns)

    def step(self, real_ns: int) -> bytes:
        """Let time pass up to `real_ns` and return the bytes that are due to the host."""
        self.pass_time(real_ns)
        return self._shim.due(real_ns)

    def feed(self, data: bytes, real_ns: int) -> bytes:
        """Take bytes from the host and return those that are due to it."""
        self.pass_time(real_ns)
        if self._speaks:
            self._hear(data)
        return self._shim.due(real_ns)

    def next_ns(self) -> int | None:
        """Return the real time in ns at which `step` has bytes to give; None: nothing waits."""
        waiting = (self._shim.next_ns(), self._unasked_ns() if self._speaks else None)
        return min((at_ns for at_ns in waiting if at_ns is not None), default=None)

    def switch_power(self, on: bool, real_ns: int) -> None:
        """Cut or give the power; the cable stays in."""
        self.pass_time(real_ns)
        if on != self._powered:
            self._powered = on
            self._restart()

    def inject(self, fault: str, count: int, ms: int | None, real_ns: int, terms: Terms = ANY) -> None:
        """Arm a fault by its name: `count` answers that fit the terms, or `ms` of real time, whichever it knows.

        Raises: ValueError for a name that is no fault of this device.
        """
        if fault not in self.harm.names:
            raise ValueError(f"there is no fault {fault!r}; choose one of: {', '.join(self.harm.names)}")
        self.pass_time(real_ns)
        if fault in self.harm.line or fault in self.harm.answers:
            self._shim.arm(fault, count, DEFAULT_MS.get(fault, 0) if ms is None else ms, terms)
        elif fault == CommonFault.BROWNOUT:
            self._restart()
        else:
            lasting_ms = TIMED_MS.get(fault) if ms is None else ms
            self._until_ns[fault] = None if lasting_ms is None else real_ns + lasting_ms * NS_PER_MS
            if fault == CommonFault.UNPLUG:
                self._shim.discard()

    def clear(self, real_ns: int) -> None:
        """End every fault: the cable is in, the device listens, nothing is armed."""
        self.pass_time(real_ns)
        self._shim.clear()
        self._until_ns.clear()

    def faults(self) -> dict[str, int]:
        """Return the faults that are armed or active: the count left of the counted ones, 1 for the others."""
        return {fault: 1 for fault in self._until_ns if self._has(fault)} | self._shim.armed()

    def injections(self) -> list[Injection]:
        """Return the line's faults as they happened, oldest first."""
        return self._shim.injections()

    def _has(self, fault: str) -> bool:
        until_ns = self._until_ns.get(fault, 0)
        return until_ns is None or until_ns > self._real_ns

    def _has_any(self, faults: Iterable[str]) -> frozenset[str]:
        return frozenset(fault for fault in faults if self._has(fault))

    @property
    def _speaks(self) -> bool:
        return self._powered and not self._has(CommonFault.MUTE)

    def _restart(self) -> None:
        self._shim.discard()
        self._come_up()
