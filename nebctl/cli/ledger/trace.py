"""`nebctl ledger trace`: write the trace of a session, as it was recorded."""

from pathlib import Path

import click

from nebctl.cli.ledger.common import FILE, printable


@click.command()
@click.argument("db", type=FILE)
@click.option("--session", help="The session (dose id); without it the only one that there is.")
def trace(db: Path, session: str | None) -> None:
    """Print the trace of a session in the unit's DB, byte for byte; `nebctl dose estimate` reads it.

    Nothing else is verified. Exit code 1 where the text is not what its stored SHA-256 says.

    Example: nebctl ledger trace demo-data/units/neb-0001/unit.db --session 2026-02-14-7f3a9c > trace.csv
    """
    import hashlib

    from nebctl.store.faults import StoreFault
    from nebctl.store.reader import LedgerFile

    try:
        with LedgerFile.open(db) as file:
            chosen = _choose(file.traced(), session, db)
            sha256, csv = file.trace(chosen) or ("", "")
    except StoreFault as fault:
        click.echo(printable(str(fault)), err=True)
        raise SystemExit(1) from None
    if hashlib.sha256(csv.encode("utf-8", "surrogateescape")).hexdigest() != sha256:
        click.echo(f"{db}: the trace of {chosen} is not what its SHA-256 says; verify the ledger", err=True)
        raise SystemExit(1)
    click.echo(csv, nl=False)


def _choose(known: list[str], session: str | None, db: Path) -> str:
    names = ", ".join(known) or "none"
    if session is not None and session not in known:
        raise click.UsageError(f"{db} has no trace of {session}; it has {names}")
    if session is None and len(known) != 1:
        raise click.UsageError(f"{db} has {len(known)} traces; name one with --session: {names}")
    return session or known[0]
