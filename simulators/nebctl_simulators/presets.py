"""Named plants: presets.toml read, and the units and fillings that a seed draws from it.

Behind a preset's name stand its switches, such as `mesh.solo+premature+worn=80`: what is off by default.
"""

import math
import random
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import resources

from nebctl_simulators.plant import NS_PER_S, WHOLE_PPM, Load, Mesh

Table = dict[str, float | str]

NS_PER_MS = 1_000_000
NL_PER_ML = 1_000_000
PPM_PER_PERCENT = 10_000
UNITS_PER_BATCH = 10  # seeds in a row are of one batch; about as many as in the source of `mesh.innospire`
SWITCHES = {
    "premature": "some fillings stop early, in the share that was published, or =PERCENT of them",
    "worn": "=DOSES that the mesh has done before",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stops:
    """How a unit's fillings stop early: `share` of them, retaining so many percent of the charge."""

    share: float
    percent: float
    sd: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How fillings differ: the unit's own mean rate in nL/s, and the spread of rate and residual about their means.

    The residual is in percent of the charge, or with `residual_is_volume` in millilitres. `stops` is None where no
    filling stops early. The mesh loses `wear_loss` of its rate evenly over `life_doses` and no more behind them (0: it
    does not wear); it has done `done_doses` before its first filling.
    """

    rate_nl_s: float
    run_cv: float
    residual_percent: float
    residual_sd: float
    residual_low: float
    residual_high: float
    residual_is_volume: bool = False
    stops: Stops | None = None
    life_doses: int = 0
    wear_loss: float = 0.0
    done_doses: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Firmware:
    """The numbers that the controller's program holds: times in ns, the maximum on-time of a run in ms."""

    full_sweep_ns: int
    narrow_sweep_ns: int
    dry_confirm_ns: int
    max_on_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One built unit of a preset: what the seed made of it. `preset` is the name with its switches."""

    preset: str
    seed: int
    mesh: Mesh
    spread: Spread
    firmware: Firmware


def preset_names() -> tuple[str, ...]:
    """Return the names of all presets."""
    return tuple(_read_presets())


def build_unit(preset: str, seed: int) -> Unit:
    """Return the unit that this seed draws from the preset; the same two always give the same unit.

    Switches change what they say and nothing else: `mesh.solo+premature` is the same unit as `mesh.solo`.

    Raises: ValueError for a preset or a switch that does not exist.
    """
    name, switches = split_preset(preset, preset_names(), SWITCHES)
    table = _read_presets()[name]
    chance = _chance(name, seed, "unit")
    batch = _chance(name, seed // UNITS_PER_BATCH, "batch")
    spread = _draw_spread(table, chance, batch.gauss(0, 1))
    mesh = _draw_mesh(table, chance)
    return Unit(
        preset=preset,
        seed=seed,
        spread=_switch(spread, table, switches, name),
        mesh=_add_detuning(mesh, table["detuning"], _chance(name, seed, "detuning")),
        firmware=_firmware(table),
    )


def draw_load(unit: Unit, number: int) -> Load:
    """Return what chance gives this unit's filling of this number; the first filling is number 1."""
    name = unit.preset.split("+")[0]
    chance = _chance(name, unit.seed, f"load {number}")
    spread = unit.spread
    drawn = chance.gauss(spread.residual_percent, spread.residual_sd)
    residual = min(max(drawn, spread.residual_low), spread.residual_high)
    rate = _draw_lognormal(chance, spread.rate_nl_s * _worn_share(spread, number), spread.run_cv)
    rate_nl_s = max(1, round(rate))
    retained = _draw_stop(spread.stops, _chance(name, unit.seed, f"stop {number}"))
    if retained is not None:
        return Load(rate_nl_s=rate_nl_s, residual_ppm=round(retained * PPM_PER_PERCENT), stops_early=True)
    if spread.residual_is_volume:
        return Load(rate_nl_s=rate_nl_s, residual_ppm=0, residual_nl=round(residual * NL_PER_ML))
    return Load(rate_nl_s=rate_nl_s, residual_ppm=round(residual * PPM_PER_PERCENT))


def split_preset(text: str, names: tuple[str, ...], switches: Mapping[str, str]) -> tuple[str, dict[str, float | None]]:
    """Return a preset's name, and its switches with their numbers; None for one without.

    Raises: ValueError for a name, a switch or a number that cannot be.
    """
    name, *given = text.split("+")
    if name not in names:
        raise ValueError(f"there is no preset {name!r}; choose one of: {', '.join(names)}")
    found: dict[str, float | None] = {}
    for item in given:
        switch, has_number, number = item.partition("=")
        if switch not in switches:
            known = "; ".join(f"{key}: {what}" for key, what in switches.items())
            raise ValueError(f"preset {text!r}: there is no switch {switch!r}; choose of: {known}")
        if has_number and not (number.isascii() and number.replace(".", "", 1).isdigit() and len(number) < 10):
            raise ValueError(f"preset {text!r}: {switch} is a number from 0 on, such as 50; got {number!r}")
        found[switch] = float(number) if has_number else None
    return name, found


def _switch(spread: Spread, table: dict[str, Table], switches: dict[str, float | None], name: str) -> Spread:
    if "premature" in switches:
        if "premature" not in table:
            raise ValueError(f"preset {name!r}: nothing is published about its early stops; leave `premature` out")
        spread = replace(spread, stops=_read_stops(table["premature"], switches["premature"]))
    if "worn" in switches:
        doses = switches["worn"]
        if doses is None or doses != int(doses) or doses > spread.life_doses:
            raise ValueError(f"preset {name!r}: worn=DOSES takes a whole number from 0 to {spread.life_doses}")
        spread = replace(spread, done_doses=int(doses))
    return spread


def _read_stops(table: Table, percent: float | None) -> Stops:
    share_percent = float(table["share_percent"]) if percent is None else percent
    if share_percent > 100:
        raise ValueError(f"premature={share_percent:g}: of 100 fillings at most 100 stop early")
    return Stops(
        share=share_percent / 100,
        percent=float(table["mean_percent"]),
        sd=float(table["sd_percent"]),
        low=float(table["low_percent"]),
        high=float(table["high_percent"]),
    )


def _draw_stop(stops: Stops | None, chance: random.Random) -> float | None:
    """Return what percent of the charge a filling retains that stops early; None for one that does not."""
    if stops is None or chance.random() >= stops.share:
        return None
    return min(max(chance.gauss(stops.percent, stops.sd), stops.low), stops.high)


def _worn_share(spread: Spread, number: int) -> float:
    if not spread.life_doses:
        return 1.0
    return 1 - spread.wear_loss * min(1.0, (spread.done_doses + number - 1) / spread.life_doses)


@lru_cache
def _read_presets() -> dict[str, dict[str, Table]]:
    text = resources.files("nebctl_simulators").joinpath("presets.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _chance(preset: str, seed: int, what: str) -> random.Random:
    return random.Random(f"{preset}/{seed}/{what}")  # noqa: S311 - physics, not a secret


def _draw_lognormal(chance: random.Random, mean: float, cv: float) -> float:
    variance = math.log1p(cv * cv)
    return chance.lognormvariate(math.log(mean) - variance / 2, math.sqrt(variance))


def _draw_spread(table: dict[str, Table], chance: random.Random, batch: float) -> Spread:
    rate, residual, wear = table["rate"], table["residual"], table["wear"]
    mean_nl_s = (float(rate["mean_ml_min"]) + batch * float(rate.get("batch_sd_ml_min", 0))) * NL_PER_ML / 60
    per = "ml" if "mean_ml" in residual else "percent"
    return Spread(
        rate_nl_s=_draw_lognormal(chance, mean_nl_s, float(rate["unit_cv"])),
        run_cv=float(rate["run_cv"]),
        residual_percent=float(residual[f"mean_{per}"]),
        residual_sd=float(residual[f"sd_{per}"]),
        residual_low=float(residual[f"low_{per}"]),
        residual_high=float(residual[f"high_{per}"]),
        residual_is_volume=per == "ml",
        life_doses=int(wear["life_doses"]),
        wear_loss=float(wear["loss_percent"]) / 100,
    )


def _draw_mesh(table: dict[str, Table], chance: random.Random) -> Mesh:
    resonance, drive, dry, warm = table["resonance"], table["drive"], table["dry"], table["temperature"]
    return Mesh(
        resonance_hz=round(chance.gauss(float(resonance["mean_hz"]), float(resonance["sd_hz"]))),
        drift_hz=int(resonance["drift_hz"]),
        drift_ns=int(resonance["drift_s"]) * NS_PER_S,
        current_dma=round(float(drive["current_ma"]) * 10),
        power_mw=int(drive["power_mw"]),
        dry_percent=int(dry["current_percent"]),
        dry_rise_hz=int(dry["rise_hz"]),
        dry_fall_ns=int(dry["fall_ms"]) * NS_PER_MS,
        ambient_dc=round(float(warm["ambient_c"]) * 10),
        warm_dc=round(float(warm["warm_c"]) * 10),
        warm_ns=int(warm["warm_s"]) * NS_PER_S,
        cup_nl=round(float(table["limits"]["cup_ml"]) * NL_PER_ML),
        nominal_dc=round(float(warm["nominal_c"]) * 10),
        cold_ppm=round(float(warm["cold_percent_per_c"]) * PPM_PER_PERCENT),
        thick_ppm=round(float(table["viscosity"]["power"]) * WHOLE_PPM),
    )


def _add_detuning(mesh: Mesh, table: Table, chance: random.Random) -> Mesh:
    loss, power = (
        chance.uniform(float(table[f"{what}_low_percent"]), float(table[f"{what}_high_percent"]))
        for what in ("loss", "power")
    )
    loss_ppm, power_ppm = round(loss * PPM_PER_PERCENT), round(power * PPM_PER_PERCENT)
    return replace(mesh, detune_loss_ppm=loss_ppm, detune_power_ppm=power_ppm)


def _firmware(table: dict[str, Table]) -> Firmware:
    sweep, dry = table["sweep"], table["dry"]
    return Firmware(
        full_sweep_ns=int(sweep["full_ms"]) * NS_PER_MS,
        narrow_sweep_ns=int(sweep["narrow_ms"]) * NS_PER_MS,
        dry_confirm_ns=(int(dry["fall_ms"]) + int(dry["confirm_ms"])) * NS_PER_MS,
        max_on_ms=int(table["limits"]["max_on_ms"]),
    )
