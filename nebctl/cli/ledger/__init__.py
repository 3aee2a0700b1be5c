"""`nebctl ledger`: verify a database of records, read it, and write the proof of one dose."""

import click

from nebctl.cli.ledger import proof, show, verify


@click.group()
def ledger() -> None:
    """Verify and show a unit's ledger, and write proofs from it.

    DB is a unit's unit.db or the pharmacy's pharmacy.db; it is only read, also while its owner runs.

    Example: nebctl ledger verify unit.db --trust trust
    """


for command in (verify.verify, show.show, proof.proof):
    ledger.add_command(command)
