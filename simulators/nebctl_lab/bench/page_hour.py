"""An hour of virtual time with four readers of a unit's event stream, doses running one after the other."""

import asyncio
import gc
import os
from dataclasses import dataclass, field
from typing import Any

from nebctl_lab.processes import resident_mb
from nebctl_lab.system import SitePlan, SubjectPlan, VirtualSite
from nebctl_lab.virtual import run_virtual

READERS = 4
SLOW_S = 2.0
"""One of the readers takes an event only so often: what it has not taken must not pile up."""
PROMPT = (0.0, 0.0, 0.0, SLOW_S)
DOSE_S = 600
"""A dose of 3 mL and what belongs to it takes less."""
Figures = dict[str, Any]


@dataclass(slots=True)
class Reader:
    """One reader: how many events and bytes came, and the longest silence between two, in virtual seconds."""

    waits_s: float
    events: int = 0
    octets: int = 0
    silence_s: float = 0.0
    last_s: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    async def take(self, data: bytes) -> None:
        """Take what came."""
        now = asyncio.get_running_loop().time()
        self.silence_s, self.last_s = max(self.silence_s, now - self.last_s), now
        self.events, self.octets = self.events + data.count(b"data: "), self.octets + len(data)
        if self.waits_s:
            await asyncio.sleep(self.waits_s)


def measure_hour(seconds: int) -> Figures:
    """Return what the readers got, and the memory after a third of the time and at its end."""
    return run_virtual(_measure(seconds))


async def _measure(seconds: int) -> Figures:
    subjects = tuple(SubjectPlan(name=f"MEX-{number:03d}") for number in range(1, seconds // DOSE_S + 2))
    async with VirtualSite(SitePlan(subjects=subjects)) as site:
        readers = [Reader(waits_s) for waits_s in PROMPT]
        host = site.hosts[site.named("")]
        reading = [host.listen(reader.take) for reader in readers]
        giving = asyncio.create_task(_give(site, subjects))
        await site.advance(seconds / 3)
        third_mb = _memory()
        await site.advance(seconds * 2 / 3)
        end_mb = _memory()
        for task in (giving, *reading):
            task.cancel()
        await asyncio.gather(giving, *reading, return_exceptions=True)
        doses = len(site.records("dose"))
    return {
        "virtual_s": seconds,
        "doses": doses,
        "readers": [
            {"events": r.events, "mib": round(r.octets / 2**20, 1), "silence_s": round(r.silence_s, 2)} for r in readers
        ],
        "memory_third_mb": round(third_mb, 1),
        "memory_end_mb": round(end_mb, 1),
        "memory_growth": round(end_mb / third_mb, 3),
    }


async def _give(site: VirtualSite, subjects: tuple[SubjectPlan, ...]) -> None:
    """Give one dose after the other."""
    for subject in subjects:
        await site.give(subject.name)


def _memory() -> float:
    gc.collect()
    return resident_mb(os.getpid())
