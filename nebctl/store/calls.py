"""Calls from the event loop into the thread that owns a database, answered at the loop's next turn.

The executor's own future comes to a task by way of two more, and each of them costs a turn of the loop.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any, NamedTuple, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Answer(NamedTuple):
    """What a future is to hold: the result, or in its place what was raised (None: nothing was)."""

    given: "asyncio.Future[Any]"
    result: object
    fault: BaseException | None = None


def begin(thread: Executor, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> "asyncio.Future[_T]":
    """Let the thread do the work, and return what will hold its result or what it raised.

    Once begun it runs to its end, also where whoever awaits the result is cancelled.
    Raises: `RuntimeError` where the thread takes nothing more.
    """
    loop = asyncio.get_running_loop()
    given: asyncio.Future[_T] = loop.create_future()

    def run() -> None:
        try:
            answer = Answer(given, work(*args, **kwargs))
        except BaseException as fault:  # the caller's, whatever it is
            answer = Answer(given, None, fault)
        tell(loop, (answer,))

    thread.submit(run)
    return given


def tell(loop: asyncio.AbstractEventLoop, answers: Sequence[Answer]) -> None:
    """Give the answers to futures of the loop from any thread, all at one turn; a loop that has ended hears nothing."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(_settle, answers)


def _settle(answers: Sequence[Answer]) -> None:
    for given, result, fault in answers:
        if given.done():  # its task was cancelled, and waits no more
            continue
        if fault is None:
            given.set_result(result)
        else:
            given.set_exception(fault)
