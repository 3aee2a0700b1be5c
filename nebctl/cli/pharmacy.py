"""`nebctl pharmacy`: make one, run it, enrol units and subjects, show a subject's course."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from nebctl.core.dose.charge import Interval
    from nebctl.pharmacy.config import PharmacyConfig
    from nebctl.pharmacy.show import CourseSheet, DoseLine

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
CONFIG = click.option("--config", "config_file", type=FILE, required=True, help="The pharmacy's pharmacy.toml.")


@click.group()
def pharmacy() -> None:
    """Take records in, countersign them, and lease doses and kits to units."""


@pharmacy.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--site", required=True, help="The site's domain, such as mexcovid.example; `sim.` begins a simulated one."
)
@click.option("--sim", is_flag=True, help="Take simulated units only; the site's name must begin with `sim.`.")
@click.option("--study", default="NCT04276987", show_default=True, help="The study's registry number.")
@click.option("--mqtt", default="mqtt://127.0.0.1:1883", show_default=True, help="The broker's address.")
@click.option("--clock", type=click.Path(path_type=Path), help="A shared clock of simulated time.")
@click.option("--operator", "operators", type=(str, str), multiple=True, metavar="CODE NAME", help="One therapist.")
@click.option("--trust", type=click.Path(path_type=Path), help="Where the public keys go. [default: DIR/trust]")
def init(
    folder: Path,
    site: str,
    sim: bool,
    study: str,
    mqtt: str,
    clock: Path | None,
    operators: tuple[tuple[str, str], ...],
    trust: Path | None,
) -> None:
    """Make a pharmacy in DIR: its keys, pharmacy.toml, and the public keys that others trust.

    Example: nebctl pharmacy init ./pharmacy --site sim.mexcovid.example --sim
    """
    from nebctl.core.ledger.head import SITE
    from nebctl.pharmacy.setup import Plan, set_up

    if not SITE.fullmatch(site) or sim != site.startswith("sim."):
        raise click.UsageError(f"--site {site}: with --sim a domain that begins with `sim.`, without it another domain")
    plan = Plan(site=site, sim=sim, study=study, mqtt=mqtt, clock=clock, operators=operators)
    with _faults():
        for vkey in set_up(folder, trust or folder / "trust", plan):
            click.echo(f"{vkey.name}  sha256 {vkey.fingerprint()}")
    click.echo(
        f"{folder / 'pharmacy.toml'}: read it, then run: nebctl pharmacy run --config {folder / 'pharmacy.toml'}"
    )


@pharmacy.command()
@CONFIG
def run(config_file: Path) -> None:
    """Run the pharmacy until SIGTERM; the line `ready SITE` says that it keeps records.

    Example: nebctl pharmacy run --config pharmacy.toml
    """
    import asyncio
    import logging

    from nebctl.pharmacy.run import serve

    config = _config(config_file)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    with _faults():
        asyncio.run(serve(config, lambda: click.echo(f"ready {config.pharmacy.site}")))


@pharmacy.command()
@CONFIG
@click.option("--subject", required=True, help="The subject's pseudonym, such as MEX-001.")
@click.option("--unit", required=True, help="The unit that may give the doses.")
@click.option("--kits", required=True, help="Kit numbers in the order of the doses, with commas between.")
@click.option("--lot", required=True, help="The lot that the kits are of.")
@click.option("--day1", type=click.DateTime(["%Y-%m-%d"]), help="The planned Day 1; else the date of the first dose.")
@click.option("--doses-a-day", type=click.IntRange(1, 12), default=1, show_default=True)
def enrol(
    config_file: Path, subject: str, unit: str, kits: str, lot: str, day1: datetime | None, doses_a_day: int
) -> None:
    """Enrol a subject and lease one kit a dose to one unit, whether the pharmacy runs or not.

    Example: nebctl pharmacy enrol --config pharmacy.toml --subject MEX-001 --unit neb-0001 --kits KIT-0401,KIT-0402
    --lot EXO2020A
    """
    from nebctl.core.instant import NS_PER_S
    from nebctl.pharmacy.database import beside
    from nebctl.pharmacy.enrolment import Course, enrol_subject
    from nebctl.pharmacy.run import clock_of

    config = _config(config_file)
    with _faults(), beside(config.database) as db:
        now_ns = clock_of(config).instant().wall_ns
        course = Course(
            subject=subject,
            unit=unit,
            kits=tuple(kits.split(",")),
            lot=lot,
            day1=day1.date() if day1 else None,
            doses_a_day=doses_a_day,
            not_after_ns=now_ns + config.pharmacy.lease_days * 24 * 3600 * NS_PER_S,
        )
        enrol_subject(db, course, now_ns)
    click.echo(f"{subject}: {len(course.kits)} doses leased to {unit}, kits {', '.join(course.kits)}, lot {lot}")


@pharmacy.command("enrol-unit")
@CONFIG
@click.option("--unit", required=True, help="The unit's name, such as neb-0001.")
@click.option("--vkey", "vkey_file", type=FILE, required=True, help="The verifier key that the unit wrote.")
def enrol_unit(config_file: Path, unit: str, vkey_file: Path) -> None:
    """Take a unit's public key; compare the fingerprint with the one that the unit itself shows.

    Example: nebctl pharmacy enrol-unit --config pharmacy.toml --unit neb-0001 --vkey neb-0001.vkey
    """
    from nebctl import keys
    from nebctl.pharmacy import enrolment
    from nebctl.pharmacy.database import beside
    from nebctl.pharmacy.run import clock_of

    config = _config(config_file)
    with _faults(), beside(config.database) as db:
        vkey = keys.load_vkey(vkey_file)
        enrolment.enrol_unit(db, config.pharmacy.site, unit, vkey, clock_of(config).instant().wall_ns)
    click.echo(f"{unit}: {vkey.name}  sha256 {vkey.fingerprint()}")


@pharmacy.command()
@click.option("--config", "config_file", type=FILE, help="The pharmacy's pharmacy.toml.")
@click.option("--db", "database", type=FILE, help="A pharmacy.db, instead of --config.")
@click.option("--subject", required=True, help="The subject's pseudonym, such as MEX-001.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(config_file: Path | None, database: Path | None, subject: str, as_json: bool) -> None:
    """Show a subject's course, computed anew from the records.

    Exit code 1 where a recorded verdict is not what the recorded volume says, or a record is damaged.

    Example: nebctl pharmacy show --config pharmacy.toml --subject MEX-001
    """
    import json
    from dataclasses import asdict

    from nebctl.pharmacy.database import reading
    from nebctl.pharmacy.show import course_of

    if (config_file is None) == (database is None):
        raise click.UsageError("give either --config or --db")
    path = database or _config(config_file or Path()).database
    with _faults(), reading(path) as db:
        sheet = course_of(db, subject)
    if sheet is None:
        raise click.ClickException(f"{subject} is neither enrolled nor in any record; check the pseudonym")
    click.echo(json.dumps(asdict(sheet)) if as_json else _table(sheet))
    raise SystemExit(1 if any(line.verdict != line.recorded for line in sheet.lines) else 0)


def _config(path: Path) -> "PharmacyConfig":
    from nebctl.pharmacy.config import read_config

    with _faults():
        config = read_config(path)
    if isinstance(config, tuple):
        raise click.UsageError("\n".join(str(fault) for fault in config))
    return config


@contextmanager
def _faults() -> Iterator[None]:
    """Turn what the world did wrong into one line and exit code 1."""
    from nebctl.clock import ClockFileFault
    from nebctl.keys import KeyFault
    from nebctl.pharmacy.enrolment import EnrolmentFault
    from nebctl.pharmacy.show import CourseFault
    from nebctl.store.faults import StoreFault

    try:
        yield
    except (ClockFileFault, KeyFault, EnrolmentFault, CourseFault, StoreFault, OSError, UnicodeDecodeError) as fault:
        raise click.ClickException(str(fault)) from None


_HEADS = (
    "day",
    "dose",
    "kit",
    "lot",
    "unit",
    "started (UTC)",
    "emitted mL",
    "residual mL",
    "end",
    "verdict",
    "receipt",
)


def _table(sheet: "CourseSheet") -> str:
    rows = [_HEADS, *(_row(line) for line in sheet.lines)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    doubt = f"; {sheet.uncertain} in doubt" if sheet.uncertain else ""
    return "\n".join((f"Subject {sheet.subject}", "", *lines, "", f"Emitted in all: {_ml(sheet.emitted)} mL{doubt}"))


def _row(line: "DoseLine") -> tuple[str, ...]:
    verdict = line.verdict or ""
    if line.verdict != line.recorded:
        verdict += f" (recorded: {line.recorded})"
    receipt = {None: "", True: "yes", False: "not yet"}[line.receipted]
    started = (line.started or "")[:19].replace("T", " ")
    volumes = (_ml(line.emitted), _ml(line.residual))
    return (str(line.day), str(line.dose), line.kit, line.lot, line.unit, started, *volumes, line.end, verdict, receipt)


def _ml(volume: "Interval | None") -> str:
    if volume is None:
        return ""
    low, best, high = (f"{nl / 1e6:.2f}" for nl in (volume.low_nl, volume.best_nl, volume.high_nl))
    return f"{best} ({low} to {high})"
