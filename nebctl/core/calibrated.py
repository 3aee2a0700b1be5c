"""What a unit knows of its device at one moment: the calibration that its history holds, and how it stands."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from nebctl.core.calibrations import ANOTHER_MESH, CalibrationRecord
from nebctl.core.dose import DeviceModel
from nebctl.core.dose.calibration import Calibration, with_calibration
from nebctl.core.dose.control import Charted, Kind, chart, flagged
from nebctl.core.history import UnitHistory
from nebctl.core.ledger.records import Json
from nebctl.core.regimen import SiteRules
from nebctl.core.session import Rules

NS_PER_DAY = 24 * 3600 * 10**9
CLOCK_SLACK_NS = 60 * 10**9
"""A trusted clock may be this far off (S32), so that a calibration of just now is not dated in the future."""


class Standing(Enum):
    """How the calibration of a device stands; only GOOD and OLD are used."""

    GOOD = "good"
    OLD = "old"
    NONE = "none"
    OTHER_MESH = "other-mesh"
    FAILED = "failed"
    EXPIRED = "expired"
    FUTURE = "future"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The newest calibration of a device and how it stands; `age_days` counts whole days, 0 where there is none.

    `drift` is the last dose since then whose rate breaks a rule of the control chart, None where none does.
    """

    standing: Standing
    record: CalibrationRecord | None = None
    age_days: int = 0
    drift: Charted | None = None

    @property
    def used(self) -> bool:
        """Return whether doses may count on it."""
        return self.standing in (Standing.GOOD, Standing.OLD)


def find(records: Sequence[CalibrationRecord], serial: str, mesh: str, now_ns: int, site: SiteRules) -> Found:
    """Return how the newest calibration of a device stands; one that failed by its rate withdraws those before it.

    So does a dose in whose middle the mesh turned out to be another one.

    One that was broken off measured nothing, and changes nothing.

    `mesh` "" is a device whose mesh nobody names; `now_ns` is wall time.
    """
    own = [each for each in records if each.serial == serial and (each.rate_nl_per_s or each.finding == ANOTHER_MESH)]
    if not own:
        return Found(standing=Standing.NONE)
    newest = own[-1]
    age_ns = now_ns - newest.at_ns
    found = Found(standing=Standing.GOOD, record=newest, age_days=max(0, age_ns) // NS_PER_DAY)
    standing = Standing.GOOD
    if newest.mesh != mesh or newest.finding == ANOTHER_MESH:
        standing = Standing.OTHER_MESH
    elif not newest.accepted:
        standing = Standing.FAILED
    elif age_ns < -CLOCK_SLACK_NS:
        standing = Standing.FUTURE
    elif age_ns > site.calibration_max_ns or now_ns > newest.valid_until_ns:
        standing = Standing.EXPIRED
    elif age_ns > site.calibration_warn_ns:
        standing = Standing.OLD
    return Found(standing=standing, record=found.record, age_days=found.age_days)


def apply(configured: DeviceModel, prior: DeviceModel, found: Found, site: SiteRules) -> DeviceModel:
    """Return what is known of a device: its calibration where that is used, else the prior of its class.

    What the unit's file says of the rate, `configured`, counts only where nobody has calibrated the device: a record
    that is old, failed or another mesh's speaks against it as well.
    """
    record = found.record
    if record is None:
        return configured
    if not found.used:
        return prior
    calibration = Calibration(
        rate_nl_per_s=record.rate_nl_per_s,
        sigma_nl_per_s=record.sigma_nl_per_s,
        method=record.method,
        share_ppm=record.share_ppm,
        share_sigma_ppm=record.share_sigma_ppm,
        age_days=found.age_days,
        drift_ppm=site.calibration_drift_ppm,
        seq=record.seq,
    )
    return with_calibration(prior, calibration)


def note(found: Found) -> str:
    """Return the line of a self-test: how the calibration stands, and what to do where it is not good."""
    return _standing(found) if found.drift is None else f"{_standing(found)}; {_drifting(found.drift)}"


def facts(found: Found) -> dict[str, Json]:
    """Return what `note` says in figures, for a page that has words of its own language; rates in nL/s.

    `rate_nl_per_s` and `sigma_nl_per_s` are None where no calibration is used, `drift` where no dose drifts.
    """
    used, drift = found.record if found.used else None, found.drift
    return {
        "standing": found.standing.value,
        "days": found.age_days,
        "rate_nl_per_s": used.rate_nl_per_s if used else None,
        "sigma_nl_per_s": used.sigma_nl_per_s if used else None,
        "drift": dict(zip(("percent", "way"), _off(drift), strict=True)) if drift else None,
    }


def _drifting(charted: Charted) -> str:
    percent, way = _off(charted)
    rules = ", ".join(rule.name for rule in charted.rules)
    return f"DRIFTING: a dose since gave {percent} % {way} ({rules}): run nebctl calibrate before the next dose"


def _off(charted: Charted) -> tuple[int, str]:
    """Return how many per cent of its line a point lies off it, and on which side: less or more."""
    line, rate = charted.centre_nl_per_s or 0, charted.point.rate_nl_per_s
    return abs(rate - line) * 100 // max(1, line), "less" if rate < line else "more"


def _standing(found: Found) -> str:
    record, days = found.record, _days(found.age_days)
    match found.standing:
        case Standing.GOOD:
            return f"calibration: {days} old, record {record.seq if record else '-'}"
        case Standing.OLD:
            return f"calibration: {days} old; it counts for less each day: run nebctl calibrate"
        case Standing.EXPIRED:
            return f"calibration: {days} old, too old to count: run nebctl calibrate"
        case Standing.FAILED:
            return "calibration: the last saline run failed: see nebctl calibrate show"
        case Standing.OTHER_MESH:
            return "calibration: of another mesh: run nebctl calibrate with the present one"
        case Standing.FUTURE:
            return "calibration: dated after the present clock: check the clock"
        case Standing.NONE:
            return "calibration: none; doses timed by this device cannot be called COMPLETE without a residual"


def _days(count: int) -> str:
    return f"{count} day{'' if count == 1 else 's'}"


def known_rules(rules: Rules, history: UnitHistory, serial: str, now_ns: int) -> Rules:
    """Return a unit's rules with what is known of the device `serial` at wall time `now_ns`."""
    found = find(history.calibrations, serial, rules.mesh, now_ns, rules.site)
    return replace(rules, model=apply(rules.model, rules.prior or rules.model, found, rules.site))


def calibration_of(rules: Rules, history: UnitHistory, serial: str, now_ns: int) -> Found:
    """Return how the calibration of the device `serial` stands at wall time `now_ns`, and whether doses drift from it.

    A calibration that is not used has no line to drift from.
    """
    found = find(history.calibrations, serial, rules.mesh, now_ns, rules.site)
    if not found.used:
        return found
    off = flagged(chart(history.rates.get(serial, ())))
    doses = [charted for charted in off if charted.point.kind is Kind.DOSE]
    return replace(found, drift=doses[-1] if doses else None)
