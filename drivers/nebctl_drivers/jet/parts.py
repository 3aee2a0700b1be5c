"""What a jet nebulizer is made of: a source of drive gas, and a cut-off in the gas line."""

from typing import Any, Protocol

from nebctl.core.device import CommandFailed
from nebctl_drivers.gas_controller.registers import GasReading
from nebctl_drivers.stopping import AnyPart
from nebctl_drivers.timing import Permit, Reply
from nebctl_drivers.watchdog_relay.registers import RelayReading


class Part(Protocol):
    """One device on a seat of its bus, or on lines of this computer."""

    @property
    def loss(self) -> CommandFailed | None:
        """Return why there is no wire; None while there is one."""
        ...

    async def open(self) -> CommandFailed | None:
        """Take the seat and learn who answers; nothing is moved. None means open."""
        ...

    async def close(self) -> None:
        """Leave the seat; closing twice is harmless."""
        ...

    def stop_part(self) -> AnyPart:
        """Return what a STOP sends here, and the reads that prove it."""
        ...


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


class CutOff(Part, Protocol):
    """A contact in the gas line that opens by itself when nobody feeds it."""

    @property
    def max_on_in_device(self) -> bool:
        """Return whether it opens by itself at the maximum on-time that it was given (S24), without the host."""
        ...

    async def read(self) -> RelayReading | CommandFailed:
        """Read the contact, and what it knows of its run."""
        ...

    async def feed(self, number: int, permit: Permit | None) -> CommandFailed | None:
        """Feed the watchdog; `number` tells one feeding from the next."""
        ...

    async def arm(self, run: str, max_on_ms: int, permit: Permit | None) -> CommandFailed | None:
        """Name the run (8 hex digits) and its maximum on-time, once."""
        ...

    async def set_closed(self, *, closed: bool, permit: Permit | None) -> CommandFailed | None:
        """Close or open the contact, once; closing may include a trial of the cut-off, so no gas may be set before."""
        ...

    def parse_stop(self, replies: tuple[Reply[Any], ...]) -> RelayReading | str:
        """Return what the answers to the reads of `stop_part` say, or what is wrong with them."""
        ...
