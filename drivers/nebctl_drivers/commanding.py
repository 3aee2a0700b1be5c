"""What every nebulizer's driver does alike: open whole or not at all, and one start at a time."""

from collections.abc import Awaitable, Callable
from typing import Any

from nebctl.core.device import Certainty, CommandFailed, DeviceReport, Identity

from .stopping import StopSwitch

_RUN_DIGITS = frozenset("0123456789abcdef")


async def open_whole(
    greet: Callable[[], Awaitable[Identity | CommandFailed]], close: Callable[[], Awaitable[None]]
) -> Identity | CommandFailed:
    """Return who answered; where nobody did, or the caller was cancelled, the conversation is closed again."""
    identity: Identity | CommandFailed | None = None
    try:
        identity = await greet()
    finally:
        if not isinstance(identity, Identity):
            await close()
    return identity


class StartGate:
    """Lets one start through at a time, of a run that makes sense, and none after a STOP whose effect is not proven.

    `longest_ms` is the longest on-time that the device takes; a run of zeros is refused where `zero` is False, because
    the device keeps 0 for "none".
    """

    def __init__(self, switch: StopSwitch[Any], *, longest_ms: int, zero: bool) -> None:
        self._switch = switch
        self._longest_ms = longest_ms
        self._zero = zero
        self._starting = False

    async def run(
        self, run: str, max_on_ms: int, start: Callable[[str, int], Awaitable[DeviceReport | CommandFailed]]
    ) -> DeviceReport | CommandFailed:
        """Return what `start` came to, or why it was not let through; nothing is sent then."""
        refusal = self._refuse(run, max_on_ms)
        if refusal is not None:
            return refusal
        self._starting = True
        try:
            return await start(run, max_on_ms)
        finally:
            self._starting = False

    def _refuse(self, run: str, max_on_ms: int) -> CommandFailed | None:
        sound = len(run) == 8 and set(run) <= _RUN_DIGITS and (self._zero or int(run, 16) > 0)
        if not sound or not 1 <= max_on_ms <= self._longest_ms:
            zeros = "" if self._zero else " that are not all 0"
            expected = f"eight hexadecimal digits{zeros}, and 1 to {self._longest_ms} ms"
            return refuse("START", f"run {run!r} for {max_on_ms} ms", expected)
        if self._starting:
            return refuse("START", "another start under way", "one start at a time")
        return self._switch.refuse_unproven()


def refuse(command: str, seen: str, expected: str) -> CommandFailed:
    """Return the refusal of a command of which no byte was sent."""
    return CommandFailed(
        command=command, certainty=Certainty.NOT_DONE, seen=seen, expected=expected, advice="Nothing was sent."
    )
