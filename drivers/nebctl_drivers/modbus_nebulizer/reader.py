"""Every value of any Modbus profile, for a person at the bench; nothing is ever written."""

from collections.abc import Callable

from nebctl.core.device import CommandFailed
from nebctl_drivers.modbus_talk import ModbusSeat
from nebctl_drivers.profiles.profile import Profile

from .blocks import Blocks
from .station import Measured, Station


class ProfileReader:
    """Reads one unit by its profile; `port` names the wire for people, `now_ns` is the host's monotonic time."""

    def __init__(self, seat: ModbusSeat, profile: Profile, *, unit: int, port: str, now_ns: Callable[[], int]) -> None:
        self._seat = seat
        self._profile = profile
        self._port = port
        self._blocks = Blocks(seat, Station(profile, unit), now_ns)

    async def open(self) -> CommandFailed | None:
        """Open the conversation, and prove who answers where the profile says how; None means open."""
        await self.close()
        failure = await self._seat.open()
        if failure is None and self._profile.identity:
            failure = await self._blocks.identify(self._port)
        if failure is not None:
            await self.close()
        return failure

    async def read(self) -> dict[str, Measured] | CommandFailed:
        """Read every block and return every readable point by its name.

        A block that cannot be read keeps what it last was, and its values go stale. Where none can be read, the last
        failure comes back.
        """
        failures = []
        for block in self._profile.blocks.values():
            failure = await self._blocks.refresh_one(block)
            if failure is not None:
                failures.append(failure)
        if len(failures) == len(self._profile.blocks) and failures:
            return failures[-1]
        return self._blocks.measure()

    async def close(self) -> None:
        """End the conversation; closing twice is harmless."""
        await self._seat.close()
        self._blocks.forget()
