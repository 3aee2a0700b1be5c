"""The simulated device whole: controller, plant, line faults, power and cable, without I/O or a clock of its own."""

from dataclasses import dataclass
from enum import StrEnum

from nebctl_simulators.mesh.codec import LineReader, encode_line
from nebctl_simulators.mesh.controller import WATCHDOG_NS, Controller, Fault, State
from nebctl_simulators.mesh.memory import Memory
from nebctl_simulators.plant import Load, Plant, draw, pour
from nebctl_simulators.presets import Unit, draw_load
from nebctl_simulators.shim import ANY, NS_PER_MS, Injection, LineFault, Shim, Terms
from nebctl_simulators.shim import DEFAULT_MS as LINE_MS
from nebctl_simulators.simtime import SimTime


class DeviceFault(StrEnum):
    """What can happen to the device itself."""

    UNPLUG = "unplug"
    MUTE = "mute"
    HANG = "hang"
    BROWNOUT = "brownout"
    STUCK_ON = "stuck_on"
    NO_CUP = "no_cup"
    LOST_RESONANCE = "lost_resonance"
    HARDWARE = "hardware"


LATCHED = {DeviceFault.NO_CUP: Fault.CUP, DeviceFault.LOST_RESONANCE: Fault.RES, DeviceFault.HARDWARE: Fault.HW}
# What `ms` means when a fault is injected without it: longer than the host's patience of 100 ms, a gap inside a line, …
DEFAULT_MS = {**LINE_MS, "late": 150, "unplug": 1000, "mute": 1000, "hang": 500}
DEVICE_FAULTS = tuple(item.value for item in DeviceFault)
FAULT_NAMES = tuple(item.value for item in LineFault) + DEVICE_FAULTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What is really so: volumes in nL, plant time in ns, and what the controller does and believes.

    `charge_nl` is what was in the cup after the last pour; `rate_nl_s` and `residual_ppm` are that filling's.
    `run` is None before the first run since the restart. `plugged` tells whether the cable is in.
    """

    t_ns: int
    filled_nl: int
    emitted_nl: int
    drawn_nl: int
    cup_nl: int
    charge_nl: int
    rate_nl_s: int
    residual_ppm: int
    output: State
    run: str | None
    on_ms: int
    end: str
    boot: int
    powered: bool
    plugged: bool


class Device:
    """A mesh controller with its cup, as seen from its serial line and from the bench beside it.

    Every call names the real time in ns; plant time follows from it by `sim_time`.
    """

    def __init__(
        self,
        *,
        unit: Unit,
        serial: str,
        sim_time: SimTime,
        memory: Memory,
        real_ns: int,
        watchdog_ns: int = WATCHDOG_NS,
    ) -> None:
        self.unit = unit
        self.serial = serial
        self._time = sim_time
        self._real_ns = real_ns
        self._sim_ns = sim_time.at(real_ns)
        self._reader = LineReader()
        self._shim = Shim(unit.seed)
        self._pours = 0
        self._powered = True
        self._until_ns = dict.fromkeys((DeviceFault.UNPLUG, DeviceFault.MUTE, DeviceFault.HANG), real_ns)
        self._hung = False
        plant = Plant(mesh=unit.mesh, load=Load(rate_nl_s=1, residual_ppm=0))
        self._controller = Controller(
            serial=serial,
            firmware=unit.firmware,
            memory=memory,
            plant=plant,
            real_ns=real_ns,
            watchdog_ns=watchdog_ns,
        )
        self._send_events(real_ns)

    @property
    def memory(self) -> Memory:
        """What the controller remembers if power is lost at this moment."""
        return self._controller.memory

    @property
    def is_plugged(self) -> bool:
        """Whether the cable was in at the last step."""
        return self._until_ns[DeviceFault.UNPLUG] <= self._real_ns

    def pass_time(self, real_ns: int) -> None:
        """Let time pass up to `real_ns`; what is due to the host waits for the next step."""
        self._real_ns = real_ns
        sim_ns = self._time.at(real_ns)
        dt_ns, self._sim_ns = sim_ns - self._sim_ns, sim_ns
        if not self._hung:
            self._controller.advance(real_ns, dt_ns)
            self._send_events(real_ns)
            return
        self._controller.coast(real_ns, dt_ns)
        if self._until_ns[DeviceFault.HANG] <= real_ns:  # the hardware watchdog resets a program that hangs
            self._restart(real_ns)

    def step(self, real_ns: int) -> bytes:
        """Let time pass up to `real_ns` and return the bytes that are due to the host."""
        self.pass_time(real_ns)
        return self._shim.due(real_ns)

    def feed(self, data: bytes, real_ns: int) -> bytes:
        """Take bytes from the host and return those that are due to it."""
        self.pass_time(real_ns)
        if self._listens(real_ns):
            for payload in self._reader.feed(data):
                self._shim.heard(encode_line(payload), real_ns)
                answer = self._controller.receive(payload)
                if answer is not None:
                    self._shim.answer(encode_line(answer), real_ns)
        return self._shim.due(real_ns)

    def command(self, payload: str, real_ns: int) -> str | None:
        """Give the program one request past the line, as another processor on its board does; None: no answer."""
        self.pass_time(real_ns)
        return self._controller.receive(payload) if self._listens(real_ns) else None

    def next_ns(self) -> int | None:
        """Return when bytes are due that the line still holds back; None: none are."""
        return self._shim.next_ns()

    def pour(self, volume_nl: int) -> None:
        """Pour into the cup; the filling's rate and residual come from the seed and the number of the pour.

        Raises: ValueError for a volume that does not fit.
        """
        load = draw_load(self.unit, self._pours + 1)
        self._controller.plant = pour(self._controller.plant, volume_nl, load)
        self._pours += 1

    def empty_cup(self) -> int:
        """Draw what is in the cup and return it in nL."""
        self._controller.plant, drawn_nl = draw(self._controller.plant)
        return drawn_nl

    def switch_power(self, on: bool, real_ns: int) -> None:
        """Cut or give the controller's power; the cable stays in."""
        self.pass_time(real_ns)
        if on and not self._powered:
            self._restart(real_ns)
        elif not on:
            self._controller.cut_power()
            self._shim.discard()
            self._wake(real_ns)
        self._powered = on

    def inject(self, fault: str, count: int, ms: int | None, real_ns: int, terms: Terms = ANY) -> None:
        """Arm a fault by its name: `count` answers or stops, or `ms` of real time, whichever it knows.

        Raises: ValueError for a name that is no fault, and for terms, which this line's answers do not have.
        """
        if terms != ANY:
            raise ValueError("this line has one device and no units, functions or addresses: leave them out")
        if fault not in FAULT_NAMES:
            raise ValueError(f"there is no fault {fault!r}; choose one of: {', '.join(FAULT_NAMES)}")
        self.pass_time(real_ns)
        lasting_ms = DEFAULT_MS.get(fault, 0) if ms is None else ms
        if fault in DEVICE_FAULTS:
            self._harm(DeviceFault(fault), count, real_ns, real_ns + lasting_ms * NS_PER_MS)
        else:
            self._shim.arm(LineFault(fault), count, lasting_ms)

    def clear(self, real_ns: int) -> None:
        """End every fault: the cable is in, the controller listens, nothing is latched or armed."""
        self.pass_time(real_ns)
        self._shim.clear()
        if self._hung:
            self._restart(real_ns)
        self._until_ns = dict.fromkeys(self._until_ns, real_ns)
        self._controller.stuck_stops = 0
        self._controller.fault = None

    def faults(self) -> dict[str, int]:
        """Return the faults that are armed or active: the count left of the counted ones, 1 for the others."""
        active = {fault.value: 1 for fault, until_ns in self._until_ns.items() if until_ns > self._real_ns}
        active |= {fault.value: 1 for fault, code in LATCHED.items() if code is self._controller.fault}
        if self._controller.stuck_stops:
            active[DeviceFault.STUCK_ON.value] = self._controller.stuck_stops
        return active | self._shim.armed()

    def injections(self) -> list[Injection]:
        """Return the line's faults as they happened, oldest first."""
        return self._shim.injections()

    def truth(self) -> Truth:
        """Return what is really so, as of the last step."""
        controller, plant = self._controller, self._controller.plant
        return Truth(
            t_ns=plant.at_ns,
            filled_nl=plant.filled_nl,
            emitted_nl=plant.emitted_nl,
            drawn_nl=plant.drawn_nl,
            cup_nl=plant.cup_nl,
            charge_nl=plant.charge_nl,
            rate_nl_s=plant.load.rate_nl_s,
            residual_ppm=plant.load.residual_ppm,
            output=controller.state,
            run=controller.run,
            on_ms=controller.on_ms,
            end=controller.end,
            boot=controller.boot,
            powered=self._powered,
            plugged=self.is_plugged,
        )

    def _listens(self, real_ns: int) -> bool:
        return self._powered and not self._hung and self._until_ns[DeviceFault.MUTE] <= real_ns

    def _harm(self, fault: DeviceFault, count: int, real_ns: int, until_ns: int) -> None:
        if fault in LATCHED:
            self._controller.trip(LATCHED[fault])
            self._send_events(real_ns)
        elif fault is DeviceFault.STUCK_ON:
            self._controller.stuck_stops += count
        elif fault is DeviceFault.BROWNOUT:
            if self._powered:
                self._restart(real_ns)
        else:
            self._until_ns[fault] = until_ns
            self._hung |= fault is DeviceFault.HANG
            if fault is DeviceFault.UNPLUG:
                self._shim.discard()

    def _restart(self, real_ns: int) -> None:
        self._wake(real_ns)
        self._reader = LineReader()
        self._shim.discard()
        self._controller.restart()
        self._send_events(real_ns)

    def _wake(self, real_ns: int) -> None:
        self._hung = False
        self._until_ns[DeviceFault.HANG] = real_ns

    def _send_events(self, real_ns: int) -> None:
        for event in self._controller.take_events():
            if self._until_ns[DeviceFault.MUTE] <= real_ns:
                self._shim.send(encode_line(event), real_ns)
