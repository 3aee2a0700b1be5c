"""Work spread over processes, one a core: results in order, and never more values in memory than keep them busy."""

import contextlib
import gc
import itertools
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from typing import Protocol, TypeVar

from nebctl.store.faults import StoreFault

Value = TypeVar("Value")
Result = TypeVar("Result")

AHEAD = 3
"""Values that wait for each process, so that none is idle while results are taken."""


class Each(Protocol):
    """Calls a function for each of many values and yields the results in their order, as `map` does."""

    def __call__(self, function: Callable[[Value], Result], values: Iterable[Value], /) -> Iterator[Result]:
        """Yield `function(value)` for each value."""
        ...


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


def on_cores(processes: int) -> Each:
    """Return a `map` that runs in so many processes; a single value, or a single process, needs no other.

    Function and values are pickled. Its iterator raises `StoreFault` where a process was killed.
    """

    def each(function: Callable[[Value], Result], values: Iterable[Value], /) -> Iterator[Result]:
        stream = iter(values)
        first = list(itertools.islice(stream, 2))
        together = itertools.chain(first, stream)
        return map(function, together) if processes < 2 or len(first) < 2 else _spread(processes, function, together)

    return each


def _spread(processes: int, function: Callable[[Value], Result], values: Iterable[Value]) -> Iterator[Result]:
    pool = ProcessPoolExecutor(processes, mp_context=get_context(_way_to_start()), initializer=_settle)
    waiting: deque[Future[Result]] = deque()
    try:
        for value in values:
            with _uninterrupted():
                waiting.append(pool.submit(function, value))
            if len(waiting) >= AHEAD * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise StoreFault(
            seen="a checking process that was killed",
            expected=f"{processes} processes that run to the end",
            advice="Look whether memory ran out, and try again with fewer: --jobs 1.",
        ) from error
    finally:  # also where the caller wants no more results: what is under way there is not waited for
        pool.shutdown(wait=not waiting, cancel_futures=True)


def _way_to_start() -> str:
    """Return how processes begin: as copies of this one where that is safe, which spares them all the imports.

    A copy of a process with threads may hold a lock for ever that a thread had.
    """
    return "fork" if threading.active_count() == 1 else "spawn"


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back while processes may begin: they have it held back from their first instruction on."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _settle() -> None:
    """Leave Ctrl-C to the parent and end with it, and collect nothing: what a check makes has no cycles."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    gc.disable()


def _end_with_parent() -> None:
    """Wait for the end of the parent, which a kill or a closed terminal may end without a word to its processes."""
    parent = parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
