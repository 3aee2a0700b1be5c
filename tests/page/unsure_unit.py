"""A unit whose clock nothing synchronises, on simulated time: `unsure_unit UNIT_TOML`."""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

from nebctl.clock import NO_SOURCE, FileClock
from nebctl.config import load_config
from nebctl.core.instant import ClockState, Instant
from nebctl.daemon import open_parts
from nebctl.unit import Edge, Unit


class UnsureClock:
    """Simulated time of which nobody says that it is right."""

    def __init__(self, path: Path) -> None:
        self._shared = FileClock(path)

    def instant(self) -> Instant:
        """Return the present simulated moment."""
        return replace(self._shared.instant(), clock=ClockState(sync=False, source=NO_SOURCE))


async def serve(path: Path) -> None:
    """Run the unit until it is told to end."""
    loaded = load_config(path)
    if isinstance(loaded, tuple) or loaded.config.clock.file is None:
        raise SystemExit(f"{path} names no shared clock")
    opened = await open_parts(loaded, Edge(clock=UnsureClock(loaded.config.clock.file)))
    await Unit(opened).run(lambda address: print(f"ready {address}", flush=True))  # noqa: T201 - a child says so


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
