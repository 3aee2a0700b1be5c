"""Facts about the simulated physics of a jet."""

import statistics
import tomllib
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebctl_simulators.jet.cup import AL_PER_NL, WHOLE_PPM, Cup, Load, advance, draw, duty_ppm, pour
from nebctl_simulators.jet.presets import build_unit, draw_load, preset_names

SECOND = 1_000_000_000
LOAD = Load(aerosol_nl_s=4000, share_ppm=640_000, residual_nl=1_000_000, onset_nl=1_200_000, least_ppm=200_000)
FULL = WHOLE_PPM

loads = st.builds(
    Load,
    aerosol_nl_s=st.integers(1, 10_000),
    share_ppm=st.integers(300_000, WHOLE_PPM),
    residual_nl=st.integers(0, 1_150_000),
    onset_nl=st.integers(0, 1_400_000),
    least_ppm=st.integers(50_000, 900_000),
)
pressures = st.sampled_from((0, 300_000, 700_000, WHOLE_PPM))


def filled(volume_nl: int = 3_000_000, load: Load = LOAD) -> Cup:
    """Return a cup with a fresh charge."""
    return pour(Cup(size_nl=8_000_000, load=load), volume_nl, load)


actions = st.one_of(
    st.tuples(st.just("pour"), st.integers(1, 1_000_000)),
    st.tuples(st.just("draw"), st.just(0)),
    st.tuples(pressures, st.integers(0, 200 * SECOND)),
)


@given(st.lists(actions, max_size=30), loads)
def test_what_was_filled_is_somewhere(steps: list[tuple[str | int, int]], load: Load) -> None:
    """Filled equals aerosol, vapour, drawn and cup, and solute poured equals emitted, drawn and cup, exactly."""
    cup = Cup(size_nl=8_000_000, load=load)
    poured = 0
    for action, amount in steps:
        if action == "draw":
            cup, _ = draw(cup)
        elif isinstance(action, int):
            cup = advance(cup, amount, action)
        elif amount * AL_PER_NL <= cup.size_nl * AL_PER_NL - cup.volume_al - AL_PER_NL:
            cup, poured = pour(cup, amount, load), poured + amount
        assert cup.filled_al == poured * AL_PER_NL
        assert cup.filled_al == cup.aerosol_al + cup.vapour_al + cup.drawn_al + cup.volume_al
        assert cup.filled_al == cup.emitted_al + cup.drawn_solute_al + cup.solute_al
        assert min(cup.volume_al, cup.aerosol_al, cup.vapour_al, cup.emitted_al, cup.solute_al) >= 0


@given(st.lists(st.integers(0, 60 * SECOND), max_size=20), loads, pressures)
def test_the_cup_does_not_depend_on_how_time_is_cut(steps: list[int], load: Load, pressure_ppm: int) -> None:
    """Many small steps and one long step give the same volumes within a nanolitre."""
    whole, cut = advance(filled(load=load), sum(steps), pressure_ppm), filled(load=load)
    for step_ns in steps:
        cut = advance(cut, step_ns, pressure_ppm)
    assert cut.at_ns == whole.at_ns
    assert abs(cut.volume_al - whole.volume_al) <= AL_PER_NL
    assert abs(cut.emitted_al - whole.emitted_al) <= AL_PER_NL


@pytest.mark.parametrize(("share_ppm", "emitted_percent", "thicker"), [(770_000, 57, 1.29), (550_000, 45, 1.64)])
def test_the_worked_example(share_ppm: int, emitted_percent: int, thicker: float) -> None:
    """From 3 mL to 1 mL: C/C0 = 3^(1-f), and 1 - (1/3)^f of the solute has left as aerosol."""
    load = Load(aerosol_nl_s=4000, share_ppm=share_ppm, residual_nl=1_000_000, onset_nl=0, least_ppm=200_000)
    cup = advance(filled(load=load), 10_000 * SECOND, FULL)
    assert cup.volume_al == 1_000_000 * AL_PER_NL
    assert cup.emitted_al * 100 // cup.filled_al == emitted_percent
    assert cup.solute_al / cup.volume_al == pytest.approx(thicker, abs=0.01)


def test_aerosol_is_its_share_of_what_leaves() -> None:
    """In 60 s at 4000 nL/s, 240 uL of droplets leave, and vapour besides."""
    cup = advance(filled(), 60 * SECOND, FULL)
    assert cup.aerosol_al // AL_PER_NL == 240_000
    assert cup.vapour_al // AL_PER_NL == 135_000
    assert cup.emitted_al > cup.aerosol_al  # the droplets are thicker than what was filled


def test_no_pressure_no_loss() -> None:
    """Without gas nothing leaves but time."""
    cup = advance(filled(), 60 * SECOND, 0)
    assert (cup.volume_al, cup.at_ns) == (3_000_000 * AL_PER_NL, 60 * SECOND)


def test_low_pressure_slows_the_jet() -> None:
    """At 70 % of the pressure 70 % of the aerosol comes."""
    assert advance(filled(), 60 * SECOND, 700_000).aerosol_al // AL_PER_NL == 168_000


def test_sputter_falls_to_the_residual_and_stays() -> None:
    """Above the onset the duty is whole, at it it begins to fall, and at the residual nothing leaves any more."""
    even_s = 1_800_000 * 64 // 400_000  # 1.8 mL at 6250 nL/s
    at_onset = advance(filled(), even_s * SECOND, FULL)
    assert duty_ppm(at_onset) == WHOLE_PPM
    duties = [duty_ppm(advance(at_onset, seconds * SECOND, FULL)) for seconds in range(0, 100, 10)]
    assert duties == sorted(duties, reverse=True)
    assert 200_000 <= duties[5] < 400_000
    assert duties[-1] == 0
    assert advance(at_onset, 10_000 * SECOND, FULL).volume_al == 1_000_000 * AL_PER_NL


def test_a_cup_below_its_residual_gives_nothing() -> None:
    """0.5 mL in a cup that keeps 1.0 mL makes no aerosol."""
    cup = advance(filled(500_000), 600 * SECOND, FULL)
    assert (duty_ppm(cup), cup.volume_al) == (0, 500_000 * AL_PER_NL)


@pytest.mark.parametrize("volume_nl", [0, -1, 8_000_001])
def test_a_volume_that_does_not_fit_is_refused(volume_nl: int) -> None:
    """The cup takes 1 nL to 8 mL and says so."""
    with pytest.raises(ValueError, match="room for 1 to 8000000 nL"):
        filled(volume_nl)


def test_plant_time_never_steps_back() -> None:
    """A negative step is an error of the clock and is named as one."""
    with pytest.raises(ValueError, match="steps back"):
        advance(filled(), -1, FULL)


# presets


def test_units_and_fillings_lie_where_the_preset_says() -> None:
    """Over 200 units: 0.20 to 0.30 mL/min, a share of 45 to 85 %, a residual of 1.0 mL with a spread of 0.15."""
    units = [build_unit("jet.lc", seed) for seed in range(200)]
    assert all(0.20 <= unit.aerosol_nl_s * 60 / 1e6 <= 0.30 for unit in units)
    loads = [draw_load(unit, number) for unit in units for number in (1, 2, 3)]
    assert all(450_000 <= load.share_ppm <= 850_000 for load in loads)
    residuals = [load.residual_nl / 1e6 for load in loads]
    assert statistics.fmean(residuals) == pytest.approx(0.98, abs=0.03)
    assert statistics.stdev(residuals) == pytest.approx(0.13, abs=0.03)
    assert max(residuals) < 1.2


def test_the_same_seed_gives_the_same_unit_and_fillings() -> None:
    """Preset and seed decide a unit and each of its fillings; another seed is another unit."""
    first, second = build_unit("jet.lc", 7), build_unit("jet.lc", 7)
    assert first == second
    assert draw_load(first, 2) == draw_load(second, 2) != draw_load(first, 3)
    assert first.aerosol_nl_s != build_unit("jet.lc", 8).aerosol_nl_s


def test_every_table_of_every_preset_names_its_source() -> None:
    """No number of a preset stands without a source."""
    text = resources.files("nebctl_simulators").joinpath("jet/presets.toml").read_text(encoding="utf-8")
    tables = [table for preset in tomllib.loads(text).values() for table in preset.values()]
    assert len(tables) >= 6
    assert all(len(str(table["source"])) > 10 for table in tables)


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    """A wrong name is answered with the right ones."""
    assert preset_names() == ("jet.lc",)
    with pytest.raises(ValueError, match=r"no preset 'jet.ld'; choose one of: jet.lc"):
        build_unit("jet.ld", 1)
