"""`nebctl demo`: see nebctl do what it is for, on this machine alone."""

import json
import signal
import sys
from pathlib import Path

import click

from nebctl_lab.guarded import Guarded


@click.command(cls=Guarded, epilog="Example: nebctl demo --data ./demo-data --speed 120")
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
    default=180,
    show_default=True,
    help="Simulated seconds a real second while a dose runs.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Which simulated nebulizer, vials and balance.")
@click.option("--json", "as_json", is_flag=True, help="End with one line, a JSON object, and print nothing else.")
@click.option("--keep-running", is_flag=True, help="Leave the pages up afterwards, for a person to play with.")
def demo(data: Path, speed: int, seed: int, as_json: bool, keep_running: bool) -> None:
    """Give a whole course of five daily doses at two simulated units, and prove each of them.

    Starts a broker, a pharmacy, and two units with simulated nebulizers as processes: MEX-001 on neb-0001 with a mesh,
    MEX-002 on neb-0002 with a jet. It presses what a therapist would press. Exit code 0 where everything was verified,
    1 where not.
    """
    import amqtt  # noqa: F401 - the embedded broker; without it the command names the extra to install

    from nebctl_lab.bedside import Answer
    from nebctl_lab.demo.course import CourseFault
    from nebctl_lab.demo.guests import attend
    from nebctl_lab.demo.play import Stage, Wishes, play
    from nebctl_lab.demo.report import Live, Plain, Silent, summary, table
    from nebctl_lab.demo.site import SiteFault
    from nebctl_lab.processes import ChildFault

    if as_json and keep_running:
        raise click.UsageError("--json is for scripts and --keep-running for a person: give one of them")

    def show(stage: Stage) -> None:
        display.__exit__()
        if as_json:
            click.echo(json.dumps(stage.report.as_json()))
        else:
            click.echo(f"\n{table(stage.report)}\n\n{summary(stage.report)}")
        if keep_running:
            attend(stage)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(143))  # the units end in their own way
    wishes = Wishes(data=data, speed=speed, seed=seed, guest=keep_running)
    try:
        with Silent() if as_json else Live() if sys.stdout.isatty() else Plain() as display:
            report = play(wishes, display, show)
    except (SiteFault, ChildFault, CourseFault, Answer, OSError) as fault:
        raise click.ClickException(str(fault)) from None
    raise SystemExit(1 if report.proven.findings else 0)
