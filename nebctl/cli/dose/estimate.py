"""`nebctl dose estimate`: the estimator of the bedside on a recorded trace."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

import click

from nebctl.cli.dose.calibration import load_calibration
from nebctl.cli.dose.figures import Figures, as_text
from nebctl.cli.dose.figures import as_json as to_json
from nebctl.cli.dose.picture import draw
from nebctl.cli.dose.reading import (
    CHARGE,
    RESIDUAL,
    Asked,
    Faulty,
    Volume,
    charge_of,
    limits_of,
    load_trace,
    load_truth,
    residual_of,
)
from nebctl.cli.dose.study import find_study
from nebctl.core.dose import DeviceModel, Kind
from nebctl.core.dose.calibration import with_calibration
from nebctl.core.dose.charge import Interval
from nebctl.core.dose.conduct import conduct
from nebctl.core.dose.reading import Reading
from nebctl.core.dose.replay import replay
from nebctl.core.dose.spread import spread_of
from nebctl.core.regimen import Regimen
from nebctl.core.verify import Limits
from nebctl_drivers.priors import PRESETS

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
STUDY = "NCT04276987"


@click.command()
@click.argument("trace", type=FILE)
@click.option("--preset", required=True, type=click.Choice(list(PRESETS)), help="The device's class.")
@click.option(
    "--charge-ml", "charge", required=True, type=CHARGE, help="What was put in the cup; one number means ±2 %."
)
@click.option("--calibration", type=FILE, help="The device's own calibration, a JSON file.")
@click.option("--residual-ml", "residual", type=RESIDUAL, help="What was left in the cup; one number means ±0.05 mL.")
@click.option("--protocol", default=STUDY, show_default=True, help="The study protocol, by its name or file.")
@click.option("--arm", help="The study's arm, where it has several.")
@click.option(
    "--lower-ml", "lower", type=Volume(), help="The least that counts as a whole dose, in place of the study's."
)
@click.option("--upper-ml", "upper", type=Volume(), help="The most that counts as one, in place of the study's.")
@click.option("--truth", type=FILE, help="What a simulator says was emitted: its --truth file.")
@click.option("--svg", type=click.Path(dir_okay=False, path_type=Path), help="Draw the curve into this file.")
@click.option(
    "--check", is_flag=True, help="Leave with 1 where the dose is not proven complete, or something was found."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, in one line.")
def estimate(
    trace: Path,
    preset: str,
    charge: Interval,
    calibration: Path | None,
    residual: Interval | None,
    protocol: str,
    arm: str | None,
    lower: Interval | None,
    upper: Interval | None,
    truth: Path | None,
    svg: Path | None,
    check: bool,
    as_json: bool,
) -> None:
    """Estimate again what left the nebulizer, from the TRACE of a dose.

    A volume is one number, or LOW,BEST,HIGH. Exit code 0 where the trace could be estimated; with --check 1 where the
    dose is not proven complete or something was found; 2 for a wrong call or a file that cannot be used, each fault
    with its row and column.

    Example: nebctl dose estimate trace.csv --preset mesh.solo --charge-ml 3 --json
    """
    asked = Asked(trace=trace, preset=preset, charge=charge, calibration=calibration, residual=residual, truth=truth)
    study = find_study(protocol, arm)
    try:
        figures = work_out(asked, study.regimen, limits_of(study.limits, lower, upper))
    except Faulty as fault:
        _refuse(fault, as_json=as_json)
    if svg is not None:
        _draw(svg, figures)
    click.echo(json.dumps(to_json(figures)) if as_json else "\n".join(as_text(figures)))
    good = figures.replayed.settled.complete and not figures.replayed.findings
    raise SystemExit(1 if check and not good else 0)


def work_out(asked: Asked, regimen: Regimen, limits: Limits) -> Figures:
    """Return what the estimator makes of a trace.

    Raises: `Faulty` where one of the files cannot be used.
    """
    trace = load_trace(asked.trace)
    model, notes = _model(asked)
    charge, residual = charge_of(asked.charge), residual_of(asked.residual)
    replayed = replay(trace.readings, charge, model, residual)
    settled, estimate = replayed.settled, replayed.estimate
    return Figures(
        trace=asked.trace.name,
        preset=asked.preset,
        charge=asked.charge,
        readings=trace.readings,
        replayed=replayed,
        conduct=conduct(settled, estimate, charge, residual, model),
        spread=spread_of(settled.final, estimate, charge, residual, model),
        limits=limits,
        regimen=regimen,
        notes=(*trace.notes, *notes, *_odd(asked, trace.readings, model)),
        truth=load_truth(asked.truth) if asked.truth is not None else (),
    )


def _model(asked: Asked) -> tuple[DeviceModel, tuple[str, ...]]:
    """Return what is known of the device before the dose, and what is worth knowing about its calibration."""
    model = PRESETS[asked.preset]
    if asked.calibration is None:
        return model, ()
    found = load_calibration(asked.calibration, model, time.time_ns())
    return with_calibration(model, found.calibration), found.notes


def _odd(asked: Asked, readings: Sequence[Reading], model: DeviceModel) -> Iterator[str]:
    """Yield what was asked for that does not fit together; it is estimated all the same, as both may be so."""
    if asked.residual is not None and asked.residual.low_nl > asked.charge.high_nl:
        yield "--residual-ml is more than --charge-ml: one of the two is wrong, or something was added in mid-dose"
    other = Kind.JET if model.kind is Kind.MESH else Kind.MESH
    if any(reading.gas_sccm if other is Kind.JET else reading.drive_ua for reading in readings):
        told = "gas that flows" if other is Kind.JET else "a current that drives a mesh"
        yield f"the trace tells of {told}, which {asked.preset} has not: is --preset right?"


def _refuse(fault: Faulty, *, as_json: bool) -> NoReturn:
    for each in fault.faults:
        click.echo(str(each), err=True)
    if as_json:
        click.echo(json.dumps({"faults": [asdict(each) for each in fault.faults]}))
    raise SystemExit(2)


def _draw(path: Path, figures: Figures) -> None:
    try:
        path.write_text(draw(figures), "utf-8")
    except OSError as error:
        raise click.UsageError(f"{path} cannot be written: {error.strerror}; check its folder") from None
