"""The register map of a mass flow controller, from its profile, and its readings in our units."""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from nebctl_drivers.modbus import Read, Write
from nebctl_drivers.profiles import Table, read_profile

PROFILE = "alicat-mc-modbus"
PA_PER = {"PSIA": 6_894.757, "kPaA": 1_000.0}
SCCM_PER = {"SLPM": 1_000.0, "SCCM": 1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class GasReading:
    """One reading: flows in sccm, absolute pressure in Pa, temperature in millidegrees Celsius, alarms by name.

    `at_ns` is the host's monotonic time of the answer.
    """

    at_ns: int
    setpoint_sccm: int
    flow_sccm: int
    pressure_pa: int
    temp_mc: int
    alarms: tuple[str, ...]


class GasMap:
    """Where the values of a profile stand; `unit` is the controller's Modbus unit id."""

    def __init__(self, unit: int, profile: Table | None = None) -> None:
        table = profile if profile is not None else read_profile(PROFILE)
        self._unit = unit
        self._points: dict[str, Table] = table["point"]
        self._process: Table = table["block"]["process"]
        setpoint: Table = table["block"]["setpoint"]
        self.read_setpoint = Read(unit, setpoint["address"], setpoint["count"])
        self.read_process = Read(unit, self._process["address"], self._process["count"])
        self.timeout_s: float = table["bus"]["answer_ms"] / 1000
        self.reset_sccm = self._sccm("setpoint", self._points["setpoint"]["reset_value"])

    def write_setpoint(self, sccm: int) -> Write:
        """Return the request that sets the flow.

        Raises: `ValueError` for a flow outside the profile's limits.
        """
        point = self._points["setpoint"]
        value, limits = sccm / SCCM_PER[point["unit"]], point["limits"]
        if not limits["least"] <= value <= limits["most"]:
            expected = f"{limits['least']:g} to {limits['most']:g}"
            raise ValueError(f"set-point {value:g} {point['unit']}: expected {expected}")
        return Write(self._unit, point["address"], _swapped(struct.unpack(">HH", struct.pack(">f", value)), point))

    def parse(self, setpoint: Sequence[int], process: Sequence[int], at_ns: int) -> GasReading | str:
        """Return the reading of the two blocks, or what is wrong with it."""
        point = self._points["setpoint"]
        values = {"setpoint": _number(setpoint, point)}
        for name in ("pressure", "temperature", "mass_flow"):
            values[name] = _number(self._of_process(name, process), self._points[name])
        odd = [f"{name} {value}" for name, value in values.items() if not math.isfinite(value)]
        if odd:
            return ", ".join(odd)
        return GasReading(
            at_ns=at_ns,
            setpoint_sccm=self._sccm("setpoint", values["setpoint"]),
            flow_sccm=self._sccm("mass_flow", values["mass_flow"]),
            pressure_pa=round(values["pressure"] * PA_PER[self._points["pressure"]["unit"]]),
            temp_mc=round(values["temperature"] * 1000),
            alarms=self._alarms(process),
        )

    def _alarms(self, process: Sequence[int]) -> tuple[str, ...]:
        point = self._points["status"]
        high, low = _swapped(self._of_process("status", process), point)
        word = high << 16 | low
        return tuple(name for name in point["alarms"] if word >> point["bits"][name] & 1)

    def _of_process(self, name: str, process: Sequence[int]) -> Sequence[int]:
        place = self._points[name]["address"] - self._process["address"]
        return process[place : place + 2]

    def _sccm(self, name: str, value: float) -> int:
        return round(value * SCCM_PER[self._points[name]["unit"]])


def _number(words: Sequence[int], point: Table) -> float:
    return float(struct.unpack(">f", struct.pack(">HH", *_swapped(words, point)))[0])


def _swapped(words: Sequence[int], point: Table) -> tuple[int, ...]:
    """Return two registers in the order that the map's word order asks for; ABCD is the high word first."""
    return tuple(words) if point["order"] == "ABCD" else tuple(reversed(words))
