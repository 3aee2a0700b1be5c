"""The measured figures as the tables of `docs/reference/dose-accuracy.md`: figures down, fittings across."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nebctl_lab.bench.dose.limits import MARKS

Figures = Mapping[str, Any]
Line = Mapping[str, Any]


def page_lines(figures: Figures) -> Iterator[str]:
    """Yield one table for each population, its figures down and what the device was fitted with across."""
    yield f"Measured on the set `{figures['set']}`, seeds from {figures['first_seed']:,} on."
    for name, columns in figures["populations"].items():
        runs = next(iter(columns.values()))["runs"]
        yield ""
        yield f"**{name}**, {runs} runs"
        yield ""
        yield from _table(list(columns), [line for line in figures["lines"] if line["part"] == name])
    yield ""
    yield _cost_sentence(figures["cost"])


def _table(columns: list[str], lines: list[Line]) -> Iterator[str]:
    yield f"| figure | {' | '.join(columns)} |"
    yield f"|---|{'---|' * len(columns)}"
    for figure in dict.fromkeys(line["figure"] for line in lines):
        cells = (_cell(lines, figure, column) for column in columns)
        yield f"| {figure} | {' | '.join(cells)} |"


def _cell(lines: Iterable[Line], figure: str, column: str) -> str:
    """Return what was measured, with its limit and the mark behind it where there is one."""
    line = next((line for line in lines if line["figure"] == figure and line["column"] == column), None)
    if line is None:
        return "-"
    limit = f" (limit {line['limit']}) {MARKS[line['kept']]}".rstrip() if line["limit"] else ""
    return f"{line['measured']}{limit}"


def _cost_sentence(cost: Figures) -> str:
    return (
        f"One update costs {cost['mean_us']} us on average (limit {cost['limit_us']:g}), {cost['p99_us']} us in the "
        f"99th percentile; the estimate is {cost['growth']} times as large at a dose's end as after a tenth of it."
    )
