"""What a scenario's units can have: the kinds of device, their presets and the faults that each can have."""

from collections.abc import Callable, Mapping
from functools import cache

from nebctl_simulators.jet.device import Device as Jet
from nebctl_simulators.jet.presets import build_unit as build_jet
from nebctl_simulators.mesh.device import Device as Mesh
from nebctl_simulators.mesh.memory import Memory
from nebctl_simulators.presets import build_unit as build_mesh
from nebctl_simulators.simtime import ScaledTime

PRESETS = {"mesh": "mesh.solo", "jet": "jet.lc"}
"""The preset of each kind of device if none is named."""
WARM = frozenset(("mesh",))
"""The kinds whose plant knows the temperature of a liquid."""


@cache
def faults_of(device: str, preset: str) -> tuple[str, ...]:
    """Return the names of the faults that a device can have.

    Raises: `ValueError` where there is no such preset, naming those that there are.
    """
    return _BUILT[device](preset)


def _mesh_faults(preset: str) -> tuple[str, ...]:
    unit, still = build_mesh(preset, 0), ScaledTime(0)
    return Mesh(unit=unit, serial="SIM-0000", sim_time=still, memory=Memory(), real_ns=0).fault_names


def _jet_faults(preset: str) -> tuple[str, ...]:
    return Jet(unit=build_jet(preset, 0), serial="SIM-0000", sim_time=ScaledTime(0), real_ns=0).fault_names


_BUILT: Mapping[str, Callable[[str], tuple[str, ...]]] = {"mesh": _mesh_faults, "jet": _jet_faults}
