"""The controller's program: states, commands and its own rules (docs/wire-protocol.md sections 2 to 7).

It does no I/O and reads no clock. Plant time, which may be scaled, drives sweep, on-time and dry detection; the host
watchdog runs on real time, because the host and its beats do.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from nebctl_simulators.mesh.codec import Request, is_hex8, parse_number, parse_request
from nebctl_simulators.mesh.memory import Memory, recover
from nebctl_simulators.plant import Drive, Plant, advance, sense, wet_ns
from nebctl_simulators.presets import Firmware

PROTOCOL = "0.1.0"
MAKER = "nebctl"
MODEL = "mesh-sim"
FIRMWARE = "0.1.0"
SIMULATOR_FLAG = "S"
WATCHDOG_NS = 2_000_000_000
NS_PER_MS = 1_000_000


class State(StrEnum):
    """The controller's state, as `STAT` names it."""

    OFF = "OFF"
    SWEEP = "SWEEP"
    RUN = "RUN"


class End(StrEnum):
    """Why the output last went OFF; NONE while it is on."""

    NONE = "-"
    POWER = "POWER"
    HOST = "HOST"
    STOP = "STOP"
    DRY = "DRY"
    MAXON = "MAXON"
    BEAT = "BEAT"
    FAULT = "FAULT"


class Fault(StrEnum):
    """A latched fault."""

    CUP = "CUP"
    RES = "RES"
    HW = "HW"


class Reason(StrEnum):
    """Why a request is refused."""

    CMD = "CMD"
    ARG = "ARG"
    SEQ = "SEQ"
    STATE = "STATE"
    MAXON = "MAXON"
    CUP = "CUP"
    FAULT = "FAULT"


DRIVES = {State.OFF: Drive.OFF, State.SWEEP: Drive.SWEEP, State.RUN: Drive.ON}
Fields = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answered:
    """The last request and its answer, kept for a repeat."""

    seq: int
    payload: str
    answer: str


class Controller:
    """A mesh controller from power-up on, with the plant that it drives.

    `stuck_stops` is a fault for tests: that many of the next STOP commands leave the output on, and say so.
    """

    def __init__(
        self,
        *,
        serial: str,
        firmware: Firmware,
        memory: Memory,
        plant: Plant,
        real_ns: int,
        watchdog_ns: int = WATCHDOG_NS,
    ) -> None:
        self.serial = serial
        self._watchdog_ns = watchdog_ns
        self.firmware = firmware
        self.plant = plant
        self.stuck_stops = 0
        self.fault: Fault | None = None
        self._events: list[str] = []
        self._real_ns = real_ns
        self._boot_up(memory)
        self._commands: dict[str, Callable[[Fields], Fields | Reason]] = {
            "HELLO": self._hello,
            "START": self._start,
            "STOP": self._stop,
            "BEAT": self._beat,
            "STAT": self._stat,
            "LAST": self._last,
            "MAXON": self._maxon,
        }

    def _boot_up(self, memory: Memory) -> None:
        self._past = recover(memory)
        self.state = State.OFF
        self.end = End.POWER
        self.run: str | None = None
        self._on_ns = 0
        self._granted_ms = 0
        self._max_on_ms = self.firmware.max_on_ms
        self._sweep_left_ns = 0
        self._resonance_known = False
        self._dry_found = False
        self._beat_ns = self._real_ns
        self._answered: Answered | None = None
        if self.fault is not Fault.CUP:  # a missing cup is still missing after a restart
            self.fault = None
        self._events.append(f"E,BOOT,{self.boot}")

    @property
    def boot(self) -> int:
        """The boot counter."""
        return self._past.boot

    @property
    def on_ms(self) -> int:
        """The present or last run's total on-time in milliseconds."""
        return self._on_ns // NS_PER_MS

    @property
    def is_on(self) -> bool:
        """Whether the output is on."""
        return self.state is not State.OFF

    @property
    def memory(self) -> Memory:
        """What survives if power is lost at this moment."""
        if self.run is None:
            return self._past
        return Memory(boot=self.boot, run=self.run, on_ms=self.on_ms, end=self.end, run_boot=self.boot)

    def take_events(self) -> list[str]:
        """Return the payloads of the events since the last call."""
        events, self._events = self._events, []
        return events

    def cut_power(self) -> None:
        """Lose power: the output is OFF at once; the memory stays."""
        if self.is_on:
            self._go_off(End.POWER)

    def restart(self) -> None:
        """Come up after a reset or loss of power, with the output OFF."""
        self.cut_power()
        self._boot_up(self.memory)

    def trip(self, fault: Fault) -> None:
        """Latch a fault; the output goes OFF."""
        self.fault = fault
        if self.is_on:
            self._end_unasked(End.FAULT)

    def coast(self, real_ns: int, dt_ns: int) -> None:
        """Let plant time pass while the program hangs: the output stays as it is and no rule is kept."""
        self._real_ns = real_ns
        self._drive(dt_ns)

    def advance(self, real_ns: int, dt_ns: int) -> None:
        """Let time pass: `dt_ns` of plant time up to the real moment `real_ns`, with every rule kept on the way."""
        since_ns, self._real_ns = self._real_ns, real_ns
        deadline_ns = self._beat_ns + self._watchdog_ns
        if self.is_on and real_ns >= deadline_ns:
            # The watchdog bites within this step: plant time before it passes with the output on, the rest with it OFF.
            share_ns = dt_ns * max(0, deadline_ns - since_ns) // max(1, real_ns - since_ns)
            self._pass_time(share_ns)
            dt_ns -= share_ns
            if self.is_on:
                self._end_unasked(End.BEAT)
        self._pass_time(dt_ns)

    def _pass_time(self, dt_ns: int) -> None:
        while self.is_on and dt_ns > 0:
            step_ns = min(dt_ns, self._next_change_ns())
            self._drive(step_ns)
            dt_ns -= step_ns
            self._keep_rules()
        self.plant = advance(self.plant, dt_ns, DRIVES[self.state])

    def _next_change_ns(self) -> int:
        left = [self._granted_ms * NS_PER_MS - self._on_ns]
        if self.state is State.SWEEP:
            left.append(self._sweep_left_ns)
        if self.state is State.RUN or not self.plant.available_al:
            left.append(wet_ns(self.plant) + self.firmware.dry_confirm_ns - self.plant.dry_ns)
        return max(0, min(left))

    def _drive(self, dt_ns: int) -> None:
        self.plant = advance(self.plant, dt_ns, DRIVES[self.state])
        if self.is_on:
            self._on_ns += dt_ns
        if self.state is State.SWEEP:
            self._sweep_left_ns = max(0, self._sweep_left_ns - dt_ns)

    def _keep_rules(self) -> None:
        if self.plant.dry_ns >= self.firmware.dry_confirm_ns:
            self._dry_found = True
            self._end_unasked(End.DRY)
        elif self._on_ns >= self._granted_ms * NS_PER_MS:
            self._end_unasked(End.MAXON)
        elif self.state is State.SWEEP and self._sweep_left_ns == 0:
            self._resonance_known = True
            self.state = State.RUN

    def _end_unasked(self, end: End) -> None:
        self._go_off(end)
        self._events.append(f"E,END,{self.run},{self.on_ms},{end}")

    def _go_off(self, end: End) -> None:
        self.state = State.OFF
        self.end = end
        self.plant = advance(self.plant, 0, Drive.OFF)

    def receive(self, payload: str) -> str | None:
        """Act on one good line and return the answer's payload; None when there is nothing to answer.

        The caller has advanced the controller to the present moment.
        """
        request = parse_request(payload)
        if request is None:
            return None
        last = self._answered
        if last is not None and last.seq == request.seq and not _empties_cache(request):
            if last.payload == payload:
                return last.answer
            if request.command != "STOP":  # STOP always passes, whatever its number
                return _refuse(request, Reason.SEQ)
        answer = self._act(request)
        self._answered = Answered(request.seq, payload, answer)
        return answer

    def _act(self, request: Request) -> str:
        command = self._commands.get(request.command)
        result = Reason.CMD if command is None else command(request.arguments)
        if isinstance(result, Reason):
            return _refuse(request, result)
        return ",".join(("A", str(request.seq), request.command, *result))

    def _hello(self, arguments: Fields) -> Fields | Reason:
        if not _is_nonce(arguments):
            return Reason.ARG
        if self.is_on:
            self._go_off(End.HOST)
        plate = (PROTOCOL, MAKER, MODEL, self.serial, FIRMWARE)
        return (arguments[0], *plate, str(self.boot), str(self._max_on_ms), SIMULATOR_FLAG)

    def _start(self, arguments: Fields) -> Fields | Reason:
        wanted_ms = _positive(arguments[1]) if len(arguments) == 2 and is_hex8(arguments[0]) else None
        if wanted_ms is None:
            return Reason.ARG
        if self.is_on:
            return Reason.STATE
        if self.fault is not None:
            return Reason.CUP if self.fault is Fault.CUP else Reason.FAULT
        return self._begin(arguments[0], min(wanted_ms, self._max_on_ms))

    def _begin(self, run: str, granted_ms: int) -> Fields | Reason:
        done_ns = self._done_ns(run)
        if done_ns >= granted_ms * NS_PER_MS:
            return Reason.MAXON
        self.run, self._on_ns, self._granted_ms = run, done_ns, granted_ms
        self.state, self.end = State.SWEEP, End.NONE
        narrow = self._resonance_known
        self._sweep_left_ns = self.firmware.narrow_sweep_ns if narrow else self.firmware.full_sweep_ns
        self._dry_found = False
        self._beat_ns = self._real_ns
        return (run, str(granted_ms))

    def _done_ns(self, run: str) -> int:
        if run == self.run:
            return self._on_ns
        # The memory knows the last run also after a restart, so that a run's limit cannot be stretched by a brown-out.
        return self._past.on_ms * NS_PER_MS if self.run is None and run == self._past.run else 0

    def _stop(self, _arguments: Fields) -> Fields | Reason:
        # Acknowledged and acted on whatever follows the word: nothing is gained by refusing a STOP.
        if self.is_on and self.stuck_stops:
            self.stuck_stops -= 1
        elif self.is_on:
            self._go_off(End.STOP)
        return (self.state, str(self.on_ms))

    def _beat(self, arguments: Fields) -> Fields | Reason:
        if arguments:
            return Reason.ARG
        self._beat_ns = self._real_ns
        return ()

    def _stat(self, arguments: Fields) -> Fields | Reason:
        if arguments:
            return Reason.ARG
        signals = sense(self.plant, DRIVES[self.state])
        return (
            self.state,
            self.run or "-",
            str(self.on_ms),
            self.end,
            str(self.boot),
            f"{signals.current_dma // 10}.{signals.current_dma % 10}",
            str(signals.frequency_hz),
            str(signals.power_mw),
            str(signals.temp_dc),
            "1" if self._dry_found else "0",
            self.fault or "-",
        )

    def _last(self, arguments: Fields) -> Fields | Reason:
        memory = self.memory
        return Reason.ARG if arguments else (memory.run or "-", str(memory.on_ms), memory.end, str(memory.run_boot))

    def _maxon(self, arguments: Fields) -> Fields | Reason:
        wanted_ms = _positive(arguments[0]) if len(arguments) == 1 else None
        if wanted_ms is None or wanted_ms > self._max_on_ms:
            return Reason.ARG
        self._max_on_ms = wanted_ms
        self._granted_ms = min(self._granted_ms, wanted_ms)
        return (str(wanted_ms),)


def _refuse(request: Request, reason: Reason) -> str:
    return f"N,{request.seq},{request.command},{reason}"


def _is_nonce(arguments: Fields) -> bool:
    return len(arguments) == 1 and is_hex8(arguments[0])


def _empties_cache(request: Request) -> bool:
    return request.command == "HELLO" and _is_nonce(request.arguments)


def _positive(text: str) -> int | None:
    return parse_number(text) or None
