"""An Alicat controller as the gas source of a jet: who it is, what flows, and a set-point that is proven or not.

A controller ignores what it cannot do without a word, so that no answer proves a set-point: only the read-back does.
It keeps none of S14, S22 and S24 by itself; a jet that it feeds needs a cut-off (docs/devices/jet.md).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TypeAlias, TypeVar

from nebctl.core.device import Certainty, CommandFailed
from nebctl.ports import Link
from nebctl_drivers.bus import Bus
from nebctl_drivers.gas_controller.registers import GasReading
from nebctl_drivers.lines import LineDialect
from nebctl_drivers.reading import ATTEMPTS, read
from nebctl_drivers.stopping import StopPart
from nebctl_drivers.timing import Permit, Reply

from .columns import Layout, Reading, check_unit, compare, read_frame
from .frames import AlicatGrammar, Answer, Ask, Frame, HoldValve, Query, Request, SetPoint, SetPoints, Valve
from .greeting import GasIdentity, Greeting
from .profile import AlicatProfile, read_alicat_profile

AlicatBus: TypeAlias = Bus[Request, Answer]
_NO_FLOW = Decimal("0.0")
_NOT_OPEN = "a controller that was never opened"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Both:
    """A data frame, and the set-point query of the same moment."""

    told: SetPoints
    reading: Reading


def make_bus(
    link: Link, *, baud: int | None, now_ns: Callable[[], int], profile: AlicatProfile | None = None
) -> AlicatBus:
    """Return a bus for controllers with the ids A to Z; `baud` None for a TCP stream."""
    timing = (profile or read_alicat_profile()).timing(baud)
    return Bus(link, LineDialect(AlicatGrammar()), timing, now_ns=now_ns)


class AlicatSource:
    """One controller on a bus; `unit` is its id, A to Z, and `serial` the number it must have, None for any.

    `identity` is who answered at the last opening, None where that failed.
    Raises: `ValueError` for another id.
    """

    def __init__(
        self, bus: AlicatBus, unit: str = "A", *, serial: str | None = None, profile: AlicatProfile | None = None
    ) -> None:
        self._unit = unit
        self._profile = profile if profile is not None else read_alicat_profile()
        self._seat = bus.seat(probe=Query(unit, Ask.FRAME), unasked=self._hear)
        self._greeting = Greeting(self._seat, unit, self._profile, serial)
        self._layout: Layout | None = None
        self._gas = ""
        self.identity: GasIdentity | None = None

    @property
    def loss(self) -> CommandFailed | None:
        """Return why there is no wire; None while there is one."""
        return self._seat.loss

    @property
    def model(self) -> str:
        """Return maker and model, for the record."""
        return f"Alicat {self.identity.model}" if self.identity else "Alicat MC"

    @property
    def reset_sccm(self) -> int:
        """Return the set-point after power-up: a brown-out shows by it."""
        return self._profile.reset_sccm

    async def open(self) -> CommandFailed | None:
        """Take the place on the bus and find out who is there; nothing is sent that moves a valve. None means open.

        A stream is ended first. A controller that is not what the profile says is refused.
        """
        await self.close()
        failure = await self._seat.open()
        if failure is not None:
            return failure
        self.identity = None
        try:
            failure = await self._greet()
        finally:
            if self.identity is None:
                await self.close()
        return failure

    async def close(self) -> None:
        """End all requests and leave the bus; it sends nothing, so a set-point stays as it is. Twice is harmless."""
        await self._seat.close()

    async def read(self) -> GasReading | CommandFailed:
        """Return what flows; the set-point is asked for in two forms, and both must agree."""
        both = await self._read()
        return both if isinstance(both, CommandFailed) else both.reading.values

    async def set_flow(self, sccm: int, permit: Permit | None = None) -> CommandFailed | None:
        """Set the flow, in sccm, once; None means that the read-back shows it, and it is UNKNOWN where that does not.

        A valve that a STOP holds is set free first, while the set-point is 0. `permit` is asked before each command.
        """
        value = self._value(sccm)
        if isinstance(value, str):
            return _refuse("set the flow", value, self._allowed())
        before = await self._read()
        if isinstance(before, CommandFailed):
            return replace(before, command="set the flow", certainty=Certainty.NOT_DONE)
        stuck = await self._set_free(before, permit) if before.reading.held else None
        if stuck is not None:
            return stuck
        sent = await self._seat.ask(SetPoint(self._unit, value), permit)
        if isinstance(sent, CommandFailed):
            return replace(sent, command="set the flow")
        after = await self._read()
        if isinstance(after, CommandFailed):
            return _doubt("set the flow", f"{after.seen} at the read-back", "a read-back")
        if after.told.requested != value or after.reading.held:
            return _doubt("set the flow", _describe(after), f"the set-point {value} and the valve free")
        return None

    def stop_part(self) -> StopPart[Request, Answer]:
        """Return what a STOP sends: set-point 0 and the valve held closed, and the two reads that show it."""
        writes = (SetPoint(self._unit, _NO_FLOW), HoldValve(self._unit, Valve.CLOSED))
        return StopPart(self._seat, writes, (self._ask_set_point, self._ask_frame))

    def parse_stop(self, replies: Sequence[Reply[Answer]]) -> GasReading | str:
        """Return the reading out of the answers to `stop_part`'s reads; a text where it is none, or has a set-point."""
        told, reading = self._parse_set_points(replies[0]), self._parse_frame(replies[1])
        if isinstance(told, str) or isinstance(reading, str):
            return f"a gas controller with {told if isinstance(told, str) else reading}"
        # a set-point below one sccm would be 0 in our unit
        return _describe(_Both(told, reading)) if told.requested or reading.set_point else reading.values

    @property
    def _ask_set_point(self) -> Query:
        return Query(self._unit, Ask.SET_POINTS)

    @property
    def _ask_frame(self) -> Query:
        return Query(self._unit, Ask.FRAME)

    async def _greet(self) -> CommandFailed | None:
        found = await self._greeting.greet()
        if isinstance(found, CommandFailed):
            return found
        self._layout, self._gas = found.layout, ""
        first = await self._read()
        if isinstance(first, CommandFailed):
            return replace(first, command="open")
        self._gas = first.reading.gas
        self.identity = replace(found.identity, gas=self._gas)
        return None

    async def _read(self) -> _Both | CommandFailed:
        seen = ""
        for _ in range(ATTEMPTS):
            told = await self._ask(self._ask_set_point, self._parse_set_points)
            if isinstance(told, CommandFailed):
                return told
            reading = await self._ask(self._ask_frame, self._parse_frame)
            if isinstance(reading, CommandFailed):
                return reading
            seen = compare(told, reading)  # another caller's set-point may have gone in between
            if not seen:
                return _Both(told, reading)
        return _doubt("read the gas controller", seen, "one set-point")

    async def _ask(self, request: Query, parse: Callable[[Reply[Answer]], _T | str]) -> _T | CommandFailed:
        return await read(
            self._seat,
            request,
            name="read the gas controller",
            parse=parse,
            expected="values as docs/devices/alicat-gas-controller.md has them",
            advice="Check cable, power and settings; after a change of units or columns open it again.",
        )

    async def _set_free(self, before: _Both, permit: Permit | None) -> CommandFailed | None:
        """Leave the valve to its control loop while nothing is asked of it; None means that the read-back shows it."""
        if before.told.requested or before.reading.set_point:
            return _refuse("set the flow", _describe(before), "a set-point of 0 while the valve is held; stop it first")
        sent = await self._seat.ask(HoldValve(self._unit, Valve.FREE), permit)
        if isinstance(sent, CommandFailed):
            return replace(sent, command="set the flow")
        after = await self._read()
        if isinstance(after, CommandFailed):
            return _doubt("set the flow", f"{after.seen} when the valve was set free", "a read-back")
        if after.reading.held or after.told.requested:
            return _doubt("set the flow", _describe(after), "the valve free and the set-point 0")
        return None

    def _parse_set_points(self, reply: Reply[Answer]) -> SetPoints | str:
        if self._layout is None:
            return _NOT_OPEN
        if not isinstance(reply.answer, SetPoints):
            return "a refusal of the set-point query"
        return check_unit(reply.answer, self._layout) or reply.answer

    def _parse_frame(self, reply: Reply[Answer]) -> Reading | str:
        if self._layout is None:
            return _NOT_OPEN
        if not isinstance(reply.answer, Frame):
            return "a refusal of the data frame"
        reading = read_frame(reply.answer, self._layout, self._profile.rules, reply.at_ns)
        if isinstance(reading, Reading) and self._gas not in ("", reading.gas):
            return f"the gas {reading.gas} where it was {self._gas}"
        return reading

    def _value(self, sccm: int) -> Decimal | str:
        if self._layout is None:
            return _NOT_OPEN
        if not self._profile.least_sccm <= sccm <= self._profile.most_sccm:
            return f"{sccm} sccm"
        return self._layout.in_device_unit(sccm)

    def _allowed(self) -> str:
        return f"{self._profile.least_sccm} to {self._profile.most_sccm} sccm, in the controller's own steps"

    def _hear(self, answer: Answer, _at_ns: int) -> None:
        self._greeting.hear(answer)


def _describe(both: _Both) -> str:
    held = ", the valve held" if both.reading.held else ""
    return f"the set-point {both.told.requested} {both.told.label} and {both.reading.values.flow_sccm} sccm{held}"


def _doubt(command: str, seen: str, expected: str) -> CommandFailed:
    return CommandFailed(
        command=command, certainty=Certainty.UNKNOWN, seen=seen, expected=expected, advice="Gas may flow: stop it."
    )


def _refuse(command: str, seen: str, expected: str) -> CommandFailed:
    return CommandFailed(
        command=command, certainty=Certainty.NOT_DONE, seen=seen, expected=expected, advice="Nothing was sent."
    )
