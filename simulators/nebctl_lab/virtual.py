"""An event loop whose time jumps to the next timer instead of waiting for it."""

import asyncio
import selectors
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any


class _JumpingSelector(selectors.EpollSelector):
    """Select that never waits for a timer: with nothing ready, it moves the loop's time instead."""

    loop: "VirtualLoop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None or self.loop.threads_at_work:
            return super().select(None)  # only I/O or a thread can wake the loop: its time stands still
        self.loop.jump(timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop for tests: an hour of timers costs only the work done in them.

    Time begins at 0 s. While a thread of `run_in_executor` works, time stands still. Meant for memory, socket pairs and
    loopback TCP; a pseudo-terminal delivers late and belongs on a real loop.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self.threads_at_work = 0
        selector = _JumpingSelector()
        super().__init__(selector)
        selector.loop = self

    def time(self) -> float:
        """Return the virtual seconds since the loop was made."""
        return self._now

    def jump(self, seconds: float) -> None:
        """Move time forward to the next timer."""
        self._now += seconds

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> "asyncio.Future[Any]":
        """Run `func` in a thread, with time standing still until it is done."""
        future = super().run_in_executor(executor, func, *args)
        self.threads_at_work += 1
        future.add_done_callback(self._thread_done)
        return future

    def _thread_done(self, _future: "asyncio.Future[Any]") -> None:
        self.threads_at_work -= 1
