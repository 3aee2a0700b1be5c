"""The start-up self-check of a large ledger, against reading the same leaves and doing nothing with them."""

import asyncio
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from nebctl.core.ledger import head, note
from nebctl.keys import verify
from nebctl.store.sealing import Sealer, Tip, seal
from nebctl_lab.bench.ledger_append import KEY, PHARMACY, SITE, STAMP, WITNESS, draft, now, open_ledger, unit_vkey
from nebctl_lab.bench.ledger_bare import fill, finish, make_texts, read_leaves

MOST_BEYOND_S = 2.0
AT_RECORDS = 1_000_000
TEXT_BYTES = 900


def measure_start(folder: Path, random: Callable[[int], bytes], records: int, rounds: int) -> dict[str, float]:
    """Return the seconds of a start with its self-check, of reading alone, and what lies between them.

    First record, last record, head and receipt are real. The rows between have a record's size and their true leaves,
    and nobody signed them: the self-check hashes leaves, and signatures of old records are `nebctl ledger verify`'s.
    """
    path = folder / "start.db"
    asyncio.run(_begin(path, random))
    _fill(path, random, records)
    read_leaves(path, STAMP.epoch)  # from here on both find the file in memory
    reads, starts = [], []
    for _ in range(rounds):
        began = time.perf_counter()
        count = read_leaves(path, STAMP.epoch)
        reads.append(time.perf_counter() - began)
        began = time.perf_counter()
        size = asyncio.run(_begin(path, random))
        starts.append(time.perf_counter() - began)
        if not count == size == records:
            raise RuntimeError(f"{count} records read and {size} opened, expected {records}")
    beyond = statistics.median(one - other for one, other in zip(starts, reads, strict=True))
    return {
        "records": records,
        "file_mib": round(path.stat().st_size / 2**20),
        "start_s": round(statistics.median(starts), 3),
        "read_s": round(statistics.median(reads), 3),
        "beyond_s": round(beyond, 3),
        "beyond_limit_s": MOST_BEYOND_S,
    }


async def _begin(path: Path, random: Callable[[int], bytes]) -> int:
    ledger = await open_ledger(path, random)
    size = ledger.size
    await ledger.close()
    return size


def _fill(path: Path, random: Callable[[int], bytes], records: int) -> None:
    frontier = fill(path, make_texts(records - 2, TEXT_BYTES), STAMP.epoch)
    sealer = Sealer(site=SITE, stamp=STAMP, signer=KEY, verify=verify, witness=WITNESS, random=random)
    before = Tip(frontier=frontier, root=frontier.root(), head_note="")
    checkpoint = head.Checkpoint(unit_vkey().name, frontier.size, frontier.root())
    cosigned = head.cosign(checkpoint, 1_771_081_300, WITNESS.name, PHARMACY)
    receipt = note.assemble_note(checkpoint.text(), [head.head_line(checkpoint, KEY), cosigned])
    (last,), tip = seal(sealer, before, (draft(),), now())
    finish(path, last, tip, receipt, frontier.size)
