"""How long the device has driven, weighted by what slows it: the time that the rate is multiplied with.

Time between two readings counts as running where both say so. Where the device was not heard, it may have run all of
the time or none of it: `least_s` counts none, `most_s` all. A row says what holds at its moment; where running began or
ended between two rows, the row before and the row after bound it.
"""

import math
from typing import NamedTuple

from nebctl.core.dose.model import DeviceModel, Kind
from nebctl.core.dose.reading import Doing, Reading

UNSEEN_MS = 5_000
GAP_MS, GAP_TIMES, AT_ONCE_MS = 2_500, 4, 50
"""Rows further apart are a gap, whatever they say, if they are four times as far apart as usual in this trace: no unit
reads its device so seldom in a dose, unless simulated time runs fast."""
SETTLED_MC = 22_000
COLD_PER_K = 0.02
COLD_SIGMA_PER_K = 0.005
"""What a degree below 22 °C takes from a mesh's rate, and how unsure that is.

Source: 1 to 3 % a degree, a rule of thumb after https://pmc.ncbi.nlm.nih.gov/articles/PMC10208687/ (no figure there).
"""
LEAST_FACTOR = 0.05
START_S = 1.8
START_SIGMA_S = 1.8
"""A mesh's start sweeps for resonance before it emits, 0.15 to 2.4 s. Source: docs/wire-protocol.md, section 7."""
GAS_START_S, GAS_START_SIGMA_S = 0.25, 0.3
"""A jet sweeps nothing: it sprays with the gas, whose pressure stands within a second; planning figures."""
HOST_LOSS_S = 2.0
"""How long a device that keeps S22 runs on without its host."""
SPUTTER_DUTY, SPUTTER_SIGMA = 0.45, 0.18
"""A jet that sputters works part of the time, falling from the whole to a fifth: mean and spread; planning figures."""
GAS_BASE_S = 10.0
"""The first seconds of gas give the flow and pressure that the rest of the run is held against."""
GAS_FAST_S = 2.0
WEAK, WEAK_SINCE = 0.85, 0.4
"""Less than this share of a class's usual flow is a weak compressor, not a spread between them."""


class Exposure(NamedTuple):
    """Weighted driving time in seconds, and the seconds-kelvin below 22 °C that `best_s` was already lessened by.

    `felt` says that a sensor has told how warm it is. `on_ms` is the plain driving time, `starts` how often driving
    began; `rows` is 0 before the first reading, else 1; `every_ms` is about how far apart rows are, 0 before two.
    `flow` and `pressure` are a jet's early means, 0.0 before there are any; `flow_now` and `pressure_now` follow the
    last seconds; `gas_s` is how long gas was seen, `spat_s` how long a jet sputtered.
    """

    at_ms: int = 0
    doing: Doing = Doing.OFF
    on_ms: int = 0
    starts: int = 0
    least_s: float = 0.0
    best_s: float = 0.0
    most_s: float = 0.0
    cold_ks: float = 0.0
    felt: bool = False
    lost_from: Doing = Doing.OFF
    rows: int = 0
    every_ms: int = 0
    spat_s: float = 0.0
    gas_s: float = 0.0
    flow: float = 0.0
    pressure: float = 0.0
    flow_now: float = 0.0
    pressure_now: float = 0.0

    @property
    def gas_share(self) -> float:
        """Return flow or pressure now as a share of the run's early mean, whichever fell more; 1.0 without gas data."""
        shares = [
            now / base for now, base in ((self.flow_now, self.flow), (self.pressure_now, self.pressure)) if base > 0
        ]
        return min(shares, default=1.0)


UNEXPOSED = Exposure()


def expose(before: Exposure, reading: Reading, model: DeviceModel, *, spits: bool) -> Exposure:
    """Return the exposure after one reading; `spits` says that a jet works only part of the time now."""
    unseen_ms = reading.at_ms if before.rows == 0 and reading.doing in (Doing.RUNNING, Doing.LOST) else 0
    dt_ms = max(0, reading.at_ms - before.at_ms) if before.rows else 0
    gas = _smell(before, reading, dt_ms) if model.kind is Kind.JET else None
    least, best, most, on_ms, cold = _spans(before, reading, dt_ms / 1000)
    factor, kelvin = _factor(before, reading, model)
    if spits:
        factor *= SPUTTER_DUTY
    begins = reading.doing is Doing.RUNNING and before.doing in (Doing.OFF, Doing.PAUSED)
    return Exposure(
        at_ms=max(before.at_ms, reading.at_ms),
        doing=reading.doing,
        on_ms=before.on_ms + on_ms,
        starts=before.starts + begins,
        least_s=before.least_s + least * factor,
        best_s=before.best_s + best * factor,
        most_s=before.most_s + most * factor + (unseen_ms / 1000 if unseen_ms > UNSEEN_MS else 0.0),
        rows=1,
        every_ms=_every(before, reading),
        cold_ks=before.cold_ks + cold * kelvin,
        felt=before.felt or reading.temp_mc is not None,
        lost_from=before.doing if before.doing is not Doing.LOST else before.lost_from,
        spat_s=before.spat_s + (best if spits else 0.0),
        gas_s=gas[0] if gas else 0.0,
        flow=gas[1] if gas else 0.0,
        pressure=gas[2] if gas else 0.0,
        flow_now=gas[3] if gas else 0.0,
        pressure_now=gas[4] if gas else 0.0,
    )


def _spans(before: Exposure, reading: Reading, dt_s: float) -> tuple[float, float, float, int, float]:
    """Return the seconds driven since the last row (least, best, most), then on-time in ms, then seconds for cold."""
    ran, runs = before.doing is Doing.RUNNING, reading.doing is Doing.RUNNING
    gap = bool(before.every_ms) and dt_s * 1000 > max(GAP_MS, GAP_TIMES * before.every_ms)
    if ran and runs and not gap:
        return dt_s, dt_s, dt_s, round(dt_s * 1000), dt_s
    if before.doing is Doing.LOST or reading.doing is Doing.LOST or gap:
        return _lost_spans(before, reading, dt_s)
    if ran or runs:  # it began or ended somewhere between the two rows
        half = dt_s / 2 if ran else 0.0
        return 0.0, half, dt_s, round(half * 1000), half
    return 0.0, 0.0, 0.0, 0, 0.0


def _every(before: Exposure, reading: Reading) -> int:
    """Return about how far apart rows are while the device is heard; a gap does not count."""
    apart = reading.at_ms - before.at_ms
    if not before.rows or apart < AT_ONCE_MS or Doing.LOST in (before.doing, reading.doing):
        return before.every_ms
    if not before.every_ms or GAP_TIMES * apart < before.every_ms:
        return apart
    if apart > GAP_TIMES * before.every_ms:
        return 2 * before.every_ms  # one gap changes little; where every row is so far apart, none is a gap
    return (7 * before.every_ms + apart + 4) // 8


def _lost_spans(before: Exposure, reading: Reading, dt_s: float) -> tuple[float, float, float, int, float]:
    """Return the spans of a time in which nobody heard the device: it may have run all of it only if it ran before."""
    came_from = before.lost_from if before.doing is Doing.LOST else before.doing
    if came_from is not Doing.RUNNING:
        # Nothing resumes by itself; but before the first start nobody knows what came between.
        may = reading.doing is Doing.RUNNING or not before.starts
        return 0.0, 0.0, dt_s if may else 0.0, 0, 0.0
    likely = dt_s if reading.doing in (Doing.RUNNING, Doing.LOST) else min(dt_s, HOST_LOSS_S) / 2
    return 0.0, likely, dt_s, round(likely * 1000), likely


def _factor(before: Exposure, reading: Reading, model: DeviceModel) -> tuple[float, float]:
    """Return what the rate is multiplied by now, and how many kelvin the liquid is below 22 °C."""
    if model.kind is Kind.JET:
        return _gas_factor(before, model), 0.0
    if reading.temp_mc is None or reading.temp_mc >= SETTLED_MC:
        return 1.0, 0.0
    kelvin = (SETTLED_MC - reading.temp_mc) / 1000
    return max(LEAST_FACTOR, 1 - COLD_PER_K * kelvin), kelvin


def weakness(seen: Exposure, model: DeviceModel) -> float:
    """Return by how much of the class's usual flow a compressor is weaker; 0.0 within the spread between them."""
    if seen.flow <= 0 or not model.gas_sccm or seen.flow >= WEAK * model.gas_sccm:
        return 0.0
    return 1 - seen.flow / model.gas_sccm


def _gas_factor(seen: Exposure, model: DeviceModel) -> float:
    """Return a jet's rate by its gas: the fall since the run began, and a weak compressor's from the class's flow."""
    factor = seen.gas_share
    weak = weakness(seen, model)
    # A calibration may have been made on the same weak compressor, or before it was weak.
    factor *= 1 - WEAK_SINCE * weak if model.calibrated else 1 - weak
    return min(1.0, max(LEAST_FACTOR, factor))


def _smell(before: Exposure, reading: Reading, dt_ms: int) -> tuple[float, float, float, float, float]:
    """Return seconds of gas, and early and present means of flow and pressure, after one more reading."""
    if reading.doing is not Doing.RUNNING or reading.gas_sccm is None or reading.gas_sccm <= 0:
        return before.gas_s, before.flow, before.pressure, before.flow, before.pressure
    dt_s = min(dt_ms, GAP_MS) / 1000
    gas_s = before.gas_s + dt_s
    flow, pressure = float(reading.gas_sccm), float(reading.pressure_pa or 0)
    if gas_s < GAS_BASE_S or before.flow <= 0:
        mix = 1.0 if before.flow <= 0 else max(dt_s / max(gas_s, 1e-3), 0.02)
        base_flow = before.flow + mix * (flow - before.flow)
        base_pressure = before.pressure + mix * (pressure - before.pressure)
        return gas_s, base_flow, base_pressure, base_flow, base_pressure
    follow = min(1.0, dt_s / GAS_FAST_S)
    return (
        gas_s,
        before.flow,
        before.pressure,
        before.flow_now + follow * (flow - before.flow_now),
        before.pressure_now + follow * (pressure - before.pressure_now),
    )


def start_delay_s(exposure: Exposure, kind: Kind) -> tuple[float, float]:
    """Return the seconds that the starts so far drove and emitted nothing, and their standard deviation."""
    starts = max(1, exposure.starts)
    if kind is Kind.JET:
        return GAS_START_S, GAS_START_SIGMA_S * math.sqrt(starts)
    return START_S + 0.4 * (starts - 1), START_SIGMA_S * (1 + 0.25 * (starts - 1))
