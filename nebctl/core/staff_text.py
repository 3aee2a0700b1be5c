"""Operators as a worklist carries them: JSON members, read as strictly as the rest of the list."""

from nebctl.core.ledger import envelope
from nebctl.core.ledger.records import Json
from nebctl.core.members import Members
from nebctl.core.operators import ROLES, Delegation, Operator, gsrn_is_good

OPERATOR_MEMBERS = frozenset(("code", "name", "roles", "delegations", "badge", "suspended", "pin"))
_DELEGATION = frozenset(("role", "from", "to", "trained"))


def operator_json(person: Operator) -> dict[str, Json]:
    """Return the members of one operator."""
    return {
        "code": person.code,
        "name": person.name,
        "roles": list(person.roles),
        "delegations": [_delegation_json(each) for each in person.delegations],
        "badge": person.badge or None,
        "suspended": None if person.suspended_ns is None else envelope.utc_text(person.suspended_ns),
        "pin": person.pin or None,
    }


def _delegation_json(delegation: Delegation) -> Json:
    return {
        "role": delegation.role,
        "from": delegation.since.isoformat(),
        "to": delegation.until.isoformat() if delegation.until else None,
        "trained": delegation.trained.isoformat() if delegation.trained else None,
    }


def read_operator(members: Members) -> Operator:
    """Return the operator that the members describe.

    Raises: `ValueError` for a member of the wrong kind, a role that there is not, a GSRN with a wrong check digit.
    """
    code, badge = members.text("code"), members.optional("badge", members.text) or ""
    if badge and not gsrn_is_good(badge):
        raise ValueError(f"operator {code}: badge {badge!r} is no GSRN, 18 digits with the right check digit")
    return Operator(
        code=code,
        name=members.text("name"),
        roles=members.texts("roles"),
        delegations=tuple(_read_delegation(each) for each in members.each("delegations", _DELEGATION)),
        badge=badge,
        suspended_ns=members.optional("suspended", members.utc_ns),
        pin=members.optional("pin", members.text) or "",
    )


def _read_delegation(members: Members) -> Delegation:
    role, since = members.text("role"), members.calendar_date("from")
    if role not in ROLES or since is None:
        raise ValueError(f"a delegation as {role!r} from {since}: expected one of {', '.join(ROLES)}, and a first date")
    return Delegation(
        role=role, since=since, until=members.calendar_date("to"), trained=members.calendar_date("trained")
    )
