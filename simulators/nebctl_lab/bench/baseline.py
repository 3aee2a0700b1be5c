"""The bare client and server that are measured against: pymodbus as it comes, and its only use as either here.

`python -m nebctl_lab.bench.baseline` runs the server.
"""

import asyncio
import signal
import time
from typing import Any

from pymodbus.client import AsyncModbusSerialClient
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice


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


async def serve_bare() -> None:
    """Serve a hundred holding registers of unit 1 on a free port of loopback, until SIGTERM; say so on stdout."""
    device = SimDevice(1, SimData(0, count=100, values=7, datatype=DataType.REGISTERS))
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    server = ModbusTcpServer(device, address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    listener: Any = server.transport
    port = listener.sockets[0].getsockname()[1]
    print(f"ready 127.0.0.1:{port}", flush=True)  # noqa: T201 - the parent waits for it
    await ended.wait()
    server.close()


if __name__ == "__main__":
    asyncio.run(serve_bare())
