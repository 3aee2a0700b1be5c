"""The schema of a site's rules: what the study protocol does not say and the site decides, each with a default."""

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, ValidationError

from nebctl.core.annunciator import LONGEST_QUIET_NS
from nebctl.core.faults import Fault, FieldError, show_value
from nebctl.core.limits import SOFTENABLE
from nebctl.core.regimen import SiteRules
from nebctl.core.toml_text import TomlText, read_toml
from nebctl.core.units import WHOLE_PPM
from nebctl_protocols.explain import in_order, read_model
from nebctl_protocols.values import Duration, Share, Table

FORMAT = "nebctl-site-rules/1"
_FORMAT_KEY = {"format": FORMAT}
_D = SiteRules()
_DEVIATION = re.compile(r"DEV-[0-9]{1,6} \S.{0,198}")


def _read_time(value: object) -> time:
    if not isinstance(value, time):
        raise FieldError("this is no time of day", "write hours, minutes and seconds without quotes, such as 08:00:00")
    return value


TimeOfDay = Annotated[time, PlainValidator(_read_time)]


def _read_deviation(value: object) -> str:
    if not isinstance(value, str) or not _DEVIATION.fullmatch(value):
        raise FieldError("this is no numbered deviation", 'write number and reason, such as "DEV-001 jets emit half"')
    return value


def _read_date(value: object) -> date:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise FieldError("this is no date", "write year, month and day without quotes, such as 2051-12-31")
    return value


CalendarDate = Annotated[date, PlainValidator(_read_date)]

LEAST_MISSES, MOST_MISSES = 3, 20
"""Under three nobody may slip; over twenty a PIN of six digits is guessed too often in a year."""


def _read_misses(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not LEAST_MISSES <= value <= MOST_MISSES:
        raise FieldError("this is no number of wrong PINs", f"write a number from {LEAST_MISSES} to {MOST_MISSES}")
    return value


LEAST_CYCLES, MOST_CYCLES = 2, 10


def _read_cycles(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not LEAST_CYCLES <= value <= MOST_CYCLES:
        raise FieldError("this is no number of cycles", f"write a number from {LEAST_CYCLES} to {MOST_CYCLES}")
    return value


Cycles = Annotated[int, PlainValidator(_read_cycles)]


def _read_soft(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or any(limit not in SOFTENABLE for limit in value):
        raise FieldError("a limit that cannot be soft", f"write a list of none, one or all of {', '.join(SOFTENABLE)}")
    return tuple(dict.fromkeys(value))


SoftLimits = Annotated[tuple[str, ...], PlainValidator(_read_soft)]
Misses = Annotated[int, PlainValidator(_read_misses)]
Deviation = Annotated[str, PlainValidator(_read_deviation)]


class _Deviations(Table):
    jet_under: Deviation | None = None
    host_loss: Deviation | None = None
    host_max_on: Deviation | None = None


class _SiteRules(Table):
    format: Literal["nebctl-site-rules/1"] = Field(examples=[f'"{FORMAT}"'])
    completeness_low: Share = _D.completeness_low_ppm
    completeness_high: Share = _D.completeness_high_ppm
    min_interval: Duration = _D.min_interval_ns
    window_start: TimeOfDay | None = None
    window_end: TimeOfDay | None = None
    in_use: Duration | None = None
    in_use_margin: Share = _D.in_use_margin_ppm
    authorisation: Duration = _D.authorisation_ns
    max_on: Duration = _D.max_on_ns
    soft_on: Share = _D.soft_on_ppm
    max_session: Duration = _D.max_session_ns
    max_pause: Duration = _D.max_pause_ns
    residual_wait: Duration = _D.residual_wait_ns
    calibration_warn: Duration = _D.calibration_warn_ns
    calibration_max: Duration = _D.calibration_max_ns
    calibration_drift: Share = _D.calibration_drift_ppm
    max_unreceipted: Duration = _D.max_unreceipted_ns
    keep_private_until: CalendarDate | None = None
    soft: SoftLimits = _D.soft
    max_unsigned: Duration = _D.max_unsigned_ns
    idle_lock: Duration = _D.idle_lock_ns
    pin_wait: Duration = _D.pin_wait_ns
    pin_misses: Misses = _D.pin_misses
    audio_pause: Duration = _D.audio_pause_ns
    escalate: Duration = _D.escalate_ns
    lockout_cycles: Cycles = _D.lockout_cycles
    lockout_window: Duration = _D.lockout_window_ns
    deviations: _Deviations = _Deviations()


def load_site_rules(text: str, file: str) -> SiteRules | tuple[Fault, ...]:
    """Read a site's rules, or return everything that is wrong with them in the order of their lines.

    A rule that is not in the file has its default. `file` is the name that the faults give.
    """
    toml = read_toml(text, file)
    if toml.table is None:
        return toml.faults
    model, faults = read_model(toml, _SiteRules)
    good = model or _without_faults(toml.table)
    faults = in_order((*toml.faults, *faults, *_check_together(toml, good)))
    return faults if model is None or faults else _build(model)


def _without_faults(table: Mapping[str, Any]) -> _SiteRules:
    """Return the rules with defaults in place of what is wrong, so that the rest can be checked together."""
    good = {key: value for key, value in table.items() if _is_good(key, value)}
    return _SiteRules.model_validate(good | _FORMAT_KEY)


def _is_good(key: str, value: object) -> bool:
    try:
        _SiteRules.model_validate(_FORMAT_KEY | {key: value})
    except ValidationError:
        return False
    return True


def _check_together(toml: TomlText, rules: _SiteRules) -> Iterator[Fault]:
    """Yield a fault for each rule that contradicts another one."""
    if rules.completeness_low > WHOLE_PPM:
        yield _fault(toml, "completeness_low", "no dose as prescribed would be complete", "write at most 100 %")
    if rules.completeness_high < WHOLE_PPM:
        yield _fault(toml, "completeness_high", "every dose as prescribed would be too much", "write at least 100 %")
    if (rules.window_start is None) != (rules.window_end is None):
        field = "window_end" if rules.window_start is None else "window_start"
        yield _fault(toml, field, "a window has a start and an end", "write window_start and window_end, or neither")
    elif rules.window_start is not None and rules.window_end is not None and rules.window_start >= rules.window_end:
        right = "write a start before the end on the same day"
        yield _fault(toml, "window_start", "the window ends before it starts", right)
    if rules.calibration_warn > rules.calibration_max:
        yield _fault(toml, "calibration_warn", "it is longer than calibration_max", "write at most calibration_max")
    if rules.audio_pause > LONGEST_QUIET_NS:
        yield _fault(toml, "audio_pause", "an alarm may not be silent for so long", 'write at most "120 s"')
    if rules.max_on > rules.max_session:
        yield _fault(toml, "max_on", "it is longer than max_session", "write at most max_session")


def _fault(toml: TomlText, field: str, problem: str, right: str) -> Fault:
    assert toml.table is not None
    value = show_value(toml.table[field]) if field in toml.table else None
    return Fault(file=toml.file, line=toml.line_of((field,)), field=field, value=value, problem=problem, right=right)


def _build(rules: _SiteRules) -> SiteRules:
    return SiteRules(
        completeness_low_ppm=rules.completeness_low,
        completeness_high_ppm=rules.completeness_high,
        min_interval_ns=rules.min_interval,
        window_start=rules.window_start,
        window_end=rules.window_end,
        in_use_ns=rules.in_use,
        in_use_margin_ppm=rules.in_use_margin,
        authorisation_ns=rules.authorisation,
        max_on_ns=rules.max_on,
        soft_on_ppm=rules.soft_on,
        max_session_ns=rules.max_session,
        max_pause_ns=rules.max_pause,
        residual_wait_ns=rules.residual_wait,
        calibration_warn_ns=rules.calibration_warn,
        calibration_max_ns=rules.calibration_max,
        calibration_drift_ppm=rules.calibration_drift,
        max_unreceipted_ns=rules.max_unreceipted,
        jet_under=rules.deviations.jet_under,
        host_loss=rules.deviations.host_loss,
        host_max_on=rules.deviations.host_max_on,
        keep_private_until=rules.keep_private_until,
        soft=rules.soft,
        max_unsigned_ns=rules.max_unsigned,
        idle_lock_ns=rules.idle_lock,
        pin_wait_ns=rules.pin_wait,
        pin_misses=rules.pin_misses,
        audio_pause_ns=rules.audio_pause,
        escalate_ns=rules.escalate,
        lockout_cycles=rules.lockout_cycles,
        lockout_window_ns=rules.lockout_window,
    )
