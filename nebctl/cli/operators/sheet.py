"""The delegation log as a sheet: everybody, or one person with every line of hers."""

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from nebctl.cli.operators.change import CODE
from nebctl.cli.pharmacy.common import CONFIG, JSON, faults, print_json, read, table

if TYPE_CHECKING:
    from nebctl.core.operators import Operator

_HEADS = ("code", "name", "badge", "may act as", "PIN", "state")


@click.command("list")
@CONFIG
@JSON
def list_all(config_file: Path, as_json: bool) -> None:
    """List everybody with what each may do today.

    Example: nebctl operators list --config pharmacy.toml
    """
    staff, today = _staff(config_file)
    if as_json:
        print_json({"today": today, "operators": [_facts(person, today) for person in staff]})
        return
    rows = [
        (
            *(person.code, person.name, person.badge or person.code),
            ", ".join(sorted(person.roles_on(today))) or "nobody",
            *("set" if person.pin else "none", _state(person, today)),
        )
        for person in staff
    ]
    click.echo(table(_HEADS, rows))


@click.command()
@CONFIG
@CODE
@JSON
def show(config_file: Path, code: str, as_json: bool) -> None:
    """Show one person with every delegation; exit code 1 where she may not act today.

    Example: nebctl operators show --config pharmacy.toml --code RT-09
    """
    staff, today = _staff(config_file)
    person = next((person for person in staff if person.code == code), None)
    if person is None:
        raise click.ClickException(f"staff code {code}: nobody has it; list them: nebctl operators list")
    if as_json:
        print_json(_facts(person, today))
    else:
        pin = "a PIN is set" if person.pin else "no PIN"
        click.echo(f"{person.code}: {person.name}, badge {person.badge or person.code}, {pin}; {_state(person, today)}")
        rows = [(role, "pharmacy.toml", "", "") for role in person.roles] + [
            (d.role, str(d.since), str(d.until or ""), str(d.trained or "")) for d in person.delegations
        ]
        click.echo(table(("role", "from", "to", "trained"), rows))
    raise SystemExit(0 if person.roles_on(today) else 1)


def _staff(config_file: Path) -> tuple[tuple["Operator", ...], date]:
    from nebctl.core.instant import NS_PER_S
    from nebctl.pharmacy.database import reading
    from nebctl.pharmacy.delegations import staff_of
    from nebctl.pharmacy.run import clock_of

    config = read(config_file)
    with faults():
        now = clock_of(config).instant()
        today = datetime.fromtimestamp(now.wall_ns // NS_PER_S, ZoneInfo(config.pharmacy.zone)).date()
        with reading(config.database) as db:
            return staff_of(db, config.staff()), today


def _state(person: "Operator", today: date) -> str:
    from nebctl.core.operators import refuse

    why = refuse(person, today)
    return why.sentence if why else "may work"


def _facts(person: "Operator", today: date) -> dict[str, object]:
    from nebctl.core.ledger.envelope import utc_text

    return {
        "code": person.code,
        "name": person.name,
        "badge": person.badge or None,
        "roles_today": sorted(person.roles_on(today)),
        "by_configuration": list(person.roles),
        "delegations": [
            {"role": d.role, "from": d.since, "to": d.until, "trained": d.trained} for d in person.delegations
        ],
        "suspended": None if person.suspended_ns is None else utc_text(person.suspended_ns),
        "pin_set": bool(person.pin),
    }
