"""Blocks of a station read through its seat, kept with the time of their arrival, and the proof of who answers."""

from collections.abc import Callable, Iterable

from nebctl.core.device import Certainty, CommandFailed
from nebctl_drivers.modbus import Outcome
from nebctl_drivers.modbus_talk import ModbusSeat
from nebctl_drivers.profiles.profile import Block
from nebctl_drivers.reading import read
from nebctl_drivers.timing import Reply

from .station import NS_PER_MS, Measured, Station, Taken, describe, holds, words_of

_ADVICE = "Check cable, power, unit id and profile."


class Blocks:
    """What was last read of a station; `now_ns` is the host's monotonic time."""

    def __init__(self, seat: ModbusSeat, station: Station, now_ns: Callable[[], int]) -> None:
        self._seat = seat
        self._station = station
        self._now_ns = now_ns
        self._taken: dict[str, Taken] = {}
        self._tried: dict[str, int] = {}

    def forget(self) -> None:
        """Forget what was read, as after a loss of the wire."""
        self._taken.clear()
        self._tried.clear()

    async def refresh(self, blocks: Iterable[Block]) -> CommandFailed | None:
        """Read blocks now, one after the other; the first that cannot be read ends it."""
        for block in blocks:
            failure = await self.refresh_one(block)
            if failure is not None:
                return failure
        return None

    async def refresh_one(self, block: Block, attempts: int | None = None) -> CommandFailed | None:
        """Read one block now; `attempts` None means as often as the profile allows."""
        self._tried[block.name] = self._now_ns()
        taken = await read(
            self._seat,
            self._station.read(block),
            name=f"read {block.name}",
            parse=parse,
            expected=f"{block.count} values from {block.space.value} {block.address} on",
            advice=_ADVICE,
            attempts=attempts or self._station.profile.bus.read_attempts,
        )
        if isinstance(taken, CommandFailed):
            return taken
        self._taken[block.name] = taken
        return None

    def is_due(self, block: Block) -> bool:
        """Return whether a block's period has passed since it was last asked for."""
        return block.name not in self._tried or self._now_ns() - self.tried_ns(block) >= block.period_ms * NS_PER_MS

    def tried_ns(self, block: Block) -> int:
        """Return when a block was last asked for; 0 where it never was."""
        return self._tried.get(block.name, 0)

    def keep(self, block: Block, taken: Taken) -> None:
        """Note a block that was read by another way, such as a stop's."""
        self._taken[block.name] = taken

    def measure(self, names: Iterable[str] | None = None) -> dict[str, Measured]:
        """Return the values of points, None for all, as they are known now."""
        return self._station.measure(self._taken, self._now_ns(), names)

    def at_ns(self, blocks: Iterable[Block]) -> int:
        """Return when the oldest of some blocks arrived: a report is no younger than its oldest part."""
        return min(self._taken[block.name].at_ns for block in blocks)

    async def identify(self, port: str) -> CommandFailed | None:
        """Read who answers, and compare it with the profile; None means that it is the profile's device."""
        profile = self._station.profile
        failure = await self.refresh(self._station.blocks_of(profile.identity))
        if failure is not None:
            return failure
        values = self.measure(profile.identity)
        if holds(profile.identity, values, profile) is True:
            return None
        expected = ", ".join(f"{name} {' or '.join(map(str, wanted))}" for name, wanted in profile.identity.items())
        return CommandFailed(
            command=f"open {port}",
            certainty=Certainty.NOT_DONE,
            seen=f"a device with {describe(profile.identity, values)}",
            expected=f"{profile.maker} {profile.model}: {expected}",
            advice="It is another device, unit id or profile; nothing was written to it.",
        )


def parse(reply: Reply[Outcome]) -> Taken | str:
    """Return the words of an answer, or what is wrong with it."""
    words = words_of(reply.answer)
    return words if isinstance(words, str) else Taken(words, reply.at_ns)
