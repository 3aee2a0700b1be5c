"""The trace of a session: one line a reading, which says what the estimator was told, to the last digit."""

import hashlib
from dataclasses import dataclass
from typing import Literal, TypeAlias

from nebctl.core.device import DeviceReport, EndCause, Output
from nebctl.core.dose.reading import Doing, Reading

Quantity: TypeAlias = Literal[
    "drive_ua", "drive_hz", "drive_uw", "temp_mc", "gas_sccm", "pressure_pa", "weight_ug", "device_nl"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of numbers: its name, the reading's member, and how many decimals one whole unit of that is."""

    name: str
    member: Quantity
    digits: int


QUANTITIES = (
    Column(name="drive_mA", member="drive_ua", digits=3),
    Column(name="drive_Hz", member="drive_hz", digits=0),
    Column(name="drive_mW", member="drive_uw", digits=3),
    Column(name="temp_C", member="temp_mc", digits=3),
    Column(name="gas_slpm", member="gas_sccm", digits=3),
    Column(name="pressure_kPa", member="pressure_pa", digits=3),
    Column(name="weight_mg", member="weight_ug", digits=3),
    Column(name="device_nL", member="device_nl", digits=0),
)
TIME, STATE, DRY = "t_s", "state", "dry"
TIME_DIGITS = 3
NAMES = (TIME, STATE, *(column.name for column in QUANTITIES), DRY)
HEADER = ",".join(NAMES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A session's trace, kept whole: its CSV text is what the `dose` record's `trace` hash is over."""

    session: str
    csv: str

    @property
    def sha256(self) -> str:
        """Return SHA-256 of the text in UTF-8, 64 hex digits."""
        return hashlib.sha256(self.csv.encode("utf-8")).hexdigest()


def reading_of(report: DeviceReport, since_ns: int, *, paused: bool) -> Reading:
    """Return what a report tells the estimator; `since_ns` is the start intent's monotonic time.

    A report from before it counts as made at 0. `paused` says what a device that is off is off for.
    """
    off = Doing.PAUSED if paused else Doing.OFF
    return Reading(
        at_ms=_since_ms(report.at_ns, since_ns),
        doing=off if report.output is Output.OFF else Doing.RUNNING,
        drive_ua=report.drive_ua,
        drive_hz=report.drive_hz,
        drive_uw=report.drive_uw,
        temp_mc=report.temp_mc,
        gas_sccm=report.gas_sccm,
        pressure_pa=report.pressure_pa,
        weight_ug=report.weight_ug,
        device_nl=report.device_nl,
        dry=True if report.output is Output.OFF and report.end is EndCause.DRY else report.dry,
    )


def lost_at(at_ns: int, since_ns: int) -> Reading:
    """Return the reading that says from when on the device was not heard."""
    return Reading(at_ms=_since_ms(at_ns, since_ns), doing=Doing.LOST)


def line(reading: Reading) -> str:
    """Return a reading as one line with its line end; what the device did not tell is empty."""
    numbers = (_decimal(getattr(reading, column.member), column.digits) for column in QUANTITIES)
    dry = "" if reading.dry is None else str(int(reading.dry))
    return ",".join((_decimal(reading.at_ms, TIME_DIGITS), reading.doing.value, *numbers, dry)) + "\n"


def _since_ms(at_ns: int, since_ns: int) -> int:
    return max(0, at_ns - since_ns) // 1_000_000


def _decimal(value: int | None, digits: int) -> str:
    if value is None:
        return ""
    if not digits:
        return str(value)
    sign, text = ("-" if value < 0 else ""), str(abs(value)).rjust(digits + 1, "0")
    return f"{sign}{text[:-digits]}.{text[-digits:]}"
