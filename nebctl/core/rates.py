"""The rates of a device in a unit's records: what each calibration measured and what each weighed dose implies."""

import math
from collections.abc import Iterable, Mapping, Sequence

from nebctl.core import calibrations
from nebctl.core.calibrations import CalibrationRecord
from nebctl.core.dose.aerosol import CONFIRM_MS, CONFIRM_SIGMA_MS
from nebctl.core.dose.control import Charted, Kind, Point, flagged
from nebctl.core.ledger import envelope
from nebctl.core.ledger.records import Entry, Json

SWEEP_MS, SWEEP_SIGMA_MS = 1_500, 866
"""What one start may spend on the search for resonance: evenly between 0 and 3 s. Source: docs/wire-protocol.md, 7."""
SHORTEST_DOSE_MS = 60_000
"""A dose that ran for less says little of a rate: sweep and proof of dryness are too much of it."""


def points(entries: Iterable[Entry], serial: str) -> tuple[Point, ...]:
    """Return every rate of the device `serial`, oldest first."""
    found: list[Point] = []
    for entry in entries:
        point = _POINTS[str(entry.payload["typ"])](entry, serial) if entry.payload["typ"] in _POINTS else None
        if point is not None:
            found.append(point)
    return tuple(found)


def followed(rates: Mapping[str, tuple[Point, ...]], entry: Entry) -> Mapping[str, tuple[Point, ...]]:
    """Return the rates of each device by its serial number, oldest first, after one more record."""
    told = entry.payload.get("device")
    serial = str(told.get("serial") if isinstance(told, dict) else told)
    found = points((entry,), serial)
    return {**rates, serial: (*rates.get(serial, ()), *found)} if found else rates


def serials(entries: Iterable[Entry]) -> tuple[str, ...]:
    """Return the serial numbers of the devices that were calibrated, in the order of their first record."""
    records = (calibrations.read(entry) for entry in entries if entry.payload["typ"] == "calibration")
    return tuple(dict.fromkeys(record.serial for record in records if record is not None))


def chart_facts(serial: str, charted: Sequence[Charted]) -> dict[str, Json]:
    """Return the control chart of the device `serial` as the command and the bedside page tell it, rates in nL/s.

    `centre_nl_per_s` and `limit_sigma_nl_per_s` are None where no calibration precedes the point; `flagged` names the
    records that break a rule since the newest calibration.
    """
    return {
        "device": serial,
        "points": [
            {
                "seq": each.point.seq,
                "at": envelope.utc_text(each.point.at_ns),
                "kind": each.point.kind.value,
                "rate_nl_per_s": each.point.rate_nl_per_s,
                "sigma_nl_per_s": each.point.sigma_nl_per_s,
                "centre_nl_per_s": each.centre_nl_per_s,
                "limit_sigma_nl_per_s": each.sigma_nl_per_s,
                "rules": [rule.name for rule in each.rules],
            }
            for each in charted
        ],
        "flagged": [each.point.seq for each in flagged(charted)],
    }


def calibration_point(record: CalibrationRecord) -> Point | None:
    """Return what a calibration measured; None where it was broken off."""
    if not record.rate_nl_per_s:
        return None
    return Point(
        at_ns=record.at_ns,
        rate_nl_per_s=record.rate_nl_per_s,
        sigma_nl_per_s=record.sigma_nl_per_s,
        kind=Kind.CALIBRATION if record.accepted else Kind.FAILED,
        seq=record.seq,
        mesh=record.mesh,
    )


def dose_point(entry: Entry, serial: str) -> Point | None:
    """Return the rate that a dose implies: charge less residual, over the time of aerosol, whatever its verdict.

    A device that has changed makes doses whose residual contradicts what was tracked, and those are wanted here. None
    for another device, for one that dries what it sprays, without a residual, and where the end is in doubt.
    """
    p = entry.payload
    witnesses, charge, residual = p.get("witnesses"), p.get("charge"), p.get("residual")
    if p.get("device") != serial or p.get("model") != "mesh" or p.get("doubts") != []:
        return None
    if not isinstance(charge, dict) or not isinstance(residual, dict):
        return None
    starts, dry = 1 + (_whole(p, "pauses") or 0), isinstance(witnesses, list) and "dry" in witnesses
    aerosol_ms = (_whole(p, "on_ms") or 0) - SWEEP_MS * starts - CONFIRM_MS * dry
    low, best, high = (_whole(charge, a) or 0 for a in ("low_nl", "best_nl", "high_nl"))
    left_low, left, left_high = (_whole(residual, a) or 0 for a in ("low_nl", "best_nl", "high_nl"))
    if aerosol_ms < SHORTEST_DOSE_MS or best <= left:
        return None
    rate = (best - left) * 1000 / aerosol_ms
    volume_nl = math.hypot(high - low, left_high - left_low) / 3.92
    time_ms = math.hypot(SWEEP_SIGMA_MS * math.sqrt(starts), CONFIRM_SIGMA_MS * dry)
    sigma = math.hypot(volume_nl * 1000 / aerosol_ms, rate * time_ms / aerosol_ms)
    return Point(
        at_ns=envelope.parse_utc(str(p["utc"])),
        rate_nl_per_s=round(rate),
        sigma_nl_per_s=math.ceil(sigma),
        kind=Kind.DOSE,
        seq=entry.seq,
    )


def _calibration(entry: Entry, serial: str) -> Point | None:
    record = calibrations.read(entry)
    return calibration_point(record) if record is not None and record.serial == serial else None


def _whole(payload: Mapping[str, Json], name: str) -> int | None:
    value = payload.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


_POINTS = {"calibration": _calibration, "dose": dose_point}
