"""Who is on the wire: the controller's model, serial number, firmware and columns, and an end to a stream."""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from nebctl.core.device import Certainty, CommandFailed
from nebctl_drivers.reading import ATTEMPTS, read
from nebctl_drivers.seat import Seat
from nebctl_drivers.timing import Reply

from .columns import SET_POINT, Layout, read_table
from .frames import Answer, Ask, Firmware, Frame, Query, Request, Row, Source, StopStream, Streamed
from .profile import AlicatProfile, Version, read_version

_MOST_ROWS = 100
_MODEL = re.compile(r"[A-Z] +M04 Model Number +([!-~]+) *")
_SERIAL = re.compile(r"[A-Z] +M05 Serial Number +([!-~]+) *")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class GasIdentity:
    """Who answered: its id on the bus, model, serial number, firmware, the set-point's unit and the selected gas."""

    unit: str
    model: str
    serial: str
    firmware: str
    setpoint_unit: str
    gas: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A controller that is what the profile says, and its columns."""

    identity: GasIdentity
    layout: Layout


class Greeting:
    """The questions of an opening; each answers with a value, and the first that is wrong ends them."""

    def __init__(
        self, seat: Seat[Request, Answer], unit: str, profile: AlicatProfile, serial: str | None = None
    ) -> None:
        self._seat = seat
        self._unit = unit
        self._profile = profile
        self._serial = serial
        self._rows: dict[int, Row] = {}
        self._row_came = asyncio.Event()
        self._streamed = False

    def hear(self, answer: Answer) -> None:
        """Take what came unasked: a row of a table that was asked for, or a frame of a stream."""
        if isinstance(answer, Streamed):
            self._streamed = True
        elif isinstance(answer, Row) and answer.unit == self._unit:
            self._rows[answer.number] = answer
            self._row_came.set()

    async def greet(self) -> Found | CommandFailed:
        """Return who is there and how its frames are read; nothing is sent that moves a valve."""
        silent = await self._wake()
        if silent is not None:
            return silent
        firmware = await self._ask(Ask.FIRMWARE, self._judge_firmware)
        if isinstance(firmware, CommandFailed):
            return firmware
        maker = await self._table(Ask.MAKER, self._judge_maker)
        if isinstance(maker, CommandFailed):
            return maker
        layout = await self._table(Ask.COLUMNS, lambda rows: read_table(rows, self._profile.units))
        if isinstance(layout, CommandFailed):
            return layout
        analog = await self._refuse_analog(firmware)
        if analog is not None:
            return analog
        unit = layout.find(SET_POINT).label
        model, serial = maker
        identity = GasIdentity(
            unit=self._unit, model=model, serial=serial, firmware=firmware.version, setpoint_unit=unit
        )
        return Found(identity, layout)

    async def _wake(self) -> CommandFailed | None:
        """Wait for a first data frame; a controller that streams, and therefore has no id, is stopped first."""
        self._streamed = False
        first = await self._ask(Ask.FRAME, _any_frame, attempts=1)
        if self._streamed and not isinstance(first, CommandFailed):
            return _fail(
                "a stream of another controller",
                "one that answers when asked",
                "End the stream: no two controllers may share a bus with it.",
            )
        for old in (False, True):
            if self._streamed:
                await self._seat.ask(StopStream(self._unit, old))  # no answer to it is known, so the stream's end tells
                self._streamed = False
                await asyncio.sleep(self._profile.rows_idle_s)
        if isinstance(first, Frame):
            return None
        again = await self._ask(Ask.FRAME, _any_frame)
        return again if isinstance(again, CommandFailed) else None

    async def _refuse_analog(self, firmware: Firmware) -> CommandFailed | None:
        version = read_version(firmware.version)
        if version is None or version < self._profile.source_query_since:
            return None  # it cannot be asked; the read-back of each set-point shows it
        source = await self._ask(Ask.SOURCE, _source)
        if isinstance(source, CommandFailed):
            return source
        if source.source != "A":
            return None
        return _fail("the set-point source analog", "serial", "Set the controller's set-point source to serial.")

    async def _table(self, ask: Ask, judge: Callable[[Sequence[Row]], _T | str]) -> _T | CommandFailed:
        seen = ""
        for _ in range(ATTEMPTS):
            header = await self._ask(ask, _first_row)
            if isinstance(header, CommandFailed):
                return header
            rows = await self._gather(header)
            value = judge(rows)
            if not isinstance(value, str):
                return value
            seen = value
        return _fail(seen, "a controller as the profile alicat-ascii has it", "Check the device and its settings.")

    async def _gather(self, header: Row) -> list[Row]:
        """Return the rows behind the first one; the table is at its end when none comes for a while."""
        for _ in range(_MOST_ROWS):
            self._row_came.clear()
            try:
                async with asyncio.timeout(self._profile.rows_idle_s):
                    await self._row_came.wait()
            except TimeoutError:
                break
        rows = {**self._rows, 0: header}
        self._rows = {}
        return [row for _, row in sorted(rows.items()) if row.table == header.table]

    async def _ask(
        self, ask: Ask, parse: Callable[[Reply[Answer]], _T | str], attempts: int = ATTEMPTS
    ) -> _T | CommandFailed:
        return await read(
            self._seat,
            Query(self._unit, ask),
            name="open",
            parse=parse,
            expected=f"an Alicat controller with the id {self._unit}",
            advice="Check port, baud rate, the controller's id, and its firmware.",
            attempts=attempts,
        )

    def _judge_firmware(self, reply: Reply[Answer]) -> Firmware | str:
        if not isinstance(reply.answer, Firmware):
            return "a refusal to say its firmware"
        version, least = read_version(reply.answer.version), self._profile.firmware_least
        if version is None or version < least:
            return f"firmware {reply.answer.version}, older than {_say(least)}"
        return reply.answer

    def _judge_maker(self, rows: Sequence[Row]) -> tuple[str, str] | str:
        model = next((match[1] for row in rows if (match := _MODEL.fullmatch(row.line))), None)
        serial = next((match[1] for row in rows if (match := _SERIAL.fullmatch(row.line))), None)
        if model is None or serial is None:
            return "maker's data without model and serial number"
        if model.partition("-")[0] not in self._profile.models:
            return f"the model {model}, none of {', '.join(self._profile.models)}"
        if self._serial not in (None, serial):
            return f"the serial number {serial}, not {self._serial}"
        return model, serial


def _any_frame(reply: Reply[Answer]) -> Frame | str:
    return reply.answer if isinstance(reply.answer, Frame) else "a refusal of the data frame"


def _first_row(reply: Reply[Answer]) -> Row | str:
    return reply.answer if isinstance(reply.answer, Row) else "a refusal of a table"


def _source(reply: Reply[Answer]) -> Source | str:
    return reply.answer if isinstance(reply.answer, Source) else "a refusal to say the set-point's source"


def _say(version: Version) -> str:
    return f"{version[0]}v{version[1]:02}"


def _fail(seen: str, expected: str, advice: str) -> CommandFailed:
    return CommandFailed(command="open", certainty=Certainty.UNKNOWN, seen=seen, expected=expected, advice=advice)
