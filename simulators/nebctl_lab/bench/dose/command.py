"""`nebctl bench dose`: errors, coverage and false words of the dose estimate, beside its limits and the baselines."""

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from nebctl_lab.bench.dose.cost import measure_cost
from nebctl_lab.bench.dose.export import export
from nebctl_lab.bench.dose.figures import sum_up
from nebctl_lab.bench.dose.limits import LIMITS, MARKS, Line, lines_of
from nebctl_lab.bench.dose.page import page_lines
from nebctl_lab.bench.dose.parts import QUICK, SHORT, USUAL, Extent, Part, parts
from nebctl_lab.bench.dose.population import FIRST_SEED, judge_all, make_run
from nebctl_lab.guarded import Guarded

BEGIN, END = "<!-- drawn by nebctl bench dose --write-docs -->", "<!-- end of what was drawn -->"
Figures = dict[str, Any]


@click.command(cls=Guarded, name="dose", epilog="Example: nebctl bench dose --set report --json")
@click.option("--json", "as_json", is_flag=True, help="End with one JSON object and print nothing else on stdout.")
@click.option("--short", "extent", flag_value="short", help="A tenth of the runs, in some minutes.")
@click.option("--quick", "extent", flag_value="quick", help="A few runs of each kind; the figures prove nothing.")
@click.option(
    "--set",
    "which",
    type=click.Choice(sorted(FIRST_SEED)),
    default="report",
    show_default=True,
    help="Which seeds: those the estimator was tuned on, or those its figures are reported on.",
)
@click.option("--only", help="Only the populations whose name holds this text, such as `jet.lc`.")
@click.option(
    "--write-docs",
    "page",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Also put the measured table into this page, between its two marks.",
)
@click.option(
    "--export",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Only write traces with calibration and truth into this folder, for `nebctl dose estimate`.",
)
@click.option(
    "--runs", type=click.IntRange(min=1), default=3, show_default=True, help="With --export: how many of each."
)
def dose(
    as_json: bool,
    extent: str | None,
    which: str,
    only: str | None,
    page: Path | None,
    folder: Path | None,
    runs: int,
) -> None:
    """Measure the dose estimate on thousands of simulated doses whose truth is known.

    Prints figures beside their limits; exits with 1 where one is not kept, with --quick only where a premature stop was
    called COMPLETE. Half an hour on two processors, with --short some minutes.
    """
    size = {"short": SHORT, "quick": QUICK}.get(extent or "", USUAL)
    chosen = {name: part for name, part in parts(size).items() if only is None or only in name}
    if not chosen:
        raise click.UsageError(f"--only {only}: no population's name holds it; names: {', '.join(parts(size))}")
    if folder is not None:
        for path in export_all(chosen, which, runs, folder):
            click.echo(path)
        return
    if page is not None:
        check_page(page)
    figures = measure(chosen, which, size, lambda text: click.echo(text, err=True))
    if page is not None:
        write_table(page, figures)
    if as_json:
        click.echo(json.dumps(figures))
    else:
        for line in describe(figures):
            click.echo(line)
    raise SystemExit(0 if figures["kept"] or (extent == "quick" and figures["never_false"]) else 1)


def export_all(chosen: dict[str, Part], which: str, runs: int, folder: Path) -> Iterator[Path]:
    """Write `runs` runs of each population as every one of its columns sees them, and yield the traces."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in chosen.values():
        for seed in range(FIRST_SEED[which], FIRST_SEED[which] + runs):
            for column in part.columns:
                yield export(make_run(replace(part.case, column=column), seed), folder)


def measure(chosen: dict[str, Part], which: str, extent: Extent, say: Callable[[str], None]) -> Figures:
    """Return all figures of the chosen populations, from the seeds of one set."""
    began = time.perf_counter()
    told: dict[str, dict[str, Figures]] = {}
    lines: list[Line] = []
    for name, part in chosen.items():
        say(f"{name}: {part.runs} runs …")
        told[name] = measure_part(part, which)
        for column in part.columns:
            lines += lines_of(name, part, column, told[name][column.value])
    cost = measure_cost(extent.cost)
    return {
        "kept": all(line.kept is not False for line in lines) and cost["kept"],
        "never_false": all(_never_false(columns) for columns in told.values()),
        "set": which,
        "first_seed": FIRST_SEED[which],
        "lines": [asdict(line) for line in lines],
        "populations": told,
        "cost": cost,
        "seconds": round(time.perf_counter() - began, 1),
    }


def measure_part(part: Part, which: str) -> dict[str, Figures]:
    """Return the figures of one population, for each of its columns by its name."""
    results = list(judge_all(part.case, part.runs, which, part.columns))
    return {
        column.value: sum_up([result for result in results if result.case.column is column], LIMITS[column].kept)
        for column in part.columns
    }


def _never_false(columns: dict[str, Figures]) -> bool:
    return not any(figures["false_complete"] or figures["false_complete_drawn"] for figures in columns.values())


def describe(figures: Figures) -> Iterator[str]:
    """Yield the figures as lines for a person: what was asked, then what was not kept once more."""
    heading = None
    for line in figures["lines"]:
        if (line["part"], line["column"]) != heading:
            heading = (line["part"], line["column"])
            yield f"{line['part']}: {line['column']}, {figures['populations'][heading[0]][heading[1]]['runs']} runs"
        yield f"  {line['figure']:<48} {line['measured']:<28} {_asked(line)}".rstrip()
    yield _cost_line(figures["cost"])
    broken = [line for line in figures["lines"] if line["kept"] is False]
    if broken:
        yield f"{len(broken)} of {sum(line['kept'] is not None for line in figures['lines'])} limits NOT KEPT:"
    for line in broken:
        yield f"  {line['part']}, {line['column']}: {line['figure']} {line['measured']}, limit {line['limit']}"
    kept = "all limits kept" if figures["kept"] else "NOT ALL LIMITS KEPT"
    yield f"{kept}, seeds of the set {figures['set']}, in {figures['seconds']} s"


def _asked(line: Figures) -> str:
    if not line["limit"]:
        return ""
    return line["limit"] if line["kept"] is None else f"{line['limit']}: {MARKS[line['kept']]}"


def _cost_line(cost: Figures) -> str:
    return (
        f"one update {cost['mean_us']} us, p99 {cost['p99_us']} (mean at most {cost['limit_us']:g}); "
        f"the estimate grows {cost['growth']}-fold (at most {cost['growth_limit']}): {MARKS[cost['kept']]}"
    )


def check_page(page: Path) -> None:
    """Refuse a page that has no place for the table, before anything is measured.

    Raises: click.ClickException for a page without the two marks.
    """
    text = page.read_text(encoding="utf-8")
    if len(_place().findall(text)) != 1:
        raise click.ClickException(
            f"{page}: expected the marks {BEGIN!r} and {END!r} once each; put them where the table is due"
        )


def write_table(page: Path, figures: Figures) -> None:
    """Put the tables into a page, in the place of those between its marks."""
    table = "\n".join(page_lines(figures))
    text = page.read_text(encoding="utf-8")
    page.write_text(_place().sub(lambda found: f"{found[1]}{table}\n{found[2]}", text), encoding="utf-8")


def _place() -> re.Pattern[str]:
    return re.compile(f"({re.escape(BEGIN)}\n).*?({re.escape(END)})", re.DOTALL)
