"""On which date a subject's study days fall, as far as it is known."""

import sqlite3
from collections.abc import Iterable
from datetime import date

from nebctl.core.calendar import day1_by


def first_delivered(db: sqlite3.Connection, subject: str) -> date | None:
    """Return the date of the first dose with any emission; None where nothing was given yet."""
    query = "SELECT MIN(date_local) FROM outcome WHERE subject = ? AND emitted AND date_local != ''"
    return _date(db.execute(query, (subject,)).fetchone()[0])


def day1_of(db: sqlite3.Connection, subject: str) -> date | None:
    """Return the date of Day 1, as the first start with any emission counts it, else the planned one.

    A first start on a later study day leaves Day 1 where it was: the days before it were missed, judged already or not.
    Where an earlier dose was already judged missed by the planned date, the days stay counted from that; None means
    that nothing is known.
    """
    row = db.execute("SELECT day1 FROM subject WHERE subject = ?", (subject,)).fetchone()
    query = "SELECT date_local, day FROM outcome WHERE subject = ? AND date_local != '' AND "
    begun = _counted(db.execute(query + "emitted", (subject,)))
    judged = _counted(db.execute(query + "state IN ('missed', 'notdone')", (subject,)))
    return min([*begun, *judged]) if begun else _date(row[0] if row else None)


def _counted(rows: Iterable[tuple[str, int]]) -> list[date]:
    return [day1_by(date.fromisoformat(text), day) for text, day in rows]


def _date(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
