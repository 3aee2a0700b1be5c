"""The simulated device whole: controller, plant, line faults, power and cable, without I/O or a clock of its own."""

from dataclasses import dataclass, replace
from enum import StrEnum

from nebctl_simulators.armed import Moment
from nebctl_simulators.faults import refuse_terms, refuse_unknown
from nebctl_simulators.mesh.answers import REACHES, VALUES, AnswerFault, read_tag, refuse_request, spoil_answer
from nebctl_simulators.mesh.codec import LineReader, encode_line
from nebctl_simulators.mesh.controller import DRIVES, WATCHDOG_NS, Controller, Fault, Reason, State
from nebctl_simulators.mesh.memory import Memory
from nebctl_simulators.plant import AL_PER_NL, Drive, Liquid, Load, Plant, clog, detune, draw, pour, rate_nl_s, sense
from nebctl_simulators.presets import Unit, draw_load
from nebctl_simulators.shim import ANY, BOOT_BANNER, NS_PER_MS, Injection, LineFault, Shim, Terms
from nebctl_simulators.shim import DEFAULT_MS as LINE_MS
from nebctl_simulators.simtime import SimTime

COMMANDS = ("HELLO", "START", "STOP", "BEAT", "STAT", "LAST", "MAXON")


class DeviceFault(StrEnum):
    """What can happen to the device itself."""

    UNPLUG = "unplug"
    MUTE = "mute"
    HANG = "hang"
    BROWNOUT = "brownout"
    RESET = "reset"
    STUCK_ON = "stuck_on"
    NO_CUP = "no_cup"
    LOST_RESONANCE = "lost_resonance"
    HARDWARE = "hardware"
    CLOG = "clog"
    DETUNE = "detune"


LATCHED = {DeviceFault.NO_CUP: Fault.CUP, DeviceFault.LOST_RESONANCE: Fault.RES, DeviceFault.HARDWARE: Fault.HW}
# What `ms` means when a fault is injected without it: longer than the host's patience of 100 ms, a gap inside a line, …
DEFAULT_MS = {**LINE_MS, "late": 150, "unplug": 1000, "mute": 1000, "hang": 500, "clog": 60_000}
CLOG_PPM, DETUNE_PPM = 500_000, 10_000  # half of the rate goes, over `ms` of driving; 1 % beside the resonance
DEVICE_FAULTS = tuple(item.value for item in DeviceFault)
ANSWER_FAULTS = (*(item.value for item in AnswerFault), *VALUES)
FAULT_NAMES = (*(item.value for item in LineFault), *ANSWER_FAULTS, *DEVICE_FAULTS)
WHY_NOT = {
    "nan": "its values are decimal digits",
    "word_swapped": "its values are decimal digits",
    "units_changed": "the protocol fixes the units",
    "second_master": "its line has two ends; on a bus take a Modbus device or an Alicat",
    "exception": "that is Modbus: take refuse",
    "short_count": "that is Modbus: take short",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What is really so: volumes in nL, plant time in ns, and what the controller does and believes.

    `charge_nl` is what was in the cup after the last pour; `rate_nl_s` and `residual_ppm` are that filling's, and
    `residual_nl` is all that never leaves of it, which is more where `stops_early`. `rate_now_nl_s` is what leaves now:
    0 while OFF, sweeping or dry. Current in tenths of a milliampere, temperature in tenths of a degree Celsius.
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
    vapour_nl: int = 0
    residual_nl: int = 0
    stops_early: bool = False
    rate_now_nl_s: int = 0
    current_dma: int = 0
    frequency_hz: int = 0
    temp_dc: int = 0


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

    @property
    def fault_names(self) -> tuple[str, ...]:
        """The faults that can be injected."""
        return FAULT_NAMES

    def pass_time(self, real_ns: int) -> None:
        """Let time pass up to `real_ns`; what is due to the host waits for the next step."""
        self._real_ns = real_ns
        sim_ns = self._time.at(real_ns)
        dt_ns, self._sim_ns = sim_ns - self._sim_ns, sim_ns
        if self._hung:
            self._controller.coast(real_ns, dt_ns)
            if self._until_ns[DeviceFault.HANG] <= real_ns:  # the hardware watchdog resets a program that hangs
                self._restart(real_ns)
        else:
            self._controller.advance(real_ns, dt_ns)
            self._send_events(real_ns)
        self._shim.pass_time(real_ns)

    def step(self, real_ns: int) -> bytes:
        """Let time pass up to `real_ns` and return the bytes that are due to the host."""
        self.pass_time(real_ns)
        return self._shim.due(real_ns)

    def feed(self, data: bytes, real_ns: int) -> bytes:
        """Take bytes from the host and return those that are due to it."""
        self.pass_time(real_ns)
        if self._listens(real_ns):
            for payload in self._reader.feed(data):
                self._take(payload, real_ns)
        return self._shim.due(real_ns)

    def command(self, payload: str, real_ns: int) -> str | None:
        """Give the program one request past the line, as another processor on its board does; None: no answer."""
        self.pass_time(real_ns)
        return self._controller.receive(payload) if self._listens(real_ns) else None

    def next_ns(self) -> int | None:
        """Return when bytes are due that the line still holds back; None: none are."""
        return self._shim.next_ns()

    def pour(self, volume_nl: int, liquid: Liquid | None = None) -> None:
        """Pour into the cup; the filling's rate and residual come from the seed and the number of the pour.

        Without `liquid` it is as warm as the room and as thin as water.

        Raises: ValueError for a volume that does not fit.
        """
        load = draw_load(self.unit, self._pours + 1)
        self._controller.plant = pour(self._controller.plant, volume_nl, load, liquid)
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

    def supply(self, on: bool, real_ns: int) -> None:
        """Close or open a contact between controller and mesh; the controller does not notice."""
        self.pass_time(real_ns)
        self._controller.plant = replace(self._controller.plant, supplied=on)

    def inject(self, fault: str, count: int, ms: int | None, real_ns: int, terms: Terms = ANY) -> None:
        """Arm a fault by its name: `count` answers or stops, or `ms` of real time, whichever it knows.

        Raises: ValueError for a name that is no fault of a mesh, and for terms that this line's answers do not have.
        """
        refuse_terms(terms, ("command",), tuple(REACHES), COMMANDS)
        if fault == AnswerFault.REFUSE and terms.code is not None and terms.code > len(Reason):
            raise ValueError(f"code: expected a number from 1 to {len(Reason)}, got {terms.code}")
        refuse_unknown(fault, FAULT_NAMES, WHY_NOT)
        self.pass_time(real_ns)
        if fault in DEVICE_FAULTS:
            self._shim.plan(fault, count, ms, terms, self, real_ns)
            return
        until_ns = None if ms is None or fault not in VALUES else real_ns + ms * NS_PER_MS
        lasting_ms = DEFAULT_MS.get(fault, 0) if ms is None else ms
        self._shim.arm(fault, count, lasting_ms, terms, target=self, until_ns=until_ns)

    def moment(self) -> Moment:
        """Return plant time, and the on-time of the run while the output is on."""
        on_ns = self._controller.on_ms * NS_PER_MS if self._controller.is_on else None
        return Moment(plant_ns=self._sim_ns, run_ns=on_ns)

    def strike(self, fault: str, count: int, ms: int | None, real_ns: int) -> None:
        """Let a fault of the device begin now."""
        lasting_ms = DEFAULT_MS.get(fault, 0) if ms is None else ms
        self._harm(DeviceFault(fault), count, real_ns, real_ns + lasting_ms * NS_PER_MS)

    def release(self, fault: str, real_ns: int) -> None:
        """End a fault of the device."""
        if fault in LATCHED:
            self._controller.fault = None
        elif fault == DeviceFault.STUCK_ON:
            self._controller.stuck_stops = 0
        elif fault == DeviceFault.HANG and self._hung:
            self._restart(real_ns)
        elif fault in self._until_ns:
            self._until_ns[DeviceFault(fault)] = real_ns
        elif fault == DeviceFault.CLOG:
            self._controller.plant = clog(self._controller.plant, 0, 1)
        elif fault == DeviceFault.DETUNE:
            self._controller.plant = detune(self._controller.plant, 0)

    def clear(self, real_ns: int) -> None:
        """End every fault: the cable is in, the controller listens, nothing is latched or armed."""
        self.pass_time(real_ns)
        self._shim.clear()
        if self._hung:
            self._restart(real_ns)
        self._until_ns = dict.fromkeys(self._until_ns, real_ns)
        self._controller.stuck_stops = 0
        self._controller.fault = None
        self._controller.plant = detune(clog(self._controller.plant, 0, 1), 0)

    def faults(self) -> dict[str, int]:
        """Return the faults that are armed or active: the count left of the counted ones, 1 for the others."""
        active = {fault.value: 1 for fault, until_ns in self._until_ns.items() if until_ns > self._real_ns}
        active |= {fault.value: 1 for fault, code in LATCHED.items() if code is self._controller.fault}
        if self._controller.plant.clog is not None:
            active[DeviceFault.CLOG.value] = 1
        if self._controller.plant.off_ppm:
            active[DeviceFault.DETUNE.value] = 1
        if self._controller.stuck_stops:
            active[DeviceFault.STUCK_ON.value] = self._controller.stuck_stops
        return active | self._shim.armed()

    def injections(self) -> list[Injection]:
        """Return the line's faults as they happened, oldest first."""
        return self._shim.injections()

    def truth(self) -> Truth:
        """Return what is really so, as of the last step."""
        controller, plant = self._controller, self._controller.plant
        drive = DRIVES[controller.state]
        signals, emits = sense(plant, drive), drive is Drive.ON and plant.available_al > 0 and plant.supplied
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
            residual_nl=-(-plant.residual_al // AL_PER_NL),
            stops_early=plant.load.stops_early,
            rate_now_nl_s=rate_nl_s(plant) if emits else 0,
            current_dma=signals.current_dma,
            frequency_hz=signals.frequency_hz,
            temp_dc=signals.temp_dc,
        )

    def _listens(self, real_ns: int) -> bool:
        return self._powered and not self._hung and self._until_ns[DeviceFault.MUTE] <= real_ns

    def _harm(self, fault: DeviceFault, count: int, real_ns: int, until_ns: int) -> None:
        if fault in LATCHED:
            self._controller.trip(LATCHED[fault])
            self._send_events(real_ns)
        elif fault is DeviceFault.STUCK_ON:
            self._controller.stuck_stops += count
        elif fault is DeviceFault.CLOG:
            self._controller.plant = clog(self._controller.plant, CLOG_PPM, max(1, until_ns - real_ns))
        elif fault is DeviceFault.DETUNE:
            self._controller.plant = detune(self._controller.plant, DETUNE_PPM)
        elif fault in (DeviceFault.BROWNOUT, DeviceFault.RESET):
            if self._powered:
                self._restart(real_ns, BOOT_BANNER if fault is DeviceFault.RESET else b"")
        else:
            self._until_ns[fault] = until_ns
            self._hung |= fault is DeviceFault.HANG
            if fault is DeviceFault.UNPLUG:
                self._shim.discard()

    def _take(self, payload: str, real_ns: int) -> None:
        """Act on one good line."""
        tag = read_tag(payload)
        self._shim.heard(encode_line(payload), real_ns, tag)
        if not self._listens(real_ns):  # the request has set a fault off
            return
        refused = self._shim.take((AnswerFault.REFUSE,), real_ns, tag)
        answer = refuse_request(payload, refused.terms.code) if refused else self._controller.receive(payload)
        if answer is not None:
            spoilt = spoil_answer(answer, self._shim, real_ns, tag, self.moment())
            self._shim.answer(encode_line(spoilt), real_ns, tag)

    def _restart(self, real_ns: int, banner: bytes = b"") -> None:
        self._wake(real_ns)
        self._reader = LineReader()
        self._shim.discard()
        if banner:
            self._shim.send(banner, real_ns)
        self._controller.restart()
        self._send_events(real_ns)

    def _wake(self, real_ns: int) -> None:
        self._hung = False
        self._until_ns[DeviceFault.HANG] = real_ns

    def _send_events(self, real_ns: int) -> None:
        for event in self._controller.take_events():
            if self._until_ns[DeviceFault.MUTE] <= real_ns:
                self._shim.send(encode_line(event), real_ns)
