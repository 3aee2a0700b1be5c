"""Facts about a jet's cooling, a tap on its cup, and compressors as they are found in the field."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nebctl_simulators.jet.cup import AL_PER_NL, WHOLE_PPM, Cup, Load, advance, draw, pour, rate_nl_s, tap
from nebctl_simulators.jet.gas import GasController
from nebctl_simulators.jet.presets import build_unit, draw_load

SECOND = 1_000_000_000
CHARGE_NL = 3_000_000
LOAD = Load(
    aerosol_nl_s=4000,
    share_ppm=640_000,
    residual_nl=1_000_000,
    onset_nl=1_200_000,
    least_ppm=200_000,
    tap_nl=160_000,
    cool_mk=10_000,
    fresh_ppm=80_000,
)


def filled() -> Cup:
    """Return a cup with a fresh charge of 3 mL."""
    return pour(Cup(size_nl=8_000_000, load=LOAD), CHARGE_NL, LOAD)


steps = st.lists(st.tuples(st.sampled_from((0, 700_000, WHOLE_PPM)), st.integers(1, 100 * SECOND)), max_size=6)


@settings(deadline=None)
@example([(WHOLE_PPM, 100 * SECOND)] * 4, 7)  # spent within the last part
@given(steps, st.integers(1, 20))
def test_a_cooling_cup_does_not_depend_on_how_time_is_cut(parts: list[tuple[int, int]], cuts: int) -> None:
    """Gas on, weak and off, cut into up to twenty pieces each: the same volumes within 1 nL, the same temperature."""
    whole = cut = filled()
    for pressure_ppm, length_ns in parts:
        whole = advance(whole, length_ns, pressure_ppm)
        for number in range(cuts):
            piece_ns = length_ns * (number + 1) // cuts - length_ns * number // cuts
            cut = advance(cut, piece_ns, pressure_ppm)
    assert cut.at_ns == whole.at_ns
    assert abs(cut.volume_al - whole.volume_al) <= AL_PER_NL
    assert abs(cut.emitted_al - whole.emitted_al) <= AL_PER_NL
    assert abs(cut.cooling_mk - whole.cooling_mk) <= 1


def test_the_cup_cools_by_ten_degrees_and_warms_again() -> None:
    """6.3 °C colder after the time constant of 2 min, 9 to 10 °C after 6 min; without gas it goes back."""
    assert advance(filled(), 120 * SECOND, WHOLE_PPM).cooling_mk == pytest.approx(6321, abs=1)
    cold = advance(filled(), 350 * SECOND, WHOLE_PPM)
    assert 9000 < cold.cooling_mk < 10_000
    assert advance(cold, 1000 * SECOND, 0).cooling_mk < 10


def test_a_cup_at_room_temperature_gives_more_than_a_cold_one() -> None:
    """In the first second 8 % more leaves, in that after 4 min less than 2 % more."""

    def in_a_second(cup: Cup) -> int:
        return advance(cup, SECOND, WHOLE_PPM).aerosol_al - cup.aerosol_al

    fresh, cold = filled(), advance(filled(), 240 * SECOND, WHOLE_PPM)
    assert in_a_second(fresh) / (4000 * AL_PER_NL) == pytest.approx(1.08, abs=0.001)
    assert 1 < in_a_second(cold) / (4000 * AL_PER_NL) < 1.02


def test_the_rate_now_is_that_of_the_next_moment() -> None:
    """Fresh, cold and sputtering, at full and at 70 % pressure: the rate told is what leaves in the next 10 ms."""
    for seconds in (0, 60, 250, 300):
        cup = advance(filled(), seconds * SECOND, WHOLE_PPM)
        for pressure_ppm in (WHOLE_PPM, 700_000):
            left_al = advance(cup, SECOND // 100, pressure_ppm).aerosol_al - cup.aerosol_al
            assert rate_nl_s(cup, pressure_ppm) == pytest.approx(100 * left_al / AL_PER_NL, rel=0.002)
    assert rate_nl_s(advance(filled(), 10_000 * SECOND, WHOLE_PPM), WHOLE_PPM) == 0


def test_a_tap_starts_a_spent_cup_again_each_time_for_less() -> None:
    """At the residual nothing leaves; a tap brings 160 uL back, the next 80 uL, and no volume is lost."""
    cup = advance(filled(), 10_000 * SECOND, WHOLE_PPM)
    assert cup.is_spent
    for left_nl in (840_000, 760_000, 720_000):
        cup = tap(cup)
        assert not cup.is_spent
        cup = advance(cup, 10_000 * SECOND, WHOLE_PPM)
        assert cup.volume_al == left_nl * AL_PER_NL
        assert cup.filled_al == cup.aerosol_al + cup.vapour_al + cup.drawn_al + cup.volume_al


def test_a_tap_on_an_empty_cup_does_nothing() -> None:
    """Nothing comes from a wall where nothing clings."""
    emptied, _ = draw(filled())
    tapped = advance(tap(emptied), 60 * SECOND, WHOLE_PPM)
    assert (tapped.volume_al, tapped.aerosol_al) == (0, 0)


def test_the_solution_thickens_as_vapour_leaves() -> None:
    """From 3 mL to 1 mL at a share of 64 % the concentration rises to 3^0.36 times the first."""
    assert filled().thickening == 1
    assert advance(filled(), 10_000 * SECOND, WHOLE_PPM).thickening == pytest.approx(3**0.36, rel=0.001)


def test_a_weak_compressor_is_slower_and_leaves_more() -> None:
    """The same unit and filling with `weak`: 70 % of the flow and pressure, 0.2 mL more residual, and onset too."""
    good, weak = build_unit("jet.lc", 3), build_unit("jet.lc+weak", 3)
    flows = []
    for unit in (good, weak):
        controller = GasController(unit.gas, unit.seed)
        controller.setpoint = 6.0
        flows.append(controller.flow(supplied=True))
    assert flows[1].sccm / flows[0].sccm == pytest.approx(0.7, abs=0.001)
    assert flows[1].gauge_pa / flows[0].gauge_pa == pytest.approx(0.7, abs=0.001)
    first, second = draw_load(good, 1), draw_load(weak, 1)
    assert (first.aerosol_nl_s, first.share_ppm) == (second.aerosol_nl_s, second.share_ppm)
    assert second.residual_nl - first.residual_nl == second.onset_nl - first.onset_nl == 200_000


@pytest.mark.parametrize(("switch", "low", "high"), [("field", 31, 47), ("field=0", 0, 0), ("field=100", 100, 100)])
def test_in_the_field_two_of_five_are_weak(switch: str, low: int, high: int) -> None:
    """Of 300 units `field` makes 39 % weak, within the spread of 146, and `field=PERCENT` so many."""
    weak = sum(build_unit(f"jet.lc+{switch}", seed).gas.is_weak for seed in range(300)) / 3
    assert low <= weak <= high


@pytest.mark.parametrize(
    ("preset", "message"),
    [("jet.lc+premature", "there is no switch 'premature'; choose of: field"), ("jet.lc+field=101", "at most 100")],
)
def test_a_wrong_switch_of_a_jet_is_refused(preset: str, message: str) -> None:
    """A switch of another plant, and a share of more than all, are named with what is allowed."""
    with pytest.raises(ValueError, match=message):
        build_unit(preset, 1)
