"""`nebctl ledger epoch`: begin the epoch that the pharmacy permits."""

from pathlib import Path

import click

from nebctl.cli.ledger.common import FILE


@click.command()
@click.option("--config", "config_file", type=FILE, required=True, help="The unit's unit.toml.")
@click.option("--permit", type=FILE, required=True, help="What `nebctl pharmacy epoch` wrote.")
@click.option("--key", type=FILE, help="The new epoch's key file. [default: as unit.toml says]")
def epoch(config_file: Path, permit: Path, key: Path | None) -> None:
    """Begin a new epoch of this unit's log, as two pharmacists have permitted it; stop the unit first.

    Nothing of the old epoch is changed: what the pharmacy does not hold of it is carried over, record by record.
    Exit code 0: begun. 1: not begun, and why. 2: a wrong call.

    Example: nebctl ledger epoch --config unit.toml --permit neb-0001.permit
    """
    import secrets

    from nebctl.cli.keys import key_file, unit_clock, unit_config
    from nebctl.clock import ClockFileFault
    from nebctl.core.ledger.encoding import FormatError
    from nebctl.keys import KeyFault
    from nebctl.reopening import reopen
    from nebctl.store.faults import StoreFault

    loaded = unit_config(config_file)
    try:
        at = unit_clock(loaded).instant()
        begun = reopen(loaded, key or key_file(loaded), permit.read_bytes(), at, secrets.token_bytes)
    except (FormatError, KeyFault, StoreFault, ClockFileFault) as fault:
        raise click.ClickException(str(fault)) from None
    click.echo(f"epoch {begun.epoch} begins; the one before is the pharmacy's up to record {begun.fork_at}")
    click.echo(f"{begun.divergent} records beyond it are carried over")
