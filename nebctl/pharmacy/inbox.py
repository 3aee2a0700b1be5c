"""Record messages that wait for the database: those that wait together are taken together."""

import asyncio
from collections import deque

from nebctl.pharmacy.ingest import Arrival

MOST_BYTES = 64 * 1024 * 1024
"""What waits at most; a unit sends again what found no room."""
TOGETHER = 500
IDLE_TURNS = 5
"""A message that the socket holds is here after some turns of the loop; a turn without news costs microseconds."""


class Inbox:
    """A queue of messages that is emptied in handfuls, bounded by the bytes that it holds."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._waiting: deque[Arrival] = deque()
        self._came = asyncio.Event()

    def put(self, arrival: Arrival) -> bool:
        """Add a message, and return whether there was room for it."""
        if self._bytes + len(arrival.body) > self._most_bytes:
            return False
        self._bytes += len(arrival.body)
        self._waiting.append(arrival)
        self._came.set()
        return True

    async def take(self) -> list[Arrival]:
        """Wait until something is there, and take at most `TOGETHER` messages, the oldest first.

        Where several come, what is already on its way is waited for: the database's thread and the loop share one
        interpreter, and while the one works the other reads little. One that comes alone is taken at once.
        """
        waited = self._came.is_set()
        await self._came.wait()
        if waited or len(self._waiting) > 1:
            await self._settle()
        return self._take_out()

    def take_waiting(self) -> list[Arrival]:
        """Take out what a handful more waits, so that it can be read ahead; nothing where it is less."""
        return self._take_out() if len(self._waiting) >= TOGETHER else []

    def _take_out(self) -> list[Arrival]:
        handful = [self._waiting.popleft() for _ in range(min(len(self._waiting), TOGETHER))]
        self._bytes -= sum(len(arrival.body) for arrival in handful)
        if not self._waiting:
            self._came.clear()
        return handful

    async def _settle(self) -> None:
        idle, before = 0, len(self._waiting)
        while idle < IDLE_TURNS and before < TOGETHER:
            await asyncio.sleep(0)
            idle = 0 if len(self._waiting) > before else idle + 1
            before = len(self._waiting)
