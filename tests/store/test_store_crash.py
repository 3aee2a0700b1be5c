"""Killed at any moment, on a full disk, or past a file limit: what was acknowledged is there, and the log is whole."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nebctl.core.ledger import head, note
from nebctl.core.ledger.records import Draft
from nebctl.keys import verify
from nebctl.store.faults import StoreFault
from nebctl.store.ledger import UnitLedger

SEED = 7

WRITER = """
import asyncio, json, resource, sys
from pathlib import Path
from nebctl.core.instant import ClockState, Instant
from nebctl.core.ledger.envelope import Stamp
from nebctl.core.ledger.records import Draft
from nebctl.keys import Ed25519Signer, verify
from nebctl.store.faults import StoreFault
from nebctl.store.ledger import UnitLedger

path, room = Path(sys.argv[1]), int(sys.argv[2])
at = Instant(mono_ns=1, wall_ns=1_771_081_200_000_000_000, boot="b", clock=ClockState(sync=True, source="sim"))
stamp = Stamp(unit="neb-0001", epoch=1, software="t", config_sha256="0" * 64, simulated=True)

async def main():
    ledger = await UnitLedger.open(
        path, site="sim.mexcovid.example", unit="neb-0001", signer=Ed25519Signer.from_seed(b"u" * 32), verify=verify,
        witness=None, stamp=stamp, random=lambda n: b"r" * n, at=at,
    )
    if room:
        limit = path.with_name(path.name + "-wal").stat().st_size + room
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    drafts = [Draft(typ="chart", facts={"n": n}, private={"text": "x" * 200}) for n in range(3)]

    async def append():
        entries = await ledger.append(drafts, at)
        print(json.dumps({"seq": entries[-1].seq, "jws": entries[-1].jws}), flush=True)

    while not room:  # callers that wait for the disk together
        await asyncio.gather(*(append() for _ in range(5)))
    while True:
        try:
            await append()
        except StoreFault as fault:
            print(json.dumps({"fault": str(fault), "lasting": fault.lasting, "size": ledger.size}), flush=True)
            try:
                await append()
            except StoreFault as fault:
                print(json.dumps({"again": str(fault)}), flush=True)
            return

asyncio.run(main())
"""


def _write(path: Path, room: int = 0) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", WRITER, str(path), str(room)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


async def _reopen(bench: Any) -> UnitLedger:
    ledger: UnitLedger = await bench.open(witness=None)
    checkpoint = head.open_head(ledger.head_note, bench.unit_vkey, verify)
    assert (checkpoint.size, checkpoint.root) == (ledger.size, ledger.root)
    assert note.parse_note(ledger.head_note).text.splitlines()[1] == str(len(await ledger.entries()))
    return ledger


@pytest.mark.soak
@pytest.mark.req("S13")
@pytest.mark.req("S36")
async def test_a_kill_at_any_moment_loses_nothing_acknowledged(bench: Any, soak: int, say: Any) -> None:
    """After each kill -9 every acknowledged record is there, calls are whole, and the log goes on."""
    dice = random.Random(SEED)
    acknowledged: dict[int, str] = {}
    for _ in range(50 * soak or 4):
        with _write(bench.path) as process:
            assert process.stdout is not None
            for _ in range(dice.randint(1, 40)):
                line = json.loads(process.stdout.readline())
                acknowledged[line["seq"]] = line["jws"]
            os.kill(process.pid, signal.SIGKILL)
            # What it acknowledged between the last look and the kill counts as well; a torn last line does not.
            for text in process.stdout.read().splitlines(keepends=True):
                if text.endswith("\n"):
                    line = json.loads(text)
                    acknowledged[line["seq"]] = line["jws"]
        ledger = await _reopen(bench)
        entries = await ledger.entries()
        await ledger.close()
        assert {seq: entries[seq].jws for seq in acknowledged} == acknowledged
        assert (len(entries) - 1) % 3 == 0
    say(f"kill -9, ledger: seed {SEED}: {len(acknowledged)} calls acknowledged, {len(entries)} records kept")
    assert len(acknowledged) > 10


@pytest.mark.req("S37")
async def test_a_write_that_the_system_refuses_stops_the_log_whole(bench: Any) -> None:
    """Past the file-size limit the append is a StoreFault in one line, it lasts, and no part of the batch is kept."""
    with _write(bench.path, room=30_000) as process:
        assert process.stdout is not None
        lines = [json.loads(line) for line in process.stdout]
    assert process.returncode == 0
    *acknowledged, fault, again = lines
    assert fault["lasting"]
    assert "\n" not in fault["fault"]
    assert again["again"] == fault["fault"]
    ledger = await _reopen(bench)
    assert ledger.size == fault["size"] == acknowledged[-1]["seq"] + 1
    await ledger.close()


@pytest.mark.req("S37")
async def test_a_full_disk_refuses_whole_batches_until_there_is_room(bench: Any) -> None:
    """With no page left an append is refused in one line and leaves nothing; with room again the next one succeeds."""
    ledger = await bench.open()
    drafts = [Draft(typ="chart", private={"text": "x" * 2000}) for _ in range(3)]
    _limit_pages(ledger, 40)
    with pytest.raises(StoreFault, match="disk is full") as caught:
        await _append_for_ever(ledger, drafts, bench)
    acknowledged = (ledger.size - 1) // 3
    assert not caught.value.lasting
    assert "\n" not in str(caught.value)
    assert acknowledged > 1
    assert ledger.size == len(await ledger.entries()) == 1 + 3 * acknowledged
    with pytest.raises(StoreFault, match="disk is full"):
        await ledger.append(drafts, bench.at())
    _limit_pages(ledger, 400)
    assert len(await ledger.append(drafts, bench.at())) == 3
    await ledger.close()
    assert (await _reopen_size(bench)) == 1 + 3 * (acknowledged + 1)


async def _append_for_ever(ledger: UnitLedger, drafts: list[Draft], bench: Any) -> None:
    for _ in range(100):
        await ledger.append(drafts, bench.at())


async def _reopen_size(bench: Any) -> int:
    ledger = await _reopen(bench)
    await ledger.close()
    return ledger.size


def _limit_pages(ledger: Any, pages: int) -> None:
    def limit() -> None:
        db: sqlite3.Connection = ledger._writer._file.db
        db.set_authorizer(None)
        db.execute(f"PRAGMA max_page_count = {pages}")

    ledger._thread.submit(limit).result()
