"""The gas controller's program: a mass flow controller with the classic Alicat register map.

Source: DOC-MANUAL-MPL, February 2023; addresses here are those on the wire, one less than the manual's numbers.
"""

import random
import struct
from dataclasses import dataclass

from nebctl_simulators.jet.presets import Gas
from nebctl_simulators.modbus.codec import Fault, ModbusFault

COMMAND, SETPOINT, GAS_NUMBER, STATUS = 999, 1009, 1199, 1200
AIR = 0
HOLD = 1 << 8
OVERPRESSURE = 1 << 6
VALVE = 6
COMMAND_GOOD, COMMAND_UNKNOWN, COMMAND_SETTING = 0, 32_769, 32_770
FULL_SCALE_SLPM = 20.0
ATMOSPHERE_PA = 101_325
PA_PER_PSI = 6_894.757
ROOM_C = 22.0
WHOLE_PPM = 1_000_000
NOISE_NS = 20_000_000  # readings within this much plant time see the same noise


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What flows through the jet: the flow in sccm and the gauge pressure before the jet in Pa."""

    sccm: int
    gauge_pa: int


class GasController:
    """One mass flow controller from power-up on; `kinked` and `weak` are faults of tube and compressor."""

    def __init__(self, gas: Gas, seed: int) -> None:
        self.gas = gas
        self.kinked = False
        self.weak = False
        self._seed = seed
        self.restart()

    def restart(self) -> None:
        """Come up after a loss of power: nothing set, nothing held."""
        self.setpoint = 0.0
        self._held = False
        self._command = (0, 0)

    def flow(self, *, supplied: bool) -> Flow:
        """Return what flows; without `supplied` the cut-off relay keeps the gas back."""
        if not supplied or self._held or self.setpoint <= 0:
            return Flow(sccm=0, gauge_pa=0)
        given_ppm = min(self.gas.given_ppm, self.gas.weak_ppm if self.weak else WHOLE_PPM)
        sccm = round(self.setpoint * 1000) * given_ppm // WHOLE_PPM
        if self.kinked:
            return Flow(sccm=sccm // 20, gauge_pa=self.gas.supply_pa)
        pressure_pa = self.gas.nominal_pa * sccm // self.gas.nominal_sccm
        return Flow(sccm=sccm, gauge_pa=min(pressure_pa, self.gas.supply_pa))

    def pressure_ppm(self, *, supplied: bool) -> int:
        """Return the pressure that drives the jet, in millionths of the nominal one; 0 where it makes no aerosol."""
        flow = self.flow(supplied=supplied)
        if self.kinked or flow.gauge_pa < self.gas.least_pa:
            return 0
        return WHOLE_PPM * flow.gauge_pa // self.gas.nominal_pa

    def read(self, address: int, count: int, flow: Flow, at_ns: int, gap_ppm: int) -> tuple[int, ...]:
        """Return registers; `gap_ppm` is the share of the time in which a sputtering jet has no liquid before it.

        Raises: ModbusFault for registers that the map does not have.
        """
        words = self._map(flow, at_ns, gap_ppm)
        wanted = range(address, address + count)
        if not all(place in words for place in wanted):
            raise ModbusFault(Fault.ADDRESS)
        return tuple(words[place] for place in wanted)

    def write(self, address: int, values: tuple[int, ...]) -> None:
        """Set the set-point, or carry out a special command.

        Raises: ModbusFault for other registers, and for a set-point outside 0 to full scale.
        """
        if address == SETPOINT and len(values) == 2:
            setpoint = float(struct.unpack(">f", struct.pack(">HH", *values))[0])
            if not 0 <= setpoint <= FULL_SCALE_SLPM:
                raise ModbusFault(Fault.VALUE)
            self.setpoint = setpoint
        elif address == COMMAND and len(values) == 2:
            self._command = (values[0], self._obey(*values))
        else:
            raise ModbusFault(Fault.ADDRESS)

    def _obey(self, command: int, argument: int) -> int:
        if command != VALVE:
            return COMMAND_UNKNOWN
        if argument not in (0, 1):
            return COMMAND_SETTING
        self._held = argument == 1
        return COMMAND_GOOD

    def _map(self, flow: Flow, at_ns: int, gap_ppm: int) -> dict[int, int]:
        chance = random.Random(f"{self._seed}/{at_ns // NOISE_NS}")  # noqa: S311 - noise, not a secret
        spits = chance.random() < gap_ppm / WHOLE_PPM
        spread = (self.gas.ripple_ppm if spits else self.gas.steady_ppm) / WHOLE_PPM
        mass = flow.sccm / 1000 * (1 + spread * chance.uniform(-1, 1))
        absolute_pa = ATMOSPHERE_PA + flow.gauge_pa * (1 + spread * chance.uniform(-1, 1))
        volumetric = mass * ATMOSPHERE_PA / absolute_pa
        status = (HOLD if self._held else 0) | (OVERPRESSURE if self.kinked and flow.gauge_pa else 0)
        measured = struct.pack(">4f", absolute_pa / PA_PER_PSI, ROOM_C, volumetric, mass)
        return (
            _placed(COMMAND, struct.pack(">HH", *self._command))
            | _placed(SETPOINT, struct.pack(">f", self.setpoint))
            | _placed(GAS_NUMBER, struct.pack(">HI", AIR, status) + measured)
        )


def _placed(address: int, data: bytes) -> dict[int, int]:
    return {address + i // 2: int.from_bytes(data[i : i + 2]) for i in range(0, len(data), 2)}
