"""What every part of a nebulizer that is made of several devices has alike."""

from typing import Protocol

from nebctl.core.device import CommandFailed

from .stopping import AnyPart


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
