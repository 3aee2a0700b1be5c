"""Enrolling units by their key, and subjects with one kit a dose, each leased to one unit."""

import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from nebctl.core.ledger import envelope, head
from nebctl.core.ledger.note import ED25519, Vkey
from nebctl.pharmacy.database import transaction
from nebctl.pharmacy.outcomes import KitState

_SUBJECT = re.compile(r"[A-Z]{2,8}-[0-9]{1,6}", re.ASCII)
_LABEL = re.compile(r"[A-Z0-9][A-Z0-9-]{0,31}", re.ASCII)


class EnrolmentFault(Exception):  # noqa: N818 - a fault is of the world, not of the program
    """An enrolment that is not made: what was seen, what was expected, what to do."""

    def __init__(self, seen: str, expected: str, advice: str) -> None:
        super().__init__(f"saw {seen}, expected {expected}. {advice}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A subject's course as it is leased: kits in the order of the doses, `doses_a_day` of them each day.

    `day1` None means that it will be the date of the first dose; leases end at `not_after_ns`, Unix nanoseconds.
    """

    subject: str
    unit: str
    kits: tuple[str, ...]
    lot: str
    day1: date | None
    doses_a_day: int
    not_after_ns: int


def enrol_unit(db: sqlite3.Connection, site: str, unit: str, vkey: Vkey, at_ns: int) -> None:
    """Take a unit's key as the one that signs its records for the epoch that the key's name tells.

    Raises: `EnrolmentFault` where the key is of another site, unit or kind, or another key is enrolled already.
    """
    origin = _origin(vkey)
    if (origin.site, origin.unit) != (site, unit) or vkey.type != ED25519:
        expected = f"a signing key named {site}/nebctl/{unit}/EPOCH"
        raise EnrolmentFault(f"the key {vkey.name}", expected, "Enrol each unit at the pharmacy of its own site.")
    with transaction(db):
        held = db.execute("SELECT vkey FROM unit_key WHERE unit = ? AND ep = ?", (unit, origin.epoch)).fetchone()
        if held and held[0] != vkey.text():
            advice = "A new key needs a new epoch; a key that changed by itself needs an inquiry."
            raise EnrolmentFault(f"another key for {vkey.name}", f"{held[0]}, enrolled before", advice)
        db.execute("INSERT INTO unit (unit) VALUES (?) ON CONFLICT DO NOTHING", (unit,))
        values = (unit, origin.epoch, vkey.text(), envelope.utc_text(at_ns))
        db.execute("INSERT INTO unit_key VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", values)


def enrol_subject(db: sqlite3.Connection, course: Course, at_ns: int) -> None:
    """Enrol a subject and lease the course's doses and kits to one unit.

    Raises: `EnrolmentFault` where a name is malformed, the unit is unknown, or the subject or a kit is taken.
    """
    _check_names(course)
    with transaction(db):
        if db.execute("SELECT 1 FROM unit WHERE unit = ?", (course.unit,)).fetchone() is None:
            advice = "Enrol it first: nebctl pharmacy enrol-unit."
            raise EnrolmentFault(f"unit {course.unit}", "an enrolled unit", advice)
        if db.execute("SELECT 1 FROM subject WHERE subject = ?", (course.subject,)).fetchone():
            raise EnrolmentFault(f"{course.subject} enrolled before", "a new subject", "Nothing was changed.")
        _refuse_taken(db, course.kits)
        day1 = course.day1.isoformat() if course.day1 else None
        db.execute("INSERT INTO subject VALUES (?, ?, ?)", (course.subject, day1, envelope.utc_text(at_ns)))
        db.executemany("INSERT INTO kit VALUES (?, ?, ?, ?, ?, ?, ?, ?)", _leases(course))
        db.execute("UPDATE unit SET orders_rev = orders_rev + 1 WHERE unit = ?", (course.unit,))


def _origin(vkey: Vkey) -> head.Origin:
    try:
        return head.Origin.parse(vkey.name)
    except ValueError:
        advice = "Give the .vkey file that the unit wrote."
        raise EnrolmentFault(f"a key named {vkey.name}", "SITE/nebctl/UNIT/EPOCH", advice) from None


def _check_names(course: Course) -> None:
    if not _SUBJECT.fullmatch(course.subject):
        advice = "Never a name or a hospital number."
        raise EnrolmentFault(f"subject {course.subject!r}", "a pseudonym such as MEX-001", advice)
    for label in (*course.kits, course.lot):
        if not _LABEL.fullmatch(label):
            raise EnrolmentFault(f"label {label!r}", "capitals, digits and hyphens", "Read it from the kit's label.")
    if not course.kits or len(set(course.kits)) != len(course.kits):
        raise EnrolmentFault(f"kits {', '.join(course.kits)}", "each kit once, one a dose", "Give the kits again.")


def _refuse_taken(db: sqlite3.Connection, kits: Sequence[str]) -> None:
    for kit in kits:
        row = db.execute("SELECT subject, day, dose FROM kit WHERE kit = ?", (kit,)).fetchone()
        if row:
            seen = f"{kit} leased for {row[0]} day {row[1]} dose {row[2]}"
            raise EnrolmentFault(seen, "a kit that is free", "Choose another kit.")


def _leases(course: Course) -> list[tuple[object, ...]]:
    not_after = envelope.utc_text(course.not_after_ns)
    places = [divmod(i, course.doses_a_day) for i in range(len(course.kits))]
    return [
        (kit, course.lot, KitState.AT_BEDSIDE.value, course.subject, day + 1, dose + 1, course.unit, not_after)
        for kit, (day, dose) in zip(course.kits, places, strict=True)
    ]
