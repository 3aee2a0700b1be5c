"""Facts about what changes a mesh's rate: mismatch, cold, viscosity, clogging; and that cuts of time never do."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nebctl_simulators.plant import (
    AL_PER_NL,
    WHOLE_PPM,
    Clog,
    Drive,
    Liquid,
    Load,
    Plant,
    advance,
    clog,
    detune,
    draw,
    pour,
    rate_nl_s,
    sense,
    wet_ns,
)
from nebctl_simulators.presets import build_unit

MESH = build_unit("mesh.solo", 1).mesh
SECOND = 1_000_000_000
LOAD = Load(rate_nl_s=6000, residual_ppm=30_000)
CHARGE_NL = 3_000_000
FRIDGE = Liquid(temp_dc=40)


def filled(liquid: Liquid | None = None, load: Load = LOAD) -> Plant:
    """Return a plant with a fresh charge of 3 mL."""
    return pour(Plant(mesh=MESH, load=load), CHARGE_NL, load, liquid)


liquids = st.builds(Liquid, temp_dc=st.integers(20, 300), viscosity_ppm=st.integers(900_000, 5_000_000))
clogs = st.none() | st.tuples(st.integers(1, 999_999), st.integers(1, 400 * SECOND))
drives = st.lists(st.tuples(st.sampled_from(Drive), st.integers(1, 90 * SECOND)), max_size=8)


@settings(deadline=None, max_examples=40)
@given(drives, st.integers(SECOND // 3, 7 * SECOND), liquids, clogs, st.integers(-20_000, 20_000))
def test_no_change_of_rate_depends_on_how_time_is_cut(
    steps: list[tuple[Drive, int]], cut_ns: int, liquid: Liquid, clogging: tuple[int, int] | None, off_ppm: int
) -> None:
    """Cold, thick, clogging and off resonance, ON, sweeping and OFF: small steps give the very same plant."""
    whole = detune(filled(liquid), off_ppm)
    if clogging is not None:
        whole = clog(whole, *clogging)
    cut = whole
    for drive, length_ns in steps:
        whole = advance(whole, length_ns, drive)
        for start_ns in range(0, length_ns, cut_ns):
            cut = advance(cut, min(cut_ns, length_ns - start_ns), drive)
    assert cut == whole
    assert sense(cut, Drive.ON) == sense(whole, Drive.ON)


@settings(deadline=None, max_examples=40)
@given(liquids, clogs, st.integers(0, 1500 * SECOND))
def test_a_mesh_is_never_dry_before_its_time(liquid: Liquid, clogging: tuple[int, int] | None, before_ns: int) -> None:
    """While `wet_ns` lasts nothing is dry; step by step it leads to the end, where the residual is left."""
    plant = filled(liquid) if clogging is None else clog(filled(liquid), *clogging)
    plant = advance(plant, before_ns, Drive.ON)
    for _ in range(200):
        plant = advance(plant, wet_ns(plant), Drive.ON)
        assert plant.dry_ns < SECOND or not plant.available_al
    if not plant.available_al:
        assert plant.cup_al == plant.residual_al


def test_one_percent_off_resonance_costs_what_was_published() -> None:
    """Of 200 units each loses 11.0 to 30.1 % of its output at 1 %, and takes 6.6 to 13.6 % more power, less current."""
    for seed in range(200):
        mesh = build_unit("mesh.solo", seed).mesh
        good = pour(Plant(mesh=mesh, load=LOAD), CHARGE_NL, LOAD)
        off = detune(good, 10_000)
        assert 0.110 <= 1 - rate_nl_s(off) / rate_nl_s(good) <= 0.302
        on, beside = sense(good, Drive.ON), sense(off, Drive.ON)
        assert 1.065 <= beside.power_mw / on.power_mw <= 1.137
        assert beside.current_dma < on.current_dma
        assert beside.frequency_hz == on.frequency_hz + on.frequency_hz // 100


def test_detuning_is_even_about_the_resonance_and_grows() -> None:
    """Above and below the resonance cost the same, half of the mismatch less, and none nothing."""
    rates = [rate_nl_s(detune(filled(), off_ppm)) for off_ppm in (0, 5_000, 10_000, 20_000)]
    assert rates[0] == LOAD.rate_nl_s
    assert rates == sorted(set(rates), reverse=True)
    assert rate_nl_s(detune(filled(), -10_000)) == rates[2]


def test_fridge_cold_liquid_starts_slowly_and_warms() -> None:
    """At 4 °C a third of the rate is gone, 2 % a degree below 22; driven it warms until nothing is lost any more."""
    plant = filled(FRIDGE)
    assert sense(plant, Drive.OFF).temp_dc == 40
    rates = [rate_nl_s(advance(plant, minutes * 60 * SECOND, Drive.ON)) for minutes in range(12)]
    assert rates[0] == pytest.approx(LOAD.rate_nl_s * (1 - 0.02 * 18), rel=0.01)
    assert rates == sorted(rates)
    assert rates[-1] == LOAD.rate_nl_s
    late, usual = advance(plant, 300 * SECOND, Drive.ON), advance(filled(), 300 * SECOND, Drive.ON)
    assert 0.75 < late.emitted_al / usual.emitted_al < 0.85


def test_liquid_goes_back_to_room_temperature_while_off() -> None:
    """25 °C after a long run, half of the excess gone after 208 s OFF, and 22 °C in the end; cold liquid warms too."""
    driven = advance(filled(), 3000 * SECOND, Drive.ON)
    temps = [sense(advance(driven, seconds * SECOND, Drive.OFF), Drive.OFF).temp_dc for seconds in (0, 208, 5000)]
    assert temps == [250, 235, 220]
    assert sense(advance(filled(FRIDGE), 5000 * SECOND, Drive.OFF), Drive.OFF).temp_dc == 220


def test_what_is_poured_mixes_with_what_is_there() -> None:
    """1 mL at 4 °C upon 1 mL at 22 °C is 2 mL at 13 °C, and the viscosity lies between too."""
    plant = pour(Plant(mesh=MESH, load=LOAD), 1_000_000, LOAD)
    mixed = pour(plant, 1_000_000, LOAD, Liquid(temp_dc=40, viscosity_ppm=3_000_000))
    assert sense(mixed, Drive.OFF).temp_dc == 130
    assert mixed.viscosity_ppm == 2_000_000


@pytest.mark.parametrize(("times", "low", "high"), [(1, 0, 0), (3, 0.30, 0.60), (4, 0.30, 0.60)])
def test_thick_liquid_comes_slowly(times: int, low: float, high: float) -> None:
    """At 3 to 4 times water's viscosity 30 to 60 % of the rate is gone, with water none."""
    lost = 1 - rate_nl_s(filled(Liquid(viscosity_ppm=times * WHOLE_PPM))) / LOAD.rate_nl_s
    assert low <= lost <= high


def test_a_mesh_clogs_while_it_is_driven_and_only_then() -> None:
    """The rate ramps down to half over 100 s ON; OFF nothing clogs; cleaned, all of it is back."""
    plant = advance(clog(filled(), 500_000, 100 * SECOND), 1000 * SECOND, Drive.OFF)
    rates = [rate_nl_s(advance(plant, seconds * SECOND, Drive.ON)) for seconds in (0, 50, 100, 200)]
    assert rates == [pytest.approx(5985, abs=1), pytest.approx(4485, abs=1), 3000, 3000]
    assert rate_nl_s(clog(plant, 0, 1)) == LOAD.rate_nl_s
    assert clog(plant, 0, 1).clog is None


def test_the_emitted_volume_of_a_clogging_mesh_is_the_ramps_integral() -> None:
    """Over the ramp of 100 s from whole to half, three quarters of the usual volume leave."""
    plant = advance(clog(filled(), 500_000, 100 * SECOND), 100 * SECOND, Drive.ON)
    assert plant.emitted_al == 450_000 * AL_PER_NL
    assert plant.clog == Clog(loss_ppm=500_000, over_ns=100 * SECOND, driven_ns=100 * SECOND)


@pytest.mark.parametrize(("loss_ppm", "over_ns"), [(-1, 1), (1_000_000, 1), (1, 0)])
def test_a_clogging_that_cannot_be_is_refused(loss_ppm: int, over_ns: int) -> None:
    """A loss of more than all, or over no time, is named with what can be."""
    with pytest.raises(ValueError, match="0 to 999999 ppm of its rate over more than 0 ns"):
        clog(filled(), loss_ppm, over_ns)


def test_a_residual_by_volume_does_not_grow_with_the_charge() -> None:
    """1.0 mL stays of 3 mL and of 6 mL alike; of 0.5 mL nothing leaves."""
    load = Load(rate_nl_s=8000, residual_ppm=0, residual_nl=1_000_000)
    for charge_nl, left_nl in ((3_000_000, 1_000_000), (6_000_000, 1_000_000), (500_000, 500_000)):
        plant = pour(Plant(mesh=MESH, load=load), charge_nl, load)
        assert advance(plant, 10_000 * SECOND, Drive.ON).cup_nl == left_nl


def test_a_mesh_that_stops_early_looks_dry_over_a_full_cup() -> None:
    """The dry signature comes with 36 % of the charge still in the cup: what a host must not take for complete."""
    load = Load(rate_nl_s=6000, residual_ppm=360_000, stops_early=True)
    plant = advance(filled(load=load), 2000 * SECOND, Drive.ON)
    wet = sense(filled(load=load), Drive.ON)
    dry = sense(plant, Drive.ON)
    assert plant.cup_nl == 1_080_000
    assert dry.current_dma == wet.current_dma * MESH.dry_percent // 100
    assert dry.frequency_hz > wet.frequency_hz


def test_a_drawn_cup_lets_the_next_pour_begin_anew() -> None:
    """After a draw the next charge has its own temperature and viscosity, with nothing of the last."""
    emptied, _ = draw(advance(filled(Liquid(temp_dc=40, viscosity_ppm=2_000_000)), 10 * SECOND, Drive.ON))
    again = pour(emptied, CHARGE_NL, LOAD)
    assert (sense(again, Drive.OFF).temp_dc, again.viscosity_ppm) == (220, WHOLE_PPM)
