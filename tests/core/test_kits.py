"""Lots and kits: their tables have no way back from an opened kit, and say what can happen instead."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebctl.core.kits import GIVABLE, KIT_MOVES, LOT_MOVES, Illegal, KitState, LotState, move_kit, move_lot

K, L = KitState, LotState


def reachable(start: KitState) -> set[KitState]:
    """Return every state that a kit can still come to."""
    found: set[KitState] = set()
    ways = {start}
    while ways:
        found |= ways
        ways = {to for state in ways for to in KIT_MOVES[state]} - found
    return found


@pytest.mark.req("S10")
@pytest.mark.parametrize(
    "start", [K.OPENED, K.USED, K.PARTIAL, K.RETURNED, K.DAMAGED, K.LOST, K.DESTROYED], ids=lambda s: s.value
)
def test_nothing_leads_back_from_an_opened_kit(start: KitState) -> None:
    """From OPENED on, and from every end, no path leads to a state in which a dose may be begun."""
    assert not reachable(start) & (GIVABLE | {K.RECEIVED, K.QUARANTINED, K.RELEASED})


@pytest.mark.req("S10")
@given(steps=st.lists(st.sampled_from(KitState), max_size=30))
def test_a_kit_is_opened_once_and_only_after_it_was_released(steps: list[KitState]) -> None:
    """Whatever is tried in whatever order, a kit is opened at most once, and never without release and dispensing."""
    state, path = K.RECEIVED, [K.RECEIVED]
    for to in steps:
        moved = move_kit(state, to)
        if not isinstance(moved, Illegal):
            state = moved
            path.append(state)
    assert path.count(K.OPENED) <= 1
    if K.OPENED in path:
        before = path[: path.index(K.OPENED)]
        assert before.index(K.QUARANTINED) < before.index(K.RELEASED) < before.index(K.DISPENSED)


@pytest.mark.parametrize("state", KitState, ids=lambda s: s.value)
def test_every_kit_step_is_in_the_table_or_told(state: KitState) -> None:
    """A step is taken exactly where the table has it; else the answer lists what can happen, in the order of life."""
    for to in KitState:
        moved = move_kit(state, to)
        if to in KIT_MOVES[state]:
            assert moved is to
        else:
            assert isinstance(moved, Illegal)
            assert set(moved.can) == KIT_MOVES[state]
            assert list(moved.can) == sorted(moved.can, key=list(KitState).index)


def test_every_state_is_reached_from_receipt() -> None:
    """No state of the table is dead: each can come about from RECEIVED."""
    assert reachable(K.RECEIVED) == set(KitState)


@pytest.mark.req("S10")
def test_a_recalled_lot_stays_recalled() -> None:
    """A lot goes to and fro between quarantine and release, and never comes back from a recall."""
    assert move_lot(L.QUARANTINED, L.RELEASED) is L.RELEASED
    assert move_lot(L.RELEASED, L.QUARANTINED) is L.QUARANTINED
    assert move_lot(L.RELEASED, L.RECALLED) is L.RECALLED
    assert not LOT_MOVES[L.RECALLED]
    assert isinstance(move_lot(L.RECALLED, L.RELEASED), Illegal)
