"""Worklists: what the pharmacy lets one unit give, to whom, when, and from which kit, as a signed note."""

from dataclasses import dataclass
from enum import Enum

from nebctl.core.kit_text import KIT_LATER, KIT_MEMBERS, kit_json, read_kit
from nebctl.core.leases import DoseState, HistoryItem, Order, PlannedDose, Worklist
from nebctl.core.ledger import canonical, envelope, note
from nebctl.core.ledger.records import Json
from nebctl.core.ledger.signing import Verifier
from nebctl.core.members import Members
from nebctl.core.operators import Operator
from nebctl.core.scan.subject import Identity
from nebctl.core.staff_text import OPERATOR_MEMBERS, operator_json, read_operator

__all__ = [
    "DoseState",
    "HistoryItem",
    "Operator",
    "Order",
    "PlannedDose",
    "Worklist",
    "WorklistFault",
    "WorklistRefused",
    "parse_worklist",
    "worklist_text",
]

HEADING = "nebctl/worklist/v1"


class WorklistFault(Enum):
    """Why a unit does not take a worklist."""

    FORMAT = "not a signed worklist"
    SIGNATURE = "not signed by the pharmacy's orders key"
    ADDRESS = "made for another unit"
    CONTENT = "content that does not hold together"
    OLDER = "older than the one that the unit has"


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
        worklist = _read_worklist(Members("worklist", canonical.decode(lines[2].encode()), _LIST, _LIST_LATER))
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
    codes = [badge for person in worklist.operators for badge in {person.code, person.badge} - {""}]
    known = [kit.kit for kit in worklist.kits]
    kit_codes = [(kit.gtin, kit.serial) for kit in worklist.kits if kit.serial]
    marks = [mark for each in worklist.identities for mark in (each.band, each.card)]
    once = (
        ("linked subject", [each.subject for each in worklist.identities]),
        ("identifier", marks),
        ("code of a kit", kit_codes),
        ("dose", leases),
        ("kit", kits),
        ("subject", subjects),
        ("operator", codes),
        ("known kit", known),
    )
    for name, values in once:
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
        "operators": [operator_json(person) for person in worklist.operators],
        "kits": [kit_json(kit) for kit in worklist.kits],
        "identities": [{"subject": i.subject, "band": i.band, "card": i.card} for i in worklist.identities],
    }


def _order_json(order: Order) -> dict[str, Json]:
    return {
        "order": order.order,
        "subject": order.subject,
        "day1": order.day1.isoformat() if order.day1 else None,
        "doses": [_dose_json(dose) for dose in order.doses],
        "history": [_history_json(item) for item in order.history],
    }


def _history_json(item: HistoryItem) -> dict[str, Json]:
    return {
        "day": item.day,
        "dose": item.dose,
        "state": item.state.value,
        "unit": item.unit,
        "session": item.session,
        "started": _utc_or_none(item.started_ns),
    }


def _dose_json(dose: PlannedDose) -> dict[str, Json]:
    return {
        "day": dose.day,
        "dose": dose.dose,
        "kit": dose.kit,
        "lot": dose.lot,
        "not_after": envelope.utc_text(dose.not_after_ns),
        "thawed_at": _utc_or_none(dose.thawed_at_ns),
        "use_by": _utc_or_none(dose.use_by_ns),
        "sequence": dose.sequence or None,
    }


def _utc_or_none(at_ns: int | None) -> str | None:
    return None if at_ns is None else envelope.utc_text(at_ns)


_LIST = frozenset(("version", "issued", "expires", "study", "orders", "operators", "kits"))
_LIST_LATER = frozenset(("identities",))
_ORDER = frozenset(("order", "subject", "day1", "doses", "history"))
_DOSE = frozenset(("day", "dose", "kit", "lot", "not_after", "thawed_at", "use_by"))
_DOSE_LATER = frozenset(("sequence",))
_HISTORY = frozenset(("day", "dose", "state", "unit", "session"))
_HISTORY_LATER = frozenset(("started",))
_IDENTITY = frozenset(("subject", "band", "card"))


def _read_worklist(members: Members) -> Worklist:
    return Worklist(
        version=members.count("version", 1),
        issued_ns=members.utc_ns("issued"),
        expires_ns=members.utc_ns("expires"),
        study=members.text("study"),
        orders=tuple(_read_order(item) for item in members.each("orders", _ORDER)),
        operators=tuple(read_operator(item) for item in members.each("operators", OPERATOR_MEMBERS)),
        kits=tuple(read_kit(item) for item in members.each("kits", KIT_MEMBERS, KIT_LATER)),
        identities=tuple(_read_identity(item) for item in members.each("identities", _IDENTITY)),
    )


def _read_identity(members: Members) -> Identity:
    return Identity(subject=members.text("subject"), band=members.text("band"), card=members.text("card"))


def _read_order(members: Members) -> Order:
    return Order(
        order=members.text("order"),
        subject=members.text("subject"),
        day1=members.calendar_date("day1"),
        doses=tuple(_read_dose(item) for item in members.each("doses", _DOSE, _DOSE_LATER)),
        history=tuple(_read_history(item) for item in members.each("history", _HISTORY, _HISTORY_LATER)),
    )


def _read_dose(members: Members) -> PlannedDose:
    return PlannedDose(
        day=members.count("day", 1),
        dose=members.count("dose", 1),
        kit=members.text("kit"),
        lot=members.text("lot"),
        not_after_ns=members.utc_ns("not_after"),
        thawed_at_ns=members.optional("thawed_at", members.utc_ns),
        use_by_ns=members.optional("use_by", members.utc_ns),
        sequence=members.optional("sequence", lambda name: members.count(name, 1)) or 0,
    )


def _read_history(members: Members) -> HistoryItem:
    return HistoryItem(
        day=members.count("day", 1),
        dose=members.count("dose", 1),
        state=DoseState(members.text("state")),
        unit=members.text("unit"),
        session=members.text("session", empty=True),
        started_ns=members.optional("started", members.utc_ns),
    )
