"""Worklists: what is signed is what is read back, and nothing else is taken."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nebctl import keys
from nebctl.core.kits import KitState, KnownKit, LotState
from nebctl.core.ledger import canonical
from nebctl.core.ledger.note import ED25519, Vkey, sign_note
from nebctl.core.orders import (
    DoseState,
    HistoryItem,
    Operator,
    Order,
    PlannedDose,
    Worklist,
    WorklistFault,
    WorklistRefused,
    parse_worklist,
    worklist_text,
)

SITE, UNIT = "sim.mexcovid.example", "neb-0001"
SIGNER = keys.Ed25519Signer.from_seed(b"\x03" * 32)
NAME = f"{SITE}/nebctl-pharmacy/orders"
ORDERS = Vkey(NAME, ED25519, SIGNER.public)
MS = 1_000_000

words = st.text(st.characters(categories=("L", "N", "P")), min_size=1, max_size=12)
counts = st.integers(1, 40)
times = st.integers(1, 250_000_000_000).map(lambda ms: ms * MS)
doses = st.builds(
    PlannedDose,
    day=counts,
    dose=counts,
    kit=words,
    lot=words,
    not_after_ns=times,
    thawed_at_ns=st.none() | times,
    use_by_ns=st.none() | times,
)
kits = st.builds(
    KnownKit,
    kit=words,
    lot=words,
    lot_state=st.sampled_from(LotState),
    expires=st.dates(date(2020, 1, 1)),
    state=st.sampled_from(KitState),
    since_ns=times,
    subject=st.none() | words,
    day=st.none() | counts,
    held_by=st.none() | words,
)
items = st.builds(
    HistoryItem, day=counts, dose=counts, state=st.sampled_from(DoseState), unit=words, session=words | st.just("")
)
orders = st.builds(
    Order,
    order=words,
    subject=words,
    day1=st.none() | st.dates(date(2020, 1, 1)),
    doses=st.lists(doses, max_size=3).map(tuple),
    history=st.lists(items, max_size=3).map(tuple),
)
operators = st.builds(Operator, code=words, name=words, roles=st.lists(words, max_size=2).map(tuple))
worklists = st.builds(
    Worklist,
    version=counts,
    issued_ns=times,
    expires_ns=times,
    study=words,
    orders=st.lists(orders, max_size=3).map(tuple),
    operators=st.lists(operators, max_size=2).map(tuple),
    kits=st.lists(kits, max_size=3).map(tuple),
)

DOSE = PlannedDose(day=1, dose=1, kit="KIT-0401", lot="EXO2020A", not_after_ns=5000 * MS)
ORDER = Order(order="MEX-001@neb-0001", subject="MEX-001", day1=date(2026, 2, 14), doses=(DOSE,), history=())
LIST = Worklist(version=1, issued_ns=MS, expires_ns=9000 * MS, study="NCT04276987", orders=(ORDER,), operators=())


def signed(text: str) -> str:
    """Return the text under the orders key's signature."""
    return sign_note(text, NAME, SIGNER)


def read(note: str) -> Worklist | WorklistRefused:
    """Read a note as neb-0001 does."""
    return parse_worklist(note, ORDERS, SITE, UNIT, keys.verify)


def reason(note: str) -> WorklistFault:
    """Return why a note is refused; a refusal always has a sentence."""
    refused = read(note)
    assert isinstance(refused, WorklistRefused)
    assert refused.seen in refused.sentence()
    return refused.reason


@settings(deadline=None, max_examples=60)
@given(worklist=worklists)
def test_a_worklist_is_read_back_or_refused_as_contradictory(worklist: Worklist) -> None:
    """Every worklist that can be written is read back equal, unless it leases one thing twice or expires too early."""
    found = read(signed(worklist_text(worklist, SITE, UNIT)))
    kits = [dose.kit for order in worklist.orders for dose in order.doses]
    sound = worklist.expires_ns > worklist.issued_ns and len(set(kits)) == len(kits)
    if found != worklist:
        assert isinstance(found, WorklistRefused)
        assert found.reason is WorklistFault.CONTENT
        assert not sound or "twice" in found.seen


def test_a_plain_worklist_is_taken() -> None:
    """The example of the format is taken, and finds its order by the subject."""
    found = read(signed(worklist_text(LIST, SITE, UNIT)))
    assert found == LIST
    assert isinstance(found, Worklist)
    assert found.order_of("MEX-001") == ORDER
    assert found.order_of("MEX-002") is None


@pytest.mark.req("S39")
def test_no_changed_byte_is_taken() -> None:
    """No worklist that differs from the signed one in one byte is taken."""
    note = signed(worklist_text(LIST, SITE, UNIT))
    for at in range(len(note)):
        for other in ("A", "0", "\n"):
            if note[at] != other:
                assert isinstance(read(note[:at] + other + note[at + 1 :]), WorklistRefused), at


def test_another_key_is_refused() -> None:
    """A worklist signed by any other key, also one of the same name, is refused."""
    other = keys.Ed25519Signer.from_seed(b"\x04" * 32)
    assert reason(sign_note(worklist_text(LIST, SITE, UNIT), NAME, other)) is WorklistFault.SIGNATURE


def test_another_units_worklist_is_refused() -> None:
    """A lease is for one unit: the same list for another unit, or another site, is refused."""
    assert reason(signed(worklist_text(LIST, SITE, "neb-0002"))) is WorklistFault.ADDRESS
    assert reason(signed(worklist_text(LIST, "sim.other.example", UNIT))) is WorklistFault.ADDRESS


@pytest.mark.parametrize("text", ["x\n", "nebctl/worklist/v2\na\n{}\n", "nebctl/worklist/v1\na\n{}\n{}\n"])
def test_another_kind_of_note_is_refused(text: str) -> None:
    """A good signature under another text, such as an approval, makes no worklist."""
    assert reason(signed(text)) is WorklistFault.FORMAT


@pytest.mark.parametrize(
    ("orders_found", "seen"),
    [
        ((ORDER, ORDER), "a dose twice"),
        ((ORDER, replace(ORDER, subject="MEX-002")), "a kit twice"),
        ((replace(ORDER, doses=(DOSE, replace(DOSE, kit="KIT-0402"))),), "a dose twice"),
    ],
)
def test_what_is_leased_twice_is_refused(orders_found: tuple[Order, ...], seen: str) -> None:
    """A list that leases one dose or one kit twice contradicts itself and is refused whole."""
    found = read(signed(worklist_text(replace(LIST, orders=orders_found), SITE, UNIT)))
    assert isinstance(found, WorklistRefused)
    assert found.seen == seen


@pytest.mark.parametrize(
    "change",
    [
        {"version": 0},
        {"version": True},
        {"version": "1"},
        {"issued": "2026-02-14"},
        {"orders": {}},
        {"orders": [1]},
        {"orders": [{"subject": "MEX-001"}]},
        {"operators": [{"code": "RT-07", "name": "", "roles": []}]},
        {"operators": [{"code": "RT-07", "name": "A", "roles": [1]}]},
        {"study": None},
        {"extra": 1},
        {"kits": [{"kit": "KIT-0401"}]},
        {"kits": None},
    ],
)
def test_content_of_another_form_is_refused(change: dict[str, Any]) -> None:
    """A signed list with a member missing, added or of another type is refused, naming the place."""
    head, address, body, _ = worklist_text(LIST, SITE, UNIT).split("\n")
    changed = canonical.encode({**canonical.decode(body.encode()), **change}).decode()
    assert reason(signed(f"{head}\n{address}\n{changed}\n")) is WorklistFault.CONTENT
