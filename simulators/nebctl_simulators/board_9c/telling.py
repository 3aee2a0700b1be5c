"""What a 9C board says of itself, as payloads; numbers have their low byte first."""

import struct

from nebctl_simulators.board_9c.board import PREHEATED_DC, Board
from nebctl_simulators.board_9c.settings import RUNNING, Event, State
from nebctl_simulators.plant import NS_PER_S

RPM = (0, 1200, 2200, 3400)
"""Assumed: the fan's speed at each air level."""


def tell_status(board: Board) -> bytes:
    """Return the payload of a STATUS frame."""
    settings = board.settings
    payload = struct.pack(
        "<BHHhhBBBBBBHBBBB",
        board.state,
        remaining_s(board),
        settings.target_dc,
        round(board.outlet_dc),
        round(board.kettle_dc),
        settings.air,
        settings.mist,
        not board.low_water,
        board.world.cover_closed,
        board.fault,
        board.world.mist_online,
        board.mist_fault,
        board.mist_seen,
        board.heart_beats,
        settings.mode,
        settings.keep_warm,
    )
    return payload[: board.firmware.status_bytes]


def tell_config(board: Board) -> bytes:
    """Return the payload of a CONFIG frame."""
    settings = board.settings
    payload = struct.pack(
        "<BHHBBB",
        settings.mode,
        settings.target_dc,
        settings.duration_s,
        settings.air,
        settings.mist,
        settings.keep_warm,
    )
    return payload[: board.firmware.config_bytes]


def tell_pid(board: Board, name: str) -> bytes:
    """Return the payload of a PID frame: the four numbers, then four bytes that only that kind of frame knows."""
    rest = {"outlet": (400, 9_000), "preheat": (PREHEATED_DC, 1_000), "fan": (0x280A, 0x503C)}[name]
    return struct.pack("<4i2H", *board.settings.pids[name], *rest)


def tell_maintenance(board: Board) -> bytes:
    """Return the payload of a MAINT frame."""
    fan, mist, heat = board.maintenance or (0, 0, 0)
    return struct.pack("<BBBH", board.maintenance is not None, fan, mist, heat)


def tell_event(board: Board, event: Event) -> bytes:
    """Return the payload of an EVENT frame."""
    settings = board.settings
    return struct.pack(
        "<BBBBIhh",
        event,
        settings.mode,
        board.state,
        settings.keep_warm,
        remaining_s(board),
        round(board.outlet_dc),
        round(board.kettle_dc),
    )


def tell_runtime(board: Board) -> bytes:
    """Return the payload of a RUNTIME frame in the length that this firmware sends; what is not simulated is 0."""
    payload = _process(board) + _actuators(board) + _heating(board)
    payload += struct.pack("<5i5H", *board.settings.pids["outlet"], 0, 0, 0, 0, 0, 4095)
    payload += bytes(14) + struct.pack("<BB", int(board.state is State.KEEP_WARM) * 3, board.settings.keep_warm)
    return payload[: board.firmware.runtime_bytes]


def _process(board: Board) -> bytes:
    outlet_dc, kettle_dc = round(board.outlet_dc), round(board.kettle_dc)
    return struct.pack(
        "<BIHBhhhhBBB",
        board.state,
        remaining_s(board),
        board.fault,
        board.heart_beats,
        outlet_dc,
        outlet_dc,
        outlet_dc,
        kettle_dc,
        not board.low_water,
        board.world.cover_closed,
        0,
    )


def _actuators(board: Board) -> bytes:
    blows = board.state in RUNNING
    return struct.pack(
        "<HBBBBH",
        RPM[board.settings.air] if blows else 0,
        board.world.mist_online,
        board.mist_seen,
        board.settings.mist if blows else 0,
        board.settings.mist if board.mist_seen else 0,
        board.mist_fault,
    )


def _heating(board: Board) -> bytes:
    heats = board.state in (State.RUN_HOT, State.PREHEAT, State.KEEP_WARM)
    fan, mist, heat = board.maintenance or (0, 0, 0)
    target_dc, measured_dc = board.settings.target_dc, round(board.outlet_dc)
    return struct.pack(
        "<BHHhhhIBBBB",
        heats,
        0,
        200 if heats else heat,
        target_dc - measured_dc,
        measured_dc,
        target_dc,
        board.uptime_ms & 0xFFFF_FFFF,
        board.maintenance is not None,
        fan,
        mist,
        heat // 10,
    )


def remaining_s(board: Board) -> int:
    """Return what is left of the treatment in seconds, rounded up."""
    return -(-board.left_ns // NS_PER_S)
