"""A power cut at every write and sync of the unit's own append path loses nothing that was acknowledged (S13, S36)."""

import asyncio
import contextlib
import itertools
import random
import shutil
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nebctl.core.instant import ClockState, Instant
from nebctl.core.ledger import head, note, tree
from nebctl.core.ledger.envelope import Stamp
from nebctl.core.ledger.note import Vkey
from nebctl.core.ledger.records import Draft, SessionDay
from nebctl.core.trace import Trace
from nebctl.keys import Ed25519Signer, verify
from nebctl.store import database
from nebctl.store.faults import StoreFault
from nebctl.store.ledger import UnitLedger
from nebctl.store.outbox import Receipted

SITE, UNIT, FILE = "sim.mexcovid.example", "neb-0001", "unit.db"
KEY, PHARMACY = Ed25519Signer.from_seed(b"u" * 32), Ed25519Signer.from_seed(b"p" * 32)
VKEY = Vkey(head.origin(SITE, UNIT, 1), note.ED25519, KEY.public)
WITNESS = Vkey(f"{SITE}/nebctl-pharmacy", note.COSIGNATURE, PHARMACY.public)
START_NS = 1_771_081_200_000_000_000
SEED = 20_260_214
TICKS = itertools.count()


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What a caller was told: records by sequence, each with its text; `batch` counts records of whole calls."""

    records: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Closed:
    """A receipt was taken: the outbox no longer holds what is below this size."""

    size: int


def now() -> Instant:
    """Return the next second."""
    ns = next(TICKS) * 1_000_000_000
    return Instant(mono_ns=ns, wall_ns=START_NS + ns, boot="b", clock=ClockState(sync=True, source="sim", scale=60))


async def opened(path: Path, **changes: Any) -> UnitLedger:
    """Open the unit's ledger."""
    stamp = Stamp(unit=UNIT, epoch=1, software="t", config_sha256="0" * 64, simulated=True)
    dice = random.Random(next(TICKS))
    return await UnitLedger.open(
        path, site=SITE, unit=UNIT, signer=KEY, verify=verify, witness=WITNESS, stamp=stamp, random=dice.randbytes,
        at=now(), **changes,
    )  # fmt: skip


def make(folder: Path) -> Path:
    """Make a folder and return it."""
    folder.mkdir()
    return folder


async def live(disk: Any, folder: Path, dice: random.Random, steps: int) -> None:
    """Run one life of a unit on the disk: doses, groups, trace rows, receipts; each answer is marked as it comes."""
    ledger = await opened(folder / FILE, connect=disk.connect)
    disk.mark(Acknowledged({entry.seq: entry.jws for entry in await ledger.entries()}))
    for number in range(steps):
        await _step(ledger, disk, dice, f"2026-02-14-{dice.randrange(16**6):06x}", number)
    await ledger.close()


async def _step(ledger: UnitLedger, disk: Any, dice: random.Random, session: str, number: int) -> None:
    match number % 5:
        case 0 | 3:  # callers that wait together
            texts = ["x" * dice.randrange(3000) for _ in range(dice.randint(2, 4))]
            calls = [ledger.append([_chart(text), _chart(text), _chart(text)], now()) for text in texts]
            await asyncio.gather(*(_acknowledged(call, disk) for call in calls))
        case 1:
            await ledger.save_trace_rows(session, "0,0\n" * dice.randrange(400))
        case 2:  # an outcome with its trace
            day = SessionDay(session=session, day=1, tz="UTC", date_local="2026-02-14")
            trace = Trace(session=session, csv="t_ms,best_nl\n" + "0,0\n" * dice.randrange(2000))
            drafts = [_chart("a"), _chart("b"), Draft(typ="dose", facts={"trace": trace.sha256}, session=day)]
            await _acknowledged(ledger.append(drafts, now(), traces=[trace]), disk)
        case _:
            receipt = ledger.head_note + head.cosign(_checkpoint(ledger), number, WITNESS.name, PHARMACY)
            taken = await ledger.take_receipt(receipt)
            assert isinstance(taken, Receipted)
            disk.mark(Closed(taken.size))


def _chart(text: str) -> Draft:
    return Draft(typ="chart", private={"text": text})


def _checkpoint(ledger: UnitLedger) -> head.Checkpoint:
    return head.Checkpoint.parse(note.parse_note(ledger.head_note).text)


async def _acknowledged(call: Any, disk: Any) -> None:
    entries = await call
    disk.mark(Acknowledged({entry.seq: entry.jws for entry in entries}))


async def check(path: Path, marks: list[Any]) -> dict[int, str]:
    """Hold what a cut left against what was told before it; return the records that are there, and one new one."""
    told = {seq: text for mark in marks if isinstance(mark, Acknowledged) for seq, text in mark.records.items()}
    receipted = max((mark.size for mark in marks if isinstance(mark, Closed)), default=0)
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    ledger = await opened(path)
    entries = await ledger.entries()
    kept = {entry.seq: entry.jws for entry in entries}
    assert {seq: kept.get(seq) for seq in told} == told, "an acknowledged record is lost or another"
    assert (len(kept) - 1) % 3 == 0, "half a call is kept"
    checkpoint = head.open_head(ledger.head_note, VKEY, verify)
    root = tree.root_of(tree.leaf_hash(text.encode()) for text in kept.values())
    assert (checkpoint.size, checkpoint.root) == (len(kept), root), "the signed head is over other records"
    waiting = [each.seq for each in await ledger.unreceipted(1000)]
    assert waiting == list(range(waiting[0] if waiting else len(kept), len(kept)))
    assert receipted <= (waiting[0] if waiting else len(kept)) <= len(kept), "a receipt is lost"
    (entry,) = await ledger.append([_chart("after the cut")], now())
    assert entry.seq == len(kept)
    await ledger.close()
    return kept


async def try_cuts(disk: Any, power: Any, folder: Path, dice: random.Random, share: float, variants: int) -> int:
    """Cut at a share of all operations, each in several ways, and check every state; return how many were tried."""
    tried = 0
    for number, moment in disk.moments():
        if dice.random() >= share:
            continue
        for choose in power.cuts(dice, variants):
            path = power.lay_down(moment.image(choose), folder / "cut", FILE)
            try:
                await check(path, moment.marks)
            except (AssertionError, StoreFault) as fault:
                fault.add_note(f"after a cut before operation {number}, case {tried}")
                raise
            shutil.rmtree(path.parent)
            tried += 1
    return tried


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the writer copy its write-ahead log back after few pages, so that cuts fall into that too."""
    monkeypatch.setattr(database, "CHECKPOINT_PAGES", 24)


@pytest.mark.soak
@pytest.mark.req("S13")
@pytest.mark.req("S36")
@pytest.mark.parametrize("traits", ["powersafe", "none"])
async def test_a_cut_at_any_operation_loses_nothing(power: Any, folder: Path, soak: int, say: Any, traits: str) -> None:
    """Whatever a cut leaves opens whole, with every acknowledged record, under a head that the unit signed."""
    for turn in range(max(1, soak)):
        seed = SEED + turn
        dice = random.Random(seed)
        disk = power.Disk(traits=power.POWERSAFE if traits == "powersafe" else 0)
        await live(disk, make(folder / f"life-{turn}"), dice, 40 if soak else 10)
        share, variants = (1.0, 6) if soak else (0.12, 1)
        tried = await try_cuts(disk, power, folder, dice, share, variants)
        say(f"power cut, unit: seed {seed}: {tried} cuts, {len(disk.asked)} operations, {traits}")
        assert tried > 100


@pytest.mark.soak
@pytest.mark.req("S36")
@pytest.mark.req("S40")
async def test_no_place_ever_holds_two_records(power: Any, folder: Path, soak: int, say: Any) -> None:
    """Through lives that each end by a cut, what was once published of a sequence stays what it was."""
    for turn in range(20 * soak or 4):
        seed = SEED + turn
        dice = random.Random(seed)
        published: dict[int, str] = {}
        files: dict[str, bytes] = {}
        for life in range(5):
            disk = power.Disk(files)
            await live(disk, make(folder / f"{turn}-{life}"), dice, dice.randint(1, 6))
            files, marks = cut(disk, power, dice)
            told = {seq: text for mark in marks if isinstance(mark, Acknowledged) for seq, text in mark.records.items()}
            assert {seq: published.get(seq, text) for seq, text in told.items()} == told, f"seed {seed}, life {life}"
            published |= told
        kept = await check(power.lay_down(files, folder / f"{turn}-end", FILE), [Acknowledged(published)])
        say(f"power cut, unit: seed {seed}: {len(published)} published, {len(kept)} kept")


def cut(disk: Any, power: Any, dice: random.Random) -> tuple[dict[str, bytes], list[Any]]:
    """Cut at one operation by chance, in one way by chance; return the files that are left and what was told before."""
    when = dice.randrange(sum(asked.kind != "mark" for asked in disk.asked) + 1)
    for number, moment in disk.moments():
        if number == when:
            return moment.image(dice.choice(list(power.cuts(dice, 3)))), list(moment.marks)
    raise AssertionError(when)


@pytest.mark.req("S37")
async def test_a_failed_fsync_asks_the_disk_for_nothing_more(power: Any, folder: Path) -> None:
    """After SQLite's own fsync failed the store refuses all, no write or sync follows, and a cut loses nothing."""
    disk = power.Disk()
    ledger = await opened(folder / FILE, connect=disk.connect)
    await _acknowledged(ledger.append([_chart("a"), _chart("b"), _chart("c")], now()), disk)
    disk.broken_syncs = 1
    with pytest.raises(StoreFault, match=r"fsync failed|disk I/O error") as caught:
        await ledger.append([_chart("d"), _chart("e"), _chart("f")], now())
    assert caught.value.lasting
    asked = len(disk.asked)
    for call in (ledger.append([_chart("g")], now()), ledger.save_trace_rows("s", "0,0\n")):
        with pytest.raises(StoreFault):
            await call
    assert len(disk.asked) == asked
    (tried,) = [await try_cuts(disk, power, folder, random.Random(SEED), 0.1, 1)]
    assert tried > 1


class Weaker:
    """A connection that swaps one statement of the writer for a weaker one."""

    def __init__(self, db: Any, sql: str, instead: str) -> None:
        self._db, self._sql, self._instead = db, sql, instead

    def execute(self, sql: str, *values: Any) -> Any:
        """Run the statement, or the weaker one."""
        return self._db.execute(self._instead if sql == self._sql else sql, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


@pytest.mark.parametrize("level", ["NORMAL", "OFF"])
async def test_the_cuts_find_a_store_that_is_not_durable(
    power: Any, folder: Path, monkeypatch: pytest.MonkeyPatch, level: str
) -> None:
    """The same cuts over a store that syncs less end in a finding: the test above can fail."""
    disk = power.Disk()
    connect = disk.connect
    asked, instead = "PRAGMA trusted_schema = OFF", f"PRAGMA synchronous = {level}"
    monkeypatch.setattr(disk, "connect", lambda path: Weaker(connect(path), asked, instead))
    await live(disk, make(folder / "life"), random.Random(SEED), 6)
    with pytest.raises((AssertionError, StoreFault, sqlite3.Error)):
        await try_cuts(disk, power, folder, random.Random(SEED), 1.0, 1)
