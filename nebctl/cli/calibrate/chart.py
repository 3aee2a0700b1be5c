"""`nebctl calibrate chart`: what a device's calibrations and doses say of its rate."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from nebctl.core.dose.control import Charted
    from nebctl.core.ledger.records import Entry


@click.command(epilog="Example: nebctl calibrate chart demo-data/units/neb-0001/unit.db --svg chart.svg")
@click.argument("db", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--device", metavar="SERIAL", help="The device's serial number; needed where there are several.")
@click.option("--svg", type=click.Path(dir_okay=False, writable=True, path_type=Path), help="Draw the chart here.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def chart(db: Path, device: str | None, svg: Path | None, as_json: bool) -> None:
    """Show the calibrations and weighed doses in DB, a unit's unit.db or its unit.toml, against their limits.

    Exit code 0: every point since the newest calibration keeps the rules. 1: one does not, or there is none.
    """
    from nebctl.chart_picture import chart_svg
    from nebctl.core.dose.control import chart as against
    from nebctl.core.dose.control import flagged
    from nebctl.core.rates import chart_facts, points, serials

    entries = _entries(_database(db))
    known = serials(entries)
    if device is None and len(known) > 1:
        raise click.UsageError(f"--device: several devices were calibrated, choose one of: {', '.join(known)}")
    serial = device or next(iter(known), "")
    charted = against(points(entries, serial))
    if svg is not None:
        _write(svg, chart_svg(charted, f"Rate of {serial or 'no device'}"))
    if as_json:
        click.echo(json.dumps(chart_facts(serial, charted)))
    else:
        click.echo("\n".join(_lines(serial, charted)))
    raise SystemExit(0 if charted and not flagged(charted) else 1)


def _database(path: Path) -> Path:
    """Return the ledger that is meant: the file itself, or that of a unit's configuration."""
    from nebctl.config import load_config

    if path.suffix != ".toml":
        return path
    loaded = load_config(path)
    if isinstance(loaded, tuple):
        raise click.UsageError("\n".join(map(str, loaded)))
    found = loaded.path(loaded.config.unit.data) / "unit.db"
    if not found.is_file():
        raise click.UsageError(f"{found}: there is no ledger yet; calibrate first: nebctl calibrate --config {path}")
    return found


def _entries(db: Path) -> "list[Entry]":
    from nebctl.core.ledger.encoding import FormatError
    from nebctl.store.faults import StoreFault
    from nebctl.store.prove import read
    from nebctl.store.reader import LedgerFile

    try:
        with LedgerFile.open(db) as file:
            return [entry for _, entry in read(file)]
    except (StoreFault, FormatError) as fault:
        raise click.ClickException(str(fault)) from None


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"--svg: {path}: {error.strerror}. Name a file in a folder that is there.") from None


def _lines(serial: str, charted: "tuple[Charted, ...]") -> list[str]:
    from nebctl.core.dose.control import flagged
    from nebctl.core.ledger.envelope import utc_text

    if not charted:
        return [f"{serial or 'no device'}: no calibration and no weighed dose; run nebctl calibrate --config unit.toml"]
    lines = [f"{serial}: {len(charted)} rates"]
    for each in charted:
        point = each.point
        off = "" if not each.sigma_nl_per_s else _off(each)
        rules = "; ".join(f"{rule.name}: {rule.value}" for rule in each.rules)
        rate = f"{point.rate_nl_per_s * 60 / 1e6:.3f} ± {point.sigma_nl_per_s * 60 / 1e6:.3f} mL/min"
        lines.append(
            f"{utc_text(point.at_ns)[:16]}  {point.seq:>6}  {point.kind.value:<19} {rate}  {off}  {rules}".rstrip()
        )
    if flagged(charted):
        lines.append("The rate has changed since the calibration: calibrate again, and replace the mesh if it is slow.")
    return lines


def _off(each: "Charted") -> str:
    assert each.centre_nl_per_s is not None
    assert each.sigma_nl_per_s is not None
    return f"{(each.point.rate_nl_per_s - each.centre_nl_per_s) / each.sigma_nl_per_s:+.1f} sigma"
