"""On which date a subject's study days fall, as far as it is known."""

import sqlite3
from datetime import date, timedelta


def first_delivered(db: sqlite3.Connection, subject: str) -> date | None:
    """Return the date of the first dose with any emission; None where nothing was given yet."""
    query = "SELECT MIN(date_local) FROM outcome WHERE subject = ? AND emitted AND date_local != ''"
    return _date(db.execute(query, (subject,)).fetchone()[0])


def day1_of(db: sqlite3.Connection, subject: str) -> date | None:
    """Return the date of Day 1: that of the first start with any emission, else the planned one.

    Where an earlier dose was already judged missed by the planned date, the days stay counted from that; None means
    that nothing is known.
    """
    row = db.execute("SELECT day1 FROM subject WHERE subject = ?", (subject,)).fetchone()
    planned, first = _date(row[0] if row else None), first_delivered(db, subject)
    query = "SELECT date_local, day FROM outcome WHERE subject = ? AND state IN ('missed', 'notdone')"
    judged = [date.fromisoformat(text) - timedelta(days=day - 1) for text, day in db.execute(query, (subject,)) if text]
    return min(judged) if first and judged and min(judged) < first else first or planned


def _date(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
