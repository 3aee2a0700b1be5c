"""`nebctl ledger proof`: write what shows one dose, without the database."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nebctl.cli.ledger.common import FILE

if TYPE_CHECKING:
    from nebctl.core.ledger.records import Entry


@click.command()
@click.option("--dose", required=True, help="The dose's id (its session), such as 2026-02-14-7f3a9c.")
@click.option(
    "-o", "--output", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to write."
)
@click.option(
    "--db",
    type=FILE,
    default="unit.db",
    show_default=True,
    envvar="NEBCTL_DB",
    help="The database to read; NEBCTL_DB names another default.",
)
@click.option("--disclose", multiple=True, help="A private fact to show, such as subject; repeat for more.")
def proof(dose: str, output: Path, db: Path, disclose: tuple[str, ...]) -> None:
    """Write the proof of one dose, which anybody can check without the database.

    Exit code 0: written. 1: the record has no receipt yet, or does not lead to one. 2: a wrong call.

    Example: nebctl ledger proof --db unit.db --dose 2026-02-14-7f3a9c -o proof --disclose subject
    """
    from nebctl.bundle import write_bundle
    from nebctl.core.ledger.encoding import FormatError
    from nebctl.store.faults import StoreFault

    try:
        entry, text = _prove(db, dose)
        shown = _choose(entry, disclose)
        write_bundle(output, entry.jws, text, shown)
    except (StoreFault, FormatError) as fault:
        click.echo(str(fault))
        raise SystemExit(1) from None
    except OSError as error:
        raise click.UsageError(f"{error.filename}: {error.strerror}. Choose a folder that can be written.") from None
    click.echo(f"{output}: proof of dose {dose}, seq {entry.seq}; check it: nebctl verify {output} --trust DIR")


def _prove(db: Path, dose: str) -> "tuple[Entry, str]":
    from nebctl.store.prove import NotReceipted, find_doses, prove
    from nebctl.store.reader import LedgerFile

    with LedgerFile.open(db) as file:
        found = find_doses(file, dose)
        if len(found) != 1:
            raise click.UsageError(
                f"{db}: {len(found)} dose records of session {dose}, expected one. "
                f"List them: nebctl ledger show {db} --type dose"
            )
        log, entry = found[0]
        text = prove(file, log, entry)
    if isinstance(text, NotReceipted):
        click.echo(
            f"{db}: dose {dose} (seq {text.seq}) is not yet receipted, the pharmacy has countersigned "
            f"{text.receipted} records. Try again when the unit has been online."
        )
        raise SystemExit(1)
    return entry, text


def _choose(entry: "Entry", names: tuple[str, ...]) -> list[str]:
    """Return the disclosures of the named private facts, in the order in which they are kept."""
    from nebctl.core.ledger.disclosure import reveal

    kept = {reveal(each)[1]: each for each in entry.disclosures}
    for name in names:
        if name not in kept:
            raise click.UsageError(f"--disclose {name}: the record keeps {', '.join(sorted(kept)) or 'no such fact'}.")
    return [each for name, each in kept.items() if name in names]
