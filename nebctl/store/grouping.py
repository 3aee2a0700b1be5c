"""Group commit: appends that wait for the writer's thread together share one transaction, and so one fsync."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Final, TypeAlias

from nebctl.core.ledger.records import Entry
from nebctl.store.calls import Answer, tell
from nebctl.store.faults import closed
from nebctl.store.writer import Append, Outcome

Entries: TypeAlias = tuple[Entry, ...]
_Given: TypeAlias = "asyncio.Future[Entries]"

MOST_RECORDS: Final = 100
"""A group takes no further append once it holds so many records: its first must not wait long for its last."""


class Grouping:
    """Hands appends to the thread in the order of their calls, as many together as wait; used from one event loop."""

    def __init__(self, thread: Executor, write: Callable[[Sequence[Append]], Sequence[Outcome]]) -> None:
        self._thread = thread
        self._write = write
        self._lock = threading.Lock()
        self._open: _Group | None = None

    async def append(self, append: Append) -> Entries:
        """Return what became of the append, which joins the group that waits or begins one.

        A group is written to its end also where a caller of it is cancelled.
        Raises: `StoreFault` where the thread takes nothing more; else what the write said of this append.
        """
        group, given, first = self._join(append)
        if first:
            self._begin(group)
        return await given

    def end(self) -> None:
        """Let nothing more join: a call of another kind follows, which later appends must not overtake."""
        with self._lock:
            self._open = None

    def _join(self, append: Append) -> "tuple[_Group, _Given, bool]":
        """Return the group that the append is in now, what will hold its outcome, and whether it is the first."""
        with self._lock:
            if self._open is None or self._open.records >= MOST_RECORDS:
                self._open = _Group()
            return self._open, self._open.add(append), len(self._open.appends) == 1

    def _begin(self, group: "_Group") -> None:
        # Without the lock: an executor may do the work at once, in this very thread.
        try:
            self._thread.submit(self._run, group)
        except RuntimeError as error:
            self.end()
            raise closed() from error

    def _run(self, group: "_Group") -> None:
        with self._lock:
            if self._open is group:
                self._open = None
        try:
            outcomes: Sequence[Entries | BaseException] = self._write(group.appends)
        except BaseException as fault:  # the callers', whatever it is
            outcomes = [fault] * len(group.appends)
        tell(group.loop, [_answer(*each) for each in zip(group.given, outcomes, strict=True)])


class _Group:
    """Appends that share a transaction, and what will hold the outcome of each for its caller."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.appends: list[Append] = []
        self.given: list[_Given] = []
        self.records = 0

    def add(self, append: Append) -> "_Given":
        """Take one more and return what will hold its outcome."""
        given: _Given = self.loop.create_future()
        self.appends.append(append)
        self.given.append(given)
        self.records += len(append.drafts)
        return given


def _answer(given: "_Given", outcome: Entries | BaseException) -> Answer:
    return Answer(given, None, outcome) if isinstance(outcome, BaseException) else Answer(given, outcome)
