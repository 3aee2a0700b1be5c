"""The values that the gas controller tells, as faults of values can spoil them."""

from nebctl_simulators.jet.gas import FULL_SCALE_SLPM
from nebctl_simulators.modbus.points import Point
from nebctl_simulators.modbus.told import Telling
from nebctl_simulators.values import Reach, show_fahrenheit

KPA_PER_PSI = 6.894757
ADDRESSES = {"setpoint": 1009, "pressure": 1202, "temperature": 1204, "volumetric": 1206, "mass": 1208}
"""Where the values stand on the wire. Source: DOC-MANUAL-MPL, February 2023, each one less than there."""


def _in_kpa(psi: float) -> float:
    return psi * KPA_PER_PSI


def _in_sccm(slpm: float) -> float:
    return slpm * 1000


FLOW = Reach(least=0, most=FULL_SCALE_SLPM, other=_in_sccm)
TELLING = Telling(
    {
        name: Point(name=name, table="holding", address=address, type="float32", names={}, bits={})
        for name, address in ADDRESSES.items()
    },
    {
        "setpoint": FLOW,
        "pressure": Reach(least=0, most=160, other=_in_kpa),
        "temperature": Reach(least=-10, most=60, other=show_fahrenheit),
        "volumetric": FLOW,
        "mass": FLOW,
    },
)
"""In L/min, PSI and °C; the reaches of pressure and temperature are assumed."""
