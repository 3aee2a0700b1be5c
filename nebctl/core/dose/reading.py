"""What the estimator is told of a device at one moment: one row of a trace, in whole units."""

from dataclasses import dataclass
from enum import Enum


class Doing(Enum):
    """What the device is known to do; LOST means that from this moment on it was not heard."""

    OFF = "off"
    RUNNING = "running"
    PAUSED = "paused"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One row of a trace; `at_ms` counts from the session's start intent.

    Quantities that the device does not sense, or did not tell this time, are None: drive current in microamperes,
    frequency in Hz, power in microwatts, temperature of the liquid or the cup in millidegrees Celsius, gas flow in
    mL/min under standard conditions, gas pressure in pascals, the balance's weight in micrograms over an unknown zero,
    the device's own volume counter in nanolitres. `dry` is the device's end-of-dose evidence, None where it has none.
    """

    at_ms: int
    doing: Doing
    drive_ua: int | None = None
    drive_hz: int | None = None
    drive_uw: int | None = None
    temp_mc: int | None = None
    gas_sccm: int | None = None
    pressure_pa: int | None = None
    weight_ug: int | None = None
    device_nl: int | None = None
    dry: bool | None = None
