"""What the simulator's tests share: a unit whose numbers are round, and a device of it on a bench."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from nebctl_simulators.mesh.device import Device
from nebctl_simulators.mesh.memory import Memory
from nebctl_simulators.presets import Spread, Unit, build_unit
from nebctl_simulators.simtime import ScaledTime


@pytest.fixture
def round_unit() -> Unit:
    """A unit without chance: 6400 nL/s, no residual, resonance so that section 8 of the wire page comes out."""
    unit = build_unit("mesh.solo", 1)
    spread = Spread(rate_nl_s=6400, run_cv=0, residual_percent=0, residual_sd=0, residual_low=0, residual_high=0)
    return replace(unit, spread=spread, mesh=replace(unit.mesh, resonance_hz=128_243))


@pytest.fixture
def make_device(round_unit: Unit) -> Callable[..., Device]:
    """Return a maker of devices that start at real time 0; `scale` is plant time over real time."""

    def make(scale: int = 1, memory: Memory | None = None) -> Device:
        return Device(
            unit=round_unit,
            serial="SIM-0001",
            sim_time=ScaledTime(0, scale * 1000),
            memory=memory or Memory(boot=6),
            real_ns=0,
        )

    return make
