"""Doses drawn from the presets against what was published, and the table of the documentation against both."""

from dataclasses import replace
from pathlib import Path

import pytest

from nebctl_lab.bench.sim import BEGIN, END, SEED
from nebctl_lab.bench.sim_population import Row, draw_meshes, draw_rows, table_lines
from nebctl_lab.bench.sim_published import FACTS

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "simulator-physics.md"


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """Draw the figures once."""
    return draw_rows(SEED)


def test_every_figure_lies_in_its_published_range(rows: list[Row]) -> None:
    """Rates, residuals, early stops, detuning, cold and jets: each drawn figure agrees with its source."""
    assert [row.fact.key for row in rows if not row.kept] == []
    assert [row.fact for row in rows] == list(FACTS)


def test_the_ranges_are_narrow_enough_to_fail(rows: list[Row]) -> None:
    """A figure beyond either end of its range is outside, and the table says so."""
    for row in rows:
        width = row.fact.high - row.fact.low
        assert not replace(row, drawn=row.fact.low - width).kept
        assert not replace(row, drawn=row.fact.high + width).kept
    outside = replace(rows[0], drawn=9.0)
    assert "**outside**" in list(table_lines([outside]))[-1]


def test_the_table_in_the_docs_is_what_the_command_draws(rows: list[Row]) -> None:
    """The page holds, between its marks, the very lines that the same seed gives now."""
    text = PAGE.read_text(encoding="utf-8")
    table = text.partition(f"{BEGIN}\n")[2].partition(f"\n{END}")[0]
    assert table.split("\n") == list(table_lines(rows))


def test_doses_step_by_step_are_those_of_one_step() -> None:
    """Four looks a second or a single one of hours: each dose emits, retains and takes exactly the same."""
    preset = "mesh.solo+premature"
    assert list(draw_meshes(preset, 7, 4)) == list(draw_meshes(preset, 7, 4, 250_000_000))


def test_another_seed_draws_other_doses() -> None:
    """The figures come from chance and not from the page: other units give others, the same units the same."""
    preset = "mesh.solo+premature"
    assert list(draw_meshes(preset, 1, 3)) == list(draw_meshes(preset, 1, 3))
    assert list(draw_meshes(preset, 1, 3)) != list(draw_meshes(preset, 4, 3))
