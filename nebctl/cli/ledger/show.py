"""`nebctl ledger show`: print the records of a database."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nebctl.cli.ledger.common import FILE, print_json, printable

if TYPE_CHECKING:
    from nebctl.core.ledger.records import Entry, Json
    from nebctl.store.reader import LogName


@click.command()
@click.argument("db", type=FILE)
@click.option("--subject", help="Only records of this subject's sessions, such as MEX-001.")
@click.option("--day", type=click.IntRange(min=0), help="Only records of this study day.")
@click.option("--type", "typ", help="Only records of this type, such as dose.")
@click.option("--session", help="Only records of this session (dose id).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a record.")
def show(db: Path, subject: str | None, day: int | None, typ: str | None, session: str | None, as_json: bool) -> None:
    """Print the records in DB, one line each; nothing is verified.

    Example: nebctl ledger show demo-data/units/neb-0001/unit.db --type dose
    """
    from nebctl.core.ledger.encoding import FormatError
    from nebctl.store.faults import StoreFault
    from nebctl.store.prove import read, reveal
    from nebctl.store.reader import LedgerFile

    wanted = {"day": day, "typ": typ, "session": session}
    of_subject: set[Json] = set()
    try:
        with LedgerFile.open(db) as file:
            for log, entry in read(file):
                private = reveal(entry)
                if subject is not None and private.get("subject") == subject:
                    of_subject.add(_place(entry))
                if subject is not None and _place(entry) not in of_subject:
                    continue
                if any(value is not None and entry.payload.get(name) != value for name, value in wanted.items()):
                    continue
                print_json(_entry_json(entry, private)) if as_json else click.echo(_line(log, entry, private))
    except (StoreFault, FormatError) as fault:
        click.echo(printable(str(fault)))
        raise SystemExit(1) from None


def _place(entry: "Entry") -> "Json":
    """Return what binds records of one subject: their session, or the record alone."""
    session = entry.payload.get("session")
    return session if isinstance(session, str) else f"{entry.payload['unit']}/{entry.epoch}/{entry.seq}"


def _entry_json(entry: "Entry", private: "dict[str, Json]") -> "Json":
    return {"record": {**entry.payload}, "disclosed": private, "leaf": entry.leaf.hex()}


def _line(log: "LogName", entry: "Entry", private: "dict[str, Json]") -> str:
    from nebctl.core.ledger.encoding import show

    payload = entry.payload
    day = f"day {payload['day']} {payload['session']}" if "session" in payload else ""
    facts = [day, _volume(payload.get("low_nl"), payload.get("high_nl")), *_said(payload, "end", "verdict", "reason")]
    named = [f"{show(name)}={show(value)}" for name, value in private.items()]
    where = f"{log.unit}/{log.epoch} {entry.seq:>6}"
    return "  ".join(filter(None, (where, str(payload["utc"]), f"{show(payload['typ']):<13}", *facts, *named)))


def _said(payload: "Mapping[str, Json]", *names: str) -> list[str]:
    from nebctl.core.ledger.encoding import show

    return [show(payload[name]) for name in names if payload.get(name) is not None]


def _volume(low: "Json", high: "Json") -> str:
    """Return an interval in mL, rounded outwards to three decimals; empty where a bound is missing."""
    if not (isinstance(low, int) and isinstance(high, int)):
        return ""
    low_ul, high_ul = low // 1000, -(-high // 1000)
    return f"{low_ul // 1000}.{low_ul % 1000:03d} to {high_ul // 1000}.{high_ul % 1000:03d} mL"
