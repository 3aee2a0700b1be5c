"""What persons enter after the dose: the settling of a session in doubt, and adverse events."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from nebctl.core.calendar import follow_up_end
from nebctl.core.dose.charge import Interval
from nebctl.core.kits import KitState
from nebctl.core.ledger import disclosure, envelope
from nebctl.core.ledger.records import Draft, Entry, Json
from nebctl.core.operators import INVESTIGATOR, PHARMACIST
from nebctl.core.orders import DoseState
from nebctl.core.verify import Limits, Verdict, judge
from nebctl.pharmacy import stock
from nebctl.pharmacy.books import ROLES, Books
from nebctl.pharmacy.dates import first_delivered
from nebctl.pharmacy.faults import PharmacyFault


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What two persons hold to be true of a session in doubt: an interval in nanolitres, and why."""

    session: str
    low_nl: int
    high_nl: int
    reason: str
    by: str
    second: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AdverseEvent:
    """An adverse event as it is entered; `on` is its date at the site, the codes are of `core.codes`."""

    subject: str
    on: date
    grade: str
    relation: str
    action: str
    text: str
    by: str


def settle(books: Books, wish: Settlement) -> Verdict:
    """Settle a dose in doubt by a signed correction that names its record, and return the verdict that follows.

    The record itself is never changed.
    Raises: `PharmacyFault` where there is no such dose, it is not in doubt or was settled before, the interval cannot
    be, or the two persons are not two.
    """
    books.two_persons(wish.by, wish.second, PHARMACIST, INVESTIGATOR)
    with books.change() as sign:
        entry = _dose_record(books.db, wish.session)
        verdict = _judge(entry.payload, wish)
        key = (str(entry.payload["unit"]), entry.epoch, entry.seq)
        if books.db.execute("SELECT 1 FROM settled WHERE (unit, ep, seq) = (?, ?, ?)", key).fetchone():
            raise PharmacyFault(f"{wish.session} settled before", "a dose in doubt", "It is settled once.")
        state = _state(wish, verdict)
        log_seq = sign(_correction(entry, wish, verdict, state))
        values = (*key, wish.low_nl, wish.high_nl, verdict.value, state.value, log_seq)
        books.db.execute("INSERT INTO settled VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
        _settle_kit(books, str(entry.payload["kit"]), state)
        books.renew_worklists()
    return verdict


def add_adverse(books: Books, event: AdverseEvent) -> None:
    """Enter an adverse event; all of it is private.

    Raises: `PharmacyFault` where the subject is unknown or the date lies in the future or after the follow-up.
    """
    books.person(event.by, *ROLES)
    row = books.db.execute("SELECT 1 FROM subject WHERE subject = ?", (event.subject,)).fetchone()
    if row is None:
        raise PharmacyFault(f"subject {event.subject}", "an enrolled subject", "Check the pseudonym.")
    if event.on > books.today:
        raise PharmacyFault(f"the date {event.on}", f"today, {books.today}, or earlier", "Correct --date.")
    first = first_delivered(books.db, event.subject)
    last = follow_up_end(first, books.book.follow_up) if first else None
    if last and event.on > last:
        advice = "Report a later event to the sponsor by the study's own way."
        raise PharmacyFault(f"the date {event.on}", f"one until {last}, the end of the follow-up", advice)
    private = {
        "subject": event.subject,
        "onset": event.on.isoformat(),
        "grade": event.grade,
        "relation": event.relation,
        "action": event.action,
        "text": event.text,
        "operator": event.by,
    }
    with books.change() as sign:
        sign(Draft(typ="adverse", private=private))


def _dose_record(db: sqlite3.Connection, session: str) -> Entry:
    query = "SELECT unit, ep, seq FROM outcome WHERE session = ? AND unit IN (SELECT unit FROM unit)"
    rows = db.execute(query, (session,)).fetchall()
    if len(rows) != 1:
        seen = f"{len(rows)} outcomes of {session}"
        raise PharmacyFault(seen, "one dose of that id", "Find its id: nebctl pharmacy show --subject.")
    (text,) = db.execute("SELECT jws FROM rec WHERE (unit, ep, seq) = (?, ?, ?)", rows[0]).fetchone()
    kept = db.execute("SELECT disc FROM disclosure WHERE (unit, ep, seq) = (?, ?, ?) ORDER BY disc", rows[0])
    return envelope.parse_entry(text, [disc for (disc,) in kept])


def _judge(dose: Mapping[str, Json], wish: Settlement) -> Verdict:
    """Return the verdict on the settled volume, which must fit what was in the cup."""
    if "UNCERTAIN" not in {dose.get("verdict"), str(dose.get("end")).upper()}:
        seen = f"{wish.session} {dose.get('end')}, {dose.get('verdict')}"
        raise PharmacyFault(seen, "a dose in doubt", "What is certain is not settled again.")
    least, most, limits = dose.get("low_nl"), dose.get("high_nl"), dose.get("limits")
    if not isinstance(least, int) or not isinstance(most, int) or not least <= wish.low_nl <= wish.high_nl <= most:
        seen = f"from {wish.low_nl / 1e6} to {wish.high_nl / 1e6} mL"
        told = (
            f"{least / 1e6} to {most / 1e6} mL" if isinstance(least, int) and isinstance(most, int) else "an interval"
        )
        advice = "Persons narrow what the unit signed; they do not contradict it. Correct --low and --high."
        raise PharmacyFault(seen, f"an interval within what was recorded, {told}", advice)
    if not isinstance(limits, dict):
        raise PharmacyFault(f"{wish.session} without limits", "a whole dose record", "Run nebctl ledger verify.")
    lower, upper = limits.get("lower_nl"), limits.get("upper_nl")
    assert isinstance(lower, int)
    assert isinstance(upper, int)
    best = (wish.low_nl + wish.high_nl) // 2
    emitted = Interval(low_nl=wish.low_nl, best_nl=best, high_nl=wish.high_nl)
    return judge(emitted, Limits(lower_nl=lower, upper_nl=upper))


def _state(wish: Settlement, verdict: Verdict) -> DoseState:
    """Return what the dose counts as from now on; what is still in doubt counts as given."""
    if wish.high_nl == 0:
        return DoseState.NOT_DONE
    if verdict is Verdict.UNCERTAIN:
        return DoseState.UNCERTAIN
    return DoseState.PARTIAL if verdict is Verdict.UNDER else DoseState.COMPLETE


def _correction(entry: Entry, wish: Settlement, verdict: Verdict, state: DoseState) -> Draft:
    payload = entry.payload
    ref: dict[str, Json] = {
        "unit": payload["unit"],
        "ep": entry.epoch,
        "seq": entry.seq,
        "leaf": entry.leaf.hex(),
    }
    said: dict[str, Json] = {"low_nl": wish.low_nl, "high_nl": wish.high_nl, "verdict": verdict.value}
    facts = {"ref": ref, "ref_session": wish.session, **said, "end": state.value}
    revealed = disclosure.check(payload, entry.disclosures)
    subject = revealed.get("subject")
    private: dict[str, Json] = {"text": wish.reason, "operator": wish.by, "second": wish.second}
    return Draft(typ="correction", facts=facts, private={"subject": subject, **private})


def _settle_kit(books: Books, name: str, state: DoseState) -> None:
    known = books.db.execute("SELECT 1 FROM kit WHERE kit = ? AND state = 'OPENED'", (name,)).fetchone()
    if known and state in {DoseState.COMPLETE, DoseState.PARTIAL}:
        to = KitState.USED if state is DoseState.COMPLETE else KitState.PARTIAL
        stock.put(books.db, name, to, books.now)
