"""Named jet nebulizers: presets.toml read, and the units and fillings that a seed draws from it.

Behind a preset's name stand its switches, such as `jet.lc+field`: what is off by default.
"""

import random
import tomllib
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import resources

from nebctl_simulators.jet.cup import NS_PER_S, WHOLE_PPM, Load
from nebctl_simulators.presets import split_preset

NL_PER_ML = 1_000_000
Table = dict[str, float | str]
SWITCHES = {
    "field": "the compressor is weak in the share of units that was published, or in =PERCENT of them",
    "weak": "the compressor is weak",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gas:
    """What the gas does at the jet: flows in mL/min under standard conditions, gauge pressures in Pa, shares in ppm.

    At `nominal_sccm` the pressure is `nominal_pa`, and it follows the flow; below `least_pa` there is no aerosol, and
    the source gives at most `supply_pa`. A reading scatters by up to `steady_ppm`, of a jet that spits by up to
    `ripple_ppm`. A weak compressor gives `weak_ppm` of the set flow and leaves `weak_residual_nl` more in the cup; this
    unit's own gives `given_ppm` of it.
    """

    nominal_sccm: int
    nominal_pa: int
    least_pa: int
    supply_pa: int
    steady_ppm: int
    ripple_ppm: int
    weak_ppm: int
    weak_residual_nl: int
    given_ppm: int = WHOLE_PPM

    @property
    def is_weak(self) -> bool:
        """Whether this unit's own compressor is weak."""
        return self.given_ppm < WHOLE_PPM


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One built unit of a preset: what the seed made of it."""

    preset: str
    seed: int
    gas: Gas
    cup_nl: int
    aerosol_nl_s: float
    share: float
    table: dict[str, Table]


def preset_names() -> tuple[str, ...]:
    """Return the names of all presets."""
    return tuple(_read_presets())


def build_unit(preset: str, seed: int) -> Unit:
    """Return the unit that this seed draws from the preset; the same two always give the same unit.

    A switch changes what it says and nothing else.

    Raises: ValueError for a preset or a switch that does not exist.
    """
    name, switches = split_preset(preset, preset_names(), SWITCHES)
    table = _read_presets()[name]
    chance = _chance(name, seed, "unit")
    aerosol, share = table["aerosol"], table["share"]
    ml_min = chance.uniform(float(aerosol["low_ml_min"]), float(aerosol["high_ml_min"]))
    return Unit(
        preset=preset,
        seed=seed,
        gas=_switch(_gas(table["gas"]), table["field"], switches, _chance(name, seed, "field")),
        cup_nl=round(float(table["limits"]["cup_ml"]) * NL_PER_ML),
        aerosol_nl_s=ml_min * NL_PER_ML / 60,
        share=chance.uniform(float(share["low_percent"]), float(share["high_percent"])) / 100,
        table=table,
    )


def draw_load(unit: Unit, number: int) -> Load:
    """Return what chance gives this unit's filling of this number; the first filling is number 1."""
    chance = _chance(unit.preset.split("+")[0], unit.seed, f"load {number}")
    share, residual, sputter, cooling = (unit.table[name] for name in ("share", "residual", "sputter", "cooling"))
    rate = unit.aerosol_nl_s * chance.gauss(1, float(unit.table["aerosol"]["run_cv"]))
    part = unit.share + chance.gauss(0, float(share["run_sd_percent"])) / 100
    left_ml = chance.gauss(float(residual["mean_ml"]), float(residual["sd_ml"]))
    more_nl = unit.gas.weak_residual_nl if unit.gas.is_weak else 0
    return Load(
        aerosol_nl_s=max(1, round(rate)),
        share_ppm=round(_clip(part, float(share["low_percent"]) / 100, float(share["high_percent"]) / 100) * WHOLE_PPM),
        residual_nl=round(_clip(left_ml, float(residual["low_ml"]), float(residual["high_ml"])) * NL_PER_ML) + more_nl,
        onset_nl=round(float(sputter["onset_ml"]) * NL_PER_ML) + more_nl,
        least_ppm=round(float(sputter["least_percent"]) * 10_000),
        tap_nl=round(float(sputter["tap_ml"]) * NL_PER_ML),
        cool_mk=round(float(cooling["cool_c"]) * 1000),
        cool_ns=round(float(cooling["cool_s"])) * NS_PER_S,
        fresh_ppm=round(float(cooling["fresh_percent"]) * 10_000),
    )


def _switch(gas: Gas, table: Table, switches: dict[str, float | None], chance: random.Random) -> Gas:
    is_weak = "weak" in switches
    if "field" in switches:
        percent = switches["field"]
        percent = float(table["weak_units_percent"]) if percent is None else percent
        if percent > 100:
            raise ValueError(f"field={percent:g}: of 100 units at most 100 are weak")
        is_weak |= chance.random() < percent / 100
    return replace(gas, given_ppm=gas.weak_ppm) if is_weak else gas


def _clip(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


def _gas(table: Table) -> Gas:
    return Gas(
        nominal_sccm=round(float(table["nominal_slpm"]) * 1000),
        nominal_pa=round(float(table["nominal_kpa"]) * 1000),
        least_pa=round(float(table["least_kpa"]) * 1000),
        supply_pa=round(float(table["supply_kpa"]) * 1000),
        steady_ppm=round(float(table["steady_percent"]) * 10_000),
        ripple_ppm=round(float(table["ripple_percent"]) * 10_000),
        weak_ppm=round(float(table["weak_percent"]) * 10_000),
        weak_residual_nl=round(float(table["weak_residual_ml"]) * NL_PER_ML),
    )


@lru_cache
def _read_presets() -> dict[str, dict[str, Table]]:
    text = resources.files("nebctl_simulators").joinpath("jet/presets.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _chance(preset: str, seed: int, what: str) -> random.Random:
    return random.Random(f"{preset}/{seed}/{what}")  # noqa: S311 - physics, not a secret
