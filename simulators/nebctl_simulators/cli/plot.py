"""The command `nebctl sim plot`: a picture of a simulated run."""

import math
from pathlib import Path

import click

from nebctl_simulators.cli.options import check_writable, one_line, right_call


@click.command()
@click.argument("truth", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="TRUTH.csv")
@click.option(
    "--injections",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Draw the faults in this file too: what --injections of a simulator writes, or GET /injections answers.",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Write here; TRUTH.svg beside the truth, if not given."
)
@click.option("--from", "from_s", type=float, metavar="SECONDS", help="Begin at this plant time.")
@click.option("--to", "to_s", type=float, metavar="SECONDS", help="End at this plant time.")
def plot(truth: Path, injections: Path | None, output: Path | None, from_s: float | None, to_s: float | None) -> None:
    """Draw the truth of a simulated run as SVG: rate, volumes, current, output and faults over plant time.

    TRUTH.csv is what `--truth` of a simulator writes. Prints the path of the picture.

    Example: nebctl sim plot truth.csv --injections injections.jsonl -o run.svg
    """
    from nebctl_simulators.plot import plot_files, refuse_overwriting

    span = _span(from_s, to_s)
    picture = output or truth.with_suffix(".svg")
    check_writable("--output", picture)
    with right_call():
        refuse_overwriting(truth, injections, picture)
    with one_line():
        click.echo(plot_files(truth, injections, picture, span))


def _span(from_s: float | None, to_s: float | None) -> tuple[float, float] | None:
    for option, value in (("--from", from_s), ("--to", to_s)):
        if value is not None and not math.isfinite(value):
            raise click.UsageError(f"{option}: got {value}, expected a plant time in seconds, such as 12.5")
    if from_s is None and to_s is None:
        return None
    begin, end = from_s or 0.0, math.inf if to_s is None else to_s
    if end <= begin:
        raise click.UsageError(f"--to: got {end:g} s, expected a time after --from, which is {begin:g} s")
    return begin, end
