"""A calibration from a JSON file, held against what is plausible for the device class."""

import json
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from nebctl.cli.dose.reading import Faulty
from nebctl.core.dose import DeviceModel
from nebctl.core.dose.calibration import By, Calibration
from nebctl.core.faults import Fault, FieldError, show_value
from nebctl.core.regimen import SiteRules
from nebctl.core.units import WHOLE_PPM

LEAST_RATE, MOST_RATE = 100, 100_000
"""nL/s; 0.006 to 6 mL/min holds every nebulizer, and a rate in mL/min or uL/min falls outside."""
LEAST_SHARE, MOST_SHARE = 0.25, 3.0
"""How far a device may be from its class before it is another device, or another unit."""
MOST_SIGMA = 0.5
LEAST_F = 0.05
OLDEST_DAYS = 3650
DRIFT_PPM = SiteRules().calibration_drift_ppm
"""What a day adds to a calibration's standard deviation where no site's rules are at hand: their default."""
KNOWN = ("rate_nl_per_s", "sigma_nl_per_s", "method", "f", "sigma_f", "age_days", "made_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationFile:
    """A calibration that may be used, and what is worth knowing about its file."""

    calibration: Calibration
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Form:
    """A JSON object while its fields are taken."""

    file: str
    table: dict[str, Any]
    faults: list[Fault] = field(default_factory=list)

    def blame(self, name: str, problem: str, right: str) -> None:
        value = self.table.get(name)
        shown = None if name not in self.table else show_value(value)
        self.faults.append(Fault(file=self.file, line=1, field=name, value=shown, problem=problem, right=right))

    def lacks(self, name: str) -> str:
        """Return how a field is not there: left out, or empty."""
        return "it is null" if name in self.table else "it is missing"

    def number(self, name: str, low: float, high: float, example: str) -> float | None:
        """Return a number within its limits; None where it is absent or at fault."""
        value = self.table.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.blame(name, "no number", f"write a number without quotes, such as {example}")
        elif not low <= value <= high:
            self.blame(name, "not plausible", f"expected {low:g} to {high:g}")
        else:
            return float(value)
        return None


def load_calibration(path: Path, model: DeviceModel, now_ns: int) -> CalibrationFile:
    """Return the calibration in a file, for a device of the class `model`; `now_ns` is Unix time, for its age.

    Raises: `Faulty` with everything that is wrong with it.
    """
    form = _Form(path.name, _read(path))
    rate = _rate(form, model)
    sigma = _sigma(form, rate)
    method = form.table.get("method")
    if method not in [by.value for by in By]:
        form.blame("method", "no such method", 'write "time" or "balance"')
    share, share_sigma, age_days = _share(form, model), _share_sigma(form), _age_days(form, now_ns)
    if form.faults or rate is None or sigma is None:
        raise Faulty(tuple(form.faults))
    calibration = Calibration(
        rate_nl_per_s=round(rate),
        sigma_nl_per_s=max(1, round(sigma)),
        method=By(method),
        share_ppm=share,
        age_days=age_days,
        drift_ppm=DRIFT_PPM,
    )
    return CalibrationFile(calibration=_with_sigma(calibration, share_sigma), notes=_notes(form))


def _with_sigma(calibration: Calibration, share_sigma_ppm: int | None) -> Calibration:
    if share_sigma_ppm is None or calibration.share_ppm is None:
        return calibration
    return replace(calibration, share_sigma_ppm=share_sigma_ppm)


def _read(path: Path) -> dict[str, Any]:
    try:
        table = json.loads(path.read_bytes(), object_pairs_hook=_once, parse_constant=_no_constant)
    except OSError as error:
        raise _whole(path, f"it cannot be read: {error.strerror}", "check the path and its owner") from None
    except UnicodeDecodeError:
        raise _whole(path, "no UTF-8 text", "save the file as UTF-8") from None
    except json.JSONDecodeError as error:
        raise _whole(path, f"no JSON: {error.msg}", "correct it there", error.lineno) from None
    except FieldError as error:
        raise _whole(path, error.problem, error.right) from None
    except (ValueError, RecursionError):
        raise _whole(path, "no JSON of a calibration", "write one flat object of numbers") from None
    if not isinstance(table, dict):
        raise _whole(path, "no JSON object", 'write {"rate_nl_per_s": 6333, "sigma_nl_per_s": 190, "method": "time"}')
    return table


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise FieldError(f"{twice} stands there twice", "keep one of them")
    return table


def _no_constant(name: str) -> float:
    raise FieldError(f"{name} is no number", "write a finite one")


def _whole(path: Path, problem: str, right: str, line: int = 1) -> Faulty:
    return Faulty((Fault(file=path.name, line=line, field="JSON", value=None, problem=problem, right=right),))


def _rate(form: _Form, model: DeviceModel) -> float | None:
    if form.table.get("rate_nl_per_s") is None:
        form.blame(
            "rate_nl_per_s", form.lacks("rate_nl_per_s"), f"write it in nL/s; a {model.name} has {model.rate_nl_per_s}"
        )
        return None
    rate = form.number("rate_nl_per_s", LEAST_RATE, MOST_RATE, str(model.rate_nl_per_s))
    low, high = LEAST_SHARE * model.rate_nl_per_s, MOST_SHARE * model.rate_nl_per_s
    if rate is not None and not low <= rate <= high:
        right = f"expected {low:g} to {high:g} nL/s, {LEAST_SHARE:g} to {MOST_SHARE:g} times its class; check the unit"
        form.blame("rate_nl_per_s", f"not plausible for a {model.name}", right)
        return None
    return rate


def _sigma(form: _Form, rate: float | None) -> float | None:
    if form.table.get("sigma_nl_per_s") is None:
        form.blame("sigma_nl_per_s", form.lacks("sigma_nl_per_s"), "write the rate's standard deviation in nL/s")
        return None
    sigma = form.number("sigma_nl_per_s", 0.0, MOST_RATE, "190")
    if sigma is None or rate is None:
        return None
    if not 0 < sigma <= MOST_SIGMA * rate:
        right = (
            f"expected above 0 to {MOST_SIGMA * rate:g} nL/s, half of the rate; a calibration that says less is none"
        )
        form.blame("sigma_nl_per_s", "not plausible", right)
        return None
    return sigma


def _share(form: _Form, model: DeviceModel) -> int | None:
    if not model.dries and form.table.get("f") not in (None, 1):
        form.blame("f", f"a {model.name} makes no vapour, so it has no f", "leave f out, or choose a jet's preset")
        return None
    f = form.number("f", LEAST_F, 1.0, "0.65")
    return None if f is None or not model.dries else round(f * WHOLE_PPM)


def _share_sigma(form: _Form) -> int | None:
    sigma = form.number("sigma_f", 0.001, 0.5, "0.03")
    return None if sigma is None else round(sigma * WHOLE_PPM)


def _age_days(form: _Form, now_ns: int) -> int:
    """Return how old the calibration is in whole days, 0 where the file does not say."""
    age = form.number("age_days", 0, OLDEST_DAYS, "30")
    made = form.table.get("made_at")
    if made is None:
        return 0 if age is None else round(age)
    if form.table.get("age_days") is not None:
        form.blame("made_at", "age_days says it too", "keep one of them")
    return _since(form, made, now_ns)


def _since(form: _Form, made: object, now_ns: int) -> int:
    try:
        at = datetime.fromisoformat(made) if isinstance(made, str) else None
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        form.blame("made_at", "no time with its zone", 'write it such as "2026-02-14T09:00:00Z"')
        return 0
    days = (now_ns / 1e9 - at.timestamp()) / 86_400
    if not 0 <= days <= OLDEST_DAYS:
        form.blame("made_at", "not in the last ten years", "correct it, or this computer's clock")
        return 0
    return round(days)


def _notes(form: _Form) -> tuple[str, ...]:
    unknown = [name for name in form.table if name not in KNOWN]
    return tuple(f"{form.file}: {show_value(name)} is not known and was not read" for name in unknown)
