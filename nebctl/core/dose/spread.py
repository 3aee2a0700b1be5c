"""Why a dose is unsure: parts that it shares with the course's other doses, and its own; and what a course adds up to.

A calibration that is 3 % off makes every dose by it 3 % off in the same direction: such parts add up as they are. What
differs from run to run adds up by squares. So a course's interval is neither the sum of the doses' intervals, which is
too wide, nor their root of squares, which is too narrow.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nebctl.core.dose.charge import Charge, Interval, Method, Residual
from nebctl.core.dose.estimate import DoseEstimate
from nebctl.core.dose.model import DeviceModel, Kind
from nebctl.core.units import WHOLE_PPM, Nanolitres

Z95 = 1.96
LOT_SHARE = 0.5
"""How much of a declared charge's variance the kits of one lot share, by a filling line that is off; planned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A dose's standard deviation in nanolitres by its parts: by calibration, device and lot, and the run's own."""

    calibration_nl: Nanolitres
    device_nl: Nanolitres
    lot_nl: Nanolitres
    run_nl: Nanolitres

    def as_json(self) -> dict[str, int]:
        """Return the members that records carry."""
        return {
            "calibration_nl": self.calibration_nl,
            "device_nl": self.device_nl,
            "lot_nl": self.lot_nl,
            "run_nl": self.run_nl,
        }


def spread_of(
    final: Interval, estimate: DoseEstimate, charge: Charge, residual: Residual | None, model: DeviceModel
) -> Spread:
    """Return the parts of a settled dose's spread; together, by squares, they are the whole of its interval."""
    whole = (final.high_nl - final.low_nl) / (2 * Z95)
    declared = charge.method is Method.DECLARED and (residual is not None or estimate.dry)
    lot = math.sqrt(LOT_SHARE) * (charge.volume.high_nl - charge.volume.low_nl) / (2 * Z95) if declared else 0.0
    jet = model.kind is Kind.JET
    device = final.best_nl * _share_sigma(model) if jet else 0.0
    by_time = residual is None and estimate.known.weight is None
    calibration = final.best_nl * model.sigma_ppm / WHOLE_PPM if by_time else 0.0
    shared = math.hypot(lot, device, calibration)
    scale = min(1.0, whole / shared) if shared else 0.0
    run = math.sqrt(max(0.0, whole**2 - (shared * scale) ** 2))
    parts = (calibration * scale, device * scale, lot * scale, run)
    calibration_nl, device_nl, lot_nl, run_nl = (math.ceil(part) for part in parts)
    return Spread(calibration_nl=calibration_nl, device_nl=device_nl, lot_nl=lot_nl, run_nl=run_nl)


def _share_sigma(model: DeviceModel) -> float:
    """Return how unsure a jet's aerosol share is, as a part of itself: by its calibration, else by its range."""
    if model.share_sigma_ppm:
        return model.share_sigma_ppm / model.aerosol_share_best_ppm
    width = model.aerosol_share_high_ppm - model.aerosol_share_low_ppm
    return width / math.sqrt(12) / model.aerosol_share_best_ppm


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenDose:
    """One dose of a course: its interval, its spread, and what it shares with others by name; "" shares with nobody."""

    emitted: Interval
    spread: Spread | None
    calibration: str = ""
    device: str = ""
    lot: str = ""


def total(doses: Iterable[GivenDose]) -> Interval:
    """Return the volume of all the doses with its 95 % interval, never wider than the sum of their intervals.

    A dose whose spread is not told, or that ended in doubt, counts with its whole interval: its ends are bounds, of
    which nothing averages out.
    """
    listed = tuple(doses)
    told = _likely(tuple(dose for dose in listed if dose.spread is not None))
    plain = tuple(dose.emitted for dose in listed if dose.spread is None)
    return Interval(
        low_nl=told.low_nl + sum(each.low_nl for each in plain),
        best_nl=told.best_nl + sum(each.best_nl for each in plain),
        high_nl=told.high_nl + sum(each.high_nl for each in plain),
    )


def _likely(told: tuple[GivenDose, ...]) -> Interval:
    best = sum(dose.emitted.best_nl for dose in told)
    least, most = sum(dose.emitted.low_nl for dose in told), sum(dose.emitted.high_nl for dose in told)
    run2 = sum(dose.spread.run_nl**2 for dose in told if dose.spread is not None)
    half = Z95 * math.sqrt(run2 + sum(part**2 for part in _shared(told).values()))
    # Bounds that lie closer to the best on one side stay so: the half width is shared out as the sums are.
    below, above = best - least, most - best
    wide = max(1, below + above) / 2
    return Interval(
        low_nl=max(least, math.floor(best - half * below / wide)),
        best_nl=best,
        high_nl=min(most, math.ceil(best + half * above / wide)),
    )


def _shared(doses: Iterable[GivenDose]) -> Mapping[tuple[str, str], float]:
    sums: dict[tuple[str, str], float] = defaultdict(float)
    for number, dose in enumerate(doses):
        if dose.spread is None:
            continue
        parts = (
            ("calibration", dose.calibration, dose.spread.calibration_nl),
            ("device", dose.device, dose.spread.device_nl),
            ("lot", dose.lot, dose.spread.lot_nl),
        )
        for kind, name, part in parts:
            sums[kind, name or f"own {number}"] += part
    return sums
