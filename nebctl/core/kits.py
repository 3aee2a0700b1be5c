"""Where lots and kits are in their lives, as tables: what is not in a table cannot happen."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import TypeAlias


class LotState(Enum):
    """Whether kits of a manufacturing batch may be given."""

    QUARANTINED = "QUARANTINED"
    RELEASED = "RELEASED"
    RECALLED = "RECALLED"


class KitState(Enum):
    """Where one vial is in its life."""

    RECEIVED = "RECEIVED"
    QUARANTINED = "QUARANTINED"
    RELEASED = "RELEASED"
    DISPENSED = "DISPENSED"
    AT_BEDSIDE = "AT-BEDSIDE"
    OPENED = "OPENED"
    USED = "USED"
    PARTIAL = "PARTIAL"
    RETURNED = "RETURNED"
    DAMAGED = "DAMAGED"
    LOST = "LOST"
    DESTROYED = "DESTROYED"


State: TypeAlias = LotState | KitState

_L, _K = LotState, KitState
_MISHAP = frozenset((_K.DAMAGED, _K.LOST, _K.DESTROYED))

LOT_MOVES: Mapping[LotState, frozenset[LotState]] = {
    _L.QUARANTINED: frozenset((_L.RELEASED, _L.RECALLED)),
    _L.RELEASED: frozenset((_L.QUARANTINED, _L.RECALLED)),
    _L.RECALLED: frozenset(),
}
KIT_MOVES: Mapping[KitState, frozenset[KitState]] = {
    _K.RECEIVED: _MISHAP | {_K.QUARANTINED},
    _K.QUARANTINED: _MISHAP | {_K.RELEASED, _K.RETURNED},
    _K.RELEASED: _MISHAP | {_K.QUARANTINED, _K.DISPENSED, _K.RETURNED},
    _K.DISPENSED: _MISHAP | {_K.AT_BEDSIDE, _K.OPENED, _K.RETURNED},
    _K.AT_BEDSIDE: _MISHAP | {_K.OPENED, _K.RETURNED},
    _K.OPENED: _MISHAP | {_K.USED, _K.PARTIAL},
    _K.USED: frozenset((_K.DESTROYED,)),
    _K.PARTIAL: frozenset((_K.RETURNED, _K.DESTROYED)),
    _K.RETURNED: frozenset((_K.DESTROYED,)),
    _K.DAMAGED: frozenset((_K.DESTROYED,)),
    _K.LOST: frozenset((_K.RETURNED, _K.DESTROYED)),
    _K.DESTROYED: frozenset(),
}
"""A kit that was opened never becomes one that may be given; a lost one that is found can only be returned."""

GIVABLE = frozenset((_K.DISPENSED, _K.AT_BEDSIDE))
"""The states in which a dose may be begun from a kit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Illegal:
    """A step that no table has: from where, to where, and what can happen instead."""

    state: State
    to: State
    can: tuple[State, ...]


def move_lot(state: LotState, to: LotState) -> LotState | Illegal:
    """Return the lot's next state, or why there is no such step."""
    return to if to in LOT_MOVES[state] else Illegal(state=state, to=to, can=_in_order(LotState, LOT_MOVES[state]))


def move_kit(state: KitState, to: KitState) -> KitState | Illegal:
    """Return the kit's next state, or why there is no such step."""
    return to if to in KIT_MOVES[state] else Illegal(state=state, to=to, can=_in_order(KitState, KIT_MOVES[state]))


def _in_order(
    states: type[LotState] | type[KitState], chosen: frozenset[LotState] | frozenset[KitState]
) -> tuple[State, ...]:
    return tuple(state for state in states if state in chosen)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownKit:
    """One kit of the study as the pharmacy knew it when it issued a worklist.

    `expires` is the last date on which it may be given. `since_ns` is Unix time, when it came into its state.
    `subject` and `day` None mean that it is dispensed to nobody. `held_by` names another unit that holds it; None means
    that no other does. `gtin` and `serial` are what its code says; "" where an older list says none. `dose` and
    `sequence` are those of its lease, None and 0 where it has none or an older list says none.
    """

    kit: str
    lot: str
    lot_state: LotState
    expires: date
    state: KitState
    since_ns: int
    subject: str | None = None
    day: int | None = None
    held_by: str | None = None
    gtin: str = ""
    serial: str = ""
    dose: int | None = None
    sequence: int = 0
