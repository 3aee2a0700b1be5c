"""Buttons and the lamp beside the screen: what an edge means, and how the lamp shows the session."""

from collections.abc import Mapping
from dataclasses import dataclass

from nebctl.core.alarms import Priority
from nebctl.core.session.state import State

START, STOP = "start", "stop"
LAMP, BUZZER = "lamp", "buzzer"
HOLD_NS = 800_000_000
"""How long START is held, as on the page (S44)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A button went down, or up again; `button` is START or STOP."""

    button: str
    down: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Blink:
    """How long a lamp is on and off in turn, in milliseconds; `off_ms` 0 is steady, `on_ms` 0 is dark."""

    on_ms: int
    off_ms: int

    def is_on(self, at_ns: int) -> bool:
        """Return whether it is lit at a moment of the monotonic clock."""
        if not self.on_ms or not self.off_ms:
            return self.on_ms > 0
        return at_ns // 1_000_000 % (self.on_ms + self.off_ms) < self.on_ms


DARK, STEADY = Blink(on_ms=0, off_ms=0), Blink(on_ms=1, off_ms=0)
SLOW, WAITS = Blink(on_ms=1000, off_ms=1000), Blink(on_ms=200, off_ms=1800)
BY_PRIORITY: Mapping[Priority, Blink] = {
    Priority.HIGH: Blink(on_ms=250, off_ms=250),
    Priority.MEDIUM: Blink(on_ms=800, off_ms=800),
}
"""2 Hz and 0.625 Hz. Source: IEC 60601-1-8, table 2: high 1.4 to 2.8 Hz, medium 0.4 to 0.8 Hz."""
_AT_REST = frozenset((State.IDLE, State.SIGNING, State.RESIDUAL))
_SLOWLY = frozenset((State.PAUSED, State.RESUME_INTENDED))
_READY = frozenset((State.READY,))


def lamp_of(state: State, priority: Priority | None) -> Blink:
    """Return how the lamp shows a session: an alarm first, steady while aerosol may come, dark at rest.

    `priority` is that of the highest alarm, None where none stands.
    """
    if priority is not None and priority in BY_PRIORITY:
        return BY_PRIORITY[priority]
    if state in _AT_REST:
        return DARK
    if state in _READY:
        return WAITS
    if state in _SLOWLY:
        return SLOW
    return DARK if state in (State.AUTHORISED, State.CHARGED) else STEADY
