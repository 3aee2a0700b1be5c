"""Every dose of one subject, by every unit and epoch, and that none of them can have been left out.

A start says whom it is for in a private fact. So each start that the pharmacy keeps is counted: opened, when the fact
is kept and shows a subject; erased, when a signed record says so; missing otherwise. Missing is a gap, for it may be
anybody's.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from nebctl.core.ledger import disclosure, jws
from nebctl.core.ledger.encoding import FormatError, unb64url
from nebctl.core.ledger.records import Json
from nebctl.core.ledger.rows import Row
from nebctl.publish.topics import parse_record
from nebctl.store.reader import LedgerFile, LogName

_TOLD = frozenset(("start", "dose", "abort", "correction"))


class Shown(Enum):
    """What is kept of whom a start is for."""

    OPENED = "opened"
    ERASED = "erased"
    MISSING = "missing"


@dataclass(slots=True, kw_only=True)
class Session:
    """One start of the subject and what came of it.

    `outcome` is how it ended (`complete`, `aborted` …), None while nothing is known. Volumes are nanolitres, None where
    nothing was emitted for certain. `corrections` are the places of records that speak of the outcome later.
    """

    unit: str
    epoch: int
    seq: int
    session: str
    day: Json
    at: str
    outcome: str | None = None
    outcome_seq: int | None = None
    verdict: Json = None
    low_nl: Json = None
    high_nl: Json = None
    corrections: list[int] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class LogCount:
    """The starts of one log by what is kept of whom they are for; `records` is how many the log has."""

    unit: str
    epoch: int
    records: int = 0
    starts: Counter[Shown] = field(default_factory=Counter)


@dataclass(slots=True, kw_only=True)
class SubjectAudit:
    """The subject's sessions in order of units, epochs and places; the counts of every log; and the gaps, as lines."""

    subject: str
    sessions: list[Session] = field(default_factory=list)
    logs: list[LogCount] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)

    def count(self, shown: Shown) -> int:
        """Return how many starts of all logs are so."""
        return sum(log.starts[shown] for log in self.logs)


def audit_subject(file: LedgerFile, subject: str) -> SubjectAudit:
    """Return every session of a subject in a pharmacy's database; signatures are checked elsewhere.

    So is that a record in the pharmacy's own log tells of each erasure.
    Raises: `FormatError` where a record cannot be read.
    """
    audit = SubjectAudit(subject=subject)
    logs = file.logs()
    for log in logs:
        counted = LogCount(unit=log.unit, epoch=log.epoch)
        _LogReader(audit, counted).read(file.rows_beside(log))
        audit.logs.append(counted)
    audit.gaps += _missing_epochs(logs)
    audit.gaps += filter(None, (_of_evidence(subject, *each) for each in file.evidence()))
    return audit


def _missing_epochs(logs: list[LogName]) -> Iterator[str]:
    """Yield the epochs that must have been before the ones that are kept."""
    for unit in sorted({log.unit for log in logs}):
        kept = {log.epoch for log in logs if log.unit == unit}
        for epoch in sorted(set(range(1, max(kept))) - kept):
            yield f"unit {unit} epoch {epoch}: no record is kept, though epoch {max(kept)} began"


def _of_evidence(subject: str, unit: str, reason: str, body: bytes) -> str | None:
    """Return what a refused record may say of the subject; None for what says nothing of one, or names another.

    It bears the unit's good signature, and so may tell of a dose that was given beside what is kept.
    """
    parts = parse_record(body)
    try:
        payload = jws.parse(parts.jws).payload if parts else {}
        shown = disclosure.check(payload, parts.disclosures if parts else ())
    except FormatError:
        payload, shown = {}, {}
    typ = payload.get("typ")
    if typ and (typ not in _TOLD or shown.get("subject", subject) != subject):
        return None
    where = f"unit {unit} epoch {payload.get('ep')} seq {payload.get('seq')}"
    whose = "of this subject" if "subject" in shown else "that may be this subject's"
    return f"{where}: a signed {typ or 'record'} {whose} was refused ({reason}) and is kept as evidence alone"


class _LogReader:
    """One log as it is read from its first record to its last."""

    def __init__(self, audit: SubjectAudit, counted: LogCount) -> None:
        self._audit = audit
        self._counted = counted
        self._of_subject: dict[str, Session] = {}
        self._by_outcome: dict[int, Session] = {}
        self._open: Session | None = None

    def read(self, rows: Iterator[Row]) -> None:
        for row in rows:
            if row.seq != self._counted.records:
                self._gap(self._counted.records, f"the next record is {row.seq}: records are missing")
            self._counted.records = row.seq + 1
            if _says(row):
                self._take(row, jws.parse(row.text).payload)

    def _take(self, row: Row, payload: Mapping[str, Json]) -> None:
        session = payload.get("session")
        match payload["typ"]:
            case "start":
                self._take_start(row, payload)
            case "dose" | "abort" if isinstance(session, str):
                self._take_outcome(row.seq, payload, session)
            case "correction":
                ref = payload.get("ref_seq")
                if isinstance(ref, int) and ref in self._by_outcome:
                    self._by_outcome[ref].corrections.append(row.seq)

    def _take_start(self, row: Row, payload: Mapping[str, Json]) -> None:
        shown, subject = self._look(row, payload)
        self._counted.starts[shown] += 1
        if shown is Shown.MISSING:
            self._gap(row.seq, "a start whose subject is neither kept nor erased by a signed record")
        self._close()
        if subject == self._audit.subject:
            session = Session(
                unit=self._counted.unit,
                epoch=self._counted.epoch,
                seq=row.seq,
                session=str(payload.get("session")),
                day=payload.get("day"),
                at=str(payload.get("utc")),
            )
            self._of_subject[session.session] = self._open = session
            self._audit.sessions.append(session)

    def _close(self) -> None:
        """Name the session that was under way when another began: a unit has one at a time."""
        if self._open is not None and self._open.outcome is None:
            self._gap(self._open.seq, f"session {self._open.session} has no outcome though another began")
        self._open = None

    def _take_outcome(self, seq: int, payload: Mapping[str, Json], name: str) -> None:
        session = self._of_subject.get(name)
        if session is None:
            return
        if session.outcome is not None:
            self._gap(seq, f"session {name} has another outcome at {session.outcome_seq}")
            return
        session.outcome = "aborted" if payload["typ"] == "abort" else str(payload.get("end"))
        session.outcome_seq = seq
        session.verdict = payload.get("verdict")
        session.low_nl, session.high_nl = payload.get("low_nl"), payload.get("high_nl")
        self._by_outcome[seq] = session

    def _look(self, row: Row, payload: Mapping[str, Json]) -> tuple[Shown, Json]:
        """Return what is kept of whom a start is for, and whom."""
        if row.disclosures is None:
            return Shown.ERASED, None
        revealed = disclosure.check(payload, [each for each in row.disclosures if isinstance(each, str)])
        return (Shown.OPENED, revealed["subject"]) if "subject" in revealed else (Shown.MISSING, None)

    def _gap(self, seq: int, what: str) -> None:
        self._audit.gaps.append(f"unit {self._counted.unit} epoch {self._counted.epoch} seq {seq}: {what}")


def _says(row: Row) -> bool:
    """Return whether a record's text may be of a type that counts here: it is looked at before it is read."""
    payload = _payload_bytes(row)
    return any(b'"typ":"%s"' % typ.encode() in payload for typ in _TOLD)


def _payload_bytes(row: Row) -> bytes:
    try:
        return unb64url(row.text.split(".")[1])
    except (FormatError, IndexError):
        raise FormatError(f"record {row.seq}", row.text, "header.payload.signature") from None
