"""The simulated 9C board whole: program, plant, power and cable, and a line with faults on it."""

import struct
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from nebctl_simulators.board_9c.board import Board
from nebctl_simulators.board_9c.codec import Frame, FrameReader, Kind, encode_frame, spoil_crc
from nebctl_simulators.board_9c.commands import DIRECT, START, obey
from nebctl_simulators.board_9c.settings import Firmware, Refusal, World
from nebctl_simulators.board_9c.telling import remaining_s, tell_event, tell_runtime, tell_status
from nebctl_simulators.chassis import Chassis, Harm, line_faults
from nebctl_simulators.plant import Load, Plant, draw, pour
from nebctl_simulators.presets import Unit, draw_load
from nebctl_simulators.shim import NS_PER_MS, Shim, Tag
from nebctl_simulators.simtime import SimTime
from nebctl_simulators.values import ANY_DEVICE, Reach, tell_falsely

STATUS_NS = 500_000_000
OWN_NUMBERS = 0x8000
QUEUE = 16
"""Commands that wait behind a START; assumed, the source's figure is in a file that was not read."""


class AnswerFault(StrEnum):
    """What can be wrong with an answer although its frame is good.

    REFUSE: a NACK with the code that is asked for, 0x40 without one, and nothing done. WRONG_NUMBER: another frame's
    number. WRONG_COMMAND: the acknowledgement of another command. SHORT: the last byte of the payload is missing.
    """

    REFUSE = "refuse"
    WRONG_NUMBER = "wrong_number"
    WRONG_COMMAND = "wrong_command"
    SHORT = "short"


class BoardFault(StrEnum):
    """What can be wrong with the board and around it, until it is cleared; each is what its name says.

    STUCK_ON: the mist goes on whatever the board is told, and STATUS says so. NO_STATUS: nothing is said unasked.
    """

    COVER_OPEN = "cover_open"
    NO_LIQUID = "no_liquid"
    MIST_OFFLINE = "mist_offline"
    MIST_LOCKED = "mist_locked"
    MIST_BROKEN = "mist_broken"
    NTC_OPEN = "ntc_open"
    OUTLET_HOT = "outlet_hot"
    OTP_RESET = "otp_reset"
    STUCK_ON = "stuck_on"
    NO_STATUS = "no_status"


VALUES = tuple(fault.value for fault in ANY_DEVICE)
PLACES = {"remaining": ("<H", 1), "outlet": ("<h", 5), "kettle": ("<h", 7)}
"""How and where in the payload of a STATUS the values stand; temperatures in tenths."""
REACHES: Mapping[str, Reach] = {
    "remaining": Reach(least=0, most=3600),
    "outlet": Reach(least=0, most=100),
    "kettle": Reach(least=0, most=100),
}
"""In s and °C; assumed."""
TENTHS = {"remaining": 1, "outlet": 10, "kettle": 10}
WORDS = {
    0x10: "MODE",
    0x12: "TIME",
    0x14: "MIST",
    0x20: "START",
    0x21: "PAUSE",
    0x22: "RESUME",
    0x23: "STOP",
    0x24: "STATUS",
    0x25: "BEAT",
    0x26: "CLEAR",
    0x27: "CONFIG",
    0x2A: "RUNTIME",
}
"""Words for the commands, for faults alone; an unasked STATUS has the word too. The others have their numbers."""
WHY_NOT = {
    "nan": "its values are whole numbers",
    "word_swapped": "its frames have no registers",
    "units_changed": "its protocol fixes the units",
    "second_master": "its line has two ends; on a bus take a Modbus device or an Alicat",
    "exception": "that is Modbus: take refuse",
    "busy": "take refuse with the code 126",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What is really so: volumes in nL, plant time in ns, `left_s` of the treatment; `output` is OFF without mist."""

    t_ns: int
    filled_nl: int
    emitted_nl: int
    drawn_nl: int
    cup_nl: int
    rate_nl_s: int
    residual_ppm: int
    output: str
    state: str
    fault: str
    left_s: int
    mist_level: int
    mode: int
    boots: int
    powered: bool
    plugged: bool


class Device(Chassis):
    """A 9C board with its cup."""

    harm = Harm(
        line=line_faults(checked=True),
        answers=tuple(fault.value for fault in AnswerFault),
        lasting=tuple(fault.value for fault in BoardFault),
        values=VALUES,
        points=tuple(REACHES),
        terms=("function", "command"),
        commands=tuple(WORDS.values()),
        why_not=WHY_NOT,
    )

    def __init__(
        self, *, unit: Unit, serial: str, sim_time: SimTime, real_ns: int, firmware: Firmware | None = None
    ) -> None:
        super().__init__(unit=unit, serial=serial, sim_time=sim_time, real_ns=real_ns, shim=Shim(unit.seed, spoil_crc))
        self._mesh_unit = unit
        self._reader = FrameReader()
        self._pours = 0
        self._own_number = OWN_NUMBERS
        self._status_ns = real_ns + STATUS_NS
        self._queue: deque[Frame] = deque()
        self._start_at_ns: int | None = None
        self._board = Board(
            firmware=firmware or Firmware(),
            dry_confirm_ns=unit.firmware.dry_confirm_ns,
            plant=Plant(mesh=unit.mesh, load=Load(rate_nl_s=1, residual_ppm=0)),
            real_ns=real_ns,
        )

    def pour(self, volume_nl: int) -> None:
        """Pour into the cup; the filling's rate and residual come from the seed and the number of the pour.

        Raises: ValueError for a volume that does not fit.
        """
        self._board.plant = pour(self._board.plant, volume_nl, draw_load(self._mesh_unit, self._pours + 1))
        self._board.plant = replace(self._board.plant, dry_ns=0)
        self._pours += 1

    def supply(self, on: bool, real_ns: int) -> None:
        """Close or open a contact between board and mist module's mesh; the board does not notice."""
        self.pass_time(real_ns)
        self._board.plant = replace(self._board.plant, supplied=on)

    def empty_cup(self) -> int:
        """Draw what is in the cup and return it in nL."""
        self._board.plant, drawn_nl = draw(self._board.plant)
        return drawn_nl

    def truth(self) -> Truth:
        """Return what is really so, as of the last step."""
        board, plant = self._board, self._board.plant
        return Truth(
            t_ns=plant.at_ns,
            filled_nl=plant.filled_nl,
            emitted_nl=plant.emitted_nl,
            drawn_nl=plant.drawn_nl,
            cup_nl=plant.cup_nl,
            rate_nl_s=plant.load.rate_nl_s,
            residual_ppm=plant.load.residual_ppm,
            output="RUN" if board.mist_on else "OFF",
            state=board.state.name,
            fault=board.fault.name,
            left_s=remaining_s(board),
            mist_level=board.settings.mist,
            mode=board.settings.mode,
            boots=board.boots,
            powered=self._powered,
            plugged=self.is_plugged,
        )

    def _advance(self, dt_ns: int) -> None:
        if not self._powered:
            self._board.coast(self._real_ns, dt_ns)
            return
        self._board.advance(self._real_ns, dt_ns, self._world())
        self._tell_changes()
        self._work()
        late_ns = self._real_ns - self._status_ns
        if late_ns >= 0:  # after a long step one STATUS is enough: a board does not catch up on what it did not say
            self._send(Kind.STATUS, tell_status(self._board))
            self._status_ns += STATUS_NS * (late_ns // STATUS_NS + 1)

    def _coast(self, dt_ns: int) -> None:
        self._board.freeze(self._real_ns, dt_ns)

    def _is_on(self) -> bool:
        return self._board.mist_on

    def _hear(self, data: bytes) -> None:
        for frame in self._reader.feed(data, self._real_ns):
            self._shim.heard(encode_frame(frame), self._real_ns, _tag(frame))
            if not self._speaks:  # the request has set a fault off
                return
            if frame.kind != Kind.COMMAND or not frame.payload:
                continue
            if frame.payload[0] in DIRECT:
                self._answer(frame)
            elif len(self._queue) < QUEUE:
                self._queue.append(frame)
            else:
                self._acknowledge(frame, Refusal.BUSY)
            self._work()

    def _come_up(self) -> None:
        self._reader = FrameReader()
        self._board.restart(self._real_ns)
        self._own_number = OWN_NUMBERS
        self._status_ns = self._real_ns + STATUS_NS
        self._queue.clear()
        self._start_at_ns = None

    def _unasked_ns(self) -> int | None:
        status_ns = None if self._has(BoardFault.NO_STATUS) else self._status_ns
        return min((at_ns for at_ns in (status_ns, self._start_at_ns) if at_ns is not None), default=None)

    def _world(self) -> World:
        there = self._has_any(BoardFault)
        return World(
            cover_closed=BoardFault.COVER_OPEN not in there,
            has_liquid=BoardFault.NO_LIQUID not in there,
            mist_online=BoardFault.MIST_OFFLINE not in there,
            mist_locked=BoardFault.MIST_LOCKED in there,
            mist_broken=BoardFault.MIST_BROKEN in there,
            ntc_open=BoardFault.NTC_OPEN in there,
            outlet_hot=BoardFault.OUTLET_HOT in there,
            otp_good=BoardFault.OTP_RESET not in there,
            stuck_on=BoardFault.STUCK_ON in there,
        )

    def _work(self) -> None:
        """Obey what waits, one command after the other; a START that nothing hinders takes its time."""
        while self._queue:
            asked = self._queue[0]
            if asked.payload[0] == START and self._board.hindrance() is not Refusal.NONE and self._start_at_ns is None:
                self._queue.popleft()
                self._acknowledge(asked, self._board.hindrance())
                continue
            if asked.payload[0] == START:
                self._start_at_ns = self._start_at_ns or self._real_ns + self._board.firmware.start_ms * NS_PER_MS
                if self._real_ns < self._start_at_ns:
                    return
                self._start_at_ns = None
            self._answer(self._queue.popleft())

    def _answer(self, asked: Frame) -> None:
        refuse = self._shim.take((AnswerFault.REFUSE,), self._real_ns, _tag(asked))
        if refuse is not None:
            self._acknowledge(asked, refuse.terms.code or Refusal.STATE)
            return
        outcome = obey(self._board, asked.payload[0], asked.payload[1:])
        self._tell_changes()  # before the acknowledgement of what changed the state
        if outcome.data is not None:
            self._say(Frame(self._next_number(), *outcome.data), _tag(asked))
        self._acknowledge(asked, outcome.refusal)

    def _acknowledge(self, asked: Frame, code: int) -> None:
        payload = bytes([asked.payload[0], code == Refusal.NONE, code, 0])
        self._say(Frame(asked.number, Kind.NACK if code else Kind.ACK, payload), _tag(asked))

    def _say(self, frame: Frame, tag: Tag) -> None:
        armed = self._shim.take(
            (AnswerFault.WRONG_NUMBER, AnswerFault.WRONG_COMMAND, AnswerFault.SHORT), self._real_ns, tag
        )
        match armed and armed.fault:
            case AnswerFault.WRONG_NUMBER:
                frame = replace(frame, number=frame.number ^ 1)
            case AnswerFault.WRONG_COMMAND:
                frame = replace(frame, payload=bytes([frame.payload[0] ^ 1]) + frame.payload[1:])
            case AnswerFault.SHORT:
                frame = replace(frame, payload=frame.payload[:-1])
        if frame.kind == Kind.STATUS:
            frame = replace(frame, payload=self._tell_falsely(frame.payload, tag))
        self._shim.answer(encode_frame(frame), self._real_ns, tag)

    def _tell_changes(self) -> None:
        board = self._board
        for event in board.events:
            self._send(Kind.EVENT, tell_event(board, event))
        if board.changed:  # a change of state is told at once, as a STATUS and a RUNTIME
            self._send(Kind.STATUS, tell_status(board))
            self._send(Kind.RUNTIME, tell_runtime(board))
        board.events.clear()
        board.changed = False

    def _send(self, kind: Kind, payload: bytes) -> None:
        if self._speaks and not self._has(BoardFault.NO_STATUS):
            if kind is Kind.STATUS:
                payload = self._tell_falsely(payload, Tag(command=kind.name))
            self._shim.send(encode_frame(Frame(self._next_number(), kind, payload)), self._real_ns)

    def _tell_falsely(self, payload: bytes, tag: Tag) -> bytes:
        if not self._shim.has_any(VALUES):
            return payload
        values = {name: struct.unpack_from(form, payload, at)[0] / TENTHS[name] for name, (form, at) in PLACES.items()}
        told, _ = tell_falsely(self._shim, VALUES, values, REACHES, self._real_ns, tag, self.moment())
        spoilt = bytearray(payload)
        for name in (name for name, value in told.items() if value != values[name]):
            form, at = PLACES[name]
            least, most = (0, 65_535) if form == "<H" else (-32_768, 32_767)
            struct.pack_into(form, spoilt, at, min(max(round(told[name] * TENTHS[name]), least), most))
        return bytes(spoilt)

    def _next_number(self) -> int:
        number, self._own_number = self._own_number, OWN_NUMBERS | (self._own_number + 1)
        return number & 0xFFFF


def _tag(asked: Frame) -> Tag:
    function = asked.payload[0] if asked.payload else None
    return Tag(function=function, command=None if function is None else WORDS.get(function))
