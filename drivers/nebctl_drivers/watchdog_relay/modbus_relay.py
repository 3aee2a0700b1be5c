"""The cut-off relay over Modbus."""

import asyncio

from nebctl.core.device import Certainty, CommandFailed, EndCause
from nebctl_drivers.modbus import Outcome, Request, Words
from nebctl_drivers.modbus_talk import ModbusSeat, read_words, say, write_once
from nebctl_drivers.stopping import StopPart
from nebctl_drivers.timing import Permit, Reply

from .cutoff import TRIAL, doubt_contact
from .registers import RelayMap, RelayReading

WATCHDOG_RELAY = "watchdog-relay"
_NAME = "read the relay"
_TRIAL_MS = 3_600_000
"""The maximum on-time of a trial, an hour: on a bench whose time is scaled the watchdog must still come first."""
_LATE_S = 0.1
_LOOK_S = 0.05


class ModbusRelay:
    """The relay behind `seat`, with the register map `registers`."""

    driver = WATCHDOG_RELAY
    max_on_in_device = True

    def __init__(self, seat: ModbusSeat, registers: RelayMap) -> None:
        self._seat = seat
        self._map = registers

    @property
    def loss(self) -> CommandFailed | None:
        """Return why there is no wire; None while there is one."""
        return self._seat.loss

    async def open(self) -> CommandFailed | None:
        """Take the seat and read who answers: another map is refused before anything is moved."""
        failure = await self._seat.open()
        if failure is not None:
            return failure
        relay = await self.read()
        return relay if isinstance(relay, CommandFailed) else None

    async def close(self) -> None:
        """Leave the seat; the contact opens by itself when nobody feeds it."""
        await self._seat.close()

    async def read(self) -> RelayReading | CommandFailed:
        """Read the whole map."""
        words = await read_words(self._seat, self._map.read_all, _NAME)
        if isinstance(words, CommandFailed):
            return words
        relay = self._map.parse(words[0], words[1])
        return _unreadable(relay) if isinstance(relay, str) else relay

    async def feed(self, number: int, permit: Permit | None) -> CommandFailed | None:
        """Feed the watchdog."""
        return await write_once(self._seat, self._map.feed(number), "BEAT", permit)

    async def arm(self, run: str, max_on_ms: int, permit: Permit | None) -> CommandFailed | None:
        """Name the run and its maximum on-time."""
        return await write_once(self._seat, self._map.arm(run, max_on_ms), "START", permit)

    async def set_closed(self, *, closed: bool, permit: Permit | None) -> CommandFailed | None:
        """Close or open the contact."""
        request = self._map.close_contact if closed else self._map.open_contact
        return await write_once(self._seat, request, "START", permit)

    async def trip(self, permit: Permit | None) -> CommandFailed | None:
        """Close the contact for a run of its own, feed nothing, and see it open by its watchdog."""
        failure = await self.arm(TRIAL, _TRIAL_MS, permit) or await self.set_closed(closed=True, permit=permit)
        relay = await self.read() if failure is None else failure
        if isinstance(relay, CommandFailed):
            return relay
        if not relay.closed:
            return doubt_contact("a relay that is not closed when it was told to be", "the relay closed")
        loop = asyncio.get_running_loop()
        until_s = loop.time() + relay.watchdog_ms / 1000 + _LATE_S
        while relay.closed and loop.time() < until_s:
            await asyncio.sleep(_LOOK_S)
            relay = await self.read()
            if isinstance(relay, CommandFailed):
                return relay
        return None if relay.cause is EndCause.BEAT else await self._give_up(relay)

    async def _give_up(self, relay: RelayReading) -> CommandFailed:
        """Open the contact by command, and say how the trial ended."""
        await self.set_closed(closed=False, permit=None)
        word = "closed" if relay.closed else f"opened by {relay.cause.value}"
        seen = f"a relay that is {word} {relay.watchdog_ms} ms after its last beat"
        return doubt_contact(seen, "one that opened by itself")

    def stop_part(self) -> StopPart[Request, Outcome]:
        """Return the open contact, and what shows it."""
        return StopPart(self._seat, (self._map.open_contact,), (self._map.read_all,))

    def parse_stop(self, replies: tuple[Reply[Outcome], ...]) -> RelayReading | str:
        """Return the reading, or what is wrong with it."""
        [reply] = replies
        if not isinstance(reply.answer, Words):
            return f"a relay with {say(reply.answer)}"
        relay = self._map.parse(reply.answer.values, reply.at_ns)
        return f"a relay with {relay}" if isinstance(relay, str) else relay


def _unreadable(seen: str) -> CommandFailed:
    return CommandFailed(
        command=_NAME,
        certainty=Certainty.UNKNOWN,
        seen=f"a relay with {seen}",
        expected="values as docs/devices/watchdog-relay.md has them",
        advice="Check unit id and map version.",
    )
