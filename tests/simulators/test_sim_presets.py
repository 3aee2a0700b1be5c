"""Facts about presets, and what a seed draws from them."""

import statistics
import tomllib
from importlib import resources

import pytest

from nebctl_simulators.presets import build_unit, draw_load, preset_names


def test_the_same_seed_gives_the_same_unit_and_fillings() -> None:
    """Preset and seed decide a unit and each of its fillings."""
    first, second = build_unit("mesh.solo", 7), build_unit("mesh.solo", 7)
    assert first == second
    assert [draw_load(first, n) for n in range(1, 6)] == [draw_load(second, n) for n in range(1, 6)]


def test_units_and_fillings_differ() -> None:
    """Another seed is another unit, and a unit's fillings are not all alike."""
    unit = build_unit("mesh.solo", 1)
    assert unit.spread.rate_nl_s != build_unit("mesh.solo", 2).spread.rate_nl_s
    assert len({draw_load(unit, n) for n in range(1, 6)}) == 5


def test_units_scatter_as_the_preset_says() -> None:
    """Over 200 units the rate has a mean of 0.38 mL/min and a coefficient of variation of 0.20."""
    rates = [build_unit("mesh.solo", seed).spread.rate_nl_s * 60 / 1e6 for seed in range(200)]
    mean = statistics.fmean(rates)
    assert mean == pytest.approx(0.38, rel=0.05)
    assert statistics.stdev(rates) / mean == pytest.approx(0.20, rel=0.2)


def test_fillings_scatter_as_the_preset_says() -> None:
    """Over many fillings the rate varies by 5 %, and the residual is 3.2 % with 1.5 %, cut at its limits."""
    unit = build_unit("mesh.solo", 3)
    loads = [draw_load(unit, n) for n in range(1, 1001)]
    rates = [load.rate_nl_s for load in loads]
    residuals = [load.residual_ppm / 10_000 for load in loads]
    assert statistics.stdev(rates) / unit.spread.rate_nl_s == pytest.approx(0.05, rel=0.1)
    assert statistics.fmean(residuals) == pytest.approx(3.2, abs=0.2)
    assert statistics.stdev(residuals) == pytest.approx(1.5, abs=0.15)
    assert min(residuals) >= 0.2
    assert max(residuals) <= 8.0


def test_every_table_of_every_preset_names_its_source() -> None:
    """No number of a preset stands without a source."""
    text = resources.files("nebctl_simulators").joinpath("presets.toml").read_text(encoding="utf-8")
    tables = [table for preset in tomllib.loads(text).values() for table in preset.values()]
    assert len(tables) >= 8
    assert all(len(str(table["source"])) > 10 for table in tables)


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    """A wrong name is answered with the right ones."""
    assert preset_names() == ("mesh.solo",)
    with pytest.raises(ValueError, match=r"no preset 'mesh.sola'; choose one of: mesh.solo"):
        build_unit("mesh.sola", 1)
