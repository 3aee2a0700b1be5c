"""`nebctl ledger`: verify a database of records, read it, and write the proof of one dose."""

import click

from nebctl.cli.ledger import backup, epoch, erase, proof, show, trace, verify


@click.group()
def ledger() -> None:
    """Verify and show a unit's ledger, write proofs from it, copy it and put a copy back.

    DB is a unit's unit.db or the pharmacy's pharmacy.db; but for restore, rejoin and erase it is only read, also while
    its owner runs.

    Example: nebctl ledger verify unit.db --trust trust
    """


for command in (
    verify.verify,
    show.show,
    trace.trace,
    proof.proof,
    backup.backup,
    backup.restore,
    backup.rejoin,
    backup.receipt,
    epoch.epoch,
    erase.erase,
):
    ledger.add_command(command)
