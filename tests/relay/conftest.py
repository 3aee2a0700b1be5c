"""A cut-off relay on fake GPIO lines, which follows the event loop's time."""

import asyncio
from dataclasses import dataclass, field

GOOD = "one-shot"
RELEASE_S = 0.008
"""What a small relay takes to open, and to close."""


def now() -> float:
    """Return the loop's virtual time in seconds."""
    return asyncio.get_running_loop().time()


@dataclass
class FakeLines:
    """A one-shot of `hold_s` seconds with a clear that is active when low, and a contact that is slow by `RELEASE_S`.

    `kind` names what else may hang on the lines: "plain" follows the pulse line, "latching" stays closed until it is
    cleared, "single" cannot be retriggered, "welded" is closed, "cut" open, "deaf" knows no clear, "late" heeds it
    only at the end of a pulse, "edge" takes the release of clear for a pulse. `welds_at` is the number of the closing
    after which the contact sticks. `moves` are all changes of pulse and clear, with their times.
    """

    kind: str = GOOD
    hold_s: float = 1.9
    welds_at: int = 0
    high: bool = False
    let_go: bool = False
    faults: dict[str, OSError] = field(default_factory=dict)
    released: bool = False
    moves: list[tuple[float, str, bool]] = field(default_factory=list)
    closings: int = 0
    _began: float | None = None
    _ended: float | None = None
    _from: float = 0.0

    @property
    def rises(self) -> list[float]:
        """Return when the pulse line rose."""
        return [when for when, line, value in self.moves if line == "pulse" and value]

    @property
    def closed(self) -> bool:
        """Return what the contact does."""
        if self.kind in {"welded", "cut", "plain"}:
            return {"welded": True, "cut": False, "plain": self.high}[self.kind]
        if self._began is None or now() < self._from:
            return False
        end = self._ended if self._ended is not None else float("inf")
        if self.kind != "latching":
            end = min(end, self._began + self.hold_s)
        return now() < end + RELEASE_S

    def drive(self, *, high: bool) -> None:
        """Set the pulse line."""
        self._fail("pulse")
        if high == self.high:
            return
        self.high = high
        self.moves.append((now(), "pulse", high))
        if high and (self.let_go or self.kind in {"deaf", "late"}):
            self._trigger()

    def clear(self, *, active: bool) -> None:
        """Set the clear line."""
        self._fail("clear")
        if active != self.let_go:
            return
        self.let_go = not active
        self.moves.append((now(), "clear", active))
        if active and self.kind not in {"deaf", "late"} and self._ended is None:
            self._ended = now()
        if not active and self.kind == "edge":
            self._trigger()

    def is_closed(self) -> bool:
        """Return what the sense line says."""
        self._fail("sense")
        return self.closed

    def release(self) -> None:
        """Give the lines back."""
        self._fail("clear")
        self.drive(high=False)
        self.clear(active=True)
        self.released = True

    def _trigger(self) -> None:
        if self.kind == "single" and self.closed:
            return
        if not self.closed:
            self.closings += 1
            self._from = now() + RELEASE_S
        self._began, self._ended = now(), None
        if self.welds_at and self.closings == self.welds_at:
            self.kind = "welded"

    def _fail(self, line: str) -> None:
        if line in self.faults:
            raise self.faults[line]
