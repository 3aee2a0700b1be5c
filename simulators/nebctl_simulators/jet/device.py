"""The simulated jet nebulizer whole: gas controller, relay, cup, line faults and power, without I/O or own clock."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from enum import StrEnum

from nebctl_simulators.armed import Moment, Tag
from nebctl_simulators.faults import refuse_terms, refuse_unknown
from nebctl_simulators.jet.cup import AL_PER_NL, Cup, Load, advance, draw, duty_ppm, pour, rate_nl_s, tap
from nebctl_simulators.jet.gas import GasController
from nebctl_simulators.jet.presets import Unit, draw_load
from nebctl_simulators.jet.relay import Relay
from nebctl_simulators.jet.telling import ADDRESSES, TELLING
from nebctl_simulators.modbus import codec
from nebctl_simulators.modbus.codec import Fault, ModbusFault, Request, pack_registers
from nebctl_simulators.modbus.framing import TcpFraming
from nebctl_simulators.modbus.line import TERMS, WHY_NOT, ModbusLine
from nebctl_simulators.modbus.on_line import OnLine
from nebctl_simulators.shim import ANY, NS_PER_MS, Terms
from nebctl_simulators.simtime import SimTime

GAS_UNIT, RELAY_UNIT = 40, 41
WHOLE_PPM = 1_000_000
DEFAULT_MS = {"unplug": 1000, "mute": 1000, "hang": 500}


class DeviceFault(StrEnum):
    """What can happen to the devices themselves; a brown-out restarts one of the two.

    RESET is a brown-out of the gas controller after which a boot loader speaks, where the line is serial. In HANG the
    gas controller's program hangs, and its valve stays as it is, until its own watchdog resets it.
    """

    UNPLUG = "unplug"
    MUTE = "mute"
    HANG = "hang"
    BROWNOUT = "brownout"
    RESET = "reset"
    RELAY_BROWNOUT = "relay_brownout"
    WELDED = "welded"
    KINKED_TUBE = "kinked_tube"
    WEAK_COMPRESSOR = "weak_compressor"
    TAP = "tap"


DEVICE_FAULTS = tuple(fault.value for fault in DeviceFault)


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What is really so: volumes in nL, plant time in ns.

    `emitted_nl` is in the solution as filled, `aerosol_nl` and `vapour_nl` are what left the cup; all since the start.
    `rate_nl_s`, `share_ppm` and `residual_nl` are the present filling's. `output` is RUN while the jet makes aerosol.
    `rate_now_nl_s` is the solution that leaves as droplets now, `cooling_mk` how far below the room's temperature it
    is, in thousandths of a kelvin.
    `run` is None before the first run since the relay's power-up, `on_ms` how long the relay was closed in it.
    """

    t_ns: int
    filled_nl: int
    emitted_nl: int
    aerosol_nl: int
    vapour_nl: int
    drawn_nl: int
    cup_nl: int
    rate_nl_s: int
    share_ppm: int
    residual_nl: int
    duty_ppm: int
    output: str
    relay_closed: bool
    setpoint_sccm: int
    run: str | None
    on_ms: int
    end: str
    powered: bool
    plugged: bool
    rate_now_nl_s: int = 0
    cooling_mk: int = 0


class Device(OnLine):
    """Gas controller and relay with the cup that they feed, on a Modbus line of their own or on one with others.

    Without a `line` they stand alone on Modbus TCP. Every call names the real time in ns; plant time follows from it
    by `sim_time`.
    """

    def __init__(
        self,
        *,
        unit: Unit,
        serial: str,
        sim_time: SimTime,
        real_ns: int,
        line: ModbusLine | None = None,
        gas_unit: int = GAS_UNIT,
        relay_unit: int = RELAY_UNIT,
    ) -> None:
        self.unit = unit
        self.serial = serial
        self._time = sim_time
        self._real_ns = real_ns
        self._sim_ns = sim_time.at(real_ns)
        self._pours = 0
        self._powered = True
        self._until_ns = dict.fromkeys((DeviceFault.UNPLUG, DeviceFault.MUTE, DeviceFault.HANG), real_ns)
        self._hung = False
        self._gas_unit = gas_unit
        self._gas = GasController(unit.gas, unit.seed)
        self._relay = Relay(serial, real_ns)
        empty = Load(aerosol_nl_s=1, share_ppm=WHOLE_PPM, residual_nl=0, onset_nl=0, least_ppm=200_000)
        self._cup = Cup(size_nl=unit.cup_nl, load=empty)
        self._units: dict[int, Callable[[Request], bytes]] = {gas_unit: self._ask_gas, relay_unit: self._relay.ask}
        self._line = line or ModbusLine(TcpFraming(), unit.seed)
        self._line.join(self)

    @property
    def units(self) -> Collection[int]:
        """The unit ids of gas controller and relay."""
        return self._units

    @property
    def fault_names(self) -> tuple[str, ...]:
        """The faults that can be injected."""
        return (*self._line.fault_names, *TELLING.faults, *DEVICE_FAULTS)

    @property
    def is_plugged(self) -> bool:
        """Whether the network cable was in at the last step."""
        return self._until_ns[DeviceFault.UNPLUG] <= self._real_ns

    def pass_time(self, real_ns: int) -> None:
        """Let time pass up to `real_ns`; what is due to the host waits for the next step."""
        self._real_ns = real_ns
        sim_ns = self._time.at(real_ns)
        dt_ns, self._sim_ns = sim_ns - self._sim_ns, sim_ns
        if self._hung and self._until_ns[DeviceFault.HANG] <= real_ns:  # the hardware watchdog resets it
            self._hung = False
            self._gas.restart()
        closed_ns = self._relay.pass_time(real_ns, dt_ns)
        self._cup = advance(self._cup, closed_ns, self._gas.pressure_ppm(supplied=True) if self._powered else 0)
        self._cup = advance(self._cup, dt_ns - closed_ns, 0)

    def ask(self, request: Request) -> bytes | None:
        """Return the data of the answer to a request for one of the units; None: both are silent.

        Raises: ModbusFault for a request that is refused.
        """
        if not self._powered or self._until_ns[DeviceFault.MUTE] > self._real_ns:
            return None
        if self._hung and request.unit == self._gas_unit:
            return None
        return self._units[request.unit](request)

    def pour(self, volume_nl: int) -> None:
        """Pour into the cup; the filling's character comes from the seed and the number of the pour.

        Raises: ValueError for a volume that does not fit.
        """
        self._cup = pour(self._cup, volume_nl, self._weakened(draw_load(self.unit, self._pours + 1)))
        self._pours += 1

    def empty_cup(self) -> int:
        """Draw what is in the cup and return it in nL."""
        self._cup, drawn_nl = draw(self._cup)
        return drawn_nl

    def switch_power(self, on: bool, real_ns: int) -> None:
        """Cut or give the power of both devices; the cable stays in."""
        self.pass_time(real_ns)
        if on != self._powered:
            self._gas.restart()
            self._relay.restart()
            self._line.discard(self._units)
        self._powered = on

    def inject(self, fault: str, count: int, ms: int | None, real_ns: int, terms: Terms = ANY) -> None:
        """Arm a fault by its name: `count` answers that fit, or `ms` of real time, whichever it knows.

        Raises: ValueError for a name that is no fault of these, and for terms that their requests do not have.
        """
        refuse_terms(terms, TERMS, tuple(ADDRESSES))
        refuse_unknown(fault, self.fault_names, WHY_NOT)
        self.pass_time(real_ns)
        own = replace(terms, among=frozenset(self._units))
        if fault in self._line.fault_names:
            self._line.arm(fault, count, ms, own, self)
        elif fault in TELLING.faults:
            until_ns = None if ms is None else real_ns + ms * NS_PER_MS
            self._line.shim.arm(fault, count, 0, own, target=self, until_ns=until_ns)
        else:
            self._line.shim.plan(fault, count, ms, own, self, real_ns)

    def moment(self) -> Moment:
        """Return plant time, and for how long the relay has been closed in the run while it is."""
        run_ns = self._relay.closed_ms * NS_PER_MS if self._relay.closed else None
        return Moment(plant_ns=self._sim_ns, run_ns=run_ns)

    def strike(self, fault: str, _count: int, ms: int | None, real_ns: int) -> None:
        """Let a fault of the devices begin now."""
        lasting_ms = DEFAULT_MS.get(fault, 0) if ms is None else ms
        self._harm(DeviceFault(fault), real_ns, real_ns + lasting_ms * NS_PER_MS)

    def release(self, fault: str, real_ns: int) -> None:
        """End a fault of the devices."""
        match fault:
            case DeviceFault.WELDED:
                self._relay.welded = False
            case DeviceFault.KINKED_TUBE:
                self._gas.kinked = False
            case DeviceFault.WEAK_COMPRESSOR:
                self._gas.weak = False
            case DeviceFault.UNPLUG | DeviceFault.MUTE | DeviceFault.HANG:
                self._until_ns[DeviceFault(fault)] = real_ns

    def clear(self, real_ns: int) -> None:
        """End every fault."""
        self.pass_time(real_ns)
        self._line.clear()
        self._until_ns = dict.fromkeys(self._until_ns, real_ns)
        self._gas.kinked = self._gas.weak = self._relay.welded = False

    def faults(self) -> dict[str, int]:
        """Return the faults that are armed or active: the count left of the counted ones, 1 for the others."""
        active = {fault.value: 1 for fault, until_ns in self._until_ns.items() if until_ns > self._real_ns}
        active |= {fault.value: 1 for fault, on in self._lasting().items() if on}
        return active | self._line.armed()

    def truth(self) -> Truth:
        """Return what is really so, as of the last step."""
        cup, relay = self._cup, self._relay
        pressure_ppm = self._gas.pressure_ppm(supplied=relay.closed) if self._powered else 0
        drives = bool(pressure_ppm) and not cup.is_spent
        # Rounded so that filled = aerosol + vapour + drawn + cup holds in whole nanolitres too.
        filled_nl, drawn_nl, cup_nl = (al // AL_PER_NL for al in (cup.filled_al, cup.drawn_al, cup.volume_al))
        vapour_nl = cup.vapour_al // AL_PER_NL
        return Truth(
            t_ns=cup.at_ns,
            filled_nl=filled_nl,
            emitted_nl=cup.emitted_al // AL_PER_NL,
            aerosol_nl=filled_nl - drawn_nl - cup_nl - vapour_nl,
            vapour_nl=vapour_nl,
            drawn_nl=drawn_nl,
            cup_nl=cup_nl,
            rate_nl_s=cup.load.aerosol_nl_s,
            share_ppm=cup.load.share_ppm,
            residual_nl=cup.load.residual_nl,
            duty_ppm=duty_ppm(cup),
            output="RUN" if drives else "OFF",
            relay_closed=relay.closed,
            setpoint_sccm=round(self._gas.setpoint * 1000),
            run=f"{relay.run:08x}" if relay.run else None,
            on_ms=relay.closed_ms,
            end=relay.cause.name,
            powered=self._powered,
            plugged=self.is_plugged,
            rate_now_nl_s=rate_nl_s(cup, pressure_ppm),
            cooling_mk=cup.cooling_mk,
        )

    def _weakened(self, load: Load) -> Load:
        if not self._gas.weak or self.unit.gas.is_weak:  # a weak unit's fillings are drawn so
            return load
        residual_nl = load.residual_nl + self.unit.gas.weak_residual_nl
        return replace(load, residual_nl=residual_nl, onset_nl=load.onset_nl + self.unit.gas.weak_residual_nl)

    def _lasting(self) -> dict[DeviceFault, bool]:
        return {
            DeviceFault.WELDED: self._relay.welded,
            DeviceFault.KINKED_TUBE: self._gas.kinked,
            DeviceFault.WEAK_COMPRESSOR: self._gas.weak,
        }

    def _harm(self, fault: DeviceFault, real_ns: int, until_ns: int) -> None:
        match fault:
            case DeviceFault.RESET:
                self._gas.restart()
                self._line.say_banner(real_ns)
            case DeviceFault.BROWNOUT:
                self._gas.restart()
            case DeviceFault.RELAY_BROWNOUT:
                self._relay.restart()
            case DeviceFault.WELDED:
                self._relay.welded = True
            case DeviceFault.KINKED_TUBE:
                self._gas.kinked = True
            case DeviceFault.WEAK_COMPRESSOR if not self._gas.weak:
                self._gas.weak = True
                self._cup = replace(self._cup, load=self._weakened(self._cup.load))
            case DeviceFault.TAP:
                self._cup = tap(self._cup)
            case DeviceFault.UNPLUG | DeviceFault.MUTE | DeviceFault.HANG:
                self._until_ns[fault] = until_ns
                self._hung |= fault is DeviceFault.HANG
                if fault is DeviceFault.UNPLUG:
                    self._line.discard(self._units)

    def _ask_gas(self, request: Request) -> bytes:
        if request.function in (codec.READ_HOLDING, codec.READ_INPUT):
            address, count = codec.parse_read(request.data, codec.MOST_REGISTERS)
            tag = Tag(unit=request.unit, function=request.function, address=address)
            words = self._read_gas(address, count)
            at = self.moment()
            return pack_registers(TELLING.spoil(self._line.shim, "holding", address, words, self._real_ns, tag, at))
        if request.function == codec.WRITE_REGISTERS:
            self._gas.write(*codec.parse_write(request.data))
            return request.data[:4]
        raise ModbusFault(Fault.FUNCTION)

    def _read_gas(self, address: int, count: int) -> tuple[int, ...]:
        flow = self._gas.flow(supplied=self._relay.closed)
        gap_ppm = WHOLE_PPM - duty_ppm(self._cup) if self._cup.volume_al else 0
        return self._gas.read(address, count, flow, self._sim_ns, gap_ppm)
