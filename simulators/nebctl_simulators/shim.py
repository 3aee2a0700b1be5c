"""Faults of the line between controller and host, on bytes: any device's answers pass through it."""

import random
from collections import deque
from dataclasses import dataclass
from enum import StrEnum

NS_PER_MS = 1_000_000


class LineFault(StrEnum):
    """What can happen to one answer on its way."""

    DROP_REPLY = "drop_reply"
    LATE = "late"
    BAD_CRC = "bad_crc"
    GARBAGE = "garbage"
    DUPLICATE_REPLY = "duplicate_reply"
    SPLIT = "split"


@dataclass(slots=True)
class Armed:
    """A fault that waits for answers: how many more it takes, and its time in ms where it has one."""

    fault: LineFault
    count: int
    ms: int


class Shim:
    """Queues the bytes to the host and spoils answers as told; bytes keep their order, as on a wire."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(f"{seed}/shim")  # noqa: S311 - noise, not a secret
        self._armed: list[Armed] = []
        self._queue: deque[tuple[int, bytes]] = deque()

    def arm(self, fault: LineFault, count: int, ms: int) -> None:
        """Let the fault take the next `count` answers, after those that were armed before it."""
        self._armed.append(Armed(fault, count, ms))

    def armed(self) -> dict[str, int]:
        """Return how many answers each armed fault will still take."""
        counts: dict[str, int] = {}
        for item in self._armed:
            counts[item.fault.value] = counts.get(item.fault.value, 0) + item.count
        return counts

    def clear(self) -> None:
        """Disarm every fault; what is queued still goes out."""
        self._armed.clear()

    def discard(self) -> None:
        """Lose what is queued, as when the cable is pulled."""
        self._queue.clear()

    def send(self, line: bytes, now_ns: int) -> None:
        """Queue a line that no fault takes, such as an event."""
        self._enqueue(line, now_ns)

    def answer(self, line: bytes, now_ns: int) -> None:
        """Queue an answer, spoiled by the first armed fault if there is one."""
        fault, ms = self._next_fault()
        match fault:
            case None:
                self._enqueue(line, now_ns)
            case LineFault.DROP_REPLY:
                pass
            case LineFault.LATE:
                self._enqueue(line, now_ns + ms * NS_PER_MS)
            case LineFault.BAD_CRC:
                self._enqueue(_spoil_crc(line), now_ns)
            case LineFault.GARBAGE:
                self._enqueue(self._chance.randbytes(len(line)), now_ns)
            case LineFault.DUPLICATE_REPLY:
                self._enqueue(line + line, now_ns)
            case LineFault.SPLIT:
                middle = len(line) // 2
                self._enqueue(line[:middle], now_ns)
                self._enqueue(line[middle:], now_ns + ms * NS_PER_MS)

    def due(self, now_ns: int) -> bytes:
        """Return the bytes whose time has come, and forget them."""
        ready = bytearray()
        while self._queue and self._queue[0][0] <= now_ns:
            ready += self._queue.popleft()[1]
        return bytes(ready)

    def _enqueue(self, data: bytes, due_ns: int) -> None:
        # What stands behind a late answer waits for it: a wire does not reorder.
        behind_ns = self._queue[-1][0] if self._queue else due_ns
        self._queue.append((max(due_ns, behind_ns), data))

    def _next_fault(self) -> tuple[LineFault | None, int]:
        if not self._armed:
            return None, 0
        first = self._armed[0]
        first.count -= 1
        if first.count == 0:
            self._armed.pop(0)
        return first.fault, first.ms


def _spoil_crc(line: bytes) -> bytes:
    """Return the line with the last digit of its checksum changed."""
    digit = b"0" if line[-3:-2] != b"0" else b"1"
    return line[:-3] + digit + line[-2:]
