"""One code from a stream of bytes: it ends with Enter, comes in one go, and has a sensible length."""

from dataclasses import dataclass

from nebctl.core.instant import NS_PER_S
from nebctl.core.scan.message import LONGEST

PAUSE_NS = NS_PER_S // 4
"""A scanner sends a code in one go; what pauses for so long in mid-code was broken off, or is typed by hand.

Source: a wedge scanner's keys are under 30 ms apart; a planning figure well beyond.
"""
_MOST = 2 * LONGEST


@dataclass(frozen=True, slots=True)
class Half:
    """Something that is no whole code: broken off, too long, or typed by hand; `length` counts its bytes."""

    length: int


@dataclass(frozen=True, slots=True)
class Framing:
    """What has come of a code so far, and when its newest byte came, in monotonic nanoseconds."""

    begun: bytes = b""
    at_ns: int = 0


def feed(framing: Framing, data: bytes, now_ns: int) -> tuple[Framing, tuple[str | Half, ...]]:
    """Return what is left over, and the codes that ended; a code that was broken off before is a `Half`."""
    framing, late = expire(framing, now_ns)
    *whole, rest = (framing.begun + data).replace(b"\n", b"\r").split(b"\r")
    found = [_code(text) for text in whole if text]
    if len(rest) > _MOST:
        found, rest = [*found, Half(len(rest))], b""
    return Framing(rest, now_ns), (*late, *found)


def expire(framing: Framing, now_ns: int) -> tuple[Framing, tuple[Half, ...]]:
    """Return what is still to be completed; a code whose end did not come in time is given up."""
    if not framing.begun or now_ns - framing.at_ns < PAUSE_NS:
        return framing, ()
    return Framing(), (Half(len(framing.begun)),)


def _code(text: bytes) -> str | Half:
    return Half(len(text)) if len(text) > _MOST else text.decode("utf-8", errors="replace")
