"""A simulated cut-off relay on a line of its own: its contact stands in the power of another device."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from enum import StrEnum

from nebctl_simulators.armed import Moment
from nebctl_simulators.faults import refuse_terms, refuse_unknown
from nebctl_simulators.jet.relay import NS_PER_MS, Relay
from nebctl_simulators.modbus.codec import Request
from nebctl_simulators.modbus.framing import TcpFraming
from nebctl_simulators.modbus.line import TERMS, WHY_NOT, ModbusLine
from nebctl_simulators.modbus.on_line import OnLine
from nebctl_simulators.shim import ANY, Terms
from nebctl_simulators.simtime import SimTime

RELAY_UNIT = 41
MUTE_MS = 1000


class RelayFault(StrEnum):
    """What can happen to it: deaf and mute for `ms`, its power away for a moment, or a contact that sticks."""

    MUTE = "mute"
    RELAY_BROWNOUT = "relay_brownout"
    WELDED = "welded"


RELAY_FAULTS = tuple(fault.value for fault in RelayFault)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """There is one kind of relay; `seed` is its line's."""

    seed: int
    preset: str = "relay"


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What is really so: the contact, its run, and for how long it was closed in it; a relay has no cup."""

    t_ns: int
    output: str
    run: str | None
    on_ms: int
    end: str
    powered: bool
    plugged: bool
    emitted_nl: int = 0
    cup_nl: int = 0


class Device(OnLine):
    """A relay on a line; `moved` is told each change of the contact with the real time in ns at which it was seen."""

    def __init__(
        self,
        *,
        unit: Unit,
        serial: str,
        sim_time: SimTime,
        real_ns: int,
        moved: Callable[[bool, int], None],
        line: ModbusLine | None = None,
        unit_id: int = RELAY_UNIT,
    ) -> None:
        self.unit = unit
        self.serial = serial
        self.units: Collection[int] = frozenset({unit_id})
        self._time = sim_time
        self._real_ns = self._mute_until_ns = real_ns
        self._sim_ns = sim_time.at(real_ns)
        self._moved = moved
        self._relay = Relay(serial, real_ns)
        self._told = False
        self._powered = True
        self._line = line or ModbusLine(TcpFraming(), unit.seed)
        self._line.join(self)
        moved(False, real_ns)

    @property
    def is_plugged(self) -> bool:
        """Whether the cable is in."""
        return True

    @property
    def fault_names(self) -> tuple[str, ...]:
        """The faults that can be injected."""
        return (*self._line.fault_names, *RELAY_FAULTS)

    def pass_time(self, real_ns: int) -> None:
        """Let time pass, and tell where the contact moved."""
        self._real_ns = real_ns
        sim_ns = self._time.at(real_ns)
        dt_ns, self._sim_ns = sim_ns - self._sim_ns, sim_ns
        self._relay.pass_time(real_ns, dt_ns)
        self._tell()

    def ask(self, request: Request) -> bytes | None:
        """Return the data of the answer; None: the relay is silent.

        Raises: ModbusFault for a request that it refuses.
        """
        if not self._powered or self._mute_until_ns > self._real_ns:
            return None
        answer = self._relay.ask(request)
        self._tell()
        return answer

    def pour(self, volume_nl: int) -> None:
        """Refuse: a relay has no cup.

        Raises: ValueError.
        """
        raise ValueError(f"a relay has no cup for {volume_nl} nL")

    def empty_cup(self) -> int:
        """Return 0: a relay has no cup."""
        return 0

    def switch_power(self, on: bool, real_ns: int) -> None:
        """Cut or give the relay's power; the cable stays in."""
        self.pass_time(real_ns)
        if on != self._powered:
            self._relay.restart()
            self._line.discard(self.units)
        self._powered = on
        self._tell()

    def inject(self, fault: str, count: int, ms: int | None, real_ns: int, terms: Terms = ANY) -> None:
        """Arm a fault by its name: `count` answers that fit, or `ms` of real time, whichever it knows.

        Raises: ValueError for a name that is no fault of a relay, and for terms that its requests do not have.
        """
        refuse_terms(terms, TERMS, ())
        refuse_unknown(fault, self.fault_names, WHY_NOT)
        self.pass_time(real_ns)
        own = replace(terms, among=frozenset(self.units))
        if fault in self._line.fault_names:
            self._line.arm(fault, count, ms, own, self)
        else:
            self._line.shim.plan(fault, count, ms, own, self, real_ns)

    def moment(self) -> Moment:
        """Return plant time, and for how long the contact has been closed in the run while it is."""
        run_ns = self._relay.closed_ms * NS_PER_MS if self._relay.closed else None
        return Moment(plant_ns=self._sim_ns, run_ns=run_ns)

    def strike(self, fault: str, _count: int, ms: int | None, real_ns: int) -> None:
        """Let a fault of the relay begin now."""
        if fault == RelayFault.WELDED:
            self._relay.welded = True
        elif fault == RelayFault.RELAY_BROWNOUT:
            self._relay.restart()
            self._tell()
        else:
            self._mute_until_ns = real_ns + (MUTE_MS if ms is None else ms) * NS_PER_MS

    def release(self, fault: str, real_ns: int) -> None:
        """End a fault of the relay."""
        if fault == RelayFault.WELDED:
            self._relay.welded = False
        elif fault == RelayFault.MUTE:
            self._mute_until_ns = real_ns

    def clear(self, real_ns: int) -> None:
        """End every fault."""
        self.pass_time(real_ns)
        self._line.clear()
        self._relay.welded, self._mute_until_ns = False, real_ns

    def faults(self) -> dict[str, int]:
        """Return the faults that are armed or active: the count left of the counted ones, 1 for the others."""
        lasting = {RelayFault.WELDED: self._relay.welded, RelayFault.MUTE: self._mute_until_ns > self._real_ns}
        return {fault.value: 1 for fault, on in lasting.items() if on} | self._line.armed()

    def truth(self) -> Truth:
        """Return what is really so, as of the last step."""
        relay = self._relay
        return Truth(
            t_ns=self._sim_ns,
            output="RUN" if relay.closed else "OFF",
            run=f"{relay.run:08x}" if relay.run else None,
            on_ms=relay.closed_ms,
            end=relay.cause.name,
            powered=self._powered,
            plugged=self.is_plugged,
        )

    def _tell(self) -> None:
        closed = self._relay.closed
        if closed is not self._told:
            self._told = closed
            self._moved(closed, self._real_ns)
