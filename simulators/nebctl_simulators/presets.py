"""Named plants: presets.toml read, and the units and fillings that a seed draws from it."""

import math
import random
import tomllib
from dataclasses import dataclass
from importlib import resources

from nebctl_simulators.plant import NS_PER_S, Load, Mesh

Table = dict[str, float | str]

NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How fillings differ: the unit's own mean rate in nL/s, and the spread of rate and residual about their means."""

    rate_nl_s: float
    run_cv: float
    residual_percent: float
    residual_sd: float
    residual_low: float
    residual_high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Firmware:
    """The numbers that the controller's program holds: times in ns, the maximum on-time of a run in ms."""

    full_sweep_ns: int
    narrow_sweep_ns: int
    dry_confirm_ns: int
    max_on_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One built unit of a preset: what the seed made of it."""

    preset: str
    seed: int
    mesh: Mesh
    spread: Spread
    firmware: Firmware


def preset_names() -> tuple[str, ...]:
    """Return the names of all presets."""
    return tuple(sorted(_read_presets()))


def build_unit(preset: str, seed: int) -> Unit:
    """Return the unit that this seed draws from the preset; the same two always give the same unit.

    Raises: ValueError for a preset that does not exist.
    """
    presets = _read_presets()
    if preset not in presets:
        raise ValueError(f"there is no preset {preset!r}; choose one of: {', '.join(sorted(presets))}")
    table = presets[preset]
    chance = _chance(preset, seed, "unit")
    return Unit(
        preset=preset,
        seed=seed,
        spread=_draw_spread(table, chance),
        mesh=_draw_mesh(table, chance),
        firmware=_firmware(table),
    )


def draw_load(unit: Unit, number: int) -> Load:
    """Return what chance gives this unit's filling of this number; the first filling is number 1."""
    chance = _chance(unit.preset, unit.seed, f"load {number}")
    spread = unit.spread
    percent = chance.gauss(spread.residual_percent, spread.residual_sd)
    clipped = min(max(percent, spread.residual_low), spread.residual_high)
    rate = _draw_lognormal(chance, spread.rate_nl_s, spread.run_cv)
    return Load(rate_nl_s=max(1, round(rate)), residual_ppm=round(clipped * 10_000))


def _read_presets() -> dict[str, dict[str, Table]]:
    text = resources.files("nebctl_simulators").joinpath("presets.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _chance(preset: str, seed: int, what: str) -> random.Random:
    return random.Random(f"{preset}/{seed}/{what}")  # noqa: S311 - physics, not a secret


def _draw_lognormal(chance: random.Random, mean: float, cv: float) -> float:
    variance = math.log1p(cv * cv)
    return chance.lognormvariate(math.log(mean) - variance / 2, math.sqrt(variance))


def _draw_spread(table: dict[str, Table], chance: random.Random) -> Spread:
    rate, residual = table["rate"], table["residual"]
    mean_nl_s = float(rate["mean_ml_min"]) * 1_000_000 / 60
    return Spread(
        rate_nl_s=_draw_lognormal(chance, mean_nl_s, float(rate["unit_cv"])),
        run_cv=float(rate["run_cv"]),
        residual_percent=float(residual["mean_percent"]),
        residual_sd=float(residual["sd_percent"]),
        residual_low=float(residual["low_percent"]),
        residual_high=float(residual["high_percent"]),
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
        cup_nl=round(float(table["limits"]["cup_ml"]) * 1_000_000),
    )


def _firmware(table: dict[str, Table]) -> Firmware:
    sweep, dry = table["sweep"], table["dry"]
    return Firmware(
        full_sweep_ns=int(sweep["full_ms"]) * NS_PER_MS,
        narrow_sweep_ns=int(sweep["narrow_ms"]) * NS_PER_MS,
        dry_confirm_ns=(int(dry["fall_ms"]) + int(dry["confirm_ms"])) * NS_PER_MS,
        max_on_ms=int(table["limits"]["max_on_ms"]),
    )
