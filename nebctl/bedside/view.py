"""What a page shows, read from the core at one moment; a number that is stale is not shown at all."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from nebctl.alarming import Alarming
from nebctl.bedside.course import course, due, prefixes_of
from nebctl.bedside.tray import Tray
from nebctl.core import events as ev
from nebctl.core.alarms import MESSAGES, Condition
from nebctl.core.annunciator import Standing
from nebctl.core.authorisation import Authorisation
from nebctl.core.dose import seconds_left
from nebctl.core.instant import NS_PER_S, Instant
from nebctl.core.ledger.envelope import utc_text
from nebctl.core.ledger.records import Entry, Json
from nebctl.core.orders import Worklist
from nebctl.core.regimen import Regimen
from nebctl.core.session import LIVE, Session, State
from nebctl.ports import Clock
from nebctl.runner import Runner

STALE_S = 2.0
"""Telemetry older than this is shown as stale, without a number (S27)."""
_DOSING = LIVE | {State.PAUSED, State.RESUME_INTENDED}


_UTC = ZoneInfo("UTC")
_PUBLIC = (
    "made_us",
    "unit",
    "simulated",
    "state",
    "stale",
    "alarms",
    "sound",
    "device",
    "utc",
    "local",
    "clock_trusted",
    "stream",
)


def _no_worklist() -> Worklist | None:
    return None


def _nothing_charted() -> dict[str, Json]:
    return {"moments": [], "interface": None, "humidifier_removed": None, "pause_told": False}


def _no_question() -> int | None:
    return None


def _nothing_scanned() -> dict[str, Json]:
    return Tray().as_json(0)


def _nothing_held() -> dict[str, Json]:
    return {"held": [], "given_back": []}


def _no_checks() -> tuple[ev.Check, ...]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the page shows beside the session: the unit, its clock's trust, and how the stream stands.

    `zone` is the site's; `worklist` is the pharmacy's newest list, None where there is none; `checks` the newest
    self-test of the session under way, `charted` what was charted beside it. `operator_ends` says that a person may say
    that the dose has come to its end; `soft` names the limits that one person may let a dose pass.
    """

    unit: str
    simulated: bool
    regimen: Regimen
    clock: Clock
    trusted: Callable[[], bool]
    stream: Callable[[], dict[str, Json]]
    zone: ZoneInfo = _UTC
    worklist: Callable[[], Worklist | None] = _no_worklist
    checks: Callable[[], tuple[ev.Check, ...]] = _no_checks
    charted: Callable[[], dict[str, Json]] = _nothing_charted
    operator_ends: bool = False
    probe: Callable[[], int | None] = _no_question
    scanned: Callable[[], dict[str, Json]] = _nothing_scanned
    soft: tuple[str, ...] = ()
    returning: Callable[[], dict[str, Json]] = _nothing_held


def view(runner: Runner, around: Surroundings) -> dict[str, Json]:
    """Return everything that a page may show, as one JSON object; volumes in nanolitres, None where unknown.

    `made_us` is monotonic: a page that hears on two ways, answers and stream, tells the newer view by it.
    """
    session, now = runner.session, around.clock.instant()
    stale = session.state in _DOSING and runner.watch.age_s() > STALE_S
    return {
        "made_us": now.mono_ns // 1000,
        "unit": around.unit,
        "simulated": around.simulated,
        "state": session.state.value,
        "review": _review(session.authorisation, around.regimen),
        "charge": dict(session.charge.volume.as_json()) if session.charge else None,
        "emitted": None if stale or session.start_seq is None else dict(session.estimate.emitted.as_json()),
        "stale": stale,
        "rate_nl_per_s": None if stale else session.estimate.rate_nl_per_s,
        "seconds_left": seconds_left(session.estimate, session.charge) if session.charge and not stale else None,
        "on_ms": session.estimate.on_ms,
        "doubts": list(session.doubts),
        "stopped_by": session.stopped_by,
        "alarms": [_alarm(condition, standing) for condition, standing in runner.alarms.items()],
        "sound": _sound(runner.alarming),
        "probe": around.probe(),
        "outcome": _outcome(runner.outcome, session),
        "device": runner.witnessed.device.serial if runner.witnessed.device else None,
        "utc": utc_text(now.wall_ns),
        "clock_trusted": around.trusted(),
        "stream": around.stream(),
        **_day(runner, around, now),
    }


def _alarm(condition: Condition, standing: Standing) -> Json:
    message = MESSAGES[condition]
    return {
        "condition": condition.value,
        "priority": standing.priority.value,
        "wrong": message.wrong,
        "act": message.act,
        "since": utc_text(standing.since.wall_ns),
        "acknowledged": standing.acknowledged,
    }


def _sound(alarming: Alarming) -> Json:
    """Return the priority whose melody is to be heard, None for silence, and what is left of an audio pause."""
    heard = alarming.heard()
    return {"priority": heard.value if heard else None, "quiet_s": alarming.quiet_left_s()}


def public(shown: dict[str, Json]) -> dict[str, Json]:
    """Return the part of a view that a page may show while nobody is logged in: no subject, no kit, no volume."""
    known = shown["prefixes"]
    badges = known["operator"] if isinstance(known, dict) else []
    tray = shown["scanned"]
    scanned = {**tray, **dict.fromkeys(("band", "card", "kit", "cup"))} if isinstance(tray, dict) else None
    if scanned and isinstance(said := scanned["refused"], dict) and said["code"] == "identifiers-differ":
        scanned["refused"] = None  # its sentence names two subjects
    prefixes: dict[str, Json] = {"operator": badges, "subject": [], "kit": []}
    return {**{name: shown[name] for name in _PUBLIC}, "prefixes": prefixes, "scanned": scanned}


def _day(runner: Runner, around: Surroundings, now: Instant) -> dict[str, Json]:
    """Return what the page shows of the day: local time, doses due, the subject's course, the session's steps."""
    local, worklist = datetime.fromtimestamp(now.wall_ns // NS_PER_S, around.zone), around.worklist()
    auth = runner.session.authorisation
    order = worklist.order_of(auth.subject) if worklist and auth else None
    return {
        "local": {"date": local.date().isoformat(), "time": f"{local:%H:%M}", "zone": around.zone.key},
        "due": due(worklist, runner.history, around.regimen, local.date()),
        "course": course(order, runner.history, around.regimen) if order else [],
        "prefixes": prefixes_of(worklist),
        "self_test": [_check(c) for c in around.checks()],
        "observers": list(runner.session.observers),
        "unsigned": [
            {
                "session": p.place.session,
                "subject": p.subject,
                "day": p.place.day,
                "operator": p.operator,
                "shared": p.shared,
            }
            for p in runner.history.unsigned
        ],
        "pause_reason": runner.session.pause_reason,
        "pauses": runner.session.pauses,
        "charted": around.charted(),
        "operator_ends": around.operator_ends,
        "scanned": around.scanned(),
        "soft": list(around.soft),
        **around.returning(),
    }


def _check(check: ev.Check) -> Json:
    facts = dict(check.facts) if check.facts is not None else None
    return {"name": check.name, "good": check.good, "note": check.note, "facts": facts}


def _review(auth: Authorisation | None, regimen: Regimen) -> Json:
    """Return what the person reviews before START, read back from the core."""
    if auth is None:
        return None
    return {
        "auth": auth.auth,
        "session": auth.session,
        "subject": auth.subject,
        "operator": auth.operator,
        "day": auth.place.day,
        "days": regimen.days[-1],
        "dose": auth.dose,
        "kit": auth.kit,
        "lot": auth.lot,
        "volume_nl": auth.volume_nl,
        "content": auth.content,
        "device": auth.device,
    }


def _outcome(entry: Entry | None, session: Session) -> Json:
    """Return the newest dose record; during another session the earlier outcome is not shown."""
    auth = session.authorisation
    if entry is None or session.state not in (State.SIGNING, State.IDLE):
        return None
    if auth is not None and entry.payload["session"] != auth.session:
        return None
    names = ("session", "day", "end", "low_nl", "best_nl", "high_nl", "verdict", "witnesses", "deviations", "doubts")
    return {"seq": entry.seq, "leaf": entry.leaf.hex(), **{name: entry.payload[name] for name in names}}
