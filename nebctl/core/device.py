"""What a device says of itself and of its output, in the words every driver shares."""

from dataclasses import dataclass
from enum import Enum

HOST_LOSS_MS = 2000
"""How long after its last beat a device may go on (S22)."""


class Output(Enum):
    """What the device says that its output is doing."""

    OFF = "off"
    SWEEP = "sweep"
    RUNNING = "running"


class EndCause(Enum):
    """Why the output last went off, in the device's own words; NONE while it runs.

    CUT_OFF: the device itself is on and did not obey, and an independent cut-off took away what it lives on.
    """

    NONE = "none"
    POWER_UP = "power-up"
    HOST = "host"
    STOP = "stop"
    DRY = "dry"
    MAX_ON = "max-on"
    BEAT = "beat-lost"
    FAULT = "fault"
    CUT_OFF = "cut-off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """Which safety promises the device keeps by itself, and what it can sense.

    `keeps_s14`: commands carry sequence numbers and a duplicate is never acted on twice.
    `host_loss_off_ms`: the device turns off this long after the last beat (S22); None means that it never does.
    `max_on_in_device`: a maximum on-time is enforced below the host (S24).
    `senses` names trace columns that the device fills, such as "drive_mA" or "dry". `cut_off` is the driver of the
    independent cut-off behind the device, None where there is none; S22 and S24 are then those of the two together.
    """

    keeps_s14: bool
    host_loss_off_ms: int | None
    max_on_in_device: bool
    senses: tuple[str, ...]
    cut_off: str | None = None

    def missing(self) -> tuple[str, ...]:
        """Return which of S22 and S24 the device does not keep; without a cut-off, a site must have accepted that."""
        in_time = self.host_loss_off_ms is not None and self.host_loss_off_ms <= HOST_LOSS_MS
        return ("S22",) * (not in_time) + ("S24",) * (not self.max_on_in_device)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who answered on the port.

    `boot` is the device's boot counter; `max_on_ms` its own maximum on-time; `simulated` is its own admission.
    """

    maker: str
    model: str
    serial: str
    firmware: str
    protocol: str
    boot: int
    max_on_ms: int
    simulated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceReport:
    """One reading of the device.

    `at_ns` is the host's monotonic time of the reading; `on_ms` the run's total on-time by the device's own clock.
    `run` is the run that `on_ms` belongs to, or None before the first. `boot` is the device's boot counter.
    Quantities that the device does not sense are None: drive current in microamperes, frequency in Hz, power in
    microwatts, temperature in millidegrees Celsius, its own volume counter in nanolitres, gas flow in mL/min under
    standard conditions, absolute gas pressure in pascals, weight of cup and contents in micrograms over an unknown
    zero. `dry` None means not sensed.
    """

    at_ns: int
    output: Output
    run: str | None
    on_ms: int
    end: EndCause
    boot: int
    fault: str | None = None
    dry: bool | None = None
    drive_ua: int | None = None
    drive_hz: int | None = None
    drive_uw: int | None = None
    temp_mc: int | None = None
    device_nl: int | None = None
    gas_sccm: int | None = None
    pressure_pa: int | None = None
    weight_ug: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcome:
    """What the device remembers of its last run, across a loss of power: total on-time and why it ended."""

    run: str | None
    on_ms: int
    end: EndCause
    boot: int


class Certainty(Enum):
    """What a failed command leaves behind.

    NOT_DONE: the device certainly did not act (refused, or no byte was sent). UNKNOWN: it may have acted.
    """

    NOT_DONE = "not-done"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandFailed:
    """A command that did not come back as it should, as a value: what was seen, what was expected, what to do."""

    command: str
    certainty: Certainty
    seen: str
    expected: str
    advice: str

    def sentence(self) -> str:
        """Return the failure as one line for a person."""
        return f"{self.command}: saw {self.seen}, expected {self.expected}. {self.advice}"
