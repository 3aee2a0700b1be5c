"""`nebctl pharmacy lot|kit`: lots and kits, each step a signed record."""

from pathlib import Path

import click

from nebctl.cli.pharmacy.common import BY, CONFIG, FILE, JSON, REASON, SUBJECT, books, faults, print_json, read

KITS = click.argument("kits", metavar="KIT...", nargs=-1, required=True)


@click.group()
def lot() -> None:
    """Add lots, release, quarantine and recall them.

    Example: nebctl pharmacy lot release EXO2020A --config pharmacy.toml --by PH-01 --reason "certificate read"
    """


@lot.command()
@click.argument("name", metavar="LOT")
@CONFIG
@BY
def add(name: str, config_file: Path, by: str) -> None:
    """Take a new lot in; it stands in quarantine.

    Example: nebctl pharmacy lot add EXO2020A --config pharmacy.toml --by PH-01
    """
    from nebctl.pharmacy.stock import add_lot

    with books(config_file) as opened:
        add_lot(opened, name, by)
    click.echo(f"lot {name}: QUARANTINED")


def _change_lot(name: str, config_file: Path, by: str, reason: str, to: str) -> None:
    from nebctl.core.kits import LotState
    from nebctl.pharmacy.stock import change_lot

    with books(config_file) as opened:
        change_lot(opened, name, LotState(to), by, reason)
    click.echo(f"lot {name}: {to}")


@lot.command("release")
@click.argument("name", metavar="LOT")
@CONFIG
@BY
@REASON
def release_lot(name: str, config_file: Path, by: str, reason: str) -> None:
    """Let kits of a lot be given.

    Example: nebctl pharmacy lot release EXO2020A --config pharmacy.toml --by PH-01 --reason "certificate 17"
    """
    _change_lot(name, config_file, by, reason, "RELEASED")


@lot.command("quarantine")
@click.argument("name", metavar="LOT")
@CONFIG
@BY
@REASON
def quarantine_lot(name: str, config_file: Path, by: str, reason: str) -> None:
    """Hold a lot back: no unit gives its kits until it is released again.

    Example: nebctl pharmacy lot quarantine EXO2020A --config pharmacy.toml --by PH-01 --reason "freezer at -52 C"
    """
    _change_lot(name, config_file, by, reason, "QUARANTINED")


@lot.command()
@click.argument("name", metavar="LOT")
@CONFIG
@BY
@REASON
def recall(name: str, config_file: Path, by: str, reason: str) -> None:
    """Recall a lot for ever.

    Example: nebctl pharmacy lot recall EXO2020A --config pharmacy.toml --by PH-01 --reason "sponsor's letter 4"
    """
    _change_lot(name, config_file, by, reason, "RECALLED")


@click.group()
def kit() -> None:
    """Import kits, release, dispense, thaw and take them back.

    Example: nebctl pharmacy kit show KIT-0401 --config pharmacy.toml
    """


@kit.command("import")
@click.argument("file", type=FILE)
@CONFIG
@BY
def import_(file: Path, config_file: Path, by: str) -> None:
    """Receive the kits of a CSV file with the columns kit, lot, expires, and gtin, serial where they have codes.

    All of them are received, or none.

    Example: nebctl pharmacy kit import kits.csv --config pharmacy.toml --by PH-01
    """
    from nebctl.pharmacy.kit_file import read_kits
    from nebctl.pharmacy.stock import import_kits

    with books(config_file) as opened:
        kits = read_kits(file)
        wrong = [each for each in kits if isinstance(each, str)]
        if wrong:
            raise click.ClickException("nothing was imported:\n" + "\n".join(wrong))
        import_kits(opened, [each for each in kits if not isinstance(each, str)], by)
    click.echo(f"{len(kits)} kits: QUARANTINED; release them: nebctl pharmacy kit release")


def _change_kits(kits: tuple[str, ...], config_file: Path, by: str, reason: str, to: str) -> None:
    from nebctl.core.kits import KitState
    from nebctl.pharmacy.stock import change_kits

    with books(config_file) as opened:
        change_kits(opened, kits, KitState(to), by, reason)
    click.echo(f"kit {', '.join(kits)}: {to}")


@kit.command("release")
@KITS
@CONFIG
@BY
@click.option("--reason", default="", metavar="TEXT", help="What it was checked by.")
def release_kit(kits: tuple[str, ...], config_file: Path, by: str, reason: str) -> None:
    """Release kits of a released lot from quarantine.

    Example: nebctl pharmacy kit release KIT-0401 KIT-0402 --config pharmacy.toml --by PH-01
    """
    _change_kits(kits, config_file, by, reason, "RELEASED")


@kit.command("quarantine")
@KITS
@CONFIG
@BY
@REASON
def quarantine_kit(kits: tuple[str, ...], config_file: Path, by: str, reason: str) -> None:
    """Hold released kits back.

    Example: nebctl pharmacy kit quarantine KIT-0401 --config pharmacy.toml --by PH-01 --reason "label torn"
    """
    _change_kits(kits, config_file, by, reason, "QUARANTINED")


@kit.command("return")
@KITS
@CONFIG
@BY
@REASON
def return_kit(kits: tuple[str, ...], config_file: Path, by: str, reason: str) -> None:
    """Take kits back; they are not given any more.

    Example: nebctl pharmacy kit return KIT-0405 --config pharmacy.toml --by PH-01 --reason "course ended"
    """
    _change_kits(kits, config_file, by, reason, "RETURNED")


@kit.command()
@KITS
@click.option("--as", "to", type=click.Choice(["DAMAGED", "LOST", "DESTROYED"], case_sensitive=False), required=True)
@CONFIG
@BY
@REASON
def discard(kits: tuple[str, ...], to: str, config_file: Path, by: str, reason: str) -> None:
    """Note that kits are damaged, lost or destroyed.

    Example: nebctl pharmacy kit discard KIT-0405 --as damaged --config pharmacy.toml --by PH-01 --reason "dropped"
    """
    _change_kits(kits, config_file, by, reason, to.upper())


@kit.command()
@KITS
@CONFIG
@SUBJECT
@click.option("--day", type=click.IntRange(1, 999), required=True, help="The study day of the first kit.")
@click.option("--dose", type=click.IntRange(1, 999), default=1, show_default=True, help="Which dose of that day.")
@BY
def dispense(kits: tuple[str, ...], config_file: Path, subject: str, day: int, dose: int, by: str) -> None:
    """Lease kits to a subject's doses at the subject's unit: the first to --day, further ones to the doses after it.

    Example: nebctl pharmacy kit dispense KIT-0401 --config pharmacy.toml --subject MEX-001 --day 1 --by PH-01
    """
    from nebctl.pharmacy import leases

    with books(config_file) as opened:
        leases.dispense(opened, leases.Dispensing(subject=subject, day=day, dose=dose, kits=kits, by=by))
    click.echo(f"kit {', '.join(kits)}: DISPENSED to {subject} from day {day}")


@kit.command()
@click.argument("name", metavar="KIT")
@CONFIG
@BY
def thaw(name: str, config_file: Path, by: str) -> None:
    """Note that a kit is thawed now; where the site sets a time from thaw to use, it is printed.

    Example: nebctl pharmacy kit thaw KIT-0401 --config pharmacy.toml --by PH-01
    """
    from nebctl.pharmacy import stock

    with books(config_file) as opened:
        use_by = stock.thaw(opened, name, by)
    click.echo(f"kit {name}: thawed, to be used by {use_by}" if use_by else f"kit {name}: thawed")


@kit.command("label")
@KITS
@CONFIG
@click.option(
    "--form", type=click.Choice(["readable", "zint", "zpl"]), default="readable", show_default=True, help="For whom."
)
@JSON
def label(kits: tuple[str, ...], config_file: Path, form: str, as_json: bool) -> None:
    """Print what belongs on the labels of kits, one line a kit: a GS1 DataMatrix of the site's own, or the maker's.

    `readable` is for people, `zint` for programs that draw codes from bracketed fields, `zpl` for label printers;
    with --json all of them, and what a scanner sends.

    Example: nebctl pharmacy kit label KIT-0401 KIT-0402 --config pharmacy.toml --form zpl
    """
    from dataclasses import asdict

    from nebctl.pharmacy.database import reading
    from nebctl.pharmacy.labels import label_of

    config = read(config_file)
    with faults(), reading(config.database) as db:
        found = [asdict(label_of(db, name, config.pharmacy.study)) for name in kits]
    if as_json:
        print_json({"labels": found})
        return
    for each in found:
        click.echo(each[form])


@kit.command()
@click.argument("name", metavar="KIT")
@CONFIG
@JSON
def show(name: str, config_file: Path, as_json: bool) -> None:
    """Show one kit: its state, lot, expiry, and whom it is dispensed to.

    Example: nebctl pharmacy kit show KIT-0401 --config pharmacy.toml
    """
    print_kit(name, read(config_file).database, as_json)


def print_kit(name: str, database: Path, as_json: bool) -> None:
    """Print one kit."""
    from dataclasses import asdict

    from nebctl.pharmacy.database import reading
    from nebctl.pharmacy.stock_sheet import kit_sheet

    with faults(), reading(database) as db:
        sheet = kit_sheet(db, name)
    if as_json:
        print_json(asdict(sheet))
        return
    dose = f", {sheet.subject} day {sheet.day} dose {sheet.dose} at {sheet.unit}" if sheet.subject else ""
    times = "".join(f", {word} {at}" for word, at in (("thawed", sheet.thawed_at), ("use by", sheet.use_by)) if at)
    click.echo(f"{name}: {sheet.state.value} since {sheet.since}, lot {sheet.lot} {sheet.lot_state.value}", nl=False)
    click.echo(f", expires {sheet.expires}{times}{dose}")
