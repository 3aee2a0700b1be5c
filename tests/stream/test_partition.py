"""The stream in virtual time: a day without a network, and clocks that step."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from nebctl.core.instant import NS_PER_S, ClockState, Instant
from nebctl.core.ledger import head
from nebctl.core.ledger.records import Draft
from nebctl.keys import load_trust, verify
from nebctl.publish.connection import Message, MqttSettings
from nebctl.store.ledger import UnitLedger
from nebctl.store.reader import LedgerFile, LogName
from nebctl_lab.stream.check import check_all
from nebctl_lab.stream.site import StreamSite
from nebctl_lab.stream.unit import Journal, make_publisher, open_ledger
from nebctl_lab.system.broker import Broker
from nebctl_lab.system.host import PharmacyHost
from nebctl_lab.system.inline import Inline

UNIT = "neb-0001"
DAY_S, HOUR_S = 86_400, 3_600
BEGIN_NS = 1_771_063_200_000_000_000


class SteppingClock:
    """A clock on the loop's time whose wall time a test steps, in seconds."""

    step_s = 0

    def instant(self) -> Instant:
        """Return the present moment."""
        mono_ns = round(asyncio.get_running_loop().time() * NS_PER_S)
        wall_ns = BEGIN_NS + mono_ns + self.step_s * NS_PER_S
        return Instant(mono_ns=mono_ns, wall_ns=wall_ns, boot="b", clock=ClockState(sync=True, source="sim", scale=1))


@dataclass
class Pair:
    """A unit and a pharmacy on one broker in memory; `attempts` are the times at which the unit tried to connect."""

    site: StreamSite
    broker: Broker
    ledger: UnitLedger
    pharmacy: PharmacyHost
    clock: SteppingClock
    pharmacy_clock: SteppingClock
    journal: Journal
    attempts: list[float] = field(default_factory=list)
    publisher: Any = None

    async def append(self, count: int) -> None:
        """Write records and tell the publisher."""
        for n in range(count):
            self.journal.note(await self.ledger.append([Draft(typ="chart", facts={"n": n})], self.clock.instant()))
            self.publisher.poke()

    async def until_receipted(self, seconds: float) -> None:
        """Wait until no record waits for a receipt."""
        async with asyncio.timeout(seconds):
            while (await self.ledger.backlog()).waiting:  # noqa: ASYNC110 - virtual seconds
                await asyncio.sleep(0.1)

    def findings(self) -> list[str]:
        """Return what the checker finds."""
        return check_all(self.site.folder, self.site.trust, self.site.database, self.site.units)

    def receipt_times(self) -> list[int]:
        """Return the times of the unit's receipts in the order of their sizes."""
        unit, pharmacy = (load_trust(self.site.trust, name) for name in (UNIT, "pharmacy"))
        with LedgerFile.open(self.site.unit_database(UNIT)) as file:
            receipts = file.receipts(LogName(UNIT, 1))
        return [head.open_receipt(receipt.note, unit, pharmacy, verify).time_s for receipt in receipts]


def counting(connect: Any, attempts: list[float]) -> Callable[[MqttSettings, Message | None], Any]:
    """Return what connects as `connect` does and notes when it was asked to."""

    def connect_noting(settings: MqttSettings, will: Message | None) -> Any:
        attempts.append(asyncio.get_running_loop().time())
        return connect(settings, will)

    return connect_noting


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    """Return a unit that streams to a pharmacy, both in virtual time; the pharmacy does not run yet."""
    site, broker, clocks = StreamSite(tmp_path, [UNIT]), Broker(), (SteppingClock(), SteppingClock())
    ledger = await open_ledger(tmp_path, UNIT, Inline())
    pharmacy = PharmacyHost(tmp_path / "pharmacy", 1, clocks[1], broker)  # type: ignore[arg-type]
    found = Pair(site, broker, ledger, pharmacy, *clocks, Journal(site.journal(UNIT)))
    connect = counting(broker.connect_for([]), found.attempts)
    found.publisher = make_publisher(ledger, UNIT, "mqtt://127.0.0.1:1", lambda _: None, connect)
    streaming = asyncio.create_task(found.publisher.run())
    yield found
    streaming.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await streaming
    await ledger.close()


@pytest.mark.virtual
@pytest.mark.req("S40")
async def test_a_day_without_a_network_loses_nothing(pair: Pair) -> None:
    """A unit that is cut off for a day tries again at most every 15 s, and then everything is receipted in order."""
    await pair.append(5)
    pair.broker.go_down()
    began, before = asyncio.get_running_loop().time(), len(pair.attempts)
    for _ in range(DAY_S // 600):
        await asyncio.sleep(600)
        await pair.append(1)
    tries = [at for at in pair.attempts[before:] if at > began + 60]
    assert min(later - earlier for earlier, later in itertools.pairwise(tries)) >= 15
    assert max(later - earlier for earlier, later in itertools.pairwise(tries)) <= 31
    pair.broker.come_up()
    await pair.pharmacy.start()
    await pair.until_receipted(60)
    await pair.pharmacy.stop()
    assert pair.ledger.size == 1 + 5 + 144
    assert pair.findings() == []


@pytest.mark.virtual
@pytest.mark.parametrize("step_s", [DAY_S, -DAY_S])
async def test_a_units_clock_may_step(pair: Pair, step_s: int) -> None:
    """Order is by number, not by time: a unit whose clock jumps a day either way is receipted as before."""
    await pair.pharmacy.start()
    await pair.append(3)
    pair.clock.step_s = step_s
    await pair.append(3)
    await pair.until_receipted(60)
    await pair.pharmacy.stop()
    assert pair.findings() == []


@pytest.mark.virtual
async def test_a_pharmacy_whose_clock_goes_back_gives_no_receipt_until_it_has_caught_up(pair: Pair) -> None:
    """Set back by an hour the pharmacy keeps records and countersigns none; an hour later all are receipted."""
    await pair.pharmacy.start()
    await pair.append(2)
    await pair.until_receipted(60)
    pair.pharmacy_clock.step_s = -HOUR_S
    await pair.append(2)
    await asyncio.sleep(HOUR_S - 60)
    assert (await pair.ledger.backlog()).waiting == 2
    await asyncio.sleep(120)
    await pair.until_receipted(60)
    await pair.pharmacy.stop()
    times = pair.receipt_times()
    assert times == sorted(times)
    assert pair.findings() == []
