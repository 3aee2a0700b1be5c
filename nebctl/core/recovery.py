"""What to record after a restart: every intent without an outcome becomes UNCERTAIN, and nothing is sent again."""

from nebctl.core import events as ev
from nebctl.core.authorisation import Authorisation
from nebctl.core.dose import NOTHING, Charge, DoseEstimate, track
from nebctl.core.dose.reading import Reading
from nebctl.core.history import OpenSession
from nebctl.core.instant import Instant
from nebctl.core.ledger.envelope import parse_utc
from nebctl.core.ledger.records import Draft, Json
from nebctl.core.regimen import Regimen
from nebctl.core.session import Rules, Session, State, drafts
from nebctl.core.thaw import ran_past
from nebctl.core.trace import HEADER
from nebctl.core.trace_text import TraceText, read_trace
from nebctl.core.verify import Deviation

REASON = "the unit restarted in mid-dose"


def recover(open_: OpenSession, rows: str, rules: Rules, regimen: Regimen, now: Instant) -> tuple[Draft, ...]:
    """Return the records that close a session left open by a restart; `rows` are the trace rows that were saved.

    A session with a start becomes an UNCERTAIN dose between what was surely tracked and the charge's upper bound; one
    without never commanded the device and becomes an abort.
    """
    auth = _authorisation(open_, regimen)
    if open_.start_seq is None or open_.charge is None:
        return (drafts.abort(auth, "the unit restarted before the device was commanded"),)
    readings = _readings(rows)
    late = any(ran_past(auth, open_.started_wall_ns, reading) for reading in readings)
    session = Session(
        state=State.RESIDUAL,
        authorisation=auth,
        charge=open_.charge,
        start_seq=open_.start_seq,
        started_wall_ns=open_.started_wall_ns,
        ended_wall_ns=max(now.wall_ns, open_.started_wall_ns or 0),
        estimate=_replay(readings, open_.charge, rules),
        findings=(Deviation.IN_USE_TIME,) if late else (),
        pauses=open_.pauses,
        doubts=(REASON,),
    )
    refused = ev.ResidualRefused(reason=REASON, operator="")
    return drafts.residual(auth, refused), drafts.dose(auth, session, None, rules)


def _authorisation(open_: OpenSession, regimen: Regimen) -> Authorisation:
    return Authorisation(
        auth=_text(open_.facts["auth"]),
        place=open_.place,
        subject=open_.subject,
        operator=open_.operator,
        dose=_whole(open_.facts["dose"]),
        kit=_text(open_.facts["kit"]),
        lot=_text(open_.facts["lot"]),
        device=open_.device or "",
        volume_nl=regimen.volume_nl,
        content=regimen.content_high,
        expires_mono_ns=0,
        boot="",
        not_after_ns=0,
        use_by_ns=parse_utc(_text(open_.facts["use_by"])) if "use_by" in open_.facts else None,
    )


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _whole(value: Json) -> int:
    return value if isinstance(value, int) else 0


def _readings(rows: str) -> tuple[Reading, ...]:
    """Return the rows that were saved; a torn last line counts for nothing."""
    whole = rows[: rows.rfind("\n") + 1]
    found = read_trace(f"{HEADER}\n{whole}".encode().splitlines(keepends=True), "the saved trace")
    return found.readings if isinstance(found, TraceText) else ()


def _replay(readings: tuple[Reading, ...], charge: Charge, rules: Rules) -> DoseEstimate:
    estimate = NOTHING
    for reading in readings:
        estimate = track(estimate, reading, charge, rules.model)
    return estimate
