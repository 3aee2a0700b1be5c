"""What every serial device has besides its program: time, power, a cable, and a line with faults on it."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from nebctl_simulators.armed import Moment
from nebctl_simulators.faults import refuse_terms, refuse_unknown
from nebctl_simulators.shim import ANY, BOOT_BANNER, DEFAULT_MS, NS_PER_MS, Injection, LineFault, Shim, Terms
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
    """What can happen to any device.

    The cable out, or nothing heard, for `ms`; a program that hangs for `ms`, until its own watchdog resets it; or a
    short loss of power, with RESET one after which a boot loader speaks on the line.
    """

    UNPLUG = "unplug"
    MUTE = "mute"
    HANG = "hang"
    BROWNOUT = "brownout"
    RESET = "reset"


TIMED_MS: dict[str, int] = {CommonFault.UNPLUG: 1000, CommonFault.MUTE: 1000, CommonFault.HANG: 500}


@dataclass(frozen=True, slots=True, kw_only=True)
class Harm:
    """The faults that a kind of device knows.

    `line` are those of its line; `answers` spoil what the program says, a counted number of times; `lasting` stay for
    `ms` of real time, or without `ms` until they are cleared. `values` are wrong in the answers, of the values
    `points`. `terms` is what a request of this dialect can be chosen by, `commands` are their
    words where there are but so many, `why_not` says why there is no such fault.
    """

    line: tuple[str, ...]
    answers: tuple[str, ...]
    lasting: tuple[str, ...]
    values: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    terms: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    why_not: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Every fault that can be injected."""
        return (*self.line, *self.answers, *self.values, *(fault.value for fault in CommonFault), *self.lasting)


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
        self._hung = False
        self._on_ns: int | None = None

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

    @abstractmethod
    def _is_on(self) -> bool:
        """Return whether the output is on."""

    def _coast(self, dt_ns: int) -> None:
        """Let `dt_ns` of plant time pass while the program hangs; here, as if it did not."""
        self._advance(dt_ns)

    @property
    def is_plugged(self) -> bool:
        """Whether the cable was in at the last step."""
        return not self._has(CommonFault.UNPLUG)

    @property
    def fault_names(self) -> tuple[str, ...]:
        """The faults that can be injected."""
        return self.harm.names

    def pass_time(self, real_ns: int) -> None:
        """Let time pass up to `real_ns`; what is due to the host waits for the next step."""
        self._real_ns = real_ns
        sim_ns = self._time.at(real_ns)
        dt_ns, self._sim_ns = sim_ns - self._sim_ns, sim_ns
        if self._hung:
            self._coast(dt_ns)
            if not self._has(CommonFault.HANG):  # the hardware watchdog resets a program that hangs
                self._restart()
        else:
            self._advance(dt_ns)
        self._on_ns = (self._on_ns or 0) + dt_ns if self._is_on() else None
        self._shim.pass_time(real_ns)

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

        Raises: ValueError for a name that is no fault of this device, and for terms that its requests do not have.
        """
        refuse_terms(terms, self.harm.terms, self.harm.points, self.harm.commands)
        refuse_unknown(fault, self.harm.names, self.harm.why_not)
        self.pass_time(real_ns)
        if fault in self.harm.values:
            until_ns = None if ms is None else real_ns + ms * NS_PER_MS
            self._shim.arm(fault, count, 0, terms, target=self, until_ns=until_ns)
        elif fault in self.harm.line or fault in self.harm.answers:
            self._shim.arm(fault, count, DEFAULT_MS.get(fault, 0) if ms is None else ms, terms, target=self)
        else:
            self._shim.plan(fault, count, ms, terms, self, real_ns)

    def moment(self) -> Moment:
        """Return plant time, and for how long the output has been on."""
        return Moment(plant_ns=self._sim_ns, run_ns=self._on_ns)

    def strike(self, fault: str, _count: int, ms: int | None, real_ns: int) -> None:
        """Let a fault of the device begin now."""
        if fault in (CommonFault.BROWNOUT, CommonFault.RESET):
            if self._powered:
                self._restart(BOOT_BANNER if fault == CommonFault.RESET else b"")
        else:
            lasting_ms = TIMED_MS.get(fault) if ms is None else ms
            self._until_ns[fault] = None if lasting_ms is None else real_ns + lasting_ms * NS_PER_MS
            self._hung |= fault == CommonFault.HANG
            if fault == CommonFault.UNPLUG:
                self._shim.discard()

    def release(self, fault: str, _real_ns: int) -> None:
        """End a fault of the device."""
        self._until_ns.pop(fault, None)

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
        return self._powered and not self._hung and not self._has(CommonFault.MUTE)

    def _restart(self, banner: bytes = b"") -> None:
        self._hung = False
        self._until_ns.pop(CommonFault.HANG, None)
        self._shim.discard()
        if banner:
            self._shim.send(banner, self._real_ns)
        self._come_up()
