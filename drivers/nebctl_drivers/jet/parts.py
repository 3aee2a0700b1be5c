"""The source of drive gas of a jet nebulizer; its cut-off is that of any nebulizer (nebctl_drivers.watchdog_relay)."""

from typing import Any, Protocol

from nebctl.core.device import CommandFailed
from nebctl_drivers.gas_controller.registers import GasReading
from nebctl_drivers.part import Part
from nebctl_drivers.timing import Permit, Reply


class GasSource(Part, Protocol):
    """A gas controller; flows in mL/min under standard conditions (sccm)."""

    @property
    def model(self) -> str:
        """Return maker and model, for the record."""
        ...

    @property
    def reset_sccm(self) -> int:
        """Return the set-point after power-up: a brown-out shows by it."""
        ...

    async def read(self) -> GasReading | CommandFailed:
        """Read set-point, flow, pressure, temperature and alarms."""
        ...

    async def set_flow(self, sccm: int, permit: Permit | None) -> CommandFailed | None:
        """Send the set-point once; None means acknowledged. The read-back is the proof."""
        ...

    def parse_stop(self, replies: tuple[Reply[Any], ...]) -> GasReading | str:
        """Return what the answers to the reads of `stop_part` say, or what is wrong with them."""
        ...
