"""Everybody who may work at the site, as the configuration and the delegation log's tables have them."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import date

from nebctl.core.ledger import envelope
from nebctl.core.operators import Delegation, Operator


def staff_of(db: sqlite3.Connection, founders: tuple[Operator, ...]) -> tuple[Operator, ...]:
    """Return everybody, those of the configuration first, each with what was delegated and whether suspended."""
    named = {person.code: person for person in founders}
    added = db.execute("SELECT code, name, badge FROM person ORDER BY code").fetchall()
    for code, name, badge in added:
        named.setdefault(code, Operator(code=code, name=name, badge=badge or ""))
    suspended = dict(db.execute("SELECT code, since FROM suspended"))
    pins = dict(db.execute("SELECT code, verifier FROM pin"))
    return tuple(
        replace(
            person,
            delegations=tuple(_delegations(db, person.code)),
            suspended_ns=envelope.parse_utc(suspended[person.code]) if person.code in suspended else None,
            pin=pins.get(person.code, ""),
        )
        for person in named.values()
    )


def _delegations(db: sqlite3.Connection, code: str) -> Iterator[Delegation]:
    query = "SELECT role, since, until, trained FROM delegation WHERE code = ? ORDER BY role, since"
    for role, since, until, trained in db.execute(query, (code,)):
        yield Delegation(
            role=role,
            since=date.fromisoformat(since),
            until=date.fromisoformat(until) if until else None,
            trained=date.fromisoformat(trained) if trained else None,
        )
