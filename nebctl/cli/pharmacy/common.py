"""What the pharmacy's commands share: options, the books opened for one change, and faults as one line."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from nebctl.core.dose.charge import Interval
    from nebctl.pharmacy.books import Books
    from nebctl.pharmacy.config import PharmacyConfig

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
CONFIG = click.option("--config", "config_file", type=FILE, required=True, help="The pharmacy's pharmacy.toml.")
BY = click.option("--by", required=True, metavar="CODE", help="Who does it: a staff code of pharmacy.toml.")
SECOND = click.option("--second", required=True, metavar="CODE", help="The second person who confirms it.")
REASON = click.option("--reason", required=True, metavar="TEXT", help="Why; it is kept as a private fact.")
SUBJECT = click.option("--subject", required=True, help="The subject's pseudonym, such as MEX-001.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
DATE = click.DateTime(["%Y-%m-%d"])


def read(path: Path) -> "PharmacyConfig":
    """Return the configuration; a faulty one is a wrong call."""
    from nebctl.pharmacy.config import read_config

    with faults():
        config = read_config(path)
    if isinstance(config, tuple):
        raise click.UsageError("\n".join(str(fault) for fault in config))
    return config


@contextmanager
def books(config_file: Path) -> "Iterator[Books]":
    """Open the books for one change."""
    from nebctl.pharmacy.run import open_books

    config = read(config_file)
    with faults(), open_books(config) as opened:
        yield opened


@contextmanager
def faults() -> Iterator[None]:
    """Turn what the world did wrong into one line and exit code 1."""
    from nebctl.clock import ClockFileFault
    from nebctl.keys import KeyFault
    from nebctl.pharmacy.faults import PharmacyFault
    from nebctl.pharmacy.show import CourseFault
    from nebctl.store.faults import StoreFault

    try:
        yield
    except (ClockFileFault, KeyFault, PharmacyFault, CourseFault, StoreFault, OSError) as fault:
        raise click.ClickException(str(fault)) from None
    except (ValueError, OverflowError, csv.Error) as fault:
        raise click.ClickException(f"{fault}. Nothing was changed; correct the value and call again.") from None


def print_json(value: object) -> None:
    """Print one JSON object on one line; dates and states are written as texts."""
    click.echo(json.dumps(value, ensure_ascii=False, default=_text))


def _text(value: object) -> str:
    from enum import Enum

    return str(value.value) if isinstance(value, Enum) else str(value)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows under their heads, in columns."""
    whole = [heads, *rows]
    widths = [max(len(row[i]) for row in whole) for i in range(len(heads))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in whole
    )


def counts_line(counts: Mapping[str, int]) -> str:
    """Return counts by state as one line."""
    return ", ".join(f"{number} {state}" for state, number in counts.items()) or "none"


def ml(volume: "Interval | None") -> str:
    """Return a volume with its interval in mL; empty for None."""
    if volume is None:
        return ""
    low, best, high = (f"{nl / 1e6:.2f}" for nl in (volume.low_nl, volume.best_nl, volume.high_nl))
    return f"{best} ({low} to {high})"


def read_ml(text: str, option: str) -> int:
    """Return a volume such as `1.25 mL` in nanolitres; anything else is a wrong call."""
    from nebctl.core.units import parse_volume

    try:
        return parse_volume(text)
    except ValueError as fault:
        raise click.UsageError(f"{option} {text}: {fault}") from None
