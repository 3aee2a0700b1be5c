"""Worklists: what the pharmacy lets one unit give, to whom, when, and from which kit, as a signed note."""

from dataclasses import dataclass
from datetime import date
from enum import Enum

from nebctl.core.ledger import canonical, envelope, note
from nebctl.core.ledger.records import Json
from nebctl.core.ledger.signing import Verifier
from nebctl.core.members import Members

HEADING = "nebctl/worklist/v1"


class DoseState(Enum):
    """What is known of a dose that was planned; UNCERTAIN counts as given until two persons resolve it."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    STOPPED = "stopped"
    UNCERTAIN = "uncertain"
    MISSED = "missed"
    NOT_DONE = "notdone"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedDose:
    """One dose leased to the unit: study day and number in the day (both from 1), its kit, and when the lease ends.

    `not_after_ns` is Unix time in nanoseconds; no start is allowed from then on.
    """

    day: int
    dose: int
    kit: str
    lot: str
    not_after_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryItem:
    """What came of one dose of the course, on whichever unit; `session` is "" where none was begun."""

    day: int
    dose: int
    state: DoseState
    unit: str
    session: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One subject's course as this unit may give it; `day1` None means that nothing was emitted yet."""

    order: str
    subject: str
    day1: date | None
    doses: tuple[PlannedDose, ...]
    history: tuple[HistoryItem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """A person who may work at the unit, by code, and in which roles."""

    code: str
    name: str
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Worklist:
    """Everything that one unit may give; times are Unix nanoseconds.

    A unit keeps the one with the highest `version` and starts nothing by a list whose `expires_ns` has passed.
    """

    version: int
    issued_ns: int
    expires_ns: int
    study: str
    orders: tuple[Order, ...]
    operators: tuple[Operator, ...]

    def order_of(self, subject: str) -> Order | None:
        """Return the subject's order; None means that nothing is leased to this unit for that subject."""
        return next((order for order in self.orders if order.subject == subject), None)


class WorklistFault(Enum):
    """Why a unit does not take a worklist."""

    FORMAT = "not a signed worklist"
    SIGNATURE = "not signed by the pharmacy's orders key"
    ADDRESS = "made for another unit"
    CONTENT = "content that does not hold together"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorklistRefused:
    """A worklist that is not taken, as a value: why, what was seen and what was expected."""

    reason: WorklistFault
    seen: str
    expected: str

    def sentence(self) -> str:
        """Return the refusal as one line for a person."""
        return f"worklist refused, {self.reason.value}: saw {self.seen}, expected {self.expected}"


def worklist_text(worklist: Worklist, site: str, unit: str) -> str:
    """Return the text that the orders key signs."""
    body = canonical.encode(_worklist_json(worklist)).decode()
    return f"{HEADING}\n{_address(site, unit)}\n{body}\n"


def parse_worklist(
    note_text: str, orders: note.Vkey, site: str, unit: str, verify: Verifier
) -> Worklist | WorklistRefused:
    """Return the worklist that `note_text` carries, if the `orders` key signed it for this unit; else why not."""
    try:
        signed = note.parse_note(note_text)
    except ValueError as fault:
        return _refused(WorklistFault.FORMAT, str(fault), "a signed note")
    if not note.verify_note(signed, orders, verify):
        return _refused(WorklistFault.SIGNATURE, "no good signature of that key", f"one by {orders.name}")
    lines = signed.text.split("\n")
    if len(lines) != 4 or lines[0] != HEADING or lines[3]:
        return _refused(WorklistFault.FORMAT, repr(lines[0]), f"{HEADING!r}, an address and one line of JSON")
    if lines[1] != _address(site, unit):
        return _refused(WorklistFault.ADDRESS, lines[1], _address(site, unit))
    try:
        worklist = _read_worklist(Members("worklist", canonical.decode(lines[2].encode()), _LIST))
    except ValueError as fault:
        return _refused(WorklistFault.CONTENT, str(fault), "a worklist that holds together")
    return _contradiction(worklist) or worklist


def _address(site: str, unit: str) -> str:
    return f"{site}/nebctl/{unit}"


def _refused(reason: WorklistFault, seen: str, expected: str) -> WorklistRefused:
    return WorklistRefused(reason=reason, seen=seen, expected=expected)


def _contradiction(worklist: Worklist) -> WorklistRefused | None:
    if worklist.expires_ns <= worklist.issued_ns:
        return _refused(WorklistFault.CONTENT, "an expiry at or before the issue", "a later expiry")
    leases = [(order.subject, dose.day, dose.dose) for order in worklist.orders for dose in order.doses]
    kits = [dose.kit for order in worklist.orders for dose in order.doses]
    subjects = [order.subject for order in worklist.orders]
    codes = [operator.code for operator in worklist.operators]
    for name, values in (("dose", leases), ("kit", kits), ("subject", subjects), ("operator", codes)):
        if len(set(values)) != len(values):
            return _refused(WorklistFault.CONTENT, f"a {name} twice", f"each {name} once")
    return None


def _worklist_json(worklist: Worklist) -> dict[str, Json]:
    return {
        "version": worklist.version,
        "issued": envelope.utc_text(worklist.issued_ns),
        "expires": envelope.utc_text(worklist.expires_ns),
        "study": worklist.study,
        "orders": [_order_json(order) for order in worklist.orders],
        "operators": [{"code": o.code, "name": o.name, "roles": list(o.roles)} for o in worklist.operators],
    }


def _order_json(order: Order) -> dict[str, Json]:
    return {
        "order": order.order,
        "subject": order.subject,
        "day1": order.day1.isoformat() if order.day1 else None,
        "doses": [_dose_json(dose) for dose in order.doses],
        "history": [
            {"day": h.day, "dose": h.dose, "state": h.state.value, "unit": h.unit, "session": h.session}
            for h in order.history
        ],
    }


def _dose_json(dose: PlannedDose) -> dict[str, Json]:
    not_after = envelope.utc_text(dose.not_after_ns)
    return {"day": dose.day, "dose": dose.dose, "kit": dose.kit, "lot": dose.lot, "not_after": not_after}


_LIST = frozenset(("version", "issued", "expires", "study", "orders", "operators"))
_ORDER = frozenset(("order", "subject", "day1", "doses", "history"))
_DOSE = frozenset(("day", "dose", "kit", "lot", "not_after"))
_HISTORY = frozenset(("day", "dose", "state", "unit", "session"))
_OPERATOR = frozenset(("code", "name", "roles"))


def _read_worklist(members: Members) -> Worklist:
    return Worklist(
        version=members.count("version", 1),
        issued_ns=members.utc_ns("issued"),
        expires_ns=members.utc_ns("expires"),
        study=members.text("study"),
        orders=tuple(_read_order(item) for item in members.each("orders", _ORDER)),
        operators=tuple(_read_operator(item) for item in members.each("operators", _OPERATOR)),
    )


def _read_order(members: Members) -> Order:
    return Order(
        order=members.text("order"),
        subject=members.text("subject"),
        day1=members.calendar_date("day1"),
        doses=tuple(_read_dose(item) for item in members.each("doses", _DOSE)),
        history=tuple(_read_history(item) for item in members.each("history", _HISTORY)),
    )


def _read_dose(members: Members) -> PlannedDose:
    return PlannedDose(
        day=members.count("day", 1),
        dose=members.count("dose", 1),
        kit=members.text("kit"),
        lot=members.text("lot"),
        not_after_ns=members.utc_ns("not_after"),
    )


def _read_history(members: Members) -> HistoryItem:
    return HistoryItem(
        day=members.count("day", 1),
        dose=members.count("dose", 1),
        state=DoseState(members.text("state")),
        unit=members.text("unit"),
        session=members.text("session", empty=True),
    )


def _read_operator(members: Members) -> Operator:
    return Operator(code=members.text("code"), name=members.text("name"), roles=members.texts("roles"))
