"""Reads a 9C main board by its queries; no heartbeat is sent, so a board that runs without its host still stops."""

from typing import TypeVar

from nebctl.core.device import CommandFailed
from nebctl_drivers.board_9c.dialect import Request, Told
from nebctl_drivers.board_9c.payloads import Command, Runtime, Status
from nebctl_drivers.board_9c.profile import Board9CProfile
from nebctl_drivers.board_9c.settings import ADVICE, data_of
from nebctl_drivers.bus import Bus
from nebctl_drivers.reading import read
from nebctl_drivers.timing import Reply

from .reader import Readings, Value, known

T = TypeVar("T", Status, Runtime)


class Board9CReader:
    """The board on `bus`."""

    def __init__(self, bus: Bus[Request, Told], profile: Board9CProfile) -> None:
        self._profile = profile
        self._seat = bus.seat(probe=Request(Command.GET_STATUS))

    @property
    def loss(self) -> CommandFailed | None:
        """Return why there is no wire; None while there is one."""
        return self._seat.loss

    async def open(self) -> str | CommandFailed:
        """Open the wire and read the board once; it tells neither a serial number nor its firmware."""
        await self.close()
        failure = await self._seat.open()
        first = await self.read() if failure is None else failure
        if isinstance(first, CommandFailed):
            await self.close()
            return first
        return "9C nebulizer main board"

    async def read(self) -> Readings | CommandFailed:
        """Read STATUS and RUNTIME."""
        status = await self._ask(Command.GET_STATUS, Status)
        if isinstance(status, CommandFailed):
            return status
        runtime = await self._ask(Command.GET_RUNTIME, Runtime)
        if isinstance(runtime, CommandFailed):
            return runtime
        values = _show(status[0], self._profile) | {"uptime": known(runtime[0].uptime_ms, "ms")}
        return Readings(values, min(status[1], runtime[1]))

    async def close(self) -> None:
        """Leave the wire."""
        await self._seat.close()

    async def _ask(self, command: Command, kind: type[T]) -> tuple[T, int] | CommandFailed:
        def parse(reply: Reply[Told]) -> tuple[T, int] | str:
            data = data_of(reply, kind)
            return data if isinstance(data, str) else (data, reply.at_ns)

        return await read(
            self._seat,
            Request(command),
            name=f"read {kind.__name__.upper()}",
            parse=parse,
            expected=f"a {kind.__name__.upper()} frame of the 9C board",
            advice=ADVICE,
        )


def _show(status: Status, profile: Board9CProfile) -> dict[str, Value]:
    fault = profile.name_fault(status.fault, status.mist_fault)
    return {
        "state": known(status.state.name),
        "remaining": known(status.remaining_s, "s"),
        "mode": known("hot" if status.hot else "cold"),
        "keep_warm": known(status.keep_warm, alarm=status.keep_warm is True),
        "target": known(status.target_dc / 10, "degC"),
        "outlet": known(status.outlet_dc / 10, "degC"),
        "kettle": known(status.kettle_dc / 10, "degC"),
        "air_level": known(status.air_level),
        "mist_level": known(status.mist_level),
        "liquid": known(status.liquid),
        "cover_closed": known(status.cover_closed, alarm=not status.cover_closed),
        "mist_online": known(status.mist_online, alarm=not status.mist_online),
        "mist_running": known(status.mist_running),
        "heartbeat_ok": known(status.heartbeat_ok),
        "fault": known(fault or "none", alarm=fault is not None),
    }
