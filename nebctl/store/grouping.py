"""Group commit: appends that wait for the writer's thread together share one transaction, and so one fsync."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Final

from nebctl.core.ledger.records import Entry
from nebctl.store.faults import closed
from nebctl.store.writer import Append, Outcome

MOST_RECORDS: Final = 100
"""A group takes no further append once it holds so many records: its first must not wait long for its last."""


class Grouping:
    """Hands appends to the thread in the order of their calls, as many together as wait; used from one event loop."""

    def __init__(self, thread: Executor, write: Callable[[Sequence[Append]], Sequence[Outcome]]) -> None:
        self._thread = thread
        self._write = write
        self._lock = threading.Lock()
        self._open: _Group | None = None

    async def append(self, append: Append) -> tuple[Entry, ...]:
        """Return what became of the append, which joins the group that waits or begins one.

        Raises: `StoreFault` where the thread takes nothing more; else what the write said of this append.
        """
        group, place = self._join(append)
        if place == 0:
            self._begin(group)
        # Shielded: a caller that is cancelled stops waiting, while the group is written to its end.
        outcomes = await asyncio.shield(group.written)
        outcome = outcomes[place]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def end(self) -> None:
        """Let nothing more join: a call of another kind follows, which later appends must not overtake."""
        with self._lock:
            self._open = None

    def _join(self, append: Append) -> "tuple[_Group, int]":
        with self._lock:
            if self._open is None or self._open.records >= MOST_RECORDS:
                self._open = _Group()
            return self._open, self._open.add(append)

    def _begin(self, group: "_Group") -> None:
        # Without the lock: an executor may do the work at once, in this very thread.
        try:
            group.written = asyncio.wrap_future(self._thread.submit(self._run, group))
        except RuntimeError as error:
            self.end()
            raise closed() from error

    def _run(self, group: "_Group") -> Sequence[Outcome]:
        with self._lock:
            if self._open is group:
                self._open = None
        return self._write(group.appends)


class _Group:
    """Appends that share a transaction; `written` says what became of each, in their order."""

    written: "asyncio.Future[Sequence[Outcome]]"

    def __init__(self) -> None:
        self.appends: list[Append] = []
        self.records = 0

    def add(self, append: Append) -> int:
        """Take one more and return its place."""
        self.appends.append(append)
        self.records += len(append.drafts)
        return len(self.appends) - 1
