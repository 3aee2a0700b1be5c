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
    assert preset_names() == ("mesh.solo", "mesh.innospire", "mesh.eflow")
    with pytest.raises(
        ValueError, match=r"no preset 'mesh.sola'; choose one of: mesh.solo, mesh.innospire, mesh.eflow"
    ):
        build_unit("mesh.sola", 1)


def test_a_switch_changes_what_it_says_and_nothing_else() -> None:
    """With `premature` the unit is the same, and so is each filling that does not stop early."""
    plain, switched = build_unit("mesh.solo", 4), build_unit("mesh.solo+premature", 4)
    assert (plain.mesh, plain.spread.rate_nl_s) == (switched.mesh, switched.spread.rate_nl_s)
    stopped = 0
    for number in range(1, 101):
        first, second = draw_load(plain, number), draw_load(switched, number)
        assert first.rate_nl_s == second.rate_nl_s
        assert not first.stops_early
        stopped += second.stops_early
        if second.stops_early:
            assert 100_000 <= second.residual_ppm <= 950_000
        else:
            assert first == second
    assert 15 <= stopped <= 40


@pytest.mark.parametrize(("percent", "stopped"), [("0", 0), ("100", 50)])
def test_the_share_of_early_stops_can_be_given(percent: str, stopped: int) -> None:
    """`premature=0` stops none and `premature=100` every filling."""
    unit = build_unit(f"mesh.solo+premature={percent}", 1)
    assert sum(draw_load(unit, number).stops_early for number in range(1, 51)) == stopped


def test_a_mesh_wears_over_its_life_and_no_further() -> None:
    """After half of its 112 doses 2.5 % of the rate are gone, after all of them 5 %, and no more behind."""
    new, half, old = (build_unit(f"mesh.solo{worn}", 1) for worn in ("", "+worn=56", "+worn=112"))
    rates = [draw_load(unit, 1).rate_nl_s for unit in (new, half, old)]
    assert rates[1] / rates[0] == pytest.approx(0.975, abs=0.0005)
    assert rates[2] / rates[0] == pytest.approx(0.95, abs=0.0005)
    assert draw_load(old, 500).rate_nl_s / draw_load(new, 500).rate_nl_s == pytest.approx(1)


def test_units_of_a_batch_are_more_alike() -> None:
    """Of mesh.innospire the units of ten seeds share their batch: its means spread by about 0.02 mL/min."""
    batches = [
        [build_unit("mesh.innospire", batch * 10 + n).spread.rate_nl_s for n in range(10)] for batch in range(40)
    ]
    means = [statistics.fmean(batch) * 60 / 1e6 for batch in batches]
    assert statistics.fmean(means) == pytest.approx(0.55, abs=0.01)
    assert 0.012 < statistics.stdev(means) < 0.028


@pytest.mark.parametrize(
    ("preset", "message"),
    [
        ("mesh.solo+early", "there is no switch 'early'; choose of: premature"),
        ("mesh.solo+premature=much", "premature is a number from 0 on, such as 50; got 'much'"),
        ("mesh.solo+premature=-1", "got '-1'"),
        ("mesh.solo+premature=101", "of 100 fillings at most 100"),
        ("mesh.solo+worn", "worn=DOSES takes a whole number from 0 to 112"),
        ("mesh.solo+worn=113", "worn=DOSES takes a whole number from 0 to 112"),
        ("mesh.eflow+premature", "nothing is published about its early stops"),
        ("mesh.solo+", "there is no switch ''"),
    ],
)
def test_a_wrong_switch_is_refused_with_the_right_ones(preset: str, message: str) -> None:
    """The text, the key, the value and what is allowed stand in one line."""
    with pytest.raises(ValueError, match=message):
        build_unit(preset, 1)
