"""`nebctl demo`: see nebctl do what it is for, on this machine alone."""

import json
import sys
from pathlib import Path

import click


@click.command(epilog="Example: nebctl demo --data ./demo-data --speed 120")
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo-data"),
    show_default=True,
    help="Where everything is written; an earlier demonstration there is replaced.",
)
@click.option(
    "--speed",
    type=click.IntRange(1, 400),
    default=120,
    show_default=True,
    help="Simulated seconds a real second while a dose runs.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Which simulated nebulizer, vials and balance.")
@click.option("--json", "as_json", is_flag=True, help="End with one line, a JSON object, and print nothing else.")
def demo(data: Path, speed: int, seed: int, as_json: bool) -> None:
    """Give a whole course of five daily doses against a simulated nebulizer, and prove each of them.

    Starts a broker, a pharmacy, a simulated nebulizer and the unit neb-0001 as processes, enrols MEX-001, and presses
    what a therapist would press. Exit code 0 where everything was verified, 1 where not.
    """
    import amqtt  # noqa: F401 - the embedded broker; without it the command names the extra to install

    from nebctl_lab.bedside import Answer
    from nebctl_lab.demo.course import CourseFault
    from nebctl_lab.demo.play import Wishes, play
    from nebctl_lab.demo.report import Live, Plain, Silent, summary, table
    from nebctl_lab.demo.site import SiteFault
    from nebctl_lab.processes import ChildFault

    display = Silent() if as_json else Live() if sys.stdout.isatty() else Plain()
    try:
        report = play(Wishes(data=data, speed=speed, seed=seed), display)
    except (SiteFault, ChildFault, CourseFault, Answer) as fault:
        raise click.ClickException(str(fault)) from None
    if as_json:
        click.echo(json.dumps(report.as_json()))
    else:
        click.echo(f"\n{table(report)}\n\n{summary(report)}")
    raise SystemExit(1 if report.proven.findings else 0)
