"""Simulated doses as files: trace, calibration and truth, in the format of `nebctl dose estimate`."""

import json
from pathlib import Path
from typing import Any

from nebctl.core.dose.calibration import Calibration
from nebctl.core.dose.charge import Interval
from nebctl.core.trace import HEADER, line
from nebctl_lab.bench.dose.run import Run


def export(run: Run, folder: Path) -> Path:
    """Write one run into the folder and return its trace; calibration and truth lie beside it under the same name."""
    trace = folder / f"{name_of(run)}.csv"
    lines = (f"{HEADER}\n", *(line(reading) for reading in run.readings))
    trace.write_text("".join(lines), encoding="utf-8")
    _write(trace.with_suffix(".cal.json"), calibration_of(run.calibration))
    _write(trace.with_suffix(".truth.json"), truth_of(run))
    return trace


def name_of(run: Run) -> str:
    """Return the name that tells one run from all others."""
    case = run.case
    kind = (case.origin.value, case.preset, case.column.name, case.course.name, case.stress.name)
    words = (*kind, *(("f",) if case.share_known else ()), str(run.seed))
    return "-".join(words).lower().replace("_", "-")


def calibration_of(calibration: Calibration) -> dict[str, Any]:
    """Return the members of a calibration file; `f` only where the aerosol share was calibrated."""
    told: dict[str, Any] = {
        "rate_nl_per_s": calibration.rate_nl_per_s,
        "sigma_nl_per_s": calibration.sigma_nl_per_s,
        "method": calibration.method.value,
    }
    return told if calibration.share_ppm is None else {**told, "f": calibration.share_ppm / 1_000_000}


def truth_of(run: Run) -> dict[str, Any]:
    """Return what was so, and what was declared and drawn: volumes in mL, one emitted volume for each line."""
    truth = run.truth
    return {
        "charge_ml": _ml(run.charge.volume),
        "residual_ml": _ml(run.residual.volume),
        "filled_ml": truth.filled_nl / 1e6,
        "left_ml": truth.left_nl / 1e6,
        "emitted_ml": [emitted_nl / 1e6 for emitted_nl in truth.emitted_nl],
        "complete": truth.complete,
        "premature": truth.premature,
        "stops_s": [stop.at_ms / 1000 for stop in truth.stops],
        "loss_s": None if truth.loss_ms is None else truth.loss_ms / 1000,
    }


def _ml(volume: Interval) -> list[float]:
    return [volume.low_nl / 1e6, volume.best_nl / 1e6, volume.high_nl / 1e6]


def _write(path: Path, members: dict[str, Any]) -> None:
    path.write_text(json.dumps(members) + "\n", encoding="utf-8")
