"""What stands in the board's frames, read strictly: a byte that has no meaning makes the whole payload unreadable.

Times are in seconds or milliseconds as named, temperatures in tenths of a degree Celsius (`_dc`).

Source: HostProtocolReference.md sections 6 to 11 and PreheatKeepWarmProtocol.md sections 1 to 3, of the board's makers.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

from .frames import Frame, FrameType


class Command(IntEnum):
    """The commands that this driver knows."""

    SET_MODE = 0x10
    SET_TARGET_TEMP = 0x11
    SET_TIME = 0x12
    SET_AIR_LEVEL = 0x13
    SET_MIST_LEVEL = 0x14
    SET_KEEP_WARM = 0x15
    START = 0x20
    PAUSE = 0x21
    RESUME = 0x22
    STOP = 0x23
    GET_STATUS = 0x24
    HEARTBEAT = 0x25
    CLEAR_FAULT = 0x26
    GET_CONFIG = 0x27
    GET_RUNTIME = 0x2A


class State(IntEnum):
    """What the board is at."""

    BOOT = 0
    SELF_TEST = 1
    READY = 2
    CONFIGURING = 3
    RUN_HOT = 4
    RUN_COLD = 5
    PAUSED = 6
    DONE = 7
    FAULT = 8
    PREHEAT = 9
    KEEP_WARM = 10


@dataclass(frozen=True, slots=True)
class Verdict:
    """ACK or NACK: the command that it answers, and the error code, 0 where the command was accepted."""

    command: int
    error: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The short status, said twice a second; `keep_warm` None: the firmware does not say."""

    state: State
    remaining_s: int
    target_dc: int
    outlet_dc: int
    kettle_dc: int
    air_level: int
    mist_level: int
    liquid: bool
    cover_closed: bool
    fault: int
    mist_online: bool
    mist_fault: int
    mist_running: bool
    heartbeat_ok: bool
    hot: bool
    keep_warm: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What the next run will do; `keep_warm` None: an older firmware, whose CONFIG has 7 bytes."""

    hot: bool
    target_dc: int
    duration_s: int
    air_level: int
    mist_level: int
    keep_warm: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """The long status, as far as every firmware has it; `uptime_ms` is the board's time of its last sensor sample.

    `heating` tells whether the heater is let on. `keep_warm` None: the firmware does not say.
    """

    state: State
    remaining_s: int
    fault: int
    heartbeat_ok: bool
    outlet_dc: int
    liquid: bool
    cover_closed: bool
    mist_online: bool
    mist_running: bool
    mist_fault: int
    heating: bool
    uptime_ms: int
    maintenance: bool
    keep_warm: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What the board says when a run begins or ends; a convenience only, because it may be lost."""

    number: int
    hot: bool
    state: State
    keep_warm: bool
    remaining_s: int
    outlet_dc: int
    kettle_dc: int


Payload: TypeAlias = Verdict | Status | Config | Runtime | Event

_STATUS = struct.Struct("<BHHhhBBBBBBHBBB")
_CONFIG = struct.Struct("<BHHBB")
_RUNTIME = struct.Struct("<BIHBhhhhBBBHBBBBHBHHhhhIBBBB")
_EVENT = struct.Struct("<BBBBIhh")
_KEEP_WARM_AT = 91
_STATES = frozenset(map(int, State))


class _OddByteError(ValueError):
    """A byte without meaning; it never leaves this module."""


def read_payload(frame: Frame) -> Payload | str:
    """Return what the frame carries, or what is wrong with it."""
    reader = _READERS.get(frame.type)
    if reader is None:
        return f"a frame of type {frame.type.name}"
    try:
        return reader(frame.payload)
    except _OddByteError as odd:
        return f"{frame.type.name} with {odd}"


def _read_ack(payload: bytes) -> Verdict:
    command, ok, error, _ = payload
    if (ok, error) != (1, 0):
        raise _OddByteError(f"ok {ok} and error {error}")
    return Verdict(command, 0)


def _read_nack(payload: bytes) -> Verdict:
    command, ok, error, _ = payload
    if ok or not error:
        raise _OddByteError(f"ok {ok} and error {error}")
    return Verdict(command, error)


def _read_status(payload: bytes) -> Status:
    fields = _STATUS.unpack_from(payload)
    state, remaining_s, target_dc, outlet_dc, kettle_dc, air, mist, liquid, cover, fault = fields[:10]
    online, mist_fault, running, heartbeat, mode = fields[10:]
    return Status(
        state=_state(state),
        remaining_s=remaining_s,
        target_dc=target_dc,
        outlet_dc=outlet_dc,
        kettle_dc=kettle_dc,
        air_level=air,
        mist_level=mist,
        liquid=_flag("liquid", liquid),
        cover_closed=_flag("cover", cover),
        fault=fault,
        mist_online=_flag("mist_online", online),
        mist_fault=mist_fault,
        mist_running=_flag("mist_running", running),
        heartbeat_ok=_flag("heartbeat_ok", heartbeat),
        hot=not _flag("mode", mode),
        keep_warm=_keep_warm(payload, _STATUS.size),
    )


def _read_config(payload: bytes) -> Config:
    mode, target_dc, duration_s, air, mist = _CONFIG.unpack_from(payload)
    return Config(
        hot=not _flag("mode", mode),
        target_dc=target_dc,
        duration_s=duration_s,
        air_level=air,
        mist_level=mist,
        keep_warm=_keep_warm(payload, _CONFIG.size),
    )


def _read_runtime(payload: bytes) -> Runtime:
    fields = _RUNTIME.unpack_from(payload)
    state, remaining_s, fault, heartbeat, outlet_dc, _, _, _, liquid, cover, _, _, online, running = fields[:14]
    _, _, mist_fault, heating, _, _, _, _, _, uptime_ms, maintenance, _, _, _ = fields[14:]
    return Runtime(
        state=_state(state),
        remaining_s=remaining_s,
        fault=fault,
        heartbeat_ok=_flag("heartbeat_ok", heartbeat),
        outlet_dc=outlet_dc,
        liquid=_flag("liquid", liquid),
        cover_closed=_flag("cover", cover),
        mist_online=_flag("mist_online", online),
        mist_running=_flag("mist_running", running),
        mist_fault=mist_fault,
        heating=_flag("heat_enabled", heating),
        uptime_ms=uptime_ms,
        maintenance=_flag("maintenance", maintenance),
        keep_warm=_keep_warm(payload, _KEEP_WARM_AT),
    )


def _read_event(payload: bytes) -> Event:
    number, mode, state, keep_warm, remaining_s, outlet_dc, kettle_dc = _EVENT.unpack(payload)
    return Event(
        number=number,
        hot=not _flag("mode", mode),
        state=_state(state),
        keep_warm=_flag("keep_warm", keep_warm),
        remaining_s=remaining_s,
        outlet_dc=outlet_dc,
        kettle_dc=kettle_dc,
    )


_READERS: Mapping[FrameType, Callable[[bytes], Payload]] = {
    FrameType.ACK: _read_ack,
    FrameType.NACK: _read_nack,
    FrameType.STATUS: _read_status,
    FrameType.EVENT: _read_event,
    FrameType.CONFIG: _read_config,
    FrameType.RUNTIME: _read_runtime,
}


def _state(value: int) -> State:
    if value not in _STATES:
        raise _OddByteError(f"state {value}")
    return State(value)


def _flag(name: str, value: int) -> bool:
    if value not in (0, 1):
        raise _OddByteError(f"{name} {value}")
    return value == 1


def _keep_warm(payload: bytes, at: int) -> bool | None:
    return _flag("keep_warm", payload[at]) if len(payload) > at else None
