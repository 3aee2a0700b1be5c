"""A picture of a run: rate, volumes, current, output and faults over plant time, as one SVG file."""

from pathlib import Path

from nebctl_simulators.plot.picture import draw
from nebctl_simulators.plot.run import Span, read_injections, read_run


def plot_files(truth: Path, injections: Path | None, picture: Path, span: Span | None = None) -> Path:
    """Draw the truth in a CSV file, with the faults in a file of injections, and return the picture's path.

    Without `injections`, or where that file is not there, no faults are drawn. `span` is the part of the run that is
    drawn; None: all of it.
    Raises: ValueError with file and line for what cannot be read so, and for a picture in the place of what it is
    drawn from; OSError for a file that cannot be opened.
    """
    refuse_overwriting(truth, injections, picture)
    faults = read_injections(injections) if injections is not None and injections.exists() else ()
    run = read_run(truth, faults, span)
    picture.write_text(draw(run, truth.name), encoding="utf-8")
    return picture


def refuse_overwriting(truth: Path, injections: Path | None, picture: Path) -> None:
    """Refuse a picture whose file is one of those it is drawn from, under whatever name.

    Raises: ValueError that names the file and what to do.
    """
    for what, source in (("truth", truth), ("injections", injections)):
        if source is not None and source.exists() and picture.exists() and picture.samefile(source):
            raise ValueError(
                f"{picture}: the picture would overwrite the {what} it is drawn from; write it elsewhere: -o run.svg"
            )
