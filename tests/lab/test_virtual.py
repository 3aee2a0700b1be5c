"""The virtual loop."""

import asyncio
import time

import pytest


@pytest.mark.virtual
async def test_an_hour_of_timers_passes_in_order_without_waiting():
    """An hour of sleeps ends at virtual 3600 s, in order, in well under a second of work."""
    loop = asyncio.get_running_loop()
    seen: list[float] = []
    for delay in (3600.0, 1.0, 60.0):
        loop.call_later(delay, lambda: seen.append(loop.time()))
    await asyncio.sleep(3600.5)
    assert seen == pytest.approx([1.0, 60.0, 3600.0])


@pytest.mark.virtual
async def test_time_stands_still_while_a_thread_works():
    """A thread's real work costs no virtual time, so a timeout around it does not fire."""
    loop = asyncio.get_running_loop()
    before = loop.time()
    async with asyncio.timeout(0.001):
        await loop.run_in_executor(None, time.sleep, 0.02)
    assert loop.time() == before


@pytest.mark.virtual
async def test_loopback_bytes_arrive_before_any_timeout():
    """A reply that is under way on loopback TCP wins against a virtual timeout."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(4))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"ping")
    async with asyncio.timeout(1):
        assert await reader.readexactly(4) == b"ping"
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()
