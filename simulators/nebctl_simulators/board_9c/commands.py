"""What a 9C board does at each command, by its number on the wire.

Source: https://github.com/zq9278/9C-Nebulizer-main, docs/HostProtocolReference.md, sections 7, 8, 9 and 11.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace

from nebctl_simulators.board_9c.board import Board
from nebctl_simulators.board_9c.codec import Kind
from nebctl_simulators.board_9c.settings import (
    COLD,
    LEAST_MINUTES,
    MOST_MINUTES,
    MOST_PERMILLE,
    MOST_TARGET_DC,
    PID_MOST,
    TOP_LEVEL,
    Refusal,
    State,
)
from nebctl_simulators.board_9c.telling import tell_config, tell_maintenance, tell_pid, tell_runtime, tell_status

Data = tuple[Kind, bytes]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a command: a data frame that goes before the acknowledgement, and why it was refused."""

    refusal: Refusal = Refusal.NONE
    data: Data | None = None


DIRECT = frozenset((0x24, 0x25, 0x27, 0x28, 0x2A, 0x30, 0x31, 0x33))
"""Questions and the heartbeat, which the board's receiving task answers at once, past commands that still wait."""
START = 0x20

Act = Callable[[Board, bytes], Outcome]


def obey(board: Board, command: int, data: bytes) -> Outcome:
    """Carry out one command."""
    act = _COMMANDS.get(command)
    return Outcome(Refusal.UNKNOWN) if act is None else act(board, data)


def _set_mode(board: Board, data: bytes) -> Outcome:
    if len(data) != 1 or data[0] > COLD:
        return Outcome(Refusal.MODE)
    board.change_run(replace(board.settings, mode=data[0]))
    return Outcome()


def _set_target(board: Board, data: bytes) -> Outcome:
    target_dc = int.from_bytes(data, "little")
    if len(data) != 2 or target_dc > MOST_TARGET_DC:
        return Outcome(Refusal.TARGET)
    board.change(replace(board.settings, target_dc=target_dc))
    return Outcome()


def _set_time(board: Board, data: bytes) -> Outcome:
    minutes = int.from_bytes(data, "little")
    if len(data) != 2 or not LEAST_MINUTES <= minutes <= MOST_MINUTES:
        return Outcome(Refusal.TIME)
    board.change_run(replace(board.settings, duration_s=60 * minutes))
    return Outcome()


def _set_air(board: Board, data: bytes) -> Outcome:
    if len(data) != 1 or data[0] > TOP_LEVEL:
        return Outcome(Refusal.AIR)
    board.change(replace(board.settings, air=data[0]))
    return Outcome()


def _set_mist(board: Board, data: bytes) -> Outcome:
    if len(data) != 1 or data[0] > TOP_LEVEL:
        return Outcome(Refusal.MIST)
    board.change(replace(board.settings, mist=data[0]))
    return Outcome()


def _set_keep_warm(board: Board, data: bytes) -> Outcome:
    if len(data) != 1 or data[0] > 1:
        return Outcome(Refusal.KEEP_WARM)
    board.keep_warm(bool(data[0]))
    return Outcome()


def _beat(board: Board, _data: bytes) -> Outcome:
    board.beat()
    return Outcome()


def _get_pid(kind: Kind, name: str) -> Act:
    return lambda board, _data: Outcome(data=(kind, tell_pid(board, name)))


def _set_pid(kind: Kind, name: str, refusal: Refusal) -> Act:
    def act(board: Board, data: bytes) -> Outcome:
        values = struct.unpack("<4i", data) if len(data) == 16 else (-1,)
        if not all(0 <= value <= most for value, most in zip(values, PID_MOST, strict=False)):
            return Outcome(refusal)
        board.change(replace(board.settings, pids=board.settings.pids | {name: values}))
        return Outcome(data=(kind, tell_pid(board, name)))

    return act


def _maintain(board: Board, refusal: Refusal) -> Outcome:
    return Outcome(refusal, (Kind.MAINTENANCE, tell_maintenance(board)) if refusal is Refusal.NONE else None)


def _enter_maintenance(board: Board, _data: bytes) -> Outcome:
    if board.state not in (State.READY, State.PAUSED, State.DONE) or board.fault:
        return Outcome(Refusal.MAINTENANCE)
    board.maintenance = (0, 0, 0)
    return _maintain(board, Refusal.NONE)


def _exit_maintenance(board: Board, _data: bytes) -> Outcome:
    board.maintenance = None
    board.go(board.state)
    return _maintain(board, Refusal.NONE)


def _manual(place: int, length: int, most: int, refusal: Refusal) -> Act:
    def act(board: Board, data: bytes) -> Outcome:
        value = int.from_bytes(data, "little")
        if board.maintenance is None or len(data) != length or value > most:
            return Outcome(refusal)
        fan, mist, heat = board.maintenance
        board.maintenance = ((value, mist, heat), (fan, value, heat), (fan, mist, value))[place]
        board.go(board.state)
        return _maintain(board, Refusal.NONE)

    return act


_COMMANDS: dict[int, Act] = {
    0x10: _set_mode,
    0x11: _set_target,
    0x12: _set_time,
    0x13: _set_air,
    0x14: _set_mist,
    0x15: _set_keep_warm,
    0x20: lambda board, _data: Outcome(board.start()),
    0x21: lambda board, _data: Outcome(board.pause()),
    0x22: lambda board, _data: Outcome(board.resume()),
    0x23: lambda board, _data: Outcome(board.stop()),
    0x24: lambda board, _data: Outcome(data=(Kind.STATUS, tell_status(board))),
    0x25: _beat,
    0x26: lambda board, _data: Outcome(board.clear_fault()),
    0x27: lambda board, _data: Outcome(data=(Kind.CONFIG, tell_config(board))),
    0x28: _get_pid(Kind.PID, "outlet"),
    0x29: _set_pid(Kind.PID, "outlet", Refusal.PID),
    0x2A: lambda board, _data: Outcome(data=(Kind.RUNTIME, tell_runtime(board))),
    0x2B: _enter_maintenance,
    0x2C: _exit_maintenance,
    0x2D: _manual(0, 1, TOP_LEVEL, Refusal.MANUAL_FAN),
    0x2E: _manual(1, 1, TOP_LEVEL, Refusal.MANUAL_MIST),
    0x2F: _manual(2, 2, MOST_PERMILLE, Refusal.MANUAL_HEAT),
    0x30: lambda board, _data: Outcome(data=(Kind.MAINTENANCE, tell_maintenance(board))),
    0x31: _get_pid(Kind.FAN_PID, "fan"),
    0x32: _set_pid(Kind.FAN_PID, "fan", Refusal.FAN_PID),
    0x33: _get_pid(Kind.PREHEAT_PID, "preheat"),
    0x34: _set_pid(Kind.PREHEAT_PID, "preheat", Refusal.PREHEAT_PID),
}
