"""People who may work at a unit: their badges, what was delegated to them and until when. Plain values, one check."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from nebctl.core.guard import Refusal
from nebctl.core.scan.digits import is_checked

THERAPIST, PHARMACIST, INVESTIGATOR, ENGINEER = "therapist", "pharmacist", "investigator", "engineer"
ROLES = (THERAPIST, PHARMACIST, INVESTIGATOR, ENGINEER)
GSRN_DIGITS = 18
"""A GSRN has 17 digits and a check digit. Source: GS1 General Specifications, AI (8017) and (8018)."""
_CODE = re.compile(r"[A-Za-z]{1,8}-[0-9]{1,8}", re.ASCII)
_ARTICLE = {THERAPIST: "a therapist", PHARMACIST: "a pharmacist", INVESTIGATOR: "an investigator"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """One line of a delegation log: a role from one site date to another, both included, and the date of the training.

    `until` None means until it is taken back, `trained` None that no training was recorded. Source: ICH E6(R3) 2.3.
    """

    role: str
    since: date
    until: date | None
    trained: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """A person who may work at the unit.

    `code` names the person in records. `roles` are those that the pharmacy's configuration gives without an end;
    `delegations` those that were delegated by name and date. `badge` is a GSRN; "" means that the code is the badge.
    `suspended_ns` is since when the person may do nothing, in Unix nanoseconds; None means that she may. `pin` is what
    her PIN is checked by; "" means that she has none yet.
    """

    code: str
    name: str
    roles: tuple[str, ...] = ()
    delegations: tuple[Delegation, ...] = ()
    badge: str = ""
    suspended_ns: int | None = None
    pin: str = ""

    def roles_on(self, today: date) -> frozenset[str]:
        """Return the roles that she may act in on a site date; a person who is suspended has none."""
        if self.suspended_ns is not None:
            return frozenset()
        delegated = (d.role for d in self.delegations if _why_not(d, today) is None)
        return frozenset((*self.roles, *delegated))


def gsrn_is_good(digits: str) -> bool:
    """Return whether a text is a GSRN with its right check digit."""
    return is_checked(digits, GSRN_DIGITS)


def code_is_good(code: str) -> bool:
    """Return whether a text is a staff code, such as RT-07."""
    return _CODE.fullmatch(code) is not None


def find(operators: Iterable[Operator], badge: str) -> Operator | None:
    """Return the person of a badge, by its GSRN or by the code of a badge without one; None where there is none.

    The code of a person whose badge has a GSRN finds her too: it is what a hand types.
    """
    return next((person for person in operators if badge in (person.code, person.badge) and badge), None)


def refuse(person: Operator, today: date, role: str | None = None) -> Refusal | None:
    """Return why a person may not act on a site date in a role, or with `role` None in any; None where she may."""
    code = person.code
    if person.suspended_ns is not None:
        return _no("operator-suspended", f"Badge {code} is suspended. Let another person do it. Call the pharmacy.")
    held = person.roles_on(today)
    if role in held or (role is None and held):
        return None
    delegated = [d for d in person.delegations if role in (None, d.role)]
    if not delegated:
        return _other_role(code, role)
    return _why_not(max(delegated, key=lambda d: d.since), today, code)


def _why_not(delegation: Delegation, today: date, code: str = "") -> Refusal | None:
    role, since, until, trained = delegation.role, delegation.since, delegation.until, delegation.trained
    if today < since:
        sentence = f"Badge {code} is valid as {role} from {since} on. Let another person do it."
        return _no("operator-not-yet", sentence)
    if until is not None and today > until:
        sentence = f"Badge {code} was valid as {role} until {until}. Call the pharmacy for a new delegation."
        return _no("operator-expired", sentence)
    if trained is None or today < trained:
        sentence = f"No training as {role} is recorded for badge {code}. Let a trained person do it."
        return _no("operator-untrained", sentence)
    return None


def _other_role(code: str, role: str | None) -> Refusal:
    if role is None:
        return _no("operator-no-role", f"Badge {code} has no role in this study. Call the pharmacy.")
    whose = _ARTICLE.get(role, f"an {role}")
    return _no(f"operator-not-{role}", f"Badge {code} is not {whose}'s. Let {whose} scan a badge.")


def _no(code: str, sentence: str) -> Refusal:
    return Refusal(code=code, sentence=sentence)
