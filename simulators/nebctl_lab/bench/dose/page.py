"""The measured figures as the tables of `docs/reference/dose-accuracy.md`."""

from collections.abc import Iterator, Mapping
from typing import Any

from nebctl_lab.bench.dose.limits import MARKS
from nebctl_lab.bench.dose.run import Column

Figures = Mapping[str, Any]
Line = Mapping[str, Any]
MAIN = ("mesh.solo", "jet.lc")
ASKED_OF_MAIN = ("", ", f calibrated", ", premature", ", sudden loss", ", ramped loss")
"""What stands in the first table: the main presets, and these kinds of their runs."""
BROKEN = " **not kept**"
SHORT = {
    "error at the end": "error, median / 95th",
    "truth in the interval": "truth in the interval",
    "interval at the end": "interval",
    "false COMPLETE": "false COMPLETE",
    "completions": "called COMPLETE",
    "premature stop": "premature stop raised",
    "25 % loss": "loss found",
    "runs with": "false alarms of 100",
}
"""The second table's columns: how a figure's name begins, and its heading."""


def page_lines(figures: Figures) -> Iterator[str]:
    """Yield the table of the main presets, figures down and fittings across, then one row for each other population."""
    main = {preset + kind for preset in MAIN for kind in ASKED_OF_MAIN}
    yield f"Measured on the set `{figures['set']}`, seeds from {figures['first_seed']:,} on; runs in brackets."
    yield ""
    yield from _main_table(figures, [line for line in figures["lines"] if line["part"] in main])
    yield ""
    yield from _other_table(figures, [line for line in figures["lines"] if line["part"] not in main])
    yield ""
    yield _cost_sentence(figures["cost"])


def _main_table(figures: Figures, lines: list[Line]) -> Iterator[str]:
    yield f"| figure | {' | '.join(column.value for column in Column)} |"
    yield f"|---|{'---|' * len(Column)}"
    rows: dict[str, dict[str, Line]] = {}
    for line in lines:
        kind = line["part"].partition(", ")[2]
        label = f"{line['figure']}{f' ({kind})' if kind else ''}"
        rows.setdefault(label, {})[line["column"]] = line
    for label, row in rows.items():
        cells = (_cell(figures, row.get(column.value)) for column in Column)
        yield f"| {label} | {' | '.join(cells)} |"


def _cell(figures: Figures, line: Line | None) -> str:
    """Return what was measured, of how many runs, with the limit and its mark where there is one."""
    if line is None:
        return "-"
    runs = figures["populations"][line["part"]][line["column"]]["runs"]
    limit = f"; limit {line['limit']}: {MARKS[line['kept']]}".rstrip(": ") if line["limit"] else ""
    return f"{line['measured']} [{runs}]{limit}"


def _other_table(figures: Figures, lines: list[Line]) -> Iterator[str]:
    yield f"| runs | fitted with | {' | '.join(SHORT.values())} |"
    yield f"|---|---|{'---|' * len(SHORT)}"
    rows: dict[tuple[str, str], list[Line]] = {}
    for line in lines:
        rows.setdefault((line["part"], line["column"]), []).append(line)
    for (part, column), told in rows.items():
        runs = figures["populations"][part][column]["runs"]
        yield f"| {part} [{runs}] | {column} | {' | '.join(_short(told, start) for start in SHORT)} |"


def _short(lines: list[Line], start: str) -> str:
    line = next((line for line in lines if line["figure"].startswith(start)), None)
    return "-" if line is None else f"{line['measured']}{BROKEN * (line['kept'] is False)}"


def _cost_sentence(cost: Figures) -> str:
    return (
        f"One update costs {cost['mean_us']} us on average (limit {cost['limit_us']:g}), {cost['p99_us']} us in the "
        f"99th percentile; the estimate is {cost['growth']} times as large at a dose's end as after a tenth of it."
    )
