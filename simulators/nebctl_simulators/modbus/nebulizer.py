"""A simulated mesh nebulizer that speaks Modbus by the map of a profile; behind its points is the mesh controller.

The controller's program (`mesh.controller`) keeps its rules: sweep, dry mesh, maximum on-time, and the watchdog on the
host where the profile promises one. This is the board in front of it, which turns registers into its commands.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from itertools import cycle

from nebctl_simulators.armed import Moment, Tag
from nebctl_simulators.faults import refuse_terms, refuse_unknown
from nebctl_simulators.mesh import device as mesh
from nebctl_simulators.mesh.answers import REACHES
from nebctl_simulators.mesh.memory import Memory
from nebctl_simulators.modbus.codec import WRITES, Fault, ModbusFault, Request, pack_registers
from nebctl_simulators.modbus.conditions import Condition, settle
from nebctl_simulators.modbus.framing import RtuFraming
from nebctl_simulators.modbus.line import TERMS, WHY_NOT, ModbusLine
from nebctl_simulators.modbus.on_line import OnLine
from nebctl_simulators.modbus.points import Number, Point
from nebctl_simulators.modbus.profile import DeviceMap
from nebctl_simulators.modbus.registers import READ_TABLES, Registers
from nebctl_simulators.modbus.told import Telling
from nebctl_simulators.presets import Unit
from nebctl_simulators.shim import ANY, NS_PER_MS, Terms
from nebctl_simulators.simtime import SimTime
from nebctl_simulators.values import Reach, show_fahrenheit

UNIT = 40
NEVER_NS = 10**18
FIRMWARE = 1
NUMBERS = range(1, 60_001)
PER_BASE: Mapping[str, Fraction] = {
    "A": Fraction(1, 1000),
    "kHz": Fraction(1, 1000),
    "MHz": Fraction(1, 1_000_000),
    "W": Fraction(1, 1000),
    "s": Fraction(1, 1000),
    "min": Fraction(1, 60_000),
}
"""How much of a unit the controller's own is (mA, Hz, mW, °C, ms); units that are not here are that one."""
END_WORDS = {
    "-": "none",
    "POWER": "power-up",
    "HOST": "host",
    "STOP": "stop",
    "DRY": "dry",
    "MAXON": "max-on",
    "BEAT": "beat-lost",
    "FAULT": "fault",
}
FAULTS = ("CUP", "RES", "HW")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the controller tells: on-time in ms, current in mA, frequency in Hz, power in mW, temperature in °C."""

    state: str
    run: int
    on_ms: int
    end: str
    boot: int
    is_dry: bool
    fault: str
    quantities: Mapping[str, Fraction]


class Nebulizer(OnLine):
    """One unit on a Modbus line, its own or one with others; every call names the real time in ns."""

    def __init__(
        self,
        *,
        device_map: DeviceMap,
        unit: Unit,
        serial: str,
        sim_time: SimTime,
        real_ns: int,
        memory: Memory | None = None,
        line: ModbusLine | None = None,
        unit_id: int = UNIT,
    ) -> None:
        self.units: Collection[int] = frozenset({unit_id})
        self._map = device_map
        watchdog_ns = NEVER_NS if device_map.host_loss_ms is None else device_map.host_loss_ms * NS_PER_MS
        self._mesh = mesh.Device(
            unit=_limited(unit, device_map),
            serial=serial,
            sim_time=sim_time,
            memory=memory or Memory(),
            real_ns=real_ns,
            watchdog_ns=watchdog_ns,
        )
        self._registers = Registers(device_map)
        self._telling = _build_telling(device_map)
        self._shown: dict[str, Number | str] = {}
        self._told = ""
        self._seen: Seen | None = None
        self._numbers = cycle(NUMBERS)
        self._boot = 0
        self._real_ns = real_ns
        self._line = line or ModbusLine(RtuFraming(), unit.seed)
        self._line.join(self)

    @property
    def unit(self) -> Unit:
        """The plant's unit."""
        return self._mesh.unit

    @property
    def serial(self) -> str:
        """The serial number."""
        return self._mesh.serial

    @property
    def memory(self) -> Memory:
        """What the controller remembers if power is lost at this moment."""
        return self._mesh.memory

    @property
    def is_plugged(self) -> bool:
        """Whether the cable was in at the last step."""
        return self._mesh.is_plugged

    @property
    def fault_names(self) -> tuple[str, ...]:
        """The faults that can be injected."""
        return (*self._line.fault_names, *self._telling.faults, *mesh.DEVICE_FAULTS)

    def pass_time(self, real_ns: int) -> None:
        """Let time pass."""
        self._real_ns = real_ns
        self._mesh.step(real_ns)  # what the controller says unasked ends here

    def supply(self, on: bool, real_ns: int) -> None:
        """Close or open a contact between controller and mesh."""
        self._mesh.supply(on, real_ns)

    def ask(self, request: Request) -> bytes | None:
        """Return the data of the answer; None: without power, mute or hung, the device is silent.

        Raises: ModbusFault for a request that it refuses.
        """
        seen = self._look()
        if seen is None:
            return None
        if request.function in READ_TABLES:
            return self._read(request)
        if request.function not in WRITES:
            raise ModbusFault(Fault.FUNCTION)
        self._told = ""
        points, answer = self._registers.write(request)
        for point in points:
            self._obey(point, seen)
        return answer

    def pour(self, volume_nl: int) -> None:
        """Pour into the cup.

        Raises: ValueError for a volume that does not fit.
        """
        self._mesh.pour(volume_nl)

    def empty_cup(self) -> int:
        """Draw what is in the cup and return it in nL."""
        return self._mesh.empty_cup()

    def switch_power(self, on: bool, real_ns: int) -> None:
        """Cut or give the power; the cable stays in."""
        self._line.discard(self.units)
        self._mesh.switch_power(on, real_ns)

    def inject(self, fault: str, count: int, ms: int | None, real_ns: int, terms: Terms = ANY) -> None:
        """Arm a fault by its name: `count` answers or stops that fit, or `ms` of real time, whichever it knows.

        Raises: ValueError for a name that is no fault of this device, and for terms that its requests do not have.
        """
        refuse_terms(terms, TERMS, tuple(self._telling.points))
        refuse_unknown(fault, self.fault_names, WHY_NOT)
        self.pass_time(real_ns)
        own = replace(terms, among=frozenset(self.units))
        if fault in self._line.fault_names:
            self._line.arm(fault, count, ms, own, self)
        elif fault in self._telling.faults:
            until_ns = None if ms is None else real_ns + ms * NS_PER_MS
            self._line.shim.arm(fault, count, 0, own, target=self, until_ns=until_ns)
        else:
            self._line.shim.plan(fault, count, ms, own, self, real_ns)

    def moment(self) -> Moment:
        """Return plant time, and the on-time of the run while the output is on."""
        return self._mesh.moment()

    def strike(self, fault: str, count: int, ms: int | None, real_ns: int) -> None:
        """Let a fault of the device begin now."""
        if fault in ("unplug", "brownout", "reset"):
            self._line.discard(self.units)
        if fault == "reset":
            self._line.say_banner(real_ns)
        self._mesh.strike(fault, count, ms, real_ns)

    def release(self, fault: str, real_ns: int) -> None:
        """End a fault of the device."""
        self._mesh.release(fault, real_ns)

    def clear(self, real_ns: int) -> None:
        """End every fault, those of the whole line among them."""
        self._line.clear()
        self._mesh.clear(real_ns)

    def faults(self) -> dict[str, int]:
        """Return the faults that are armed or active: the count left of the counted ones, 1 for the others."""
        return self._mesh.faults() | self._line.armed()

    def truth(self) -> mesh.Truth:
        """Return what is really so, as of the last step."""
        return self._mesh.truth()

    def _read(self, request: Request) -> bytes:
        data, table = self._registers.read(request), READ_TABLES[request.function]
        first = request.address
        if table not in ("holding", "input") or first is None:
            return data
        words = [int.from_bytes(data[at : at + 2]) for at in range(1, len(data), 2)]
        tag = Tag(unit=request.unit, function=request.function, address=first)
        told = self._telling.spoil(self._line.shim, table, first, words, self._real_ns, tag, self.moment())
        return pack_registers(told)

    def _look(self) -> Seen | None:
        """Return what the controller tells, and bring the registers to it where it is news; None: it is silent."""
        answer = self._tell("STAT")
        if answer is None:
            return None
        told = answer.split(",", 3)[3]
        if told != self._told:
            self._seen, self._told = _parse(answer), told
            self._show(self._seen)
        return self._seen

    def _tell(self, command: str) -> str | None:
        """Give the controller a command and return its answer; None: it is silent."""
        return self._mesh.command(f"C,{next(self._numbers)},{command}", self._real_ns)

    def _obey(self, point: Point, seen: Seen) -> None:
        roles = self._map.roles
        value = self._registers.value(point)
        if point.name == roles.named.get("beat"):
            self._tell("BEAT")
        elif (point.name, value) in roles.stop:
            self._tell("STOP")
        elif seen.state == "OFF" and self._is_trigger(point, value):
            self._start(point)

    def _is_trigger(self, point: Point, value: Fraction) -> bool:
        """Return whether a write is the last one of a start; what the host fills in there may be any number but 0."""
        name, wanted = self._map.roles.start[-1]
        return point.name == name and (bool(value) if isinstance(wanted, str) else value == wanted)

    def _start(self, trigger: Point) -> None:
        """Start with what was set before; a start that lacks something is refused, and the trigger is as it was.

        Raises: ModbusFault.
        """
        run, max_on_ms = self._boot << 16 | next(self._numbers), self._mesh.unit.firmware.max_on_ms
        for name, wanted in self._map.roles.start[:-1]:
            value = self._registers.value(self._map.points[name])
            if wanted == "run":
                run = int(value)
            elif wanted == "max_on":
                max_on_ms = min(max_on_ms, int(value / _per_base(self._map.points[name])))
            if not value and wanted and wanted != "number":
                self._registers.put(trigger, trigger.reset or 0)
                raise ModbusFault(Fault.VALUE)
        answer = self._tell(f"START,{run:08x},{max_on_ms}")
        if answer is None or answer.startswith("N"):
            self._registers.put(trigger, trigger.reset or 0)
            raise ModbusFault(Fault.FAILURE)

    def _show(self, seen: Seen) -> None:
        """Bring the registers to what the controller tells."""
        if seen.boot != self._boot:
            self._registers.reset()
            self._shown.clear()
            self._boot = seen.boot
        roles = self._map.roles
        if seen.state == "OFF":
            trigger = roles.start[-1][0]
            for name, value in roles.stop:
                if name == trigger and not isinstance(value, str):
                    self._put(name, value)
        for name, shown in self._values(seen).items():
            if self._shown.get(name) != shown:
                self._put(name, shown)
                self._shown[name] = shown

    def _values(self, seen: Seen) -> dict[str, Number | str]:
        roles, named = self._map.roles, self._map.roles.named
        values: dict[str, Number | str] = {}
        own: dict[str, int | str] = {"run": seen.run, "boot": seen.boot, "serial": self.serial, "firmware": FIRMWARE}
        values |= {named[key]: value for key, value in own.items() if key in named}
        if "on_time" in named:
            values[named["on_time"]] = seen.on_ms * _per_base(self._map.points[named["on_time"]])
        for key, point in roles.quantities.items():
            values[point] = seen.quantities[key] * _per_base(self._map.points[point])
        if roles.end:
            values[roles.end] = roles.ends.get(END_WORDS[seen.end], 0)
        self._add_states(values, seen)
        return values

    def _add_states(self, values: dict[str, Number | str], seen: Seen) -> None:
        roles = self._map.roles
        state = {"OFF": "off", "SWEEP": "sweep", "RUN": "running"}[seen.state]
        if state == "sweep" and not roles.states["sweep"]:
            state = "running"
        wanted = [self._map.identity, roles.states[state], *self._tell_fault(seen.fault)]
        unwanted = [condition for name, condition in roles.states.items() if name != state]
        (wanted if seen.is_dry else unwanted).append(roles.dry)
        settle(values, self._map.points, wanted, unwanted)

    def _tell_fault(self, fault: str) -> tuple[Condition, ...]:
        """Return what shows a fault of the controller, or its absence: an alarm, or a number that is not `none`."""
        roles = self._map.roles
        if not roles.fault:
            return ()
        point = self._map.points[roles.fault]
        if point.bits:
            dry = roles.dry.get(point.name, ())
            alarms = [name for name in point.alarms or tuple(point.bits) if name not in dry]
            shown = alarms[min(FAULTS.index(fault), len(alarms) - 1)] if fault != "-" and alarms else None
            return tuple({point.name: (name if name == shown else f"!{name}",)} for name in alarms)
        number = roles.no_fault if fault == "-" else roles.no_fault + 1 + FAULTS.index(fault)
        return ({point.name: (number,)},)

    def _put(self, name: str, value: Number | str) -> None:
        self._registers.put(self._map.points[name], value)


def _build_telling(device_map: DeviceMap) -> Telling:
    """Return the measured quantities of the map, by the names of their points."""
    points, reaches = {}, {}
    for key, name in device_map.roles.quantities.items():
        point, reach = device_map.points[name], REACHES[key]
        per = float(_per_base(point))
        other = show_fahrenheit if key == "temperature" else _in_thousandths
        points[name] = point
        reaches[name] = Reach(least=reach.least * per, most=reach.most * per, other=other)
    return Telling(points, reaches)


def _in_thousandths(value: float) -> float:
    return value * 1000


def _limited(unit: Unit, device_map: DeviceMap) -> Unit:
    if device_map.longest_on_ms is None:
        return unit
    return replace(unit, firmware=replace(unit.firmware, max_on_ms=device_map.longest_on_ms))


def _per_base(point: Point) -> Number:
    return PER_BASE.get(point.unit, 1)


@lru_cache
def _fraction(text: str) -> Fraction:
    return Fraction(text)


def _parse(answer: str) -> Seen:
    state, run, on_ms, end, boot, current, frequency, power, temp, dry, fault = answer.split(",")[3:14]
    return Seen(
        state=state,
        run=0 if run == "-" else int(run, 16),
        on_ms=int(on_ms),
        end=end,
        boot=int(boot),
        is_dry=dry == "1",
        fault=fault,
        quantities={
            "current": _fraction(current),
            "frequency": _fraction(frequency),
            "power": _fraction(power),
            "temperature": Fraction(0) if temp == "-" else Fraction(int(temp), 10),
        },
    )
