"""The bare client that the guard is measured against; the only use of pymodbus's client in this project."""

import asyncio
import time

from pymodbus.client import AsyncModbusSerialClient


async def read_bare(port: str, baud: int, unit: int, count: int, requests: int, gap_s: float) -> float:
    """Return the reads per second of a bare client that keeps the silence `gap_s` between frames.

    Raises: `RuntimeError` where a read fails: nothing else is on the line.
    """
    client = AsyncModbusSerialClient(port, baudrate=baud, timeout=0.5, retries=0)
    if not await client.connect():
        raise RuntimeError(f"{port}: the bare client did not connect")
    try:
        began = time.perf_counter()
        for _ in range(requests):
            answer = await client.read_holding_registers(0, count=count, device_id=unit)
            if answer.isError() or len(answer.registers) != count:
                raise RuntimeError(f"{port}: {answer}")
            await asyncio.sleep(gap_s)
        return requests / (time.perf_counter() - began)
    finally:
        client.close()
