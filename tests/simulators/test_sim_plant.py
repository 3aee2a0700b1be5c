"""Facts about the simulated physics."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebctl_simulators.plant import AL_PER_NL, Drive, Load, Plant, advance, draw, pour, sense, wet_ns
from nebctl_simulators.presets import build_unit

MESH = build_unit("mesh.solo", 1).mesh
SECOND = 1_000_000_000
LOAD = Load(rate_nl_s=6333, residual_ppm=32_000)

cuts = st.lists(st.integers(0, 40 * SECOND), max_size=20)
loads = st.builds(Load, rate_nl_s=st.integers(1, 20_000), residual_ppm=st.integers(0, 100_000))


def filled(volume_nl: int = 3_000_000, load: Load = LOAD) -> Plant:
    """Return a plant with a fresh charge in its cup."""
    return pour(Plant(mesh=MESH, load=load), volume_nl, load)


@given(cuts, loads, st.sampled_from(Drive), st.integers(1, 200_000))
def test_plant_does_not_depend_on_how_time_is_cut(steps: list[int], load: Load, drive: Drive, volume_nl: int) -> None:
    """Many small steps and one long step give the very same plant."""
    whole = advance(filled(volume_nl, load), sum(steps), drive)
    cut = filled(volume_nl, load)
    for step_ns in steps:
        cut = advance(cut, step_ns, drive)
    assert cut == whole


actions = st.one_of(
    st.tuples(st.just("pour"), st.integers(1, 1_000_000)),
    st.tuples(st.just("draw"), st.just(0)),
    st.tuples(st.sampled_from(Drive), st.integers(0, 100 * SECOND)),
)


@given(st.lists(actions, max_size=30), loads)
def test_volume_is_conserved_to_the_nanolitre(steps: list[tuple[str | Drive, int]], load: Load) -> None:
    """Whatever is poured, driven and drawn, filled equals emitted plus drawn plus what is in the cup."""
    plant = Plant(mesh=MESH, load=load)
    poured = drawn = 0
    for action, amount in steps:
        if isinstance(action, Drive):
            plant = advance(plant, amount, action)
        elif action == "draw":
            plant, drawn_nl = draw(plant)
            drawn += drawn_nl
        elif amount <= MESH.cup_nl - plant.cup_nl:
            plant = pour(plant, amount, load)
            poured += amount
        assert plant.cup_al >= 0
        assert (poured, drawn) == (plant.filled_nl, plant.drawn_nl)
        assert poured == plant.emitted_nl + drawn + plant.cup_nl


@pytest.mark.parametrize("drive", [Drive.OFF, Drive.SWEEP])
def test_only_the_driven_mesh_at_resonance_emits(drive: Drive) -> None:
    """Nothing leaves the cup while the mesh is OFF or sweeping."""
    assert advance(filled(), 100 * SECOND, drive).emitted_al == 0


def test_rate_times_time_is_what_leaves() -> None:
    """After 10 s at 6333 nL/s exactly 63330 nL have left."""
    plant = advance(filled(), 10 * SECOND, Drive.ON)
    assert (plant.emitted_nl, plant.cup_nl) == (63_330, 3_000_000 - 63_330)


def test_the_residual_stays() -> None:
    """Driving for ever leaves the filling's share of the charge in the cup: 3.2 % of 3 mL is 96 uL."""
    plant = advance(filled(), 10_000 * SECOND, Drive.ON)
    assert plant.cup_nl == 96_000
    assert draw(plant) == (draw(plant)[0], 96_000)


def test_a_mesh_that_runs_dry_shows_it() -> None:
    """Current and power fall and the resonance rises within half a second of the last liquid."""
    wet = advance(filled(), wet_ns(filled()), Drive.ON)
    dry = advance(wet, SECOND // 2, Drive.ON)
    before, after = sense(wet, Drive.ON), sense(dry, Drive.ON)
    assert (before.current_dma, after.current_dma) == (834, 208)
    assert (before.power_mw, after.power_mw) == (1460, 365)
    assert after.frequency_hz - before.frequency_hz == 1200


def test_sensing_off_shows_no_drive() -> None:
    """While OFF the controller senses no current, no frequency and no power."""
    signals = sense(filled(), Drive.OFF)
    assert (signals.current_dma, signals.frequency_hz, signals.power_mw, signals.temp_dc) == (0, 0, 0, 220)


def test_liquid_warms_towards_its_limit() -> None:
    """The liquid starts at room temperature and ends 3 degrees warmer."""
    assert sense(advance(filled(), 10_000 * SECOND, Drive.ON), Drive.ON).temp_dc == 250


@pytest.mark.parametrize("volume_nl", [0, -1, 6_000_001])
def test_a_volume_that_does_not_fit_is_refused(volume_nl: int) -> None:
    """The cup takes 1 nL to 6 mL and says so."""
    with pytest.raises(ValueError, match="room for 1 to 6000000 nL"):
        filled(volume_nl)


def test_plant_time_never_steps_back() -> None:
    """A negative step is an error of the clock and is named as one."""
    with pytest.raises(ValueError, match="steps back"):
        advance(filled(), -1, Drive.ON)


def test_the_started_nanolitre_is_drawn_too() -> None:
    """A cup emptied in the middle of a nanolitre is empty, and nothing is lost between the roundings."""
    plant, drawn_nl = draw(advance(filled(), 1, Drive.ON))
    assert (plant.cup_al, drawn_nl, plant.emitted_al % AL_PER_NL) == (0, 3_000_000, 0)
