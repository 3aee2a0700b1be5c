"""A unit whose disk is stalled while STOP may come, and whose log is blocked; told to, it presses STOP by itself."""

import asyncio
import logging
import os
import random
import struct
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from nebctl.config import LoadedConfig, load_config
from nebctl.core.session import State
from nebctl.daemon import open_parts
from nebctl.logs import log_aside
from nebctl.unit import Edge, Unit

STALL_S = 0.5
REST_S = 0.02
_STALLED = frozenset((State.IDLE, State.RUNNING))
"""When STOP is pressed here: at rest, and in a dose. What leads from one to the other is not held up."""
_Given = ParamSpec("_Given")
_Found = TypeVar("_Found")


class StalledThread(ThreadPoolExecutor):
    """A thread whose every job begins half a second late while `stalled` says so, as on a disk that takes nothing."""

    def __init__(self) -> None:
        super().__init__(max_workers=1)
        self.stalled: Callable[[], bool] = lambda: False

    def submit(self, fn: Callable[_Given, _Found], /, *args: _Given.args, **kwargs: _Given.kwargs) -> "Future[_Found]":
        """Take a job; it waits before it runs."""

        def late() -> _Found:
            if self.stalled():
                time.sleep(STALL_S)
            return fn(*args, **kwargs)

        return super().submit(late)


def block_log() -> None:
    """Let everything that is logged go to a pipe that is full and that nobody reads."""
    _, full = os.pipe()
    os.set_blocking(full, False)
    try:
        while True:
            os.write(full, bytes(4096))
    except BlockingIOError:
        os.set_blocking(full, True)
    log_aside(logging.DEBUG, full)


async def press(unit: Unit, calls: Path, presses: int) -> None:
    """Press STOP so often, each time once the one before has ended, and note when."""
    chance, times = random.Random("stops"), []  # noqa: S311 - when to press is no secret
    for _ in range(presses):
        await asyncio.sleep(chance.uniform(0, REST_S))
        times.append(time.monotonic_ns())
        await unit.runner.stop("bench")
        while unit.runner.watch.is_stopping:  # noqa: ASYNC110 - nothing tells that a STOP has ended
            await asyncio.sleep(0.001)
    calls.with_suffix(".new").write_bytes(struct.pack(f"<{len(times)}q", *times))
    calls.with_suffix(".new").rename(calls)


async def serve(loaded: LoadedConfig, calls: Path, presses: int) -> None:
    """Run the unit; with presses, press once it serves."""
    threads: list[StalledThread] = []

    def thread() -> StalledThread:
        threads.append(StalledThread())
        return threads[-1]

    opened = await open_parts(loaded, Edge(thread=thread))
    unit = Unit(opened)
    pressing: list[asyncio.Task[Any]] = []

    def ready(address: str) -> None:
        for each in threads:
            each.stalled = lambda: unit.runner.session.state in _STALLED
        pressing.append(asyncio.get_running_loop().create_task(press(unit, calls, presses)))
        print(f"ready {address}", flush=True)  # noqa: T201 - a child says so

    try:
        await unit.run(ready)
    finally:
        await opened.nebulizer.close()
        os._exit(0)  # nothing is to be kept: a stalled disk would hold up every run of the benchmark


def main() -> None:
    """Run `stop_unit UNIT_TOML CALLS PRESSES`."""
    loaded = load_config(Path(sys.argv[1]))
    if isinstance(loaded, tuple):
        raise SystemExit("\n".join(map(str, loaded)))
    block_log()
    asyncio.run(serve(loaded, Path(sys.argv[2]), int(sys.argv[3])))


if __name__ == "__main__":
    main()
