"""`nebctl pharmacy init|run|enrol-unit`: make a pharmacy, run it, and take the units' keys."""

from pathlib import Path

import click

from nebctl.cli.pharmacy.common import CONFIG, FILE, books, faults, read


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--site", required=True, help="The site's domain, such as mexcovid.example; `sim.` begins a simulated one."
)
@click.option("--sim", is_flag=True, help="Take simulated units only; the site's name must begin with `sim.`.")
@click.option("--study", default="NCT04276987", show_default=True, help="The study's registry number.")
@click.option("--mqtt", default="mqtt://127.0.0.1:1883", show_default=True, help="The broker's address.")
@click.option("--clock", type=click.Path(path_type=Path), help="A shared clock of simulated time.")
@click.option("--zone", default="UTC", show_default=True, help="The site's time zone, such as America/Mexico_City.")
@click.option("--operator", "operators", type=(str, str), multiple=True, metavar="CODE NAME", help="One therapist.")
@click.option(
    "--pharmacist", "pharmacists", type=(str, str), multiple=True, metavar="CODE NAME", help="One pharmacist."
)
@click.option("--investigator", "investigators", type=(str, str), multiple=True, metavar="CODE NAME")
@click.option("--trust", type=click.Path(path_type=Path), help="Where the public keys go. [default: DIR/trust]")
def init(
    folder: Path,
    site: str,
    sim: bool,
    study: str,
    mqtt: str,
    clock: Path | None,
    zone: str,
    operators: tuple[tuple[str, str], ...],
    pharmacists: tuple[tuple[str, str], ...],
    investigators: tuple[tuple[str, str], ...],
    trust: Path | None,
) -> None:
    """Make a pharmacy in DIR: its keys, pharmacy.toml, and the public keys that others trust.

    Example: nebctl pharmacy init ./pharmacy --site sim.mexcovid.example --sim
    """
    from nebctl.core.ledger.head import SITE
    from nebctl.pharmacy.setup import Plan, set_up

    if not SITE.fullmatch(site) or sim != site.startswith("sim."):
        raise click.UsageError(f"--site {site}: with --sim a domain that begins with `sim.`, without it another domain")
    plan = Plan(
        site=site,
        sim=sim,
        study=study,
        mqtt=mqtt,
        clock=clock,
        zone=zone,
        operators=operators,
        pharmacists=pharmacists,
        investigators=investigators,
    )
    with faults():
        for vkey in set_up(folder, trust or folder / "trust", plan):
            click.echo(f"{vkey.name}  sha256 {vkey.fingerprint()}")
    click.echo(
        f"{folder / 'pharmacy.toml'}: read it, then run: nebctl pharmacy run --config {folder / 'pharmacy.toml'}"
    )


@click.command()
@CONFIG
def run(config_file: Path) -> None:
    """Run the pharmacy until SIGTERM; the line `ready SITE`, with the address of its page, says that it keeps records.

    Example: nebctl pharmacy run --config pharmacy.toml
    """
    import asyncio
    import logging

    from nebctl.pharmacy.run import serve

    config = read(config_file)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    with faults():
        asyncio.run(serve(config, lambda page: click.echo(f"ready {config.pharmacy.site} {page}".rstrip())))


@click.command("enrol-unit")
@CONFIG
@click.option("--unit", required=True, help="The unit's name, such as neb-0001.")
@click.option("--vkey", "vkey_file", type=FILE, required=True, help="The verifier key that the unit wrote.")
@click.option("--by", metavar="CODE", help="The pharmacist who compared the fingerprints.")
def enrol_unit(config_file: Path, unit: str, vkey_file: Path, by: str | None) -> None:
    """Take a unit's public key; compare the fingerprint with the one that the unit itself shows.

    Example: nebctl pharmacy enrol-unit --config pharmacy.toml --unit neb-0001 --vkey neb-0001.vkey --by PH-01
    """
    from nebctl import keys
    from nebctl.pharmacy.enrolment import enrol_unit_by

    with books(config_file) as opened:
        vkey = keys.load_vkey(vkey_file)
        enrol_unit_by(opened, unit, vkey, by)
    click.echo(f"{unit}: {vkey.name}  sha256 {vkey.fingerprint()}")
