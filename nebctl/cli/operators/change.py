"""Changes of the delegation log; each is a signed event in the pharmacy's own log."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nebctl.cli.pharmacy.common import BY, CONFIG, DATE, JSON, REASON, books, faults, print_json, read

if TYPE_CHECKING:
    from nebctl.pharmacy.config import PharmacyConfig

CODE = click.option("--code", required=True, metavar="CODE", help="The person's staff code, such as RT-09.")


def told(as_json: bool, sentence: str, **facts: object) -> None:
    """Say what was done, as a sentence or as one JSON object."""
    print_json(facts) if as_json else click.echo(sentence)


@click.command()
@CONFIG
@CODE
@click.option("--name", required=True, help="The printed name, as it stands beside a signature.")
@click.option("--badge", default="", metavar="GSRN", help="The badge's GSRN of 18 digits; without it the code counts.")
@BY
@JSON
def add(config_file: Path, code: str, name: str, badge: str, by: str, as_json: bool) -> None:
    """Add a person. She may do nothing yet: delegate a role to her and let her set a PIN.

    Example: nebctl operators add --config pharmacy.toml --code RT-09 --name "D. Vega" --by PH-01
    """
    from nebctl.pharmacy.staff import Person
    from nebctl.pharmacy.staff import add as add_person

    with books(config_file) as opened:
        add_person(opened, Person(code=code, name=name, badge=badge, by=by))
    told(as_json, f"{code}: added; delegate a role and set a PIN", code=code, event="added", badge=badge or None)


@click.command()
@CONFIG
@CODE
@click.option("--role", required=True, metavar="ROLE", help="therapist, pharmacist, investigator or engineer.")
@click.option("--from", "since", type=DATE, required=True, help="The first day, by the site's calendar.")
@click.option("--to", "until", type=DATE, help="The last day; without it until somebody takes it back.")
@click.option("--trained", type=DATE, required=True, help="When the person was trained for it.")
@BY
@JSON
def delegate(
    config_file: Path,
    code: str,
    role: str,
    since: datetime,
    until: datetime | None,
    trained: datetime,
    by: str,
    as_json: bool,
) -> None:
    """Delegate a role, as an investigator does; a role from the same day on is replaced.

    Example: nebctl operators delegate --config pharmacy.toml --code RT-09 --role therapist --from 2026-02-14
    --to 2026-12-31 --trained 2026-02-10 --by PI-01
    """
    from nebctl.pharmacy import staff

    last = until.date() if until else None
    grant = staff.Grant(code=code, role=role, since=since.date(), until=last, trained=trained.date(), by=by)
    with books(config_file) as opened:
        staff.delegate(opened, grant)
    end = f" to {last}" if last else ""
    told(
        as_json,
        f"{code}: {role} from {grant.since}{end}, trained on {grant.trained}",
        **{"code": code, "event": "delegated", "role": role, "from": grant.since, "to": last},
        trained=grant.trained,
    )


@click.command()
@CONFIG
@CODE
@REASON
@BY
@JSON
def suspend(config_file: Path, code: str, reason: str, by: str, as_json: bool) -> None:
    """Suspend a person: no unit lets her sign in once it has its new list.

    Example: nebctl operators suspend --config pharmacy.toml --code RT-09 --reason "badge lost" --by PH-01
    """
    from nebctl.pharmacy import staff

    with books(config_file) as opened:
        staff.suspend(opened, code, reason, by)
    told(as_json, f"{code}: suspended", code=code, event="suspended")


@click.command()
@CONFIG
@CODE
@REASON
@BY
@JSON
def reinstate(config_file: Path, code: str, reason: str, by: str, as_json: bool) -> None:
    """Let a suspended person work again, as an investigator decides.

    Example: nebctl operators reinstate --config pharmacy.toml --code RT-09 --reason "badge found" --by PI-01
    """
    from nebctl.pharmacy import staff

    with books(config_file) as opened:
        staff.reinstate(opened, code, reason, by)
    told(as_json, f"{code}: may work again", code=code, event="reinstated")


@click.command()
@CONFIG
@CODE
@BY
@JSON
def pin(config_file: Path, code: str, by: str, as_json: bool) -> None:
    """Let a person set a PIN, or a new one where she forgot it or locked herself out.

    She types it twice, herself; it is not shown, not written down, and no record holds it.

    Example: nebctl operators pin --config pharmacy.toml --code RT-09 --by PH-01
    """
    from nebctl.pharmacy import staff

    verifier = _verifier(read(config_file), code)
    with books(config_file) as opened:
        staff.set_pin(opened, code, verifier, by)
    told(as_json, f"{code}: the new PIN counts from the next list on", code=code, event="pin-set")


def _verifier(config: "PharmacyConfig", code: str) -> str:
    from nebctl.pins import LIVE_COST, PLAY_COST, load_pin_key, why_bad

    if config.pharmacy.pin_key is None:
        raise click.UsageError("[pharmacy] has no pin_key: make one with `nebctl keys create-pin FILE`, and name it")
    with faults():
        key = load_pin_key(config.pharmacy.pin_key)
    typed: str = click.prompt(f"New PIN of {code}", hide_input=True, err=True)
    if why := why_bad(typed, code):
        raise click.ClickException(f"{why} Nothing was changed.")
    if click.prompt("Once more", hide_input=True, err=True) != typed:
        raise click.ClickException("The two PINs are not the same. Nothing was changed; call again.")
    return key.make(code, typed, PLAY_COST if config.pharmacy.sim else LIVE_COST)
