"""What came in from each unit, and what was not kept, counted by its reason."""

import sqlite3
from collections import defaultdict
from dataclasses import dataclass

STRANGERS = ""
"""The name under which messages of units that are not enrolled are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotKept:
    """Messages that were not kept for one reason: how many, and when the last of them came (UTC text)."""

    reason: str
    count: int
    last_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitLine:
    """One unit's newest epoch: records kept, records receipted, last contact (None: never), and what was not kept.

    The line of `STRANGERS` stands for all units that are not enrolled; its epoch is 0.
    """

    unit: str
    epoch: int
    records: int
    receipted: int
    last_contact: str | None
    not_kept: tuple[NotKept, ...]


def intake_sheet(db: sqlite3.Connection) -> tuple[UnitLine, ...]:
    """Return a line for each enrolled unit, and one for strangers where any came."""
    not_kept: defaultdict[str, list[NotKept]] = defaultdict(list)
    for unit, reason, count, last_at in db.execute("SELECT * FROM refusal ORDER BY unit, reason"):
        not_kept[unit].append(NotKept(reason=reason, count=count, last_at=last_at))
    rows = db.execute(
        "SELECT u.unit, MAX(k.ep), COALESCE(t.size, 0), COALESCE(w.size, 0), u.last_seen FROM unit u"
        " JOIN unit_key k USING (unit) LEFT JOIN tip t USING (unit, ep) LEFT JOIN witness w USING (unit, ep)"
        " GROUP BY u.unit ORDER BY u.unit"
    ).fetchall()
    strangers = [(STRANGERS, 0, 0, 0, None)] if STRANGERS in not_kept else []
    return tuple(
        UnitLine(
            unit=unit,
            epoch=epoch,
            records=records,
            receipted=receipted,
            last_contact=last_seen,
            not_kept=tuple(not_kept[unit]),
        )
        for unit, epoch, records, receipted, last_seen in (*rows, *strangers)
    )
