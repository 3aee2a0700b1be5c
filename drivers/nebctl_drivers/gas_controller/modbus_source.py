"""A gas controller over Modbus as a source of drive gas."""

from dataclasses import replace

from nebctl.core.device import Certainty, CommandFailed
from nebctl_drivers.modbus import Outcome, Request, Words
from nebctl_drivers.modbus_talk import ModbusSeat, read_words, say, write_once
from nebctl_drivers.stopping import StopPart
from nebctl_drivers.timing import Permit, Reply

from .registers import GasMap, GasReading

_NAME = "read the gas controller"


class ModbusGasSource:
    """The controller behind `seat`, with the register map `registers`."""

    model = "Alicat MC"

    def __init__(self, seat: ModbusSeat, registers: GasMap) -> None:
        self._seat = seat
        self._map = registers

    @property
    def loss(self) -> CommandFailed | None:
        """Return why there is no wire; None while there is one."""
        return self._seat.loss

    @property
    def reset_sccm(self) -> int:
        """Return the set-point after power-up."""
        return self._map.reset_sccm

    async def open(self) -> CommandFailed | None:
        """Take the seat; the controller is read when it stops for the first time."""
        return await self._seat.open()

    async def close(self) -> None:
        """Leave the seat."""
        await self._seat.close()

    async def read(self) -> GasReading | CommandFailed:
        """Read set-point and process values, one block after the other."""
        setpoint = await read_words(self._seat, self._map.read_setpoint, _NAME)
        if isinstance(setpoint, CommandFailed):
            return setpoint
        process = await read_words(self._seat, self._map.read_process, _NAME)
        if isinstance(process, CommandFailed):
            return process
        reading = self._map.parse(setpoint[0], process[0], process[1])
        return _unreadable(reading) if isinstance(reading, str) else reading

    async def set_flow(self, sccm: int, permit: Permit | None) -> CommandFailed | None:
        """Send the set-point once; a flow beyond the profile's limits is refused before the wire."""
        try:
            request = self._map.write_setpoint(sccm)
        except ValueError as error:
            return replace(_unreadable(str(error)), command="set the flow", certainty=Certainty.NOT_DONE)
        return await write_once(self._seat, request, "set the flow", permit)

    def stop_part(self) -> StopPart[Request, Outcome]:
        """Return the set-point 0, and what shows it."""
        reads = (self._map.read_setpoint, self._map.read_process)
        return StopPart(self._seat, (self._map.write_setpoint(0),), reads)

    def parse_stop(self, replies: tuple[Reply[Outcome], ...]) -> GasReading | str:
        """Return the reading of the two blocks, or what is wrong with it."""
        setpoint, process = replies
        if not isinstance(setpoint.answer, Words) or not isinstance(process.answer, Words):
            odd = process if isinstance(setpoint.answer, Words) else setpoint
            return f"a gas controller with {say(odd.answer)}"
        reading = self._map.parse(setpoint.answer.values, process.answer.values, process.at_ns)
        return f"a gas controller with {reading}" if isinstance(reading, str) else reading


def _unreadable(seen: str) -> CommandFailed:
    return CommandFailed(
        command=_NAME,
        certainty=Certainty.UNKNOWN,
        seen=f"a gas controller with {seen}",
        expected="values as its profile has them",
        advice="Check unit id, register map and word order.",
    )
