"""What a durable append costs beside a bare commit, what waiting together saves, and how long the loop is held."""

import asyncio
import hashlib
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from nebctl.core.instant import ClockState, Instant
from nebctl.core.ledger import head, note
from nebctl.core.ledger.envelope import Stamp
from nebctl.core.ledger.note import Vkey
from nebctl.core.ledger.records import Draft, Json, SessionDay
from nebctl.keys import Ed25519Signer, verify
from nebctl.store.database import Connect, connect
from nebctl.store.ledger import UnitLedger
from nebctl_lab.bench.ledger_bare import FSYNC_S, Bare, connect_slowly

SITE, UNIT = "sim.bench.example", "neb-0001"
BATCH = 100
LEAST_SINGLE = 0.6
LEAST_BATCH = 3.0
MOST_HELD_MS = 20.0
TICK_S = 0.001
APART_S = 0.02
SESSION = SessionDay(session="2026-02-14-7f3a9c", day=1, tz="UTC", date_local="2026-02-14")
START_NS = 1_771_081_200_000_000_000
KEY = Ed25519Signer.from_seed(b"bench".ljust(32, b"."))
PHARMACY = Ed25519Signer.from_seed(b"pharmacy".ljust(32, b"."))
WITNESS = Vkey(f"{SITE}/nebctl-pharmacy", note.COSIGNATURE, PHARMACY.public)
CONFIG = hashlib.sha256(b"bench").hexdigest()
STAMP = Stamp(unit=UNIT, epoch=1, software="nebctl bench", config_sha256=CONFIG, simulated=True)


def unit_vkey() -> Vkey:
    """Return the verifier key of the measured unit."""
    return Vkey(head.origin(SITE, UNIT, STAMP.epoch), note.ED25519, KEY.public)


def now() -> Instant:
    """Return the moment that every record carries."""
    return Instant(mono_ns=1, wall_ns=START_NS, boot="b", clock=ClockState(sync=True, source="sim"))


async def open_ledger(path: Path, random: Callable[[int], bytes], **changes: Any) -> UnitLedger:
    """Open the measured unit's ledger."""
    return await UnitLedger.open(
        path, site=SITE, unit=UNIT, signer=KEY, verify=verify, witness=WITNESS, stamp=STAMP, random=random, at=now(),
        **changes,
    )  # fmt: skip


def draft() -> Draft:
    """Return a record of a session with two private facts, as most are."""
    facts: dict[str, Json] = {"kit": "KIT-0401", "lot": "LOT-2026-02", "run": "7f3a9c01", "max_on_ms": 720_000}
    return Draft(typ="start", facts=facts, private={"subject": "MEX-001", "operator": "RT-07"}, session=SESSION)


async def measure_appends(
    folder: Path, random: Callable[[int], bytes], rounds: int, commits: int
) -> dict[str, dict[str, float]]:
    """Return the rates a second of single appends, of a batch and of waiting callers, and their ratios.

    Bare and ours take turns; a ratio is the median of the rounds'.
    """
    ledger = await open_ledger(folder / "append.db", random)
    (entry,) = await ledger.append([draft()], now())
    bare = Bare(folder / "bare.db", entry.jws, KEY)
    rates: dict[str, list[float]] = {"bare": [], "least": [], "single": [], "batch": [], "waiting": []}
    for _ in range(rounds):
        rates["bare"].append(await _rate(bare.commit, commits))
        rates["least"].append(await _rate(bare.commit_signed, commits))
        rates["single"].append(await _rate(lambda: ledger.append([draft()], now()), commits))
        batches = max(1, commits // BATCH)
        rates["batch"].append(BATCH * await _rate(lambda: ledger.append([draft()] * BATCH, now()), batches))
        rates["waiting"].append(BATCH * await _rate(lambda: _wait_together(ledger), batches))
    bare.close()
    await ledger.close()
    return {
        "single": _against(rates, "single", "bare", LEAST_SINGLE) | _bound(rates),
        "batch": _against(rates, "batch", "single", LEAST_BATCH),
        "waiting": _against(rates, "waiting", "single", LEAST_BATCH),
    }


async def measure_apart(
    folder: Path, random: Callable[[int], bytes], appends: int, connect: Connect = connect
) -> dict[str, float]:
    """Return what an append and a bare commit take where records come one by one, and their ratio; microseconds.

    That is how a unit writes: a disk and a processor that have nothing to do until the next one are slower to answer
    than between calls on end. The two take turns; medians.
    """
    ledger = await open_ledger(folder / f"apart-{connect.__name__}.db", random, connect=connect)
    (entry,) = await ledger.append([draft()], now())
    bare = Bare(folder / f"apart-bare-{connect.__name__}.db", entry.jws, KEY, connect)
    taken: dict[str, list[float]] = {"append": [], "bare": []}
    for _ in range(appends):
        taken["append"].append(await _seconds(lambda: ledger.append([draft()], now())))
        taken["bare"].append(await _seconds(bare.commit))
    bare.close()
    await ledger.close()
    found = {f"{name}_us": round(statistics.median(seconds) * 1e6) for name, seconds in taken.items()}
    return {"apart_ms": APART_S * 1000, **found, "ratio": round(found["bare_us"] / found["append_us"], 3)}


async def _seconds(work: Callable[[], Awaitable[Any]]) -> float:
    await asyncio.sleep(APART_S)
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began


async def _wait_together(ledger: UnitLedger) -> None:
    await asyncio.gather(*(ledger.append([draft()], now()) for _ in range(BATCH)))


async def _rate(work: Callable[[], Awaitable[Any]], times: int) -> float:
    began = time.perf_counter()
    for _ in range(times):
        await work()
    return times / (time.perf_counter() - began)


def _against(rates: dict[str, list[float]], ours: str, other: str, least: float) -> dict[str, float]:
    ratios = [one / two for one, two in zip(rates[ours], rates[other], strict=True)]
    return {
        "per_s": round(statistics.median(rates[ours]), 1),
        f"{other}_per_s": round(statistics.median(rates[other]), 1),
        "ratio": round(statistics.median(ratios), 3),
        "ratio_least": round(min(ratios), 3),
        "ratio_limit": least,
    }


def _bound(rates: dict[str, list[float]]) -> dict[str, float]:
    """Return what the ratio would be if nothing were done but what cannot be left out."""
    ratios = [least / bare for least, bare in zip(rates["least"], rates["bare"], strict=True)]
    return {"least_per_s": round(statistics.median(rates["least"]), 1), "bound": round(statistics.median(ratios), 3)}


async def measure_held(folder: Path, random: Callable[[int], bytes], appends: int) -> dict[str, float]:
    """Return for how long the loop was held at most while records were written to a slow disk, in milliseconds.

    Half of the records are awaited one by one, half wait together. What the loop is held by without any record is
    measured beside it, as this machine's own part.
    """
    idle = await _longest_hold(lambda: asyncio.sleep(appends * FSYNC_S / 4))
    ledger = await open_ledger(folder / "slow.db", random, connect=connect_slowly)

    async def write() -> None:
        for _ in range(appends // 2):
            await ledger.append([draft()], now())
        await asyncio.gather(*(ledger.append([draft()], now()) for _ in range(appends // 2)))

    began = time.perf_counter()
    held = await _longest_hold(write)
    seconds = time.perf_counter() - began
    await ledger.close()
    return {
        "appends": appends,
        "fsync_ms": FSYNC_S * 1000,
        "seconds": round(seconds, 2),
        "held_ms": round(held * 1000, 2),
        "held_idle_ms": round(idle * 1000, 2),
        "held_limit_ms": MOST_HELD_MS,
    }


async def _longest_hold(work: Callable[[], Awaitable[Any]]) -> float:
    """Return by how much a timer of a millisecond was late at most while the work was done, in seconds."""
    longest, working = 0.0, asyncio.ensure_future(work())
    while not working.done():
        began = time.perf_counter()
        await asyncio.sleep(TICK_S)
        longest = max(longest, time.perf_counter() - began - TICK_S)
    await working
    return longest
