"""A subject's course, computed anew from the raw records each time; what is uncertain is shown as such."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from nebctl.core.dose.charge import Interval
from nebctl.core.ledger import disclosure, envelope, jws, tree
from nebctl.core.ledger.encoding import FormatError, show
from nebctl.core.ledger.records import Entry, Json
from nebctl.core.verify import Limits, Verdict, judge
from nebctl.pharmacy.dose_facts import Place, config_before, prescribed
from nebctl.pharmacy.outcomes import OUTCOMES
from nebctl.pharmacy.totals import Judged, Total, given_of, totals


class CourseFault(Exception):  # noqa: N818 - a fault is of the world, not of the program
    """A kept record that does not say what a course needs; it names unit, epoch, sequence and member."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """How two persons settled a dose in doubt, by which record of the pharmacy's log."""

    low_nl: int
    high_nl: int
    verdict: str
    log_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DoseLine:
    """One dose of a course: as planned, and as a record tells it.

    Without a record, `end` is "due" or "late" and the rest is None. `verdict` is computed here from the recorded volume
    and the limits that the study protocol in the unit's own log prescribes; `recorded` is what the unit said; they
    differ only where a record is wrong. `residual` None means that it was refused. `receipted` says whether a
    countersigned head covers the record; what the pharmacy's own log tells needs none. `settled` is what two persons
    made of a dose in doubt; the record beside it stays as it was. `judged` is what of it counts towards day and course.
    """

    day: int
    dose: int
    kit: str
    lot: str
    unit: str
    end: str
    session: str | None = None
    started: str | None = None
    ended: str | None = None
    emitted: Interval | None = None
    residual: Interval | None = None
    verdict: str | None = None
    recorded: str | None = None
    receipted: bool | None = None
    settled: Settled | None = None
    judged: Judged | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CourseSheet:
    """A subject's doses in order, and the volume of all of them; `uncertain` counts the doses that end in doubt.

    `totals` are those of the days, and of the course last, each with its verdict.
    """

    subject: str
    lines: tuple[DoseLine, ...]
    emitted: Interval
    uncertain: int
    totals: tuple[Total, ...] = ()


def course_of(db: sqlite3.Connection, subject: str, own: Sequence[Entry] = ()) -> CourseSheet | None:
    """Return the subject's course; None means that neither an enrolment nor a record knows the subject.

    `own` are the records of the pharmacy's log.
    Raises: `CourseFault` where a record is damaged or incomplete.
    """
    query = (
        "SELECT day, dose, o.kit, lot, unit, IIF(l.log_seq IS NULL, 'due', 'late') FROM ordered o"
        " LEFT JOIN kit k ON k.kit = o.kit LEFT JOIN late l USING (subject, day, dose) WHERE subject = ?"
    )
    planned = db.execute(query, (subject,)).fetchall()
    corrections = _corrections(own)
    told = [_line(db, entry, corrections) for entry in _outcomes(db, subject)]
    told += [_own_line(entry) for entry in own if _is_outcome_of(entry, subject) and _key(entry) not in corrections]
    done = {(line.day, line.dose) for line in told}
    due = [
        DoseLine(day=day, dose=dose, kit=kit or "", lot=lot or "", unit=unit, end=end)
        for day, dose, kit, lot, unit, end in planned
        if (day, dose) not in done
    ]
    if not planned and not told:
        return None
    lines = sorted((*told, *due), key=lambda line: (line.day, line.dose, line.started or ""))
    uncertain = sum(_in_doubt(line) for line in lines)
    added = totals(line.judged for line in lines if line.judged)
    emitted = added[-1].emitted if added else Interval(low_nl=0, best_nl=0, high_nl=0)
    return CourseSheet(subject=subject, lines=tuple(lines), emitted=emitted, uncertain=uncertain, totals=added)


def _in_doubt(line: DoseLine) -> bool:
    if line.settled is not None:
        return line.settled.verdict == Verdict.UNCERTAIN.value
    return line.end == "uncertain" or line.verdict == Verdict.UNCERTAIN.value


def _outcomes(db: sqlite3.Connection, subject: str) -> Iterator[Entry]:
    """Yield the subject's outcome records, found in the records themselves and not in any table drawn from them."""
    kept = "SELECT disc FROM disclosure WHERE unit = ? AND ep = ? AND seq = ? ORDER BY disc"
    for unit, epoch, seq, leaf, text in db.execute("SELECT unit, ep, seq, leaf, jws FROM rec ORDER BY unit, ep, seq"):
        where = f"{unit} epoch {epoch} record {seq}"
        if tree.leaf_hash(text.encode()) != leaf:
            raise CourseFault(f"{where}: the text does not match its hash. Run nebctl ledger verify.")
        disclosures = [row[0] for row in db.execute(kept, (unit, epoch, seq))]
        try:
            entry = envelope.parse_entry(text, disclosures)
            revealed = disclosure.check(entry.payload, disclosures)
        except ValueError as fault:
            raise CourseFault(f"{where}: {fault}. Run nebctl ledger verify.") from None
        if entry.payload["typ"] in OUTCOMES and revealed.get("subject") == subject:
            yield entry


_Key: TypeAlias = tuple[str, int, int]


def _key(entry: Entry) -> _Key:
    return str(entry.payload["unit"]), entry.epoch, entry.seq


def _corrections(own: Sequence[Entry]) -> Mapping[_Key, Settled | None]:
    """Return what the pharmacy's log corrects: how a dose was settled, or None where a record was withdrawn."""
    found: dict[_Key, Settled | None] = {}
    for entry in own:
        ref = entry.payload.get("ref")
        if entry.payload["typ"] != "correction" or not isinstance(ref, dict):
            continue
        facts = _Facts(entry)
        place = (str(ref.get("unit")), facts.count(ref, "ep"), facts.count(ref, "seq"))
        found[place] = _settled(entry, facts) if "verdict" in entry.payload else None
    return found


def _settled(entry: Entry, facts: "_Facts") -> Settled:
    low, high = (facts.count(entry.payload, name) for name in ("low_nl", "high_nl"))
    return Settled(low_nl=low, high_nl=high, verdict=facts.text("verdict"), log_seq=entry.seq)


def _is_outcome_of(entry: Entry, subject: str) -> bool:
    revealed = disclosure.check(entry.payload, entry.disclosures)
    return entry.payload["typ"] in OUTCOMES and revealed.get("subject") == subject


def _own_line(entry: Entry) -> DoseLine:
    """Return the line of a dose that the pharmacy itself called missed or not done."""
    facts, kit = _Facts(entry), entry.payload.get("kit")
    return DoseLine(
        day=facts.count(entry.payload, "day"),
        dose=facts.count(entry.payload, "dose"),
        kit=kit if isinstance(kit, str) else "",
        lot="",
        unit=facts.text("for_unit"),
        end=facts.text("typ"),
        session=facts.text("session"),
    )


def _line(db: sqlite3.Connection, entry: Entry, corrections: Mapping[_Key, Settled | None]) -> DoseLine:
    facts = _Facts(entry)
    dosed = entry.payload["typ"] == "dose"
    emitted = facts.interval(entry.payload) if dosed else None
    limits = _limits(db, entry, facts) if emitted else None
    settled = corrections.get(_key(entry))
    return DoseLine(
        day=facts.count(entry.payload, "day"),
        dose=facts.count(entry.payload, "dose"),
        kit=facts.text("kit") if dosed else "",
        lot=facts.text("lot") if dosed else "",
        unit=facts.text("unit"),
        end=facts.text("end") if dosed else facts.text("typ"),
        session=facts.text("session"),
        started=facts.text("started") if dosed else None,
        ended=facts.text("ended") if dosed else None,
        emitted=emitted,
        residual=facts.optional_interval("residual") if dosed else None,
        verdict=judge(emitted, limits).value if emitted and limits else None,
        recorded=facts.text("verdict") if dosed else None,
        receipted=_receipted(db, entry),
        settled=settled,
        judged=_judged(entry, facts, emitted, settled, limits) if emitted and limits else None,
    )


def _judged(entry: Entry, facts: "_Facts", emitted: Interval, settled: Settled | None, limits: Limits) -> Judged:
    if settled is not None:
        best = min(max(emitted.best_nl, settled.low_nl), settled.high_nl)
        emitted = Interval(low_nl=settled.low_nl, best_nl=best, high_nl=settled.high_nl)
    given = given_of(entry.payload, emitted)
    if settled is not None:
        given = replace(given, spread=None)
    return Judged(day=facts.count(entry.payload, "day"), given=given, limits=limits)


def _limits(db: sqlite3.Connection, entry: Entry, facts: "_Facts") -> Limits:
    """Return the limits by the study protocol and site rules in the unit's own log; without any, the recorded ones."""
    found = config_before(db, Place(*_key(entry)))
    if found is None:
        return facts.limits()
    try:
        return prescribed(jws.parse(found[2]).payload, facts.count(entry.payload, "planned_nl"))
    except FormatError as fault:
        place = f"{entry.payload['unit']} epoch {entry.epoch} record {entry.seq}"
        raise CourseFault(f"{place}: {fault}. Run nebctl ledger verify.") from None


def _receipted(db: sqlite3.Connection, entry: Entry) -> bool:
    query = "SELECT 1 FROM witness WHERE unit = ? AND ep = ? AND size > ?"
    return db.execute(query, (entry.payload["unit"], entry.epoch, entry.seq)).fetchone() is not None


class _Facts:
    """The facts of one record, each taken with its type."""

    def __init__(self, entry: Entry) -> None:
        self._payload = entry.payload

    def text(self, name: str) -> str:
        value = self._payload.get(name)
        if not isinstance(value, str):
            raise self._fault(name, value, "text")
        return value

    def count(self, facts: Mapping[str, Json], name: str) -> int:
        value = facts.get(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._fault(name, value, "a whole number")
        return value

    def interval(self, facts: Mapping[str, Json]) -> Interval:
        low, best, high = (self.count(facts, name) for name in ("low_nl", "best_nl", "high_nl"))
        try:
            return Interval(low_nl=low, best_nl=best, high_nl=high)
        except ValueError as fault:
            raise self._fault("low_nl, best_nl, high_nl", str(fault), "an interval") from None

    def optional_interval(self, name: str) -> Interval | None:
        value = self._payload.get(name)
        return None if value is None else self.interval(self._table(name))

    def limits(self) -> Limits:
        limits = self._table("limits")
        lower, upper = self.count(limits, "lower_nl"), self.count(limits, "upper_nl")
        return Limits(lower_nl=lower, upper_nl=upper)

    def _table(self, name: str) -> Mapping[str, Json]:
        value = self._payload.get(name)
        if not isinstance(value, dict):
            raise self._fault(name, value, "an object")
        return value

    def _fault(self, name: str, seen: object, expected: str) -> CourseFault:
        at = f"{self._payload['unit']} epoch {self._payload['ep']} record {self._payload['seq']}"
        return CourseFault(f"{at}: {name} is {show(seen)}, expected {expected}.")
