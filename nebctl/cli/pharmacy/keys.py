"""`nebctl pharmacy revoke|epoch`: end what a unit's key or log is trusted for, by two pharmacists."""

from pathlib import Path

import click

from nebctl.cli.pharmacy.common import BY, CONFIG, FILE, REASON, SECOND, books

UNIT = click.option("--unit", required=True, help="The unit's name, such as neb-0001.")


@click.command()
@CONFIG
@UNIT
@BY
@SECOND
@REASON
def revoke(config_file: Path, unit: str, by: str, second: str, reason: str) -> None:
    """Revoke the key that signs a unit's records: what it signs is refused from now on, and kept as evidence.

    What the pharmacy has taken in before stays as it is. The unit goes on with a new key in a new epoch.

    Example: nebctl pharmacy revoke --config pharmacy.toml --unit neb-0001 --by PH-01 --second PH-02
    --reason "the unit was stolen"
    """
    from nebctl.core.ledger.head import kid
    from nebctl.pharmacy.epochs import Decision
    from nebctl.pharmacy.epochs import revoke as revoke_key

    with books(config_file) as opened:
        vkey = revoke_key(opened, Decision(unit=unit, by=by, second=second, reason=reason))
    click.echo(f"{unit}: key {kid(vkey)} of {vkey.name} is revoked; open a new epoch before the unit works again")


@click.command()
@CONFIG
@UNIT
@click.option("--vkey", "vkey_file", type=FILE, required=True, help="The verifier key of the unit's next epoch.")
@BY
@SECOND
@REASON
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The permit to write."
)
def epoch(config_file: Path, unit: str, vkey_file: Path, by: str, second: str, reason: str, output: Path) -> None:
    """End a unit's log and permit the next epoch: after a fork, a lost card or a revoked key.

    Compare the fingerprint with the one that the unit shows. Take the permit to the unit: nebctl ledger epoch.

    Example: nebctl pharmacy epoch --config pharmacy.toml --unit neb-0001 --vkey neb-0001.vkey --by PH-01
    --second PH-02 --reason "restored card" -o neb-0001.permit
    """
    from nebctl import keys
    from nebctl.pharmacy.epochs import Decision, open_epoch
    from nebctl.pharmacy.run import orders_signer

    if output.exists():
        raise click.UsageError(f"{output} exists; nothing is overwritten")
    with books(config_file) as opened:
        vkey = keys.load_vkey(vkey_file)
        permit = open_epoch(opened, Decision(unit=unit, by=by, second=second, reason=reason), vkey)
        output.write_text(permit.note(*orders_signer(config_file)), "utf-8")
    click.echo(f"{unit}: {vkey.name}  sha256 {vkey.fingerprint()}")
    click.echo(f"wrote {output}; on the stopped unit: nebctl ledger epoch --config unit.toml --permit {output.name}")
