"""How long things take on a bus, and what becomes of a request there."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeAlias

from nebctl.core.device import Certainty, CommandFailed

from .exchange import A, A_co

MOST_WIRE_S = 0.040
"""No exchange occupies the wire for longer, because a STOP may have to wait for its end (S20)."""
LEAST_THINK_S = 0.005
"""What a station is given to answer a STOP at least, before the next frame goes out."""
LONGEST_FRAME = 256
NOTHING = "no answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long things take on a bus, in seconds.

    `answer_s` is how long a station may think; `baud` None means that the wire's own time does not count (TCP);
    `char_bits` are start, data, parity and stop bits; `gap_s` is the silence between frames; `latency_s` is what an
    adapter holds bytes back, each way.
    """

    answer_s: float
    baud: int | None = None
    char_bits: int = 10
    gap_s: float = 0.0
    latency_s: float = 0.0

    def wire_s(self, count: int) -> float:
        """Return how long `count` bytes occupy the wire."""
        return count * self.char_bits / self.baud if self.baud else 0.0

    def late_s(self) -> float:
        """Return how long after its time an answer may still come: thinking, the longest frame, and the adapter."""
        return self.answer_s + self.wire_s(LONGEST_FRAME) + 2 * self.latency_s


@dataclass(frozen=True, slots=True)
class Reply(Generic[A_co]):
    """An answer, and the host's monotonic time of its arrival in ns."""

    answer: A_co
    at_ns: int


@dataclass(frozen=True, slots=True)
class Silence:
    """No answer in time, or a STOP went ahead; `seen` says what came instead."""

    seen: str = NOTHING


Result: TypeAlias = Reply[A] | Silence | CommandFailed
Permit: TypeAlias = Callable[[], CommandFailed | None]
"""Asked in the very moment before the bytes go out; a failure keeps them back."""


def too_long(wire_s: float) -> CommandFailed:
    """Return the refusal of an exchange that would occupy the wire for `wire_s`."""
    return CommandFailed(
        command="request",
        certainty=Certainty.NOT_DONE,
        seen=f"an exchange of {wire_s * 1000:.0f} ms on the wire",
        expected=f"at most {MOST_WIRE_S * 1000:.0f} ms, so that a STOP need not wait longer",
        advice="Raise the baud rate, or read smaller blocks.",
    )


NOT_OPEN = CommandFailed(
    command="request",
    certainty=Certainty.NOT_DONE,
    seen="no open conversation",
    expected="one",
    advice="Open the device first.",
)
READER_ENDED = CommandFailed(
    command="read",
    certainty=Certainty.UNKNOWN,
    seen="the reader ended by itself",
    expected="a reader for as long as the device is open",
    advice="Close the device and open it again.",
)
UNUSABLE = CommandFailed(
    command="read",
    certainty=Certainty.UNKNOWN,
    seen="",
    expected="the device's own protocol",
    advice="Check [device] port: another service answers there.",
)
