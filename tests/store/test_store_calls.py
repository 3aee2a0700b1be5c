"""Calls into a database's thread: what was begun ends, and each caller hears what became of its own."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from nebctl.store.calls import Answer, begin, tell


@pytest.fixture
def thread() -> Iterator[ThreadPoolExecutor]:
    """Give one thread."""
    with ThreadPoolExecutor(1) as one:
        yield one


def fail() -> None:
    """Raise what a database might."""
    raise OSError("the disk is gone")


async def test_the_result_or_the_fault_comes_back(thread: ThreadPoolExecutor) -> None:
    """A call gives what its work returns, which may be a fault as a value, and raises what it raises."""
    value = ValueError("a value")
    assert await begin(thread, max, 3, 7) == 7
    assert await begin(thread, lambda: value) is value
    with pytest.raises(OSError, match="the disk is gone"):
        await begin(thread, fail)


async def test_work_that_was_begun_ends_though_its_caller_is_cancelled(thread: ThreadPoolExecutor) -> None:
    """A cancelled caller waits no more; the work is done all the same, and the next call follows it."""
    gate, done = threading.Event(), list[str]()

    def work() -> None:
        gate.wait()
        done.append("first")

    first = asyncio.ensure_future(begin(thread, work))
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    gate.set()
    await begin(thread, done.append, "second")
    assert done == ["first", "second"]


async def test_a_thread_that_takes_nothing_more_says_so(thread: ThreadPoolExecutor) -> None:
    """A call to a thread that was shut down raises at once, instead of waiting for ever."""
    thread.shutdown()
    with pytest.raises(RuntimeError, match="shutdown"):
        begin(thread, fail)


async def test_one_turn_answers_all(thread: ThreadPoolExecutor) -> None:
    """Answers that are told together come together, and a caller that has gone takes none from the others."""
    loop = asyncio.get_running_loop()
    given: list[asyncio.Future[int]] = [loop.create_future() for _ in range(3)]
    given[1].cancel()
    await begin(thread, tell, loop, (Answer(given[0], 1), Answer(given[1], 2), Answer(given[2], None, OSError("no"))))
    assert given[0].result() == 1
    assert given[1].cancelled()
    assert isinstance(given[2].exception(), OSError)


def test_a_loop_that_has_ended_is_told_nothing(thread: ThreadPoolExecutor) -> None:
    """What ends after its loop disturbs nobody: a unit that is switched off in mid-commit ends without a traceback."""
    loop, gate = asyncio.new_event_loop(), threading.Event()

    async def leave() -> None:
        begin(thread, gate.wait)

    loop.run_until_complete(leave())
    loop.close()
    gate.set()
    assert thread.submit(max, 3, 7).result(timeout=10) == 7
