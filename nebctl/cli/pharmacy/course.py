"""`nebctl pharmacy enrol|lease|show|calendar`: subjects and their courses."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nebctl.cli.pharmacy.common import (
    BY,
    CONFIG,
    DATE,
    FILE,
    JSON,
    REASON,
    SECOND,
    SUBJECT,
    books,
    counts_line,
    faults,
    ml,
    print_json,
    read,
    table,
)
from nebctl.cli.pharmacy.keys import show_unit

if TYPE_CHECKING:
    from nebctl.pharmacy.config import PharmacyConfig
    from nebctl.pharmacy.course_calendar import CalendarLine
    from nebctl.pharmacy.identities import Link
    from nebctl.pharmacy.moving import CodeOf
    from nebctl.pharmacy.show import CourseSheet, DoseLine
    from nebctl.pharmacy.totals import Total


@click.command()
@CONFIG
@SUBJECT
@click.option("--day1", type=DATE, required=True, help="The planned date of Day 1.")
@click.option("--unit", required=True, help="The unit that may give the doses.")
@click.option("--link", is_flag=True, help="Ask for the codes of the wristband and of the study card or bed label.")
@BY
@SECOND
def enrol(config_file: Path, subject: str, day1: datetime, unit: str, link: bool, by: str, second: str) -> None:
    """Enrol a subject by two pharmacists: every dose of the study protocol is then ordered at one unit.

    Example: nebctl pharmacy enrol --config pharmacy.toml --subject MEX-001 --day1 2026-02-14 --unit neb-0001
    --link --by PH-01 --second PH-02
    """
    from nebctl.pharmacy.enrolment import Enrolment, enrol_subject

    found = scanned_link(read(config_file)) if link else None
    wish = Enrolment(subject=subject, day1=day1.date(), unit=unit, by=by, second=second, link=found)
    with books(config_file) as opened:
        enrol_subject(opened, wish)
        doses = len(opened.book.regimen.planned_doses())
    click.echo(f"{subject}: {doses} doses ordered at {unit} from {day1:%Y-%m-%d}; dispense kits to them")


@click.command("link")
@CONFIG
@SUBJECT
@REASON
@BY
@SECOND
def link_(config_file: Path, subject: str, reason: str, by: str, second: str) -> None:
    """Link a subject's wristband and study card or bed label, or new ones in place of lost ones, by two persons.

    Both codes are asked for, and scanned or typed unseen. What is kept is a hash of each under the site's key.

    Example: nebctl pharmacy link --config pharmacy.toml --subject MEX-001 --reason "new wristband" --by PH-01
    --second PH-02
    """
    from nebctl.pharmacy.identities import link_subject

    link = scanned_link(read(config_file))
    with books(config_file) as opened:
        link_subject(opened, subject, link, by, second, reason)
    click.echo(f"{subject}: linked; the units know it by their next lists")


def scanned_link(config: "PharmacyConfig") -> "Link":
    """Ask for both codes and return their keyed hashes."""
    from nebctl.core.scan.message import GS, split
    from nebctl.pharmacy.identities import Link
    from nebctl.pins import load_pin_key

    if config.pharmacy.pin_key is None:
        raise click.UsageError("[pharmacy] has no pin_key: make one with `nebctl keys create-pin FILE`, and name it")
    with faults():
        key = load_pin_key(config.pharmacy.pin_key)
    asked = ("Wristband", "Study card or bed label")
    codes = [split(click.prompt(each, hide_input=True, err=True)).content.strip(f"{GS} ") for each in asked]
    return Link(band=key.link(codes[0]), card=key.link(codes[1]))


@click.group()
def lease() -> None:
    """Move leases between units.

    Example: nebctl pharmacy lease move --config pharmacy.toml --subject MEX-001 --to neb-0002 --by PH-01
    --reason "unit broken"
    """


@lease.command()
@CONFIG
@SUBJECT
@click.option("--to", "unit", required=True, help="The unit that may give the doses from now on.")
@click.option("--code", default="", help="What the old unit's screen shows once the doses were given back there.")
@click.option(
    "--read-by", "readers", multiple=True, metavar="CODE", help="Who read the code from that screen; two of them."
)
@REASON
@BY
def move(config_file: Path, subject: str, unit: str, code: str, readers: tuple[str, ...], reason: str, by: str) -> None:
    """Lease a subject's open doses to another unit.

    The doses were given back at the old unit, and its record of that has come in. Where nobody hears it, two persons
    read the code from its screen. Without either, the doses of days to come move once their leases have ended.

    Example: nebctl pharmacy lease move --config pharmacy.toml --subject MEX-001 --to neb-0002 --by PH-01
    --code 5-1-12345678 --read-by RT-07 --read-by PH-02 --reason "network broken"
    """
    from nebctl.pharmacy import moving

    if len(readers) not in (0, 2):
        raise click.UsageError("--read-by: give it twice, for the two persons who read the code, or not at all")
    both = (readers[0], readers[1]) if readers else None
    make = _return_code(read(config_file)) if code else None
    with books(config_file) as opened:
        wish = moving.Move(subject=subject, unit=unit, by=by, reason=reason, code=code, readers=both, code_of=make)
        moved = moving.move(opened, wish)
    click.echo(f"{subject}: {moved} doses moved to {unit}")


def _return_code(config: "PharmacyConfig") -> "CodeOf":
    """Return how the site's PIN key makes the code of doses that were given back."""
    from nebctl.pins import load_pin_key

    if config.pharmacy.pin_key is None:
        raise click.UsageError("[pharmacy] has no pin_key: the code is checked by the key that the units have too")
    with faults():
        return load_pin_key(config.pharmacy.pin_key).return_code


@click.command("extra-dose")
@CONFIG
@SUBJECT
@click.option("--day", type=int, required=True, help="The study day.")
@REASON
@BY
@SECOND
def extra_dose(config_file: Path, subject: str, day: int, reason: str, by: str, second: str) -> None:
    """Order a second aliquot on one protocol day, by a pharmacist and an investigator; dispense a kit to it afterwards.

    At the bed two persons confirm it once more, one of them an investigator.

    Example: nebctl pharmacy extra-dose --config pharmacy.toml --subject MEX-001 --day 1 --reason "cup dropped"
    --by PH-01 --second PI-01
    """
    from nebctl.pharmacy import leases

    with books(config_file) as opened:
        wish = leases.ExtraDose(subject=subject, day=day, by=by, second=second, reason=reason)
        dose = leases.order_extra(opened, wish)
    click.echo(f"{subject}: dose {dose} of Day {day} is ordered; dispense a kit to it")


@click.command()
@click.option("--config", "config_file", type=FILE, help="The pharmacy's pharmacy.toml.")
@click.option("--db", "database", type=FILE, help="A pharmacy.db, instead of --config.")
@click.option("--subject", help="A subject's pseudonym, such as MEX-001.")
@click.option("--lot", help="A lot, such as EXO2020A.")
@click.option("--kit", help="A kit, such as KIT-0401.")
@click.option("--unit", help="A unit, such as neb-0001: its keys and epochs, and the evidence of a copied card.")
@click.option("--units", is_flag=True, help="All units: what came in, and what was not kept, counted by its reason.")
@click.option("--heads", is_flag=True, help="How far every log reaches: what `export --at` takes.")
@JSON
def show(
    config_file: Path | None,
    database: Path | None,
    subject: str | None,
    lot: str | None,
    kit: str | None,
    unit: str | None,
    units: bool,
    heads: bool,
    as_json: bool,
) -> None:
    """Show a subject's course from the records, or a lot's account, a kit, what units have sent, or all logs' heads.

    Exit code 1 where a recorded verdict is not what the recorded volume says, a lot does not add up, there is evidence
    of two histories under a unit's key, or a record is damaged.

    Example: nebctl pharmacy show --config pharmacy.toml --subject MEX-001
    """
    if (config_file is None) == (database is None):
        raise click.UsageError("give either --config or --db")
    path = database or read(config_file or Path()).database
    if heads:
        if subject or lot or kit or unit or units:
            raise click.UsageError("--heads stands alone")
        _show_heads(path, as_json)
        return
    match subject, lot, kit, unit, units:
        case str(), None, None, None, False:
            _show_subject(path, subject, as_json)
        case None, str(), None, None, False:
            _show_lot(path, lot, as_json)
        case None, None, str(), None, False:
            _show_kit(path, kit, as_json)
        case None, None, None, str(), False:
            show_unit(path, unit, as_json)
        case None, None, None, None, True:
            _show_units(path, as_json)
        case _:
            raise click.UsageError("give one of --subject, --lot, --kit, --unit, --units and --heads")


def _show_heads(path: Path, as_json: bool) -> None:
    from nebctl.core.ledger.encoding import b64
    from nebctl.pharmacy.cut import newest_cut

    with faults():
        cut = newest_cut(path)
    if as_json:
        logs = [{"log": each.origin, "size": each.size, "root": b64(each.root)} for each in cut.heads]
        print_json({"cut": cut.digest(), "logs": logs})
    else:
        click.echo(cut.text(), nl=False)


def _show_subject(path: Path, subject: str, as_json: bool) -> None:
    from dataclasses import asdict

    from nebctl.pharmacy import log
    from nebctl.pharmacy.database import reading
    from nebctl.pharmacy.show import course_of

    with faults(), reading(path) as db:
        sheet = course_of(db, subject, log.entries(log.beside(path)))
    if sheet is None:
        raise click.ClickException(f"{subject} is neither enrolled nor in any record; check the pseudonym")
    print_json(asdict(sheet)) if as_json else click.echo(_course(sheet))
    raise SystemExit(1 if any(line.verdict != line.recorded for line in sheet.lines) else 0)


def _show_lot(path: Path, lot: str, as_json: bool) -> None:
    from dataclasses import asdict

    from nebctl.pharmacy import log
    from nebctl.pharmacy.database import reading
    from nebctl.pharmacy.stock_sheet import lot_sheet

    with faults(), reading(path) as db:
        sheet = lot_sheet(db, lot, log.entries(log.beside(path)))
    if as_json:
        print_json({**asdict(sheet), "balanced": sheet.balanced})
    else:
        click.echo(f"Lot {lot}: {sheet.state.value}; {sheet.received} kits received = {counts_line(sheet.kits)}")
    raise SystemExit(0 if sheet.balanced else 1)


def _show_kit(path: Path, kit: str, as_json: bool) -> None:
    from nebctl.cli.pharmacy.stock import print_kit

    print_kit(kit, path, as_json)


def _show_units(path: Path, as_json: bool) -> None:
    from dataclasses import asdict

    from nebctl.pharmacy.database import reading
    from nebctl.pharmacy.intake_sheet import intake_sheet

    with faults(), reading(path) as db:
        lines = intake_sheet(db)
    if as_json:
        print_json({"units": [asdict(line) for line in lines]})
        return
    rows = [
        (
            line.unit or "not enrolled",
            str(line.epoch or ""),
            str(line.records),
            str(line.receipted),
            line.last_contact or "never",
            ", ".join(f"{each.count} {each.reason} (last {each.last_at})" for each in line.not_kept) or "nothing",
        )
        for line in lines
    ]
    click.echo(table(("unit", "epoch", "records", "receipted", "last contact", "not kept"), rows))


@click.command()
@CONFIG
@SUBJECT
@JSON
def calendar(config_file: Path, subject: str, as_json: bool) -> None:
    """Show on which dates a subject's doses and assessments fall, and what came of the doses.

    Example: nebctl pharmacy calendar --config pharmacy.toml --subject MEX-001
    """
    from dataclasses import asdict

    from nebctl.pharmacy.course_calendar import calendar_of
    from nebctl.pharmacy.database import reading
    from nebctl.pharmacy.run import rulebook

    config = read(config_file)
    with faults(), reading(config.database) as db:
        found = calendar_of(db, subject, rulebook(config))
    if as_json:
        print_json(asdict(found))
        return
    began = f"first dose delivered on {found.first_delivered}" if found.first_delivered else "nothing delivered yet"
    rows = [_calendar_row(line) for line in found.lines]
    click.echo(f"Subject {subject}: {began}\n\n{table(('date', 'day', 'SDTM day', 'what', 'state'), rows)}")


def _calendar_row(line: "CalendarLine") -> tuple[str, ...]:
    sdtm = "" if line.sdtm_day is None else str(line.sdtm_day)
    return (str(line.on or "not known"), f"Day {line.day}", sdtm, line.what, line.state)


_HEADS = (
    *("day", "dose", "kit", "lot", "unit", "started (UTC)", "emitted mL", "residual mL", "end", "verdict", "receipt"),
)


def _course(sheet: "CourseSheet") -> str:
    doubt = f"; {sheet.uncertain} in doubt" if sheet.uncertain else ""
    settled = [_settled(line) for line in sheet.lines if line.settled]
    whole = [total.verdict for total in sheet.totals if total.day is None]
    verdict = f", {whole[0]} against the doses given" if whole else ""
    days = [f"Day {day}: {ml(total.emitted)} mL, {total.verdict}" for day, total in _days_of_several(sheet)]
    total = f"Emitted in all: {ml(sheet.emitted)} mL{verdict}{doubt}"
    lines = table(_HEADS, [_row(line) for line in sheet.lines])
    return "\n".join((f"Subject {sheet.subject}", "", lines, "", *settled, *days, total))


def _days_of_several(sheet: "CourseSheet") -> list[tuple[int, "Total"]]:
    """Return the days on which more than one dose was given; of the others the dose's own line says it all."""
    given = [line.day for line in sheet.lines if line.emitted]
    return [(total.day, total) for total in sheet.totals if total.day is not None and given.count(total.day) > 1]


def _settled(line: "DoseLine") -> str:
    assert line.settled is not None
    low, high = (f"{nl / 1e6:.2f}" for nl in (line.settled.low_nl, line.settled.high_nl))
    by = f"record {line.settled.log_seq} of the pharmacy's log"
    return f"{line.session} was settled by two persons: {low} to {high} mL, {line.settled.verdict} ({by})"


def _row(line: "DoseLine") -> tuple[str, ...]:
    verdict = line.verdict or ""
    if line.verdict != line.recorded:
        verdict += f" (recorded: {line.recorded})"
    receipt = {None: "", True: "yes", False: "not yet"}[line.receipted]
    started = (line.started or "")[:19].replace("T", " ")
    volumes = (ml(line.emitted), ml(line.residual))
    return (str(line.day), str(line.dose), line.kit, line.lot, line.unit, started, *volumes, line.end, verdict, receipt)
