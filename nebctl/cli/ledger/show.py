"""`nebctl ledger show`: print the records of a database."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nebctl.cli.ledger.common import FILE, print_json, printable

if TYPE_CHECKING:
    from nebctl.cli.ledger.lines import Shown
    from nebctl.core.ledger.records import Json
    from nebctl.store.reader import LedgerFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What a record must be to be shown; None means anything."""

    subject: str | None
    day: int | None
    typ: str | None
    session: str | None


@click.command()
@click.argument("db", type=FILE)
@click.option("--subject", help="Only records of this subject's sessions, such as MEX-001.")
@click.option("--day", type=click.IntRange(min=0), help="Only records of this study day.")
@click.option("--type", "typ", help="Only records of this type, such as dose.")
@click.option("--session", help="Only records of this session (dose id).")
@click.option("--disclose", multiple=True, metavar="NAME", help='Show only this private fact; repeat, or "none".')
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a record.")
@click.option("--sd-jwt", "as_sd_jwt", is_flag=True, help="Print each record as SD-JWT: what is disclosed and no more.")
def show(
    db: Path,
    subject: str | None,
    day: int | None,
    typ: str | None,
    session: str | None,
    disclose: tuple[str, ...],
    as_json: bool,
    as_sd_jwt: bool,
) -> None:
    """Print the records in DB, one line each; nothing is verified.

    Each line has the recorded time and how far it can be trusted: corrected with bounds where the clock was not
    synchronised. A record of an unknown type is shown like any other, and marked.

    Example: nebctl ledger show demo-data/units/neb-0001/unit.db --type dose
    """
    from nebctl.cli.ledger.lines import as_object, line, sd_jwt
    from nebctl.core.ledger.encoding import FormatError
    from nebctl.store.faults import StoreFault
    from nebctl.store.reader import LedgerFile

    if as_json and as_sd_jwt:
        raise click.UsageError("give --json or --sd-jwt, not both")
    names = None if not disclose else frozenset(disclose) - {"none"}
    wanted = Filter(subject=subject, day=day, typ=typ, session=session)
    try:
        with LedgerFile.open(db) as file:
            for each in _chosen(file, wanted):
                shown = each.only(names)
                if as_json:
                    print_json(as_object(shown))
                else:
                    click.echo(sd_jwt(shown) if as_sd_jwt else line(shown))
    except (StoreFault, FormatError) as fault:
        click.echo(printable(str(fault)))
        raise SystemExit(1) from None


def _chosen(file: "LedgerFile", wanted: Filter) -> "Iterator[Shown]":
    from nebctl.cli.ledger.lines import read_shown

    members = {"day": wanted.day, "typ": wanted.typ, "session": wanted.session}
    of_subject: set[Json] = set()
    for shown in read_shown(file):
        if wanted.subject is not None and shown.private.get("subject") == wanted.subject:
            of_subject.add(shown.place)
        if wanted.subject is not None and shown.place not in of_subject:
            continue
        if all(value is None or shown.entry.payload.get(name) == value for name, value in members.items()):
            yield shown
