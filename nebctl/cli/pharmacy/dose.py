"""`nebctl pharmacy notdone|resolve|adverse`: what persons enter about doses and what followed them."""

from datetime import datetime
from pathlib import Path

import click

from nebctl.cli.pharmacy.common import BY, CONFIG, DATE, REASON, SECOND, SUBJECT, books, read_ml
from nebctl.core.codes import ACTIONS, GRADES, NOT_DONE_REASONS, RELATIONS


@click.command()
@CONFIG
@SUBJECT
@click.option("--day", type=click.IntRange(1, 999), required=True, help="The study day.")
@click.option("--dose", type=click.IntRange(1, 999), default=1, show_default=True, help="Which dose of that day.")
@click.option("--reason", type=click.Choice(NOT_DONE_REASONS), required=True, help="Why it was not done.")
@click.option("--text", default="", help="What else there is to say; kept as a private fact.")
@BY
def notdone(config_file: Path, subject: str, day: int, dose: int, reason: str, text: str, by: str) -> None:
    """Record that an ordered dose was not done, and why.

    Example: nebctl pharmacy notdone --config pharmacy.toml --subject MEX-001 --day 3
    --reason subject-declined --by RT-07
    """
    from nebctl.pharmacy.judging import note_not_done

    with books(config_file) as opened:
        note_not_done(opened, subject, day, dose, reason, text, by)
    click.echo(f"{subject} day {day} dose {dose}: not done, {reason}")


@click.command()
@CONFIG
@click.option("--dose", "session", required=True, metavar="ID", help="The dose's id, such as 2026-02-14-7f3a9c.")
@click.option("--low", required=True, help="The least that was emitted, such as 1.2 mL.")
@click.option("--high", required=True, help="The most that was emitted, such as 1.6 mL.")
@REASON
@BY
@SECOND
def resolve(config_file: Path, session: str, low: str, high: str, reason: str, by: str, second: str) -> None:
    """Settle a dose in doubt by two persons; its record stays, and a signed correction names it.

    Example: nebctl pharmacy resolve --config pharmacy.toml --dose 2026-02-14-7f3a9c --low "1.2 mL" --high "1.6 mL"
    --reason "vial weighed again" --by PH-01 --second PI-01
    """
    from nebctl.pharmacy.events import Settlement, settle

    low_nl, high_nl = read_ml(low, "--low"), read_ml(high, "--high")
    wish = Settlement(session=session, low_nl=low_nl, high_nl=high_nl, reason=reason, by=by, second=second)
    with books(config_file) as opened:
        verdict = settle(opened, wish)
    click.echo(f"{session}: settled from {low} to {high}, {verdict.value}")


@click.group()
def adverse() -> None:
    """Enter adverse events.

    Example: nebctl pharmacy adverse add --config pharmacy.toml --subject MEX-001 --date 2026-02-20 --grade 2
    --relation possible --action none --text "cough" --by PI-01
    """


@adverse.command()
@CONFIG
@SUBJECT
@click.option("--date", "on", type=DATE, required=True, help="The date of the event at the site.")
@click.option("--grade", type=click.Choice(GRADES), required=True, help="Its severity by CTCAE.")
@click.option("--relation", type=click.Choice(RELATIONS), required=True, help="To the study treatment.")
@click.option("--action", type=click.Choice(ACTIONS), required=True, help="What was done with the treatment.")
@click.option("--text", required=True, help="What happened.")
@BY
def add(
    config_file: Path, subject: str, on: datetime, grade: str, relation: str, action: str, text: str, by: str
) -> None:
    """Enter one adverse event, until the end of the follow-up; all of it is kept as private facts.

    Example: nebctl pharmacy adverse add --config pharmacy.toml --subject MEX-001 --date 2026-02-20 --grade 2
    --relation possible --action none --text "cough" --by PI-01
    """
    from nebctl.pharmacy.events import AdverseEvent, add_adverse

    event = AdverseEvent(subject=subject, on=on.date(), grade=grade, relation=relation, action=action, text=text, by=by)
    with books(config_file) as opened:
        add_adverse(opened, event)
    click.echo(f"{subject}: adverse event of {on:%Y-%m-%d} entered")
