"""`nebctl ledger proof`: write what shows one dose, or that a log only grew, without the database."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nebctl.cli.ledger.common import FILE, printable

if TYPE_CHECKING:
    from nebctl.core.ledger.records import Entry
    from nebctl.store.reader import LedgerFile, LogName


@click.command()
@click.option("--dose", help="The dose's id (its session), such as 2026-02-14-7f3a9c.")
@click.option("--since", help="Instead of a dose: an older head, as a file that holds it or the size of a receipt.")
@click.option("--until", help="With --since: the newer head.  [default: the newest receipt]")
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
def proof(
    dose: str | None, since: str | None, until: str | None, output: Path, db: Path, disclose: tuple[str, ...]
) -> None:
    """Write the proof of one dose, or that a log only grew, which anybody can check without the database.

    A file that holds a head is a receipt, a dose.tlog-proof or a new.tlog-consistency.

    Exit code 0: written. 1: the record has no receipt yet, or does not lead to one. 2: a wrong call.

    Example: nebctl ledger proof --db unit.db --dose 2026-02-14-7f3a9c -o proof --disclose subject
    """
    from nebctl.core.ledger.encoding import FormatError
    from nebctl.store.faults import StoreFault

    if (dose is None) == (since is None) or (since is None and until is not None) or (since and disclose):
        raise click.UsageError("give --dose, perhaps with --disclose, or --since, perhaps with --until")
    try:
        said = _write_growth(db, str(since), until, output) if dose is None else _write(db, dose, disclose, output)
    except (StoreFault, FormatError) as fault:
        click.echo(printable(str(fault)))
        raise SystemExit(1) from None
    except OSError as error:
        raise click.UsageError(f"{error.filename}: {error.strerror}. Choose a folder that can be written.") from None
    click.echo(f"{output}: {said}; check it: nebctl verify {output} --trust DIR")


def _write(db: Path, dose: str, disclose: tuple[str, ...], output: Path) -> str:
    from nebctl.bundle import write_bundle

    entry, text = _prove(db, dose)
    write_bundle(output, entry.jws, text, _choose(entry, disclose))
    return f"proof of dose {dose}, seq {entry.seq}"


def _write_growth(db: Path, since: str, until: str | None, output: Path) -> str:
    from nebctl.bundle import write_growth
    from nebctl.core.ledger.head import Checkpoint
    from nebctl.core.ledger.note import parse_note
    from nebctl.store.prove import prove_growth
    from nebctl.store.reader import LedgerFile

    with LedgerFile.open(db) as file:
        log = _log(file, since, until)
        old, new = _head(file, log, since), _head(file, log, until)
        write_growth(output, old, prove_growth(file, log, old, new))
    sizes = [Checkpoint.parse(parse_note(each).text).size for each in (old, new)]
    return f"proof that unit {log.unit} epoch {log.epoch} grew from {sizes[0]} to {sizes[1]} records"


def _log(file: "LedgerFile", *heads: str | None) -> "LogName":
    """Return the log that a given head names; with sizes alone, the only one of the database."""
    from nebctl.core.ledger.head import Checkpoint, Origin
    from nebctl.core.ledger.note import parse_note
    from nebctl.store.reader import LogName

    for each in heads:
        if each is not None and not each.isdigit():
            origin = Origin.parse(Checkpoint.parse(parse_note(_read_note(Path(each))).text).origin)
            return LogName(origin.unit, origin.epoch)
    logs = file.logs()
    if len(logs) != 1:
        raise click.UsageError(f"{file.path}: {len(logs)} logs; give a head as a file, which says whose it is")
    return logs[0]


def _head(file: "LedgerFile", log: "LogName", wanted: str | None) -> str:
    if wanted is not None and not wanted.isdigit():
        return _read_note(Path(wanted))
    receipts = {receipt.size: receipt.note for receipt in file.receipts(log)}
    size = max(receipts, default=0) if wanted is None else int(wanted)
    if size not in receipts:
        raise click.UsageError(
            f"{file.path}: no receipt of size {size}, there is {', '.join(map(str, receipts)) or 'none'}"
        )
    return receipts[size]


def _read_note(path: Path) -> str:
    """Return the head that a file holds, be it a receipt or a proof under one."""
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        raise click.UsageError(f"{path}: no file of text; give a receipt, a proof, or a size") from None
    first, _, rest = text.partition("\n\n")
    return rest if first.startswith(("c2sp.org/tlog-proof@", "old ")) else text


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
