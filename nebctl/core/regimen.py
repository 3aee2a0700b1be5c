"""The dosing part of a study protocol, its follow-up, and the rules that a site adds to it."""

from dataclasses import dataclass
from datetime import date, time
from fractions import Fraction

from nebctl.core.units import (
    NL_PER_ML,
    NS_PER_H,
    NS_PER_MIN,
    WHOLE_PPM,
    Nanolitres,
    Nanoseconds,
    PartsPerMillion,
    Vesicles,
    format_concentration,
    format_content,
    format_volume,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Regimen:
    """What one arm of a study prescribes.

    `volume_nl` is one dose's aliquot in nanolitres; `content_low` and `content_high` bound the vesicles in it, equal
    when the content is fixed and both zero for a placebo. `days` are study days in rising order, starting with Day 1.

    Raises: `ValueError` where the values make no regimen.
    """

    study: str
    product: str
    arm: str
    volume_nl: Nanolitres
    content_low: Vesicles
    content_high: Vesicles
    days: tuple[int, ...]
    doses_per_day: int
    blinded: bool

    def __post_init__(self) -> None:
        if self.volume_nl <= 0 or self.doses_per_day < 1:
            raise ValueError(f"regimen of {self.volume_nl} nL, {self.doses_per_day} a day: both must be above zero")
        if not 0 <= self.content_low <= self.content_high:
            raise ValueError(f"content from {self.content_low} to {self.content_high}: expected 0 <= low <= high")
        if not self.days or self.days[0] != 1 or any(a >= b for a, b in zip(self.days, self.days[1:], strict=False)):
            raise ValueError(f"days are {self.days}: expected rising study days, Day 1 the first")

    @property
    def placebo(self) -> bool:
        """Return whether the product holds no vesicles."""
        return self.content_high == 0

    def planned_doses(self) -> tuple[tuple[int, int], ...]:
        """Return every planned dose as (study day, number of the dose in that day), both counted from 1."""
        return tuple((day, dose) for day in self.days for dose in range(1, self.doses_per_day + 1))

    @property
    def total_doses(self) -> int:
        """Return how many doses a whole course has."""
        return len(self.days) * self.doses_per_day

    @property
    def total_volume_nl(self) -> Nanolitres:
        """Return a whole course's volume in nanolitres."""
        return self.volume_nl * self.total_doses

    @property
    def total_content_low(self) -> Vesicles:
        """Return the fewest vesicles that a whole course holds."""
        return self.content_low * self.total_doses

    @property
    def total_content_high(self) -> Vesicles:
        """Return the most vesicles that a whole course holds."""
        return self.content_high * self.total_doses

    @property
    def vesicles_per_ml(self) -> Fraction:
        """Return the exact concentration; where the content is a range, that of its low end."""
        return Fraction(self.content_low * NL_PER_ML, self.volume_nl)

    @property
    def vesicles_per_ml_high(self) -> Fraction:
        """Return the exact concentration at the high end of the content."""
        return Fraction(self.content_high * NL_PER_ML, self.volume_nl)

    def content_text(self) -> str:
        """Return the content of one dose as a person reads it back, such as `2.0e8 vesicles`."""
        return _span(self.content_low, self.content_high)

    def read_back(self) -> str:
        """Return the whole regimen in one line, with the arithmetic that shows a slip of a power of ten."""
        volume, total = format_volume(self.volume_nl), format_volume(self.total_volume_nl)
        count = f"{self.total_doses} dose{'' if self.total_doses == 1 else 's'}"
        if self.placebo:
            return f"no vesicles in {volume} (placebo); {count}: {total} in all"
        low, high = format_concentration(self.vesicles_per_ml), format_concentration(self.vesicles_per_ml_high)
        strength = low if low == high else f"{low.removesuffix(' per mL')} to {high}"
        contents = _span(self.total_content_low, self.total_content_high)
        return f"{self.content_text()} in {volume} = {strength}; {count}: {contents} and {total} in all"


def _span(low: Vesicles, high: Vesicles) -> str:
    if low == high:
        return format_content(low)
    return f"{format_content(low).removesuffix(' vesicles')} to {format_content(high)}"


FIRST_TREATMENT = "first treatment"
DISCHARGE = "discharge"


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUp:
    """What happens after the doses.

    `adverse_events_days` are calendar days after the event that `counted_from` names: `FIRST_TREATMENT`, which is
    Day 1, or `DISCHARGE`, whose date only the hospital knows.
    `assessments` are study days in rising order; Day 0 is the baseline before Day 1.
    """

    adverse_events_days: int
    counted_from: str
    assessments: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteRules:
    """What a site decides because the study protocol does not say it; the defaults' reasons stand in the docs.

    Fractions are parts per million, times nanoseconds. The completeness limits are fractions of the prescribed volume.
    `window_start` and `window_end` are site local times between which a dose may start; None means no window.
    `in_use_ns` is the time from thaw to use; None means that none is configured. `in_use_margin_ppm` is how much of the
    expected duration must still be left of it at the start, and `soft_on_ppm` how much of it may pass before the
    operator is asked. A calibration is called old after `calibration_warn_ns` and counts no more after
    `calibration_max_ns`; each day of its age adds `calibration_drift_ppm` to the standard deviation of the rate.
    `jet_under` is the numbered deviation under which this site gives by jet nebulizers, which cannot emit a whole dose;
    None means that it does not. `host_loss` and `host_max_on` are those under which it uses devices that do not turn
    off by themselves within 2 s of a lost host (S22), or at a maximum on-time (S24).
    `max_unreceipted_ns` is how long a record may wait for the pharmacy's receipt before the unit raises an alarm.
    Whoever is signed in is signed out after `idle_lock_ns` without a touch. The third wrong PIN in a row makes the next
    one wait `pin_wait_ns`, each further one twice as long, and `pin_misses` of them lock the badge.
    `soft` names the limits, too-soon or outside-window, that one person may let a dose pass for a reason.
    `max_unsigned_ns` is how long an observed part of a dose may stay unsigned before the unit raises an alarm.
    An audio pause lasts `audio_pause_ns`, at most 120 s; an alarm that nobody acknowledged may rise after
    `escalate_ns`. The start that ends the `lockout_cycles`-th cycle of alarm, stop and start within `lockout_window_ns`
    is refused, and so is every other for as long again.
    `keep_private_until` is the last date on which private facts are kept; None means that none may be erased.
    """

    completeness_low_ppm: PartsPerMillion = 900_000
    completeness_high_ppm: PartsPerMillion = 1_050_000
    min_interval_ns: Nanoseconds = 20 * NS_PER_H
    window_start: time | None = None
    window_end: time | None = None
    in_use_ns: Nanoseconds | None = None
    in_use_margin_ppm: PartsPerMillion = 1_500_000
    authorisation_ns: Nanoseconds = 10 * NS_PER_MIN
    max_on_ns: Nanoseconds = 20 * NS_PER_MIN
    soft_on_ppm: PartsPerMillion = 1_500_000
    max_session_ns: Nanoseconds = 30 * NS_PER_MIN
    max_pause_ns: Nanoseconds = 5 * NS_PER_MIN
    residual_wait_ns: Nanoseconds = 30 * NS_PER_MIN
    calibration_warn_ns: Nanoseconds = 7 * 24 * NS_PER_H
    calibration_max_ns: Nanoseconds = 30 * 24 * NS_PER_H
    calibration_drift_ppm: PartsPerMillion = 2_000
    jet_under: str | None = None
    max_unreceipted_ns: Nanoseconds = 24 * NS_PER_H
    host_loss: str | None = None
    host_max_on: str | None = None
    keep_private_until: date | None = None
    soft: tuple[str, ...] = ()
    max_unsigned_ns: Nanoseconds = NS_PER_H
    idle_lock_ns: Nanoseconds = 15 * NS_PER_MIN
    pin_wait_ns: Nanoseconds = NS_PER_MIN // 4
    pin_misses: int = 10
    audio_pause_ns: Nanoseconds = 2 * NS_PER_MIN
    escalate_ns: Nanoseconds = 2 * NS_PER_MIN
    lockout_cycles: int = 3
    lockout_window_ns: Nanoseconds = 10 * NS_PER_MIN

    def acceptance(self, promise: str) -> str | None:
        """Return the deviation by which the site accepts a device without `promise`, S22 or S24; None: it does not."""
        return {"S22": self.host_loss, "S24": self.host_max_on}[promise]

    def lower_nl(self, regimen: Regimen) -> Nanolitres:
        """Return the least volume in nanolitres that counts as a whole dose, rounded up."""
        return -(-regimen.volume_nl * self.completeness_low_ppm // WHOLE_PPM)

    def upper_nl(self, regimen: Regimen) -> Nanolitres:
        """Return the greatest volume in nanolitres that counts as a whole dose, rounded down."""
        return regimen.volume_nl * self.completeness_high_ppm // WHOLE_PPM
