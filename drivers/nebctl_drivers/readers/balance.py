"""Reads a balance by questions alone: the reset that its driver opens with would take the tare away."""

from nebctl.core.device import Certainty, CommandFailed
from nebctl_drivers.balance.device import BalanceBus
from nebctl_drivers.balance.frames import Answer, Command, Hindered, State, Told, Weighed
from nebctl_drivers.reading import read
from nebctl_drivers.timing import Reply

from .reader import Readings, Status, Value, known

_OUT_OF_RANGE = {State.OVER: "overload", State.UNDER: "underload"}


class BalanceReader:
    """The balance on `bus`; `serial` is the number it must have, None for any."""

    def __init__(self, bus: BalanceBus, *, serial: str | None = None) -> None:
        self._serial = serial
        self._seat = bus.seat(probe=Command.SERIAL)

    @property
    def loss(self) -> CommandFailed | None:
        """Return why there is no wire; None while there is one."""
        return self._seat.loss

    async def open(self) -> str | CommandFailed:
        """Open the wire and ask for serial number and model; tare, zero and a stream stay as they are."""
        await self.close()
        failure = await self._seat.open()
        if failure is not None:
            return failure
        who = await self._ask_who()
        if isinstance(who, CommandFailed):
            await self.close()
        return who

    async def read(self) -> Readings | CommandFailed:
        """Read the net weight of this moment, in mg; overload and underload are out of range, never a number."""
        reply = await read(
            self._seat,
            Command.NOW,
            name="weigh",
            parse=_weighed,
            expected="a weight in g, mg or kg",
            advice="Check cable, power and the balance's unit.",
        )
        if isinstance(reply, CommandFailed):
            return reply
        answer = reply.answer
        if isinstance(answer, Weighed):
            values = {"weight": known(answer.ug / 1000, "mg"), "stable": known(answer.stable)}
        else:
            assert isinstance(answer, Hindered)
            outside = answer.state in _OUT_OF_RANGE
            weight = Value(None, "mg", Status.OUT_OF_RANGE if outside else Status.MISSING)
            values = {"weight": weight, "stable": known(value=False)}
        state = _OUT_OF_RANGE.get(answer.state, "busy") if isinstance(answer, Hindered) else "weighing"
        return Readings(values | {"state": known(state, alarm=state in _OUT_OF_RANGE.values())}, reply.at_ns)

    async def close(self) -> None:
        """Leave the wire."""
        await self._seat.close()

    async def _ask_who(self) -> str | CommandFailed:
        serial = await self._tell(Command.SERIAL)
        if isinstance(serial, CommandFailed):
            return serial
        if self._serial not in (None, serial):
            return _wrong(serial, str(self._serial))
        model = await self._tell(Command.BALANCE)
        return model if isinstance(model, CommandFailed) else f"balance {model}, serial {serial}"

    async def _tell(self, command: Command) -> str | CommandFailed:
        told = await read(
            self._seat,
            command,
            name="open",
            parse=_told,
            expected="a balance that speaks MT-SICS",
            advice="Check port, baud rate and the balance's interface settings.",
        )
        return told if isinstance(told, CommandFailed) else " ".join(told.texts)


def _wrong(serial: str, wanted: str) -> CommandFailed:
    return CommandFailed(
        command="open",
        certainty=Certainty.NOT_DONE,
        seen=f"the serial number {serial}",
        expected=wanted,
        advice="Connect the right balance.",
    )


def _told(reply: Reply[Answer]) -> Told | str:
    return reply.answer if isinstance(reply.answer, Told) else "an answer of another kind"


def _weighed(reply: Reply[Answer]) -> Reply[Answer] | str:
    return reply if isinstance(reply.answer, Weighed | Hindered) else "an answer of another kind"
