"""From a record to its receipt over a real broker: how long it takes alone, and how many a second under load."""

import asyncio
import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from nebctl import keys
from nebctl.clock import SystemClock
from nebctl.core.ledger import head
from nebctl.core.ledger.note import Vkey
from nebctl.core.ledger.records import Draft
from nebctl.store.outbox import Outgoing, Receipted
from nebctl_lab.bench.stream_intake import make_records
from nebctl_lab.processes import resident_mb
from nebctl_lab.stream.site import StreamSite
from nebctl_lab.stream.unit import make_publisher, open_ledger

WAIT_S = 60.0
LATE_SHARE = 0.99
WARM_UP = 20


async def measure_round_trips(folder: Path, records: int) -> dict[str, float]:
    """Return how long one record at a time takes, from the call that writes it to its receipt in the unit's ledger.

    Ledger, publisher, broker, pharmacy and both disks are the real ones; the pharmacy is a process of its own.
    """
    site = StreamSite(folder, ["neb-0001"])
    site.broker.start()
    try:
        site.pharmacy.start()
        taken = await _call(site, records + WARM_UP)
    finally:
        site.pharmacy.stop()
        site.broker.kill()
    measured = sorted(taken[WARM_UP:])
    return {
        "records": len(measured),
        "p50_ms": round(statistics.median(measured) * 1e3, 2),
        "p99_ms": round(measured[int(len(measured) * LATE_SHARE)] * 1e3, 2),
        "most_ms": round(measured[-1] * 1e3, 2),
    }


async def _call(site: StreamSite, records: int) -> list[float]:
    ledger, clock, taken = await open_ledger(site.folder, "neb-0001"), SystemClock(), []
    came, receipted = asyncio.Event(), 0

    def note(answer: object) -> None:
        nonlocal receipted
        if isinstance(answer, Receipted):
            receipted = max(receipted, answer.size)
            came.set()

    publisher = make_publisher(ledger, "neb-0001", site.broker.url, note)
    streaming = asyncio.create_task(publisher.run())
    try:
        for number in range(records):
            began = time.perf_counter()
            await ledger.append([Draft(typ="chart", facts={"n": number})], clock.instant())
            publisher.poke()
            async with asyncio.timeout(WAIT_S):
                while receipted < ledger.size:
                    came.clear()
                    await came.wait()
            taken.append(time.perf_counter() - began)
    finally:
        streaming.cancel()
        await asyncio.wait([streaming])
        await ledger.close()
    return taken


class PreparedOutbox:
    """A unit's outbox in memory, full from the start; receipts are checked as the ledger checks them."""

    def __init__(self, records: Sequence[Outgoing], unit: Vkey, pharmacy: Vkey) -> None:
        self._records = records
        self._unit = unit
        self._pharmacy = pharmacy
        self.closed = 0

    async def unreceipted(self, limit: int) -> Sequence[Outgoing]:
        """Return the lowest records without a receipt."""
        return self._records[self.closed : self.closed + limit]

    async def take_receipt(self, note_text: str) -> Receipted:
        """Close what a good receipt covers.

        Raises: `FormatError` for a bad one.
        """
        receipt = head.open_receipt(note_text, self._unit, self._pharmacy, keys.verify)
        self.closed = max(self.closed, receipt.checkpoint.size)
        return Receipted(receipt.checkpoint.size, receipt.time_s)

    @property
    def size(self) -> int:
        """Return how many records there are, for the hello."""
        return len(self._records)

    @property
    def root(self) -> bytes:
        """Return no tree's root: the hello of a benchmark is not looked at."""
        return bytes(32)


class Pharmacy:
    """The running pharmacy's process, as the system sees it."""

    def __init__(self, pid: int) -> None:
        self._proc = Path(f"/proc/{pid}")

    def pin(self, core: int) -> None:
        """Keep all its threads on one core."""
        for task in (self._proc / "task").iterdir():
            os.sched_setaffinity(int(task.name), {core})

    def memory_mb(self) -> float:
        """Return its resident memory in MiB."""
        return resident_mb(int(self._proc.name))


async def measure_over_mqtt(folder: Path, cores: tuple[int, int] | None, units: int, records: int) -> dict[str, float]:
    """Return how many records a second go from outboxes through a broker into the pharmacy and come back receipted.

    With two `cores` the pharmacy has the first one to itself; units and broker share the second.
    """
    names = [f"neb-{number:04}" for number in range(1, units + 1)]
    site = StreamSite(folder, names)
    each = records // units
    made = {name: make_records(name, keys.load_signer(site.unit_key(name)), each) for name in names}
    before = os.sched_getaffinity(0)
    try:
        if cores:
            os.sched_setaffinity(0, {cores[1]})
        site.broker.start()
        pharmacy = Pharmacy(site.pharmacy.start().pid)
        if cores:
            pharmacy.pin(cores[0])
        return await _drain(site, made, pharmacy)
    finally:
        site.pharmacy.stop()
        site.broker.kill()
        os.sched_setaffinity(0, before)


async def _drain(site: StreamSite, made: dict[str, list[Outgoing]], pharmacy: Pharmacy) -> dict[str, float]:
    witness = keys.load_trust(site.trust, "pharmacy")
    outboxes = {name: PreparedOutbox(made[name], keys.load_trust(site.trust, name), witness) for name in made}
    total, came = sum(map(len, made.values())), asyncio.Event()
    publishers = [make_publisher(outboxes[name], name, site.broker.url, lambda _: came.set()) for name in made]
    streaming = [asyncio.create_task(publisher.run()) for publisher in publishers]
    memory: list[float] = []
    began = time.perf_counter()
    try:
        while (closed := sum(outbox.closed for outbox in outboxes.values())) < total:
            if closed > total // 3 or not memory:
                memory.append(pharmacy.memory_mb())
            async with asyncio.timeout(WAIT_S):
                await came.wait()
            came.clear()
        elapsed = time.perf_counter() - began
    finally:
        for task in streaming:
            task.cancel()
        await asyncio.wait(streaming)
    settled = memory[1:] or memory
    return {
        "records": total,
        "units": len(made),
        "per_s": round(total / elapsed, 1),
        "memory_third_mb": round(settled[0], 1),
        "memory_end_mb": round(pharmacy.memory_mb(), 1),
        "memory_growth": round(pharmacy.memory_mb() / settled[0], 3),
    }
