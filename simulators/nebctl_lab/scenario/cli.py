"""`nebctl sim run`: play a scenario against the real unit and pharmacy, in virtual time."""

import json
import logging
from pathlib import Path

import click


@click.command(epilog="Example: nebctl sim run unplug --junit unplug.xml")
@click.argument("scenarios", nargs=-1, metavar="SCENARIO|FILE...")
@click.option("--list", "listed", is_flag=True, help="List the scenarios that come with nebctl, and play none.")
@click.option("--seed", type=click.IntRange(0, 2**31), help="Another chance than the scenario's own.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a scenario and nothing else.")
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), help="Write a JUnit report to this file.")
def run(scenarios: tuple[str, ...], listed: bool, seed: int | None, as_json: bool, junit: Path | None) -> None:
    """Play scenarios and print what happened when, with what was expected and what was seen.

    A scenario is one that comes with nebctl, by name, or a file of the form in docs/reference/scenario.md. A whole
    simulated site is built for each, with the real unit and pharmacy, and played in virtual time: nothing waits, and
    the same scenario with the same seed is the same twice. Exit code 0: all as expected; 1: not; 2: a wrong call.
    """
    from nebctl_lab.scenario.shipped import ScenarioFault, open_scenario, shipped_names
    from nebctl_lab.scenario.timeline import junit as junit_text
    from nebctl_lab.scenario.virtual import play

    try:
        if listed:
            click.echo("\n".join(_in_one_line(name) for name in shipped_names()))
            return
        opened = [open_scenario(name) for name in scenarios]
    except ScenarioFault as fault:
        raise click.UsageError(str(fault)) from None
    logging.getLogger("nebctl").addHandler(logging.NullHandler())  # what simulated units log is no news of this command
    if not opened:
        raise click.UsageError("name a scenario, or give --list to see them")
    reports = []
    for scenario in opened:
        reports.append(play(scenario, seed))
        click.echo(json.dumps(reports[-1].as_json()) if as_json else reports[-1].text())
    if junit is not None:
        _write(junit, junit_text(reports))
    raise SystemExit(0 if all(report.passed for report in reports) else 1)


def _in_one_line(name: str) -> str:
    from nebctl_lab.scenario.shipped import open_scenario

    return f"{name:<24} {open_scenario(name).title}"


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise click.UsageError(f"--junit {path}: {error.strerror}") from None
