"""What the ledger's commands share: the kinds of their arguments, and how they print."""

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from nebctl.core.ledger.records import Json
    from nebctl.store.audit import Auditor

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


def printable(text: str) -> str:
    """Return a fault as one line: a damaged file's own words may hold what moves a terminal's cursor."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def print_json(value: "Json") -> None:
    """Print one JSON object on one line."""
    click.echo(json.dumps(value, ensure_ascii=False))


def auditor_of(trust: Path, jobs: int | None = None) -> "Auditor":
    """Return by what a database is checked: the keys in a trust folder; `jobs` None means a process for each core."""
    from nebctl.core.ledger.note import COSIGNATURE
    from nebctl.keys import KeyFault, load_trust, load_unit_trust
    from nebctl.keys import verify as verify_signature
    from nebctl.store.audit import Auditor
    from nebctl.store.cores import cores, on_cores

    try:
        pharmacy = load_trust(trust, "pharmacy")
    except KeyFault as fault:
        raise click.UsageError(str(fault)) from None
    if pharmacy.type != COSIGNATURE:
        raise click.UsageError(
            f"{trust / 'pharmacy.vkey'}: saw key type {pharmacy.type:#04x}, expected 0x04, a countersigning key."
        )
    return Auditor(
        unit_key=partial(load_unit_trust, trust),
        pharmacy=pharmacy,
        verify=verify_signature,
        each=on_cores(jobs or cores()),
    )
