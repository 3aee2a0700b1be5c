"""A kit as a worklist tells it, and read again."""

from datetime import date

from nebctl.core.kits import KitState, KnownKit, LotState
from nebctl.core.ledger import envelope
from nebctl.core.ledger.records import Json
from nebctl.core.members import Members

KIT_MEMBERS = frozenset(("kit", "lot", "lot_state", "expires", "state", "since", "subject", "day", "held_by"))
KIT_LATER = frozenset(("gtin", "serial", "dose", "sequence"))
"""Members that came later; an older list lacks them."""


def kit_json(kit: KnownKit) -> dict[str, Json]:
    """Return a kit as a worklist tells it."""
    return {
        "kit": kit.kit,
        "lot": kit.lot,
        "lot_state": kit.lot_state.value,
        "expires": kit.expires.isoformat(),
        "state": kit.state.value,
        "since": envelope.utc_text(kit.since_ns),
        "subject": kit.subject,
        "day": kit.day,
        "held_by": kit.held_by,
        "gtin": kit.gtin or None,
        "serial": kit.serial or None,
        "dose": kit.dose,
        "sequence": kit.sequence or None,
    }


def read_kit(members: Members) -> KnownKit:
    """Return a kit that a worklist tells of.

    Raises: `ValueError` as `Members` does.
    """

    def whole(name: str) -> int:
        return members.count(name, 1)

    return KnownKit(
        kit=members.text("kit"),
        lot=members.text("lot"),
        lot_state=LotState(members.text("lot_state")),
        expires=date.fromisoformat(members.text("expires")),
        state=KitState(members.text("state")),
        since_ns=members.utc_ns("since"),
        subject=members.optional("subject", members.text),
        day=members.optional("day", whole),
        held_by=members.optional("held_by", members.text),
        gtin=members.optional("gtin", members.text) or "",
        serial=members.optional("serial", members.text) or "",
        dose=members.optional("dose", whole),
        sequence=members.optional("sequence", whole) or 0,
    )
