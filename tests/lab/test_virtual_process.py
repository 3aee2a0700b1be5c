"""Processes on the virtual loop: frozen, thawed and killed."""

import asyncio
import contextvars
from collections.abc import Callable

import pytest

from nebctl_lab.virtual import Process, VirtualLoop

pytestmark = pytest.mark.virtual


def virtual_loop() -> VirtualLoop:
    """Return the loop that the test runs on."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop


async def tell_each_second(seen: list[float]) -> None:
    """Note the time each second."""
    while True:
        await asyncio.sleep(1)
        seen.append(virtual_loop().time())


async def test_a_frozen_process_does_nothing_while_time_and_others_go_on() -> None:
    """What a frozen process had to do waits for the thaw, is done then, and nobody else is held up."""
    inside: list[float] = []
    outside: list[float] = []
    process = Process(virtual_loop())
    process.start(tell_each_second(inside))
    other = asyncio.create_task(tell_each_second(outside))
    await asyncio.sleep(2.5)
    process.freeze()
    await asyncio.sleep(10)
    assert (inside, len(outside)) == ([1.0, 2.0], 12)
    process.thaw()
    await asyncio.sleep(0.1)
    assert inside == pytest.approx([1.0, 2.0, 12.5])
    other.cancel()
    await process.kill()


async def test_what_a_process_begins_belongs_to_it() -> None:
    """Tasks and timers that a process begins freeze with it, as those of an operating system's process."""
    seen: list[str] = []

    async def begin_more() -> None:
        virtual_loop().call_later(1, seen.append, "timer")
        asyncio.ensure_future(tell())  # noqa: RUF006 - it is over before the test is
        await asyncio.sleep(5)

    async def tell() -> None:
        await asyncio.sleep(1)
        seen.append("task")

    process = Process(virtual_loop())
    process.start(begin_more())
    await asyncio.sleep(0.5)
    process.freeze()
    await asyncio.sleep(20)
    assert seen == []
    process.thaw()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert sorted(seen) == ["task", "timer"]
    await process.kill()


async def test_a_timer_that_is_cancelled_at_the_thaw_does_not_fire() -> None:
    """An answer that came while the process was frozen wins against its time-out, as on a real loop that was late."""
    answer: asyncio.Future[str] = virtual_loop().create_future()

    async def wait() -> str:
        async with asyncio.timeout(5):
            return await answer

    process = Process(virtual_loop())
    task = process.start(wait())
    await asyncio.sleep(1)
    process.freeze()
    answer.set_result("in time")
    await asyncio.sleep(60)
    process.thaw()
    assert await task == "in time"


async def test_a_killed_process_ends_at_once_and_does_nothing_more() -> None:
    """A kill takes no time, even from a task that waits in its last words, and no timer of it fires afterwards."""
    seen: list[str] = []

    async def cling() -> None:
        virtual_loop().call_later(2, seen.append, "timer")
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(60)
            seen.append("late")

    process = Process(virtual_loop())
    task = process.start(cling())
    await asyncio.sleep(1)
    before = virtual_loop().time()
    await process.kill()
    assert (virtual_loop().time(), task.cancelled()) == (before, True)
    await asyncio.sleep(120)
    assert seen == []


async def test_a_task_that_cannot_be_killed_is_told() -> None:
    """A task that swallows every cancellation ends the kill with an error instead of a hang."""
    spared = False

    async def stay() -> None:
        while not spared:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                continue

    process = Process(virtual_loop())
    task = process.start(stay())
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="goes on"):
        await process.kill()
    spared = True
    task.cancel()
    await asyncio.wait({task})


async def test_a_process_leaves_its_starter_outside() -> None:
    """The code that starts a process does not become a part of it."""
    process = Process(virtual_loop())
    called: list[str] = []
    note: Callable[[str], None] = called.append
    process.freeze()
    virtual_loop().call_soon(note, "mine", context=contextvars.copy_context())
    await asyncio.sleep(0)
    assert called == ["mine"]
