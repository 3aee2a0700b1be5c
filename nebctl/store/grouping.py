"""Group commit: appends that wait for the writer's thread together share one transaction, and so one fsync."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from typing import Final

from nebctl.core.ledger.records import Entry
from nebctl.store.writer import Append, Outcome

MOST_RECORDS: Final = 100
"""A group takes no further append once it holds so many records: its first must not wait long for its last."""


class Grouping:
    """Hands appends to the thread in the order of their calls, as many together as wait."""

    def __init__(self, thread: Executor, write: Callable[[Sequence[Append]], Sequence[Outcome]]) -> None:
        self._thread = thread
        self._write = write
        self._lock = threading.Lock()
        self._open: _Group | None = None

    def submit(self, append: Append) -> Future[tuple[Entry, ...]]:
        """Return what will become of the append; it joins the group that waits, or begins one.

        Raises: `RuntimeError` where the thread takes nothing more.
        """
        future: Future[tuple[Entry, ...]] = Future()
        with self._lock:
            joined = self._open if self._open is not None and self._open.records < MOST_RECORDS else None
            group = self._open = joined or _Group()
            group.add(append, future)
        if joined is None:
            self._begin(group)  # without the lock: an executor may do the work at once, in this very thread
        return future

    def _begin(self, group: "_Group") -> None:
        try:
            self._thread.submit(self._run, group)
        except RuntimeError:
            self.end()
            raise

    def end(self) -> None:
        """Let nothing more join: a call of another kind follows, which later appends must not overtake."""
        with self._lock:
            self._open = None

    def _run(self, group: "_Group") -> None:
        with self._lock:
            if self._open is group:
                self._open = None
        try:
            outcomes = self._write(group.appends)
        except BaseException as error:
            outcomes = [error if isinstance(error, Exception) else RuntimeError(repr(error))] * len(group.appends)
        for future, outcome in zip(group.futures, outcomes, strict=True):
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)


class _Group:
    """Appends that share a transaction, and the futures of their callers."""

    def __init__(self) -> None:
        self.appends: list[Append] = []
        self.futures: list[Future[tuple[Entry, ...]]] = []
        self.records = 0

    def add(self, append: Append, future: Future[tuple[Entry, ...]]) -> None:
        """Take one more."""
        self.appends.append(append)
        self.futures.append(future)
        self.records += len(append.drafts)
