"""`nebctl calibrate`: the saline run of a unit's device, and the chart of what such runs said."""

from pathlib import Path

import click

from nebctl.cli.calibrate.chart import chart
from nebctl.cli.calibrate.run import Wishes, guide


@click.group(
    invoke_without_command=True,
    epilog="Example: nebctl calibrate --config unit.toml --operator RT-07 --volume-ul 500 --runs 3",
)
@click.option("--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The unit's unit.toml.")
@click.option("--operator", metavar="CODE", help="Badge code of who does it; asked for where it is left out.")
@click.option("--volume-ul", type=click.IntRange(200, 6000), default=500, show_default=True, help="Saline in each run.")
@click.option("--runs", type=click.IntRange(1, 10), default=3, show_default=True, help="How many runs.")
@click.option(
    "--by", type=click.Choice(["time", "balance"]), default="time", show_default=True, help="How it is found."
)
@click.option("--left-ul", type=click.IntRange(0, 300), help="What was drawn or weighed out of the cup after a run.")
@click.option("--f", "f_share", type=click.FloatRange(0.05, 1), help="Measured aerosol share f of a jet's weight loss.")
@click.option("--f-sigma", type=click.FloatRange(0.001, 0.5), help="Its standard deviation.")
@click.option("--f-source", metavar="TEXT", help="Where f and its deviation come from; kept with the record.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; prompts and progress go to stderr.")
@click.pass_context
def calibrate(ctx: click.Context, /, config: Path | None, **options: object) -> None:
    """Guide the saline runs of a unit's device and sign what they say into its ledger.

    The unit must not run meanwhile: stop it first. Before each run it waits for Enter, from a terminal or a script. At
    a terminal, Enter during a run says that aerosol has ceased. Ctrl-C turns the device off and records the end.

    Exit code 0: accepted. 1: not accepted, and why. 2: a wrong call.
    """
    if ctx.invoked_subcommand is not None:
        if config is not None:
            raise click.UsageError("--config belongs to the saline run; leave it out before chart")
        return
    if config is None:
        raise click.UsageError("--config is missing: name the unit's unit.toml")
    guide(config, Wishes(**options))  # type: ignore[arg-type]  # click made them what Wishes says


calibrate.add_command(chart)
