"""What a 9C board is told and what it says of itself: settings, states, faults and refusals, as numbers of the wire.

Source: https://github.com/zq9278/9C-Nebulizer-main (docs/HostProtocolReference.md sections 8, 11 and 15,
docs/PreheatKeepWarmProtocol.md).
"""

from dataclasses import dataclass, field
from enum import IntEnum

HOT, COLD = 0, 1
MOST_TARGET_DC = 450
LEAST_MINUTES, MOST_MINUTES = 1, 60
TOP_LEVEL = 3
MOST_PERMILLE = 1000
PID_MOST = (120_000, 10_000, 5_000, 1_000)


class State(IntEnum):
    """The board's state."""

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


RUNNING = (State.RUN_HOT, State.RUN_COLD, State.PREHEAT)
STARTABLE = (State.READY, State.CONFIGURING, State.DONE, State.KEEP_WARM)


class Fault(IntEnum):
    """The board's latched fault."""

    NONE = 0
    NTC_OPEN = 6
    LIQUID_EMPTY = 9
    COVER_OPEN = 10
    MIST_OFFLINE = 11
    MIST_FAULT = 12
    HOST_LOST = 13
    OUTLET_HOT = 16


class Refusal(IntEnum):
    """Why a command is refused; NONE: it is not."""

    NONE = 0
    MODE = 1
    TARGET = 2
    TIME = 3
    AIR = 4
    MIST = 5
    PID = 6
    MAINTENANCE = 7
    MANUAL_FAN = 8
    MANUAL_MIST = 9
    MANUAL_HEAT = 10
    IN_MAINTENANCE = 11
    FAN_PID = 12
    PREHEAT_PID = 13
    KEEP_WARM = 14
    STATE = 0x40
    OTP_RESET = 0x41
    COVER = 0x42
    DRY = 0x43
    MIST_OFFLINE = 0x44
    MIST_LOCKED = 0x45
    BUSY = 0x7E
    UNKNOWN = 0x7F


MIST_DRY, MIST_BROKEN = 0x0009, 0x0001
"""The mist board's own fault: out of liquid, and one that the source does not name."""


class Event(IntEnum):
    """What an EVENT frame tells."""

    PREHEAT_STARTED = 1
    TREATMENT_STARTED = 2
    TREATMENT_FINISHED = 3
    KEEP_WARM_STARTED = 4
    KEEP_WARM_STOPPED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the board keeps in its memory; temperatures in tenths of a degree, each PID as four numbers."""

    mode: int = HOT
    target_dc: int = 420
    duration_s: int = 600
    air: int = 2
    mist: int = 2
    keep_warm: bool = False
    pids: dict[str, tuple[int, ...]] = field(
        default_factory=lambda: {"outlet": (10_000, 1, 0, 400), "fan": (0, 0, 0, 0), "preheat": (2_500, 0, 0, 0)}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Firmware:
    """What differs between boards of the same kind.

    `pauses`: a lost host, an open cover and a dry mist board pause a run, and the last two resume it by themselves, as
    the public source does; otherwise they latch the faults 13, 10 and 9 of the protocol page. `config_bytes` 7 and
    `status_bytes` 20 are those of a board before keep-warm; RUNTIME has come in 46, 66, 76, 90, 91 and 92 bytes. A
    START is obeyed after `start_ms`, in which the mist board is reset and other commands wait; what the mist board does
    is seen each `poll_ms`.
    """

    pauses: bool = False
    config_bytes: int = 8
    status_bytes: int = 21
    runtime_bytes: int = 92
    start_ms: int = 1000
    poll_ms: int = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What is around the board at a moment: good unless a fault says otherwise."""

    cover_closed: bool = True
    has_liquid: bool = True
    mist_online: bool = True
    mist_locked: bool = False
    mist_broken: bool = False
    ntc_open: bool = False
    outlet_hot: bool = False
    otp_good: bool = True
    stuck_on: bool = False
