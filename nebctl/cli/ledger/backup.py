"""`nebctl ledger backup`, `restore`, `rejoin`, `receipt`: a copy of a ledger, and the way back from it."""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from nebctl.cli.ledger.common import FILE, FOLDER, auditor_of, print_json, printable

if TYPE_CHECKING:
    from nebctl.core.ledger.records import Json
    from nebctl.store.audit import Auditor
    from nebctl.store.backup import Held, Progress

_NEW = click.Path(dir_okay=False, path_type=Path)
_TRUST = "Folder of trusted keys: <unit>.pem/.vkey, pharmacy.pem/.vkey."
_NEXT = (
    "The unit signs nothing yet. Started where it reaches the pharmacy, it asks what that holds, fetches back what is "
    "missing here, and goes on; its next record tells of the restoration. Without a network, take the pharmacy's "
    "newest receipt (nebctl ledger receipt pharmacy.db --unit {unit}) to nebctl ledger rejoin."
)


@click.command()
@click.argument("db", type=FILE)
@click.argument("file", type=_NEW)
@click.option("--trust", type=FOLDER, help=f"{_TRUST} Every signature in the copy is then checked too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def backup(db: Path, file: Path, trust: Path | None, as_json: bool) -> None:
    """Copy DB to the new FILE as it stands now, also while its owner writes to it.

    The copy's records are hashed again and held against its signed heads; with --trust it is verified whole.
    Exit code 0: a copy that holds, safe on disk. 1: no copy, and why. 2: a wrong call.

    Example: nebctl ledger backup /var/lib/nebctl/unit.db /media/stick/unit-2026-02-14.db --trust trust
    """
    from nebctl.store.backup import back_up
    from nebctl.store.faults import StoreFault

    try:
        held = back_up(db, file, _progress(file), _checker(trust))
    except StoreFault as fault:
        raise _refused(fault, as_json) from None
    if as_json:
        print_json({"copied": True, "file": str(file), "verified": trust is not None, "logs": _logs(held)})
        return
    click.echo(f"{file}: {_summary(held)}")
    if trust is None:
        click.echo("Hashes and heads agree; no signature was checked (--trust DIR does).")


@click.command()
@click.argument("file", type=FILE)
@click.argument("db", type=_NEW)
@click.option("--trust", type=FOLDER, required=True, help=_TRUST)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def restore(file: Path, db: Path, trust: Path, as_json: bool) -> None:
    """Put the copy FILE in the place of a unit's lost ledger DB, once it is verified whole.

    The unit must not run, and nothing may lie in DB's place. The ledger is marked: the unit signs nothing until the
    pharmacy has answered it, or `nebctl ledger rejoin` has held it against the pharmacy's newest receipt.
    Exit code 0: restored. 1: not restored, and why. 2: a wrong call.

    Example: nebctl ledger restore /media/stick/unit-2026-02-14.db /var/lib/nebctl/unit.db --trust trust
    """
    from nebctl.clock import SystemClock
    from nebctl.core.ledger.envelope import utc_text
    from nebctl.store.backup import restore as put_back
    from nebctl.store.faults import StoreFault

    at = utc_text(SystemClock().instant().wall_ns)
    try:
        held = put_back(file, db, at, _progress(db), _checker(trust))
    except StoreFault as fault:
        raise _refused(fault, as_json) from None
    if as_json:
        print_json({"restored": True, "file": str(db), "at": at, "verified": True, "logs": _logs(held)})
        return
    click.echo(f"{db}: restored, {_summary(held)}; verified whole")
    click.echo(_NEXT.format(unit=held[-1].log.unit))


@click.command()
@click.argument("db", type=FILE)
@click.option("--receipt", type=click.File(), required=True, help="The pharmacy's newest receipt, or -.")
@click.option("--trust", type=FOLDER, required=True, help=_TRUST)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def rejoin(db: Path, receipt: TextIO, trust: Path, as_json: bool) -> None:
    """Hold the restored ledger DB against the pharmacy's newest receipt of the unit, and let the unit sign again.

    Exit code 0: the pharmacy holds nothing that this ledger does not; the unit may start. 1: it holds more or
    something else, and what follows from that. 2: a wrong call.

    Example: nebctl ledger rejoin /var/lib/nebctl/unit.db --receipt receipt.note --trust trust
    """
    from nebctl.store.backup import rejoin as hold_against
    from nebctl.store.faults import StoreFault
    from nebctl.store.outbox import Receipted

    auditor = auditor_of(trust)
    try:
        unit, epoch = _newest_log(db)
        answer = hold_against(db, receipt.read(), auditor.unit_key(unit, epoch), auditor.pharmacy, auditor.verify)
    except (StoreFault, UnicodeDecodeError) as fault:
        raise _refused(fault, as_json) from None
    good = isinstance(answer, Receipted)
    sentence = (
        f"{db}: the pharmacy holds the first {answer.size} records, the same; {unit} may start, with key "
        f"{_newest_key(db, auditor)} in its key file"
        if isinstance(answer, Receipted)
        else f"{db}: {answer.reason}. {_PARTED[answer.kind.value]}"
    )
    if as_json:
        print_json({"rejoined": good, "unit": unit, "text": sentence})
    else:
        click.echo(sentence)
    raise SystemExit(0 if good else 1)


_PARTED = {
    "rollback": "Records are missing here that the pharmacy holds. Start the unit where it reaches the pharmacy, which "
    "gives them back; or restore a newer copy. After a rotation of the unit's key its key file must hold the new key.",
    "fork": "This log and the pharmacy's have parted. Keep the unit off and both files; the pharmacy decides on a new "
    "epoch.",
    "format": "Take the receipt anew from the pharmacy.",
    "key": "Take the receipt anew from the pharmacy.",
}


@click.command()
@click.argument("db", type=FILE)
@click.option("--unit", help="Whose receipt, such as neb-0001; needed where DB holds several units.")
def receipt(db: Path, unit: str | None) -> None:
    """Print the newest receipt in DB: the head that the pharmacy countersigned last.

    Exit code 0: printed. 1: there is none. 2: a wrong call.

    Example: nebctl ledger receipt pharmacy.db --unit neb-0001 > receipt.note
    """
    from nebctl.core.ledger.encoding import FormatError
    from nebctl.store.faults import StoreFault
    from nebctl.store.reader import LedgerFile

    try:
        with LedgerFile.open(db) as file:
            logs = [log for log in file.logs() if unit in (None, log.unit)]
            if len({log.unit for log in logs}) != 1:
                names = ", ".join(sorted({log.unit for log in file.logs()}))
                raise click.UsageError(f"{db} holds logs of {names or 'no unit'}; name one by --unit.")
            newest = max(file.receipts(max(logs)), key=lambda each: each.size, default=None)
    except (StoreFault, FormatError) as fault:
        raise _refused(fault, as_json=False) from None
    if newest is None:
        click.echo(f"{db}: no receipt yet for {logs[-1].unit} epoch {max(logs).epoch}", err=True)
        raise SystemExit(1)
    click.echo(newest.note, nl=False)


def _checker(trust: Path | None) -> "Callable[[Path], None]":
    """Return what verifies a copy whole by trusted keys; without any it looks at nothing."""
    if trust is None:
        return lambda _path: None
    auditor = auditor_of(trust)
    return lambda path: _check(path, auditor)


def _check(path: Path, auditor: "Auditor") -> None:
    from nebctl.core.ledger.check import Finding
    from nebctl.store.faults import StoreFault
    from nebctl.store.reader import LedgerFile

    with LedgerFile.open(path) as file:
        for result in auditor.audit(file):
            if isinstance(result, Finding):
                raise StoreFault(
                    seen=f"in the copy, {result.sentence()}",
                    expected="a ledger that holds",
                    advice="Use another copy, and keep this one for examination.",
                )


def _newest_log(db: Path) -> tuple[str, int]:
    from nebctl.store.reader import LedgerFile

    with LedgerFile.open(db) as file:
        newest = file.logs()[-1]
    return newest.unit, newest.epoch


def _newest_key(db: Path, auditor: "Auditor") -> str:
    """Return the ID of the key that signs a ledger's next record."""
    from nebctl.core.ledger.head import kid
    from nebctl.core.ledger.keyring import find_ring
    from nebctl.store.reader import LedgerFile

    with LedgerFile.open(db) as file:
        log = file.logs()[-1]
        first = auditor.unit_key(log.unit, log.epoch)
        return kid(find_ring(first, file.count("log", log), partial(file.text_at, log), auditor.verify).newest)


def _progress(target: Path) -> "Progress":
    """Return what tells a person at a terminal how far the copy is."""
    if not sys.stderr.isatty():
        return lambda _done, _total: None

    def tell(done: int, total: int) -> None:
        click.echo(f"\r{target}: {done} of {total} pages", nl=done == total, err=True)

    return tell


def _summary(held: "Sequence[Held]") -> str:
    from nebctl.core.ledger.encoding import b64

    return "; ".join(f"{each.log.unit}/{each.log.epoch} {each.records} records, root {b64(each.root)}" for each in held)


def _logs(held: "Sequence[Held]") -> "list[Json]":
    from nebctl.core.ledger.encoding import b64

    return [
        {"unit": each.log.unit, "epoch": each.log.epoch, "records": each.records, "root": b64(each.root)}
        for each in held
    ]


def _refused(fault: Exception, as_json: bool) -> SystemExit:
    text = printable(str(fault))
    if as_json:
        print_json({"error": text})
    else:
        click.echo(text)
    return SystemExit(1)
