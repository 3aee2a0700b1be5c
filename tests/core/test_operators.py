"""Who may act: badges, delegations with their dates and training, and what a worklist carries of them."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from nebctl.core.members import Members
from nebctl.core.operators import Delegation, Operator, code_is_good, find, gsrn_is_good, refuse
from nebctl.core.staff_text import OPERATOR_MEMBERS, operator_json, read_operator

TODAY = date(2026, 2, 14)
DAY = timedelta(days=1)
THERAPY = Delegation(role="therapist", since=TODAY, until=TODAY, trained=TODAY - 4 * DAY)
ANA = Operator(code="RT-09", name="Ana", delegations=(THERAPY,), badge="801234567890123458")


def why(person: Operator, today: date = TODAY, role: str | None = "therapist") -> str:
    """Return the code of the refusal, "" where she may."""
    refusal = refuse(person, today, role)
    return refusal.code if refusal else ""


@pytest.mark.req("S01")
def test_a_delegation_holds_on_its_days_alone() -> None:
    """The first and the last day count; the day before and the day after have a sentence of their own."""
    assert [why(ANA, TODAY + n * DAY) for n in (-1, 0, 1)] == ["operator-not-yet", "", "operator-expired"]
    open_ended = replace(ANA, delegations=(replace(THERAPY, until=None),))
    assert why(open_ended, TODAY + 9999 * DAY) == ""


@pytest.mark.req("S01")
def test_nobody_acts_without_training_or_while_suspended() -> None:
    """No training on record, or one still to come, refuses; a suspension refuses whatever else stands."""
    for trained in (None, TODAY + DAY):
        assert why(replace(ANA, delegations=(replace(THERAPY, trained=trained),))) == "operator-untrained"
    suspended = replace(ANA, roles=("therapist", "investigator"), suspended_ns=1)
    assert why(suspended) == why(suspended, role=None) == "operator-suspended"
    assert suspended.roles_on(TODAY) == frozenset()


def test_another_role_is_no_therapist_s() -> None:
    """A role that was never delegated is named; without any role a person cannot even sign in."""
    assert why(ANA, role="investigator") == "operator-not-investigator"
    assert why(Operator(code="RT-10", name="Bo"), role=None) == "operator-no-role"
    assert why(Operator(code="PH-01", name="Bo", roles=("pharmacist",)), role=None) == ""
    assert why(ANA, role=None) == ""


def test_the_newest_of_two_delegations_is_the_one_that_is_told() -> None:
    """After an old delegation ended and a new one is to begin, the sentence tells of the new one."""
    later = Delegation(role="therapist", since=TODAY + 9 * DAY, until=None, trained=TODAY)
    assert why(replace(ANA, delegations=(THERAPY, later)), TODAY + DAY) == "operator-not-yet"
    assert why(replace(ANA, delegations=(THERAPY, later)), TODAY + 9 * DAY) == ""


@pytest.mark.parametrize("digits", ["801234567890123458", "735005385000000011"])
def test_a_gsrn_has_its_check_digit(digits: str) -> None:
    """The right check digit passes; every other one, a digit fewer and a digit of another script do not."""
    assert gsrn_is_good(digits)
    wrong = [digits[:-1] + str(n) for n in range(10) if str(n) != digits[-1]]
    assert not any(map(gsrn_is_good, [*wrong, digits[1:], digits + "0", "٠" * 18, ""]))


def test_a_badge_finds_its_person() -> None:
    """A GSRN and a typed code find the person; an empty badge finds nobody, though people without a GSRN exist."""
    staff = (ANA, Operator(code="PH-01", name="Bo"))
    assert find(staff, ANA.badge) is find(staff, "RT-09") is ANA
    assert find(staff, "") is find(staff, "RT-9") is None
    assert [code for code in ("RT-07", "rt-1", "RT07", "RT-", "R T-1", "RT-123456789") if code_is_good(code)] == [
        *("RT-07", "rt-1"),
    ]


def test_a_worklist_carries_an_operator_whole() -> None:
    """What is written of an operator is read back the same, with and without each thing that may be absent."""
    full = replace(ANA, roles=("engineer",), suspended_ns=1_771_063_200_000_000_000, pin="$argon2id$v=19$x")
    bare = Operator(code="RT-10", name="Bo", delegations=(replace(THERAPY, until=None, trained=None),))
    for person in (full, bare):
        assert read_operator(Members("operators[0]", operator_json(person), OPERATOR_MEMBERS)) == person


DELEGATION = {"role": "king", "from": "2026-02-14", "to": None, "trained": None}


@pytest.mark.parametrize(
    "change", [{"badge": "801234567890123453"}, {"delegations": [DELEGATION]}, {"delegations": [{}]}, {"pin": 7}]
)
def test_a_worklist_with_a_wrong_operator_is_refused(change: dict[str, object]) -> None:
    """A wrong check digit, an unknown role, a missing member and a PIN that is no text make the list void."""
    members = {**operator_json(ANA), **change}
    with pytest.raises(ValueError, match=r"operator|delegation"):
        read_operator(Members("operators[0]", members, OPERATOR_MEMBERS))  # type: ignore[arg-type]
