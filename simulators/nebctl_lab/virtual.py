"""An event loop whose time jumps to the next timer instead of waiting for it, and processes on it that can freeze."""

import asyncio
import contextvars
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar

T = TypeVar("T")

LAST_TURNS = 200
"""How many turns of the loop a killed process may take to unwind; no time passes in them."""
_PROCESS: contextvars.ContextVar["Process | None"] = contextvars.ContextVar("process", default=None)


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
        return ready


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

    # What a process does may have to wait.

    def create_task(self, coro: Any, **options: Any) -> "asyncio.Task[Any]":
        """Return a task for the coroutine; one that a process begins belongs to that process."""
        task: asyncio.Task[Any] = super().create_task(coro, **options)
        process = _process_of(options.get("context"))
        if process is not None:
            process.adopt(task)
        return task

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """Run a callback in the next turn, or once its process is thawed."""
        self._check_closed()  # type: ignore[attr-defined]
        process = _process_of(context)
        handle = asyncio.Handle(callback, args, self, context)
        if process is not None and process.halted:
            process.park(handle)
        else:
            self.requeue(handle)
        return handle

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """Run a callback at its time, or once its process is thawed."""
        process = _process_of(context)
        if process is None:
            return super().call_at(when, callback, *args, context=context)
        gate = _Gate(process, callback, args)
        gate.timer = super().call_at(when, gate, context=context)
        return gate.timer

    def requeue(self, handle: asyncio.Handle) -> None:
        """Let a callback run in the next turn, behind those that are ready."""
        self._ready.append(handle)  # type: ignore[attr-defined]


class _Gate:
    """A timer of a process: what falls due while the process is frozen runs at the thaw, unless it was cancelled."""

    def __init__(self, process: "Process", callback: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self._process = process
        self._callback = callback
        self._args = args
        self.timer: asyncio.TimerHandle | None = None

    def __call__(self) -> None:
        if self._process.halted:
            self._process.park(asyncio.Handle(self._run_late, (), self._process.loop))
        else:
            self._callback(*self._args)

    def _run_late(self) -> None:
        if self.timer is None or not self.timer.cancelled():
            self._callback(*self._args)


class Process:
    """A part of a virtual loop's work that can be frozen, thawed and killed, as an operating system's process can.

    Tasks and timers belong to it that were begun by `start` or by what belongs to it.
    """

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.halted = False
        self._dead = False
        self._context = contextvars.copy_context()
        self._context.run(_PROCESS.set, self)
        self._parked: list[asyncio.Handle] = []
        self._tasks: dict[asyncio.Task[Any], None] = {}  # in the order of their beginning: a set has no order

    def start(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Begin work that belongs to this process."""
        task: asyncio.Task[T] = self.loop.create_task(work, context=self._context.copy())
        return task

    def freeze(self) -> None:
        """Let nothing of it run from now on; what comes meanwhile waits."""
        self.halted = True

    def thaw(self) -> None:
        """Let it go on, with all that has waited, in order."""
        if not self._dead:
            self.halted = False
        parked, self._parked = self._parked, []
        for handle in parked:
            self.loop.requeue(handle)

    async def kill(self) -> None:
        """End all of it now; no time passes.

        Python unwinds every task all the same: whoever kills takes away before what the dying must not touch.
        Raises: `RuntimeError` where a task does not end.
        """
        self.thaw()
        for _ in range(LAST_TURNS):
            left = [task for task in self._tasks if not task.done()]
            if not left:
                break
            for task in left:
                task.cancel()
            await asyncio.sleep(0)
        else:
            raise RuntimeError(f"a killed process goes on: {left}")
        self._dead = self.halted = True

    def adopt(self, task: "asyncio.Task[Any]") -> None:
        """Take a task in that was begun by this process."""
        self._tasks[task] = None
        task.add_done_callback(self._forget, context=contextvars.Context())

    def park(self, handle: asyncio.Handle) -> None:
        """Keep a callback until the thaw; a dead process has none."""
        if not self._dead:
            self._parked.append(handle)

    def _forget(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.pop(task, None)


def _process_of(context: contextvars.Context | None) -> Process | None:
    return _PROCESS.get() if context is None else context.get(_PROCESS)


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on a new virtual loop and return its result."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
