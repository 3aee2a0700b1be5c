"""What a reader is, and what it reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, TypeAlias

from nebctl.core.device import CommandFailed

NO_UNIT = "1"
"""The unit of what has none, such as a state or a count; it is UCUM's."""
Content: TypeAlias = int | float | str | bool


class Status(Enum):
    """How far a value can be believed; of NAN and MISSING there is none."""

    OK = "ok"
    STALE = "stale"
    NAN = "nan"
    ALARM = "alarm"
    OUT_OF_RANGE = "out-of-range"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Value:
    """One value; `value` None means that there is none now, and `status` says why."""

    value: Content | None
    unit: str = NO_UNIT
    status: Status = Status.OK


@dataclass(frozen=True, slots=True)
class Readings:
    """Everything that one reading told, by name; `at_ns` is the host's monotonic time of its oldest answer."""

    values: Mapping[str, Value]
    at_ns: int


class Reader(Protocol):
    """Reads one device; it sends only what changes nothing there."""

    @property
    def loss(self) -> CommandFailed | None:
        """Return why there is no wire; None while there is one."""
        ...

    async def open(self) -> str | CommandFailed:
        """Open the conversation, afresh after a loss, and return who answers, in words."""
        ...

    async def read(self) -> Readings | CommandFailed:
        """Read everything once."""
        ...

    async def close(self) -> None:
        """Leave the wire; closing twice is harmless."""
        ...


def known(value: Content | None, unit: str = NO_UNIT, *, alarm: bool = False) -> Value:
    """Return a value that the device told; None is one that it does not have."""
    if value is None:
        return Value(None, unit, Status.MISSING)
    return Value(value, unit, Status.ALARM if alarm else Status.OK)
