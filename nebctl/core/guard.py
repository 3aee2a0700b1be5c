"""The gate before the wire: silent by default, it neither imports nor believes the planner. STOP does not pass here.

A command that makes aerosol passes only when every condition below holds, each judged from facts that the runner
gathered independently of the session: what the disk holds, what the device last said, what the clock says.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from nebctl.core.authorisation import Authorisation
from nebctl.core.device import Output
from nebctl.core.instant import Instant
from nebctl.core.units import Nanolitres


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What the gate judges a start by; None and False everywhere mean no.

    `intent` is the session id whose start or resume intent is on disk and not yet used; `first` is the start's own
    authorisation where it is a resume's, of a session that was let start before. `output` is the last read-back,
    None when there was none since the link opened. `fault` latches until a person clears it; `unresolved` names a
    command whose effect is not known. `given_high_nl` is the sum of the upper bounds that the subject may have had this
    day from other sessions, `charge_high_nl` the most that this cup can hold, `limit_nl` the day's limit. A dose
    beyond the regimen's `doses_a_day` needs `overridden`: that two persons let this session pass is on disk.
    `max_on_ceiling_ms` is the most on-time that the site and the device allow. `stops` counts the STOPs up to now.
    `locked_out` says that too many starts in a short time followed an alarm and a stop.
    """

    authorisation: Authorisation | None = None
    authorisation_used: bool = True
    first: Authorisation | None = None
    intent: str | None = None
    output: Output | None = None
    device: str | None = None
    fault: str | None = None
    unresolved: str | None = None
    clock_trusted: bool = False
    records_durable: bool = False
    self_tested: bool = False
    charge_high_nl: Nanolitres | None = None
    given_high_nl: Nanolitres = 0
    limit_nl: Nanolitres = 0
    doses_a_day: int = 0
    overridden: bool = False
    max_on_ceiling_ms: int = 0
    stops: int = 0
    locked_out: bool = False


SILENT = Envelope()


@dataclass(frozen=True, slots=True, kw_only=True)
class Actuation:
    """A command that makes aerosol; `stops` is the count of STOPs when it was asked for, `waited_ms` how long ago."""

    session: str
    run: str
    max_on_ms: int
    stops: int
    waited_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """The command may go to the wire, once."""

    actuation: Actuation


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The command may not go to the wire; the sentence says what is wrong and what to do."""

    code: str
    sentence: str


LATE_PRESS_MS = 5_000
"""A start that waited longer than this is discarded, never run late (S47)."""

LOCKED_OUT = Refusal(
    code="locked-out",
    sentence="Alarms came again after each start. Nothing can be started for a while. Call the engineer.",
)
"""Why nothing starts after three cycles of alarm, stop and start (S25)."""

_Rule: TypeAlias = tuple[str, str, Callable[[Actuation, Envelope, Instant], bool]]


def _holds_authorisation(command: Actuation, envelope: Envelope, _now: Instant) -> bool:
    auth = envelope.authorisation
    return auth is not None and auth.session == command.session


def _is_fresh(_command: Actuation, envelope: Envelope, now: Instant) -> bool:
    auth = envelope.authorisation
    return auth is not None and auth.boot == now.boot and now.mono_ns < auth.expires_mono_ns


def _is_leased(_command: Actuation, envelope: Envelope, now: Instant) -> bool:
    if envelope.first is not None:
        return True  # the lease was good at the start: its end must not strand a dose half given
    return envelope.authorisation is not None and now.wall_ns < envelope.authorisation.not_after_ns


def _is_unused(_command: Actuation, envelope: Envelope, _now: Instant) -> bool:
    return not envelope.authorisation_used


def _is_its_dose(_command: Actuation, envelope: Envelope, _now: Instant) -> bool:
    """Return whether leave to resume names the very dose that was started, and leave to start no other."""
    auth, first = envelope.authorisation, envelope.first
    if auth is None or first is None:
        return auth is not None and auth.resumes is None
    return auth.resumes is not None and auth.auth != first.auth and auth.is_same_dose(first)


def _is_in_use(_command: Actuation, envelope: Envelope, now: Instant) -> bool:
    auth = envelope.authorisation
    return auth is not None and (auth.use_by_ns is None or now.wall_ns < auth.use_by_ns)


def _is_its_device(_command: Actuation, envelope: Envelope, _now: Instant) -> bool:
    return envelope.authorisation is not None and envelope.device == envelope.authorisation.device


def _is_ordered(_command: Actuation, envelope: Envelope, _now: Instant) -> bool:
    auth = envelope.authorisation
    return auth is not None and (auth.dose <= envelope.doses_a_day or envelope.overridden)


def _fits_the_day(_command: Actuation, envelope: Envelope, _now: Instant) -> bool:
    return envelope.charge_high_nl is not None and envelope.given_high_nl + envelope.charge_high_nl <= envelope.limit_nl


RULES: tuple[_Rule, ...] = (
    (
        "intent-not-durable",
        "The start was not yet written to disk. Nothing was sent to the nebulizer.",
        lambda c, e, _: e.intent == c.session,
    ),
    ("no-authorisation", "This session was not authorised. Scan badge, wristband and kit.", _holds_authorisation),
    ("authorisation-used", "This authorisation was used already. Scan again.", _is_unused),
    ("authorisation-expired", "The authorisation is older than its time limit. Scan again.", _is_fresh),
    ("lease-ended", "The pharmacy's lease for this dose has ended. Call the pharmacy.", _is_leased),
    ("other-dose", "The leave to go on is for another dose. Hold RESUME again.", _is_its_dose),
    ("in-use-over", "The time from thaw to use of this kit has passed. Press STOP. Call the pharmacy.", _is_in_use),
    ("other-device", "Another nebulizer answers than the one authorised. Scan again.", _is_its_device),
    (
        "fault",
        "A fault of the nebulizer stands. Mend it, then try again.",
        lambda _c, e, _: e.fault is None,
    ),
    (LOCKED_OUT.code, LOCKED_OUT.sentence, lambda _c, e, _: not e.locked_out),
    (
        "unresolved",
        "The last command is not resolved: the nebulizer may have acted on it. Press STOP and look at the device.",
        lambda _c, e, _: e.unresolved is None,
    ),
    ("output-on", "The nebulizer is not known to be off. Press STOP.", lambda _c, e, _: e.output is Output.OFF),
    (
        "self-test",
        "The self-test has not passed. Mend what it names and repeat it.",
        lambda _c, e, _: e.self_tested or e.first is not None,
    ),
    (
        "clock-not-trusted",
        "The clock is not trusted, so the study day is not certain. Let a person check the clock.",
        lambda _c, e, _: e.clock_trusted,
    ),
    (
        "records-not-durable",
        "Records cannot be written. Call the engineer.",
        lambda _c, e, _: e.records_durable,
    ),
    (
        "extra-dose",
        "A dose beyond the study protocol needs two persons, one of them an investigator, and a reason.",
        _is_ordered,
    ),
    (
        "day-limit",
        "This cup and what was given today together could exceed the day's limit. Call the pharmacy.",
        _fits_the_day,
    ),
    (
        "on-time",
        "The maximum on-time asked for lies outside what site and nebulizer allow.",
        lambda c, e, _: 0 < c.max_on_ms <= e.max_on_ceiling_ms,
    ),
    (
        "stopped-since",
        "STOP was pressed after START. Begin again if the dose is still wanted.",
        lambda c, e, _: c.stops == e.stops,
    ),
    (
        "late-press",
        "The press came too long ago and was discarded. Press again.",
        lambda c, _e, _: 0 <= c.waited_ms <= LATE_PRESS_MS,
    ),
)


def permit(command: Actuation, envelope: Envelope, now: Instant) -> Permit | Refusal:
    """Return a permit only if every rule holds, else the first refusal."""
    for code, sentence, holds in RULES:
        if not holds(command, envelope, now):
            return Refusal(code=code, sentence=sentence)
    return Permit(actuation=command)
