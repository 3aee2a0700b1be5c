"""`nebctl pharmacy erase`: a subject's private facts, after the retention date."""

from pathlib import Path

import click

from nebctl.cli.pharmacy.common import BY, CONFIG, REASON, SECOND, SUBJECT, books, read


@click.command()
@CONFIG
@SUBJECT
@REASON
@BY
@SECOND
def erase(config_file: Path, subject: str, reason: str, by: str, second: str) -> None:
    """Erase a subject's private facts from everything that the pharmacy keeps; the signed records stay, and verify.

    Two persons, pharmacist or investigator, after the date `keep_private_until` of the site's rules. A signed record
    says which records' facts were erased, and does not name the subject. Copies made before still hold them: destroy
    those. A unit's own facts are erased at the unit: nebctl ledger erase.

    Example: nebctl pharmacy erase --config pharmacy.toml --subject MEX-001 --by PH-01 --second PI-01
    --reason "retention has ended"
    """
    from nebctl.core.erasure import Erasure
    from nebctl.pharmacy.erasing import erase as erase_facts

    database = read(config_file).database
    with books(config_file) as opened:
        wish = Erasure(subject=subject, by=by, second=second, reason=reason)
        count = erase_facts(opened, database, wish)
    click.echo(f"{subject}: private facts beside {count} records erased; the records stay")
