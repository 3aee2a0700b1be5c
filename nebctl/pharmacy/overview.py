"""What the pharmacy's page shows at a glance, by reads that stay narrow however long the logs grow."""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from nebctl.core.instant import NS_PER_S
from nebctl.core.ledger import disclosure, envelope, jws
from nebctl.core.ledger.encoding import FormatError
from nebctl.core.ledger.records import Json
from nebctl.core.verify import judge
from nebctl.pharmacy.check import HARMLESS
from nebctl.pharmacy.dates import day1_of
from nebctl.pharmacy.dose_facts import Place, read_facts, says_type, text_of

_HARMLESS = frozenset(reason.value for reason in HARMLESS)
DAMAGED = "damaged"
"""The state of a dose whose kept record cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What two persons made of a dose in doubt, in nanolitres."""

    low_nl: int
    high_nl: int
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DoseRow:
    """One dose: ordered, or told by a record.

    `state` is how it ended, or `due`, `late` or `damaged`. `epoch` and `seq` None mean that no unit's record tells of
    it. Volumes are nanolitres. `verdict` is computed from the recorded volume and limits, `recorded` is the unit's own;
    both None where there is no volume. `receipted` None means that there is nothing to receipt.
    """

    day: int
    dose: int
    unit: str
    kit: str
    lot: str
    state: str
    session: str | None = None
    epoch: int | None = None
    seq: int | None = None
    started: str | None = None
    low_nl: int | None = None
    best_nl: int | None = None
    high_nl: int | None = None
    verdict: str | None = None
    recorded: str | None = None
    receipted: bool | None = None
    settled: Settled | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectRow:
    """A subject with all doses in order; "" is the subject of records that name none. Dates None are not known."""

    subject: str
    unit: str | None
    day1: str | None
    doses: tuple[DoseRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitRow:
    """A unit's newest epoch and its contact, times as UTC text; None means never.

    `unreceipted_s` is how old the oldest record is that no receipt covers, in seconds; None means that all are covered.
    `refused` counts what was refused, by reason; records that came again or too early are not among it.
    """

    unit: str
    epoch: int
    online: bool | None
    state: str
    last_contact: str | None
    records: int
    receipted: int
    last_record: str | None
    last_receipt: str | None
    unreceipted_s: int | None
    refused: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class KitRow:
    """A kit; `subject` None means that it is dispensed to nobody."""

    kit: str
    state: str
    since: str
    expires: str
    subject: str | None
    day: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LotRow:
    """A lot with its kits."""

    lot: str
    state: str
    since: str
    kits: tuple[KitRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Everything at one moment, `now` as UTC text."""

    now: str
    subjects: tuple[SubjectRow, ...]
    units: tuple[UnitRow, ...]
    lots: tuple[LotRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One signature on a dose record: who, what it means, and when as UTC text."""

    operator: str
    meaning: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """One dose record as it is kept: its public members, its private facts, and the signatures that name it."""

    unit: str
    epoch: int
    seq: int
    got_at: str
    members: Mapping[str, Json]
    private: Mapping[str, Json]
    signatures: tuple[Signature, ...]


def overview(db: sqlite3.Connection, now_ns: int) -> Overview:
    """Return what the tables and the outcome records say now; nothing is verified."""
    now = envelope.utc_text(now_ns)
    return Overview(now=now, subjects=_subjects(db), units=tuple(_units(db, now_ns)), lots=tuple(_lots(db)))


def places_of(db: sqlite3.Connection, session: str) -> tuple[Place, ...]:
    """Return where the dose records of a session are kept; more than one only where units share an id."""
    query = (
        "SELECT o.unit, o.ep, o.seq FROM outcome o JOIN rec USING (unit, ep, seq)"
        " WHERE o.session = ? AND o.state NOT IN ('missed', 'notdone')"
    )
    return tuple(Place(*row) for row in db.execute(query, (session,)))


def detail(db: sqlite3.Connection, place: Place) -> Detail:
    """Return the dose record that is kept at a place; it is not verified.

    Raises: `FormatError` where it cannot be read.
    """
    query = "SELECT jws, got_at FROM rec WHERE (unit, ep, seq) = (?, ?, ?)"
    text, got_at = db.execute(query, place).fetchone()
    return Detail(
        unit=place.unit,
        epoch=place.epoch,
        seq=place.seq,
        got_at=got_at,
        members=jws.parse(text).payload,
        private=_private(db, place, text),
        signatures=tuple(_signatures(db, place)),
    )


def _private(db: sqlite3.Connection, place: Place, text: str) -> Mapping[str, Json]:
    kept = db.execute("SELECT disc FROM disclosure WHERE (unit, ep, seq) = (?, ?, ?) ORDER BY disc", place)
    return disclosure.check(jws.parse(text).payload, [disc for (disc,) in kept])


def _signatures(db: sqlite3.Connection, place: Place) -> Iterator[Signature]:
    query = "SELECT seq, jws FROM rec WHERE unit = ? AND ep = ? AND seq > ? ORDER BY seq"
    for seq, text in db.execute(query, place).fetchall():
        if says_type(text, "signature"):
            payload = jws.parse(text).payload
            if payload.get("ref_seq") == place.seq:
                said = _private(db, Place(place.unit, place.epoch, seq), text)
                yield Signature(
                    operator=str(said.get("operator", "")),
                    meaning=str(payload.get("meaning", "")),
                    at=str(payload.get("utc", "")),
                )


def _subjects(db: sqlite3.Connection) -> tuple[SubjectRow, ...]:
    doses: defaultdict[str, list[DoseRow]] = defaultdict(list)
    for subject, row in (*_open(db), *_told(db)):
        doses[subject].append(row)
    enrolled = dict(db.execute("SELECT subject, unit FROM subject").fetchall())
    return tuple(
        SubjectRow(
            subject=subject,
            unit=enrolled.get(subject),
            day1=day1.isoformat() if (day1 := day1_of(db, subject)) else None,
            doses=tuple(sorted(doses[subject], key=lambda row: (row.day, row.dose, row.started or ""))),
        )
        for subject in sorted(enrolled.keys() | doses.keys())
    )


def _open(db: sqlite3.Connection) -> Iterator[tuple[str, DoseRow]]:
    """Yield the ordered doses that nothing came of yet."""
    query = (
        "SELECT d.subject, d.day, d.dose, d.unit, COALESCE(d.kit, ''), COALESCE(k.lot, ''), l.log_seq IS NOT NULL"
        " FROM ordered d LEFT JOIN kit k ON k.kit = d.kit LEFT JOIN late l USING (subject, day, dose) WHERE NOT EXISTS"
        " (SELECT 1 FROM outcome o WHERE o.subject = d.subject AND (o.day, o.dose) = (d.day, d.dose))"
    )
    for subject, day, dose, unit, kit, lot, late in db.execute(query):
        state = "late" if late else "due"
        yield subject, DoseRow(day=day, dose=dose, unit=unit, kit=kit, lot=lot, state=state)


def _told(db: sqlite3.Connection) -> Iterator[tuple[str, DoseRow]]:
    """Yield the doses that a record tells of; what the pharmacy's own log tells is known by the tables alone."""
    query = (
        "SELECT o.subject, o.unit, o.ep, o.seq, o.day, o.dose, o.session, o.state, COALESCE(d.kit, ''),"
        " COALESCE(k.lot, ''), COALESCE(d.unit, o.unit), r.jws, w.size, s.low_nl, s.high_nl, s.verdict FROM outcome o"
        " LEFT JOIN rec r USING (unit, ep, seq) LEFT JOIN settled s USING (unit, ep, seq)"
        " LEFT JOIN witness w USING (unit, ep) LEFT JOIN ordered d"
        " ON d.subject = o.subject AND (d.day, d.dose) = (o.day, o.dose) LEFT JOIN kit k ON k.kit = d.kit"
    )
    for subject, *place, day, dose, session, state, kit, lot, unit, text, size, low, high, verdict in db.execute(query):
        settled = None if verdict is None else Settled(low_nl=low, high_nl=high, verdict=verdict)
        row = DoseRow(day=day, dose=dose, unit=unit, kit=kit, lot=lot, state=state, session=session, settled=settled)
        yield subject, row if text is None else _recorded(row, Place(*place), text, size or 0)


def _recorded(row: DoseRow, place: Place, text: str, receipted: int) -> DoseRow:
    """Return the row with what its record says, which stands above any table."""
    row = replace(row, unit=place.unit, epoch=place.epoch, seq=place.seq, receipted=receipted > place.seq)
    try:
        payload = jws.parse(text).payload
        if payload.get("typ") != "dose":
            return row
        facts = read_facts(payload)
        return replace(
            row,
            kit=text_of(payload, "kit"),
            lot=text_of(payload, "lot"),
            started=text_of(payload, "started"),
            low_nl=facts.emitted.low_nl,
            best_nl=facts.emitted.best_nl,
            high_nl=facts.emitted.high_nl,
            verdict=judge(facts.emitted, facts.limits).value,
            recorded=facts.verdict,
        )
    except FormatError:
        return replace(row, state=DAMAGED)


def _units(db: sqlite3.Connection, now_ns: int) -> Iterator[UnitRow]:
    query = (
        "SELECT u.unit, MAX(k.ep), u.state, u.last_seen, t.size, w.size, w.cosigned_at FROM unit u"
        " JOIN unit_key k USING (unit) LEFT JOIN tip t USING (unit, ep) LEFT JOIN witness w USING (unit, ep)"
        " GROUP BY u.unit ORDER BY u.unit"
    )
    refused: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for unit, reason, count in db.execute("SELECT unit, reason, count FROM refusal ORDER BY unit, reason"):
        if reason not in _HARMLESS:
            refused[unit][reason] = count
    for unit, epoch, state, last_seen, records, receipted, cosigned_s in db.execute(query).fetchall():
        said = _said(state)
        online = said.get("online")
        yield UnitRow(
            unit=unit,
            epoch=epoch,
            online=online if isinstance(online, bool) else None,
            state=str(said.get("state", "")),
            last_contact=last_seen,
            records=records or 0,
            receipted=receipted or 0,
            last_record=_got_at(db, unit, epoch, (records or 0) - 1),
            last_receipt=envelope.utc_text(cosigned_s * NS_PER_S) if cosigned_s else None,
            unreceipted_s=_age_s(_got_at(db, unit, epoch, receipted or 0), now_ns),
            refused=refused[unit],
        )


def _said(state: str | None) -> Mapping[str, Json]:
    """Return what a unit said of itself last; it is unsigned, and may be anything."""
    try:
        said = json.loads(state or "{}")
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _got_at(db: sqlite3.Connection, unit: str, epoch: int, seq: int) -> str | None:
    row = db.execute("SELECT got_at FROM rec WHERE (unit, ep, seq) = (?, ?, ?)", (unit, epoch, seq)).fetchone()
    return str(row[0]) if row else None


def _age_s(at: str | None, now_ns: int) -> int | None:
    return None if at is None else max(0, now_ns - envelope.parse_utc(at)) // NS_PER_S


def _lots(db: sqlite3.Connection) -> Iterator[LotRow]:
    kits: defaultdict[str, list[KitRow]] = defaultdict(list)
    query = (
        "SELECT k.lot, k.kit, k.state, k.since, k.expires, d.subject, d.day FROM kit k"
        " LEFT JOIN ordered d ON d.kit = k.kit ORDER BY k.lot, k.kit"
    )
    for lot, kit, state, since, expires, subject, day in db.execute(query):
        row = KitRow(kit=kit, state=state, since=since, expires=expires, subject=subject, day=day)
        kits[lot].append(row)
    for lot, state, since in db.execute("SELECT lot, state, since FROM lot ORDER BY lot").fetchall():
        yield LotRow(lot=lot, state=state, since=since, kits=tuple(kits[lot]))
