"""What a page shows, read from the core at one moment; a number that is stale is not shown at all."""

from collections.abc import Callable
from dataclasses import dataclass

from nebctl.core.alarms import MESSAGES
from nebctl.core.authorisation import Authorisation
from nebctl.core.dose import seconds_left
from nebctl.core.ledger.envelope import utc_text
from nebctl.core.ledger.records import Entry, Json
from nebctl.core.regimen import Regimen
from nebctl.core.session import Session, State
from nebctl.ports import Clock
from nebctl.runner import Runner

STALE_S = 2.0
"""Telemetry older than this is shown as stale, without a number (S27)."""
_DOSING = frozenset(
    (State.STARTING, State.RUNNING, State.PAUSING, State.PAUSED, State.RESUME_INTENDED, State.RESUMING, State.STOPPING)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the page shows beside the session: the unit, its clock's trust, and how the stream stands."""

    unit: str
    simulated: bool
    regimen: Regimen
    clock: Clock
    trusted: Callable[[], bool]
    stream: Callable[[], dict[str, Json]]


def view(runner: Runner, around: Surroundings) -> dict[str, Json]:
    """Return everything that a page may show, as one JSON object; volumes in nanolitres, None where unknown."""
    session, now = runner.session, around.clock.instant()
    stale = session.state in _DOSING and runner.watch.age_s() > STALE_S
    return {
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
        "alarms": [
            {
                "condition": condition.value,
                "priority": MESSAGES[condition].priority.value,
                "wrong": MESSAGES[condition].wrong,
                "act": MESSAGES[condition].act,
                "since": utc_text(since.wall_ns),
            }
            for condition, since in runner.alarms.items()
        ],
        "outcome": _outcome(runner.outcome, session),
        "device": runner.witnessed.device.serial if runner.witnessed.device else None,
        "utc": utc_text(now.wall_ns),
        "clock_trusted": around.trusted(),
        "stream": around.stream(),
    }


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
    if entry is None or session.state not in (State.SIGNING, State.IDLE):
        return None
    names = ("session", "day", "end", "low_nl", "best_nl", "high_nl", "verdict", "witnesses", "deviations", "doubts")
    return {"seq": entry.seq, "leaf": entry.leaf.hex(), **{name: entry.payload[name] for name in names}}
