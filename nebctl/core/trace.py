"""The trace of a session: one line a reading of the device, as the estimator saw it."""

import hashlib
from dataclasses import dataclass

from nebctl.core.device import DeviceReport, Output

HEADER = "t_s,state,drive_mA,drive_Hz,drive_mW,temp_C,gas_slpm,pressure_kPa,weight_mg,device_nL,dry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A session's trace, kept whole: its CSV text is what the `dose` record's `trace` hash is over."""

    session: str
    csv: str

    @property
    def sha256(self) -> str:
        """Return SHA-256 of the text in UTF-8, 64 hex digits."""
        return hashlib.sha256(self.csv.encode("utf-8")).hexdigest()


def row(report: DeviceReport, since_ns: int, *, paused: bool) -> str:
    """Return one line, with its line end, for a report read at `since_ns` on the monotonic clock or later.

    A quantity that the device does not sense is empty.
    """
    state = "running" if report.output is not Output.OFF else ("paused" if paused else "off")
    return (
        ",".join(
            (
                _scaled(max(0, report.at_ns - since_ns) // 1_000_000, 3),
                state,
                _scaled(report.drive_ua, 3),
                _plain(report.drive_hz),
                _scaled(report.drive_uw, 3),
                _scaled(report.temp_mc, 3),
                _scaled(report.gas_sccm, 3),
                _scaled(report.pressure_pa, 3),
                "",
                _plain(report.device_nl),
                "" if report.dry is None else str(int(report.dry)),
            )
        )
        + "\n"
    )


def lost_row(at_ns: int, since_ns: int) -> str:
    """Return the line that says from when on the device was not heard."""
    return _scaled(max(0, at_ns - since_ns) // 1_000_000, 3) + ",lost" + "," * 9 + "\n"


def _plain(value: int | None) -> str:
    return "" if value is None else str(value)


def _scaled(value: int | None, digits: int) -> str:
    if value is None:
        return ""
    sign, text = ("-" if value < 0 else ""), str(abs(value)).rjust(digits + 1, "0")
    return f"{sign}{text[:-digits]}.{text[-digits:]}"
