"""`nebctl ledger erase`: a subject's private facts out of a unit's ledger, after the retention date."""

from pathlib import Path

import click

from nebctl.cli.ledger.common import FILE


@click.command()
@click.option("--config", "config_file", type=FILE, required=True, help="The unit's configuration, unit.toml.")
@click.option("--subject", required=True, help="The subject's pseudonym, such as MEX-001.")
@click.option(
    "--by", required=True, metavar="CODE", help="Who does it: a pharmacist or investigator of the unit's list."
)
@click.option("--second", required=True, metavar="CODE", help="The second person who confirms it.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is kept as a private fact.")
def erase(config_file: Path, subject: str, by: str, second: str, reason: str) -> None:
    """Erase a subject's private facts from a unit's ledger; the signed records stay, and verify.

    The unit must not run. Two persons, after the date `keep_private_until` of the site's rules. A signed record says
    which records' facts were erased, and does not name the subject. Copies made before still hold them: destroy those.
    Exit code 0: erased. 1: not erased, and why. 2: a wrong call.

    Example: nebctl ledger erase --config unit.toml --subject MEX-001 --by PH-01 --second PI-01
    --reason "retention has ended"
    """
    import asyncio

    from nebctl.clock import ClockFileFault, FileClock, SystemClock
    from nebctl.config import load_config
    from nebctl.core.erasure import Erasure
    from nebctl.keys import KeyFault
    from nebctl.retention import NotErased, erase_at_unit, terms_of
    from nebctl.store.faults import StoreFault
    from nebctl.study import StudyFault
    from nebctl.unit import StartFault

    loaded = load_config(config_file)
    if isinstance(loaded, tuple):
        raise click.UsageError("\n".join(map(str, loaded)))
    wish = Erasure(subject=subject, by=by, second=second, reason=reason)
    try:
        file = loaded.config.clock.file
        clock = FileClock(loaded.path(file)) if file else SystemClock()
        count = asyncio.run(erase_at_unit(loaded, wish, terms_of(loaded, clock), clock))
    except (NotErased, StoreFault, KeyFault, StudyFault, StartFault, ClockFileFault) as fault:
        raise click.ClickException(str(fault)) from None
    click.echo(f"{subject}: private facts beside {count} records erased; the records stay")
