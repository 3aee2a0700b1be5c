"""`nebctl pharmacy revoke|epoch`: end what a unit's key or log is trusted for, by two pharmacists."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nebctl.cli.pharmacy.common import BY, CONFIG, FILE, REASON, SECOND, books, faults, print_json

if TYPE_CHECKING:
    from nebctl.pharmacy.unit_sheet import EpochLine, EvidenceLine

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


def show_unit(path: Path, unit: str, as_json: bool) -> None:
    """Print what is known of a unit, and leave with 1 where there is evidence against it."""
    from dataclasses import asdict

    from nebctl.pharmacy.database import reading
    from nebctl.pharmacy.unit_sheet import unit_sheet

    with faults(), reading(path) as db:
        sheet = unit_sheet(db, unit)
    if sheet is None:
        raise click.ClickException(f"{unit} is not enrolled; list the units: nebctl pharmacy show --units")
    if as_json:
        print_json(asdict(sheet))
    else:
        lines = [line for epoch in sheet.epochs for line in _epoch_lines(epoch)]
        lines += [f"not kept: {each.count} {each.reason}, last {each.last_at}" for each in sheet.not_kept]
        click.echo("\n".join((*lines, *map(_evidence_line, sheet.evidence))))
    raise SystemExit(1 if sheet.evidence else 0)


def _epoch_lines(epoch: "EpochLine") -> Iterator[str]:
    yield f"{epoch.origin}: {epoch.records} records kept, {epoch.receipted} receipted"
    for key in epoch.keys:
        revoked = f", revoked {key.revoked}" if key.revoked else ""
        yield f"  key {key.kid} from record {key.first} on{revoked}  sha256 {key.sha256}"


def _evidence_line(line: "EvidenceLine") -> str:
    what = "another record is kept there: two histories under one key" if line.kept else "nothing else is kept there"
    return f"EVIDENCE {line.got_at} {line.reason}: {line.typ or 'unreadable'} {line.epoch}/{line.seq}; {what}"
