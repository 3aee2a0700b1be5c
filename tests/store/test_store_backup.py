"""A copy is whole and of one moment; a restored ledger signs nothing until the pharmacy was heard."""

import asyncio
import contextlib
import json
import os
import re
import shlex
import shutil
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from nebctl.cli.ledger import ledger as command
from nebctl.core.ledger import head, note
from nebctl.core.ledger.hello import Answer
from nebctl.core.ledger.note import Vkey
from nebctl.core.ledger.records import Draft
from nebctl.keys import Ed25519Signer, verify
from nebctl.store import schema
from nebctl.store.backup import back_up, rejoin, restore
from nebctl.store.faults import StoreFault
from nebctl.store.outbox import Agreed, Receipted, ReceiptRefused, Refusal

NOW = "2026-02-16T08:00:00.000Z"


def run(*arguments: object) -> Result:
    """Run the command."""
    return CliRunner().invoke(command, [str(each) for each in arguments])


def silent(_done: int, _total: int) -> None:
    """Take progress."""


def trusting(_path: Path) -> None:
    """Take any copy."""


def copied(source: Path, target: Path) -> Any:
    """Copy a ledger without a further check."""
    return back_up(source, target, silent, trusting)


def put_back(copy: Path, place: Path) -> Any:
    """Restore a copy without a further check."""
    return restore(copy, place, NOW, silent, trusting)


async def fill(bench: Any, count: int) -> Any:
    """Return an open ledger with some records more."""
    ledger = await bench.open()
    await ledger.append([Draft(typ="chart", private={"text": "x" * 300}) for _ in range(count)], bench.at())
    return ledger


def lose(bench: Any) -> None:
    """Lose the unit's database, as a dead card does; what stands beside it stays."""
    for name in ("unit.db", "unit.db-wal", "unit.db-shm"):
        (bench.folder / name).unlink(missing_ok=True)


# The copy.


async def test_a_copy_is_made_while_the_unit_writes(bench: Any, tmp_path: Path) -> None:
    """Records that come while the copy is made are not in it, do not delay it, and the copy verifies by itself."""
    bench.write_trust()
    ledger = await fill(bench, 800)
    told: list[tuple[int, int]] = []
    loop = asyncio.get_running_loop()

    def write_meanwhile(done: int, total: int) -> None:
        told.append((done, total))
        asyncio.run_coroutine_threadsafe(ledger.append([Draft(typ="chart")], bench.at()), loop).result()

    (held,) = await asyncio.to_thread(back_up, bench.path, tmp_path / "copy.db", write_meanwhile, trusting)
    assert held.records == 801
    assert ledger.size == 801 + len(told)
    assert len(told) > 1
    assert told[-1][0] == told[-1][1]
    result = run("verify", tmp_path / "copy.db", "--trust", bench.trust)
    assert (result.exit_code, "801 records" in result.stdout) == (0, True), result.output
    await ledger.close()


def test_a_copy_is_one_file_for_its_owner_alone(finished: Any, tmp_path: Path) -> None:
    """The copy needs no file beside it and has mode 0600; nothing is left of its making."""
    copied(finished.path, tmp_path / "out.db")
    assert stat.S_IMODE((tmp_path / "out.db").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["out.db"]


def test_the_command_says_what_was_copied(finished: Any, tmp_path: Path) -> None:
    """A person reads unit, count and root; a script reads the same as JSON, and whether signatures were checked."""
    result = run("backup", finished.path, tmp_path / "a.db")
    assert result.exit_code == 0, result.output
    assert "neb-0001/1 6 records, root " in result.stdout
    assert "no signature was checked" in result.stdout
    result = run("backup", finished.path, tmp_path / "b.db", "--trust", finished.trust, "--json")
    said = json.loads(result.stdout)
    assert (said["copied"], said["verified"], said["logs"][0]["records"]) == (True, True, 6)


def test_a_copy_never_replaces_a_file(finished: Any, tmp_path: Path) -> None:
    """Neither an old copy nor one under way is touched."""
    old = tmp_path / "old.db"
    old.write_text("precious")
    assert run("backup", finished.path, old).exit_code == 1
    assert old.read_text() == "precious"
    (tmp_path / "new.db.partial").write_text("under way")
    result = run("backup", finished.path, tmp_path / "new.db")
    assert (result.exit_code, "no copy under way" in result.stdout) == (1, True)
    assert (tmp_path / "new.db.partial").read_text() == "under way"


DAMAGE = {
    "leaf": "UPDATE log SET leaf = zeroblob(32) WHERE seq = 2",
    "record": "UPDATE log SET jws = 'x' WHERE seq = 2",
    "lost": "DELETE FROM log WHERE seq = 5",
    "head": "UPDATE head SET root = zeroblob(32)",
}


@pytest.mark.req("S34")
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_copy_of_what_does_not_hold_is_not_made(finished: Any, tmp_path: Path, damage: str) -> None:
    """Where hashes and head disagree, the command says where and leaves no file."""
    source = Path(shutil.copy(finished.path, tmp_path / "unit.db"))
    with contextlib.closing(sqlite3.connect(source, isolation_level=None)) as db:
        for name in schema.triggers():
            db.execute(f"DROP TRIGGER {name}")
        db.execute(DAMAGE[damage])
    result = run("backup", source, tmp_path / "copy.db", "--json")
    assert result.exit_code == 1
    assert "error" in json.loads(result.stdout)
    assert [path.name for path in tmp_path.glob("copy.db*")] == []


def test_a_place_that_cannot_take_the_copy_is_named(finished: Any, tmp_path: Path) -> None:
    """A folder that is not there is one line, and so is a device that is full."""
    result = run("backup", finished.path, tmp_path / "nowhere" / "copy.db")
    assert (result.exit_code, "nowhere" in result.stdout, result.stdout.count("\n")) == (1, True, 1)


# The way back.


async def signs_nothing(bench: Any, size: int) -> None:
    """Check that a restored ledger can be read, and refuses everything that would be written."""
    ledger = await bench.open()
    receipt = bench.receipt(ledger.head_note)
    for call in (
        ledger.append([Draft(typ="boot")], bench.at()),
        ledger.save_trace_rows("2026-02-14-7f3a9c", "0,0"),
        ledger.take_receipt(receipt),
    ):
        with pytest.raises(StoreFault, match=f"restored at {NOW} from a copy with {size} records") as refused:
            await call
        assert not refused.value.lasting
    assert ledger.size == len(await ledger.entries()) == size
    await ledger.close()


async def goes_on(bench: Any, size: int, held: int) -> None:
    """Check that the next record tells of the restoration, once, and what is asked for follows it."""
    ledger = await bench.open()
    (boot,) = await ledger.append([Draft(typ="boot")], bench.at())
    told = (await ledger.entries())[size].payload
    assert (told["typ"], told["kind"], told["size"], told["to_size"]) == ("incident", "restored", size, held)
    assert boot.seq == size + 1
    await ledger.close()
    again = await bench.open()
    (next_one,) = await again.append([Draft(typ="chart")], bench.at())
    assert next_one.seq == size + 2
    await again.close()


async def test_a_restored_ledger_signs_nothing_until_the_pharmacy_was_heard(bench: Any, tmp_path: Path) -> None:
    """The unit refuses to start; with the pharmacy's receipt over all it knows, it starts, and a record tells of it."""
    ledger = await fill(bench, 4)
    receipt = bench.receipt(ledger.head_note)
    copied(bench.path, tmp_path / "copy.db")
    await ledger.close()
    lose(bench)
    with pytest.raises(StoreFault, match="ledger restore"):
        await bench.open()
    put_back(tmp_path / "copy.db", bench.path)
    for _ in range(2):
        await signs_nothing(bench, 5)
    assert rejoin(bench.path, receipt, bench.unit_vkey, bench.pharmacy_vkey, verify) == Receipted(5, 1_771_081_300)
    await goes_on(bench, 5, 5)
    bench.write_trust()
    assert run("verify", bench.path, "--trust", bench.trust).exit_code == 0


NONCE = "0" * 32
ORDERS = Vkey("sim.mexcovid.example/nebctl-orders", note.ED25519, Ed25519Signer.from_seed(b"o" * 32).public)


def answer(head_note: str, nonce: str = NONCE) -> str:
    """Return the pharmacy's answer to a hello: that it holds the log up to a head."""
    kept = head.Checkpoint.parse(note.parse_note(head_note).text)
    return Answer(nonce=nonce, kept=kept).note(ORDERS.name, Ed25519Signer.from_seed(b"o" * 32))


async def test_an_answer_to_a_hello_settles_a_restoration(bench: Any, tmp_path: Path) -> None:
    """Where the pharmacy, freshly asked, holds no more than the copy, the unit goes on; a stale answer does not do."""
    ledger = await fill(bench, 2)
    held = ledger.head_note
    await ledger.append([Draft(typ="chart")], bench.at())
    copied(bench.path, tmp_path / "copy.db")
    await ledger.close()
    lose(bench)
    put_back(tmp_path / "copy.db", bench.path)
    again = await bench.open()
    assert isinstance(await again.take_answer(answer(held, "1" * 32), NONCE, ORDERS), ReceiptRefused)
    await again.close()
    await signs_nothing(bench, 4)
    again = await bench.open()
    assert await again.take_answer(answer(held), NONCE, ORDERS) == Agreed(3)
    await again.close()
    await goes_on(bench, 4, 3)


async def test_what_was_missing_is_fetched_back_before_anything_is_signed(bench: Any, tmp_path: Path) -> None:
    """Where the pharmacy holds more, the unit takes its own records back byte for byte, and then goes on."""
    ledger = await fill(bench, 2)
    copied(bench.path, tmp_path / "copy.db")
    lost = await ledger.append([Draft(typ="chart", private={"text": "a"}), Draft(typ="chart")], bench.at())
    held = ledger.head_note
    await ledger.close()
    lose(bench)
    put_back(tmp_path / "copy.db", bench.path)
    again = await bench.open()
    refused = await again.take_answer(answer(held), NONCE, ORDERS)
    assert isinstance(refused, ReceiptRefused)
    assert refused.kind is Refusal.ROLLBACK
    assert refused.kept is not None
    back = await again.restore([(entry.jws, entry.disclosures) for entry in lost], refused.kept, bench.at())
    assert back == 2
    assert (await again.entries())[3:5] == list(lost)
    (boot,) = await again.append([Draft(typ="boot")], bench.at())
    assert boot.seq == 6
    await again.close()
    bench.write_trust()
    assert run("verify", bench.path, "--trust", bench.trust).exit_code == 0


@pytest.mark.req("S34")
async def test_a_pharmacy_that_holds_more_keeps_the_unit_off(bench: Any, tmp_path: Path) -> None:
    """Where the pharmacy countersigned records that the copy lacks, the mark stays: their places stay theirs."""
    ledger = await fill(bench, 2)
    copied(bench.path, tmp_path / "copy.db")
    await ledger.append([Draft(typ="chart")], bench.at())
    receipt = bench.receipt(ledger.head_note)
    await ledger.close()
    lose(bench)
    put_back(tmp_path / "copy.db", bench.path)
    answer = rejoin(bench.path, receipt, bench.unit_vkey, bench.pharmacy_vkey, verify)
    assert isinstance(answer, ReceiptRefused)
    assert answer.kind is Refusal.ROLLBACK
    await signs_nothing(bench, 3)


@pytest.mark.req("S34")
async def test_a_pharmacy_that_holds_something_else_keeps_the_unit_off(bench: Any, tmp_path: Path) -> None:
    """A receipt over another log of the same unit is a fork, one by another key proves nothing: the mark stays."""
    ledger = await fill(bench, 2)
    copied(bench.path, tmp_path / "copy.db")
    good = bench.receipt(ledger.head_note)
    await ledger.close()
    lose(bench)
    (bench.folder / "unit.db.lock").unlink()
    other = await fill(bench, 1)
    fork = bench.receipt(other.head_note)
    await other.close()
    lose(bench)
    put_back(tmp_path / "copy.db", bench.path)
    forged = bench.receipt(good.rpartition("\u2014")[0], signer=Ed25519Signer.from_seed(b"x" * 32))
    for receipt, kind in ((fork, Refusal.FORK), (forged, Refusal.FORMAT), ("nonsense", Refusal.FORMAT)):
        answer = rejoin(bench.path, receipt, bench.unit_vkey, bench.pharmacy_vkey, verify)
        assert isinstance(answer, ReceiptRefused)
        assert answer.kind is kind
    await signs_nothing(bench, 3)


async def test_nothing_is_restored_over_anything(bench: Any, tmp_path: Path) -> None:
    """A ledger in its place, a running unit, or a write-ahead log that was left refuses the restoration."""
    ledger = await fill(bench, 2)
    copied(bench.path, tmp_path / "copy.db")
    with pytest.raises(StoreFault, match="in use by process"):
        put_back(tmp_path / "copy.db", bench.path)
    await ledger.close()
    with pytest.raises(StoreFault, match=r"unit\.db, which was not restored"):
        put_back(tmp_path / "copy.db", bench.path)
    lose(bench)
    left = bench.folder / "unit.db-wal"
    left.write_bytes(b"records that the copy does not hold")
    with pytest.raises(StoreFault, match=r"unit\.db-wal, which was not restored"):
        put_back(tmp_path / "copy.db", bench.path)
    assert left.exists()


def flip(path: Path) -> None:
    """Change the private facts of one record, which no hash of the log covers but the record's own digests."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        for name in schema.triggers():
            db.execute(f"DROP TRIGGER {name}")
        db.execute("UPDATE disclosure SET disc = replace(disc, 'A', 'B') WHERE seq = 1")


COMMANDS: dict[str, Callable[[Path], None]] = {"cut": lambda path: os.truncate(path, 8192), "flip": flip}


@pytest.mark.req("S34")
@pytest.mark.parametrize("damage", COMMANDS)
def test_a_copy_that_does_not_verify_is_not_restored(finished: Any, tmp_path: Path, damage: str) -> None:
    """A damaged copy ends in one line that says so, and nothing is put in the ledger's place."""
    copy = Path(shutil.copy(finished.path, tmp_path / "copy.db"))
    COMMANDS[damage](copy)
    place = tmp_path / "unit.db"
    result = run("restore", copy, place, "--trust", finished.trust)
    assert (result.exit_code, result.stdout.count("\n")) == (1, 1), result.output
    assert [path.name for path in tmp_path.glob("unit.db*")] == ["unit.db.lock"]


def test_the_whole_way_back_by_commands(finished: Any, tmp_path: Path) -> None:
    """Backup, restore, receipt and rejoin say plainly what was done and what happens at the next contact."""
    copy, place, trust = tmp_path / "copy.db", tmp_path / "unit.db", finished.trust
    assert run("backup", finished.path, copy, "--trust", trust).exit_code == 0
    result = run("restore", copy, place, "--trust", trust)
    assert result.exit_code == 0, result.output
    assert "signs nothing yet" in result.stdout
    receipt = run("receipt", finished.path)
    assert receipt.exit_code == 0
    (tmp_path / "receipt.note").write_text(receipt.stdout)
    result = run("rejoin", place, "--receipt", tmp_path / "receipt.note", "--trust", trust, "--json")
    assert (result.exit_code, json.loads(result.stdout)["rejoined"]) == (0, True), result.output
    result = run("rejoin", place, "--receipt", tmp_path / "receipt.note", "--trust", trust)
    assert (result.exit_code, "nothing is to be done" in result.stdout) == (1, True)


def test_a_pharmacys_database_is_not_put_back_as_a_units(tmp_path: Path, finished: Any) -> None:
    """A pharmacy that goes back would countersign a fork: the command names the page that says what to do."""
    with contextlib.closing(sqlite3.connect(tmp_path / "pharmacy.db")) as db:
        db.execute("CREATE TABLE rec(unit, ep, seq, leaf, jws, got_at)")
    result = run("restore", tmp_path / "pharmacy.db", tmp_path / "unit.db", "--trust", finished.trust)
    assert (result.exit_code, "back-up-a-unit" in result.stdout) == (1, True), result.output


def test_a_ledger_without_a_receipt_says_so(bench: Any) -> None:
    """Where nothing was countersigned there is nothing to print; an unknown unit is named with those that are there."""
    asyncio.run(_begin(bench))
    result = run("receipt", bench.path)
    assert (result.exit_code, "no receipt yet" in result.stderr) == (1, True)
    result = run("receipt", bench.path, "--unit", "neb-0009")
    assert (result.exit_code, "neb-0001" in result.output) == (2, True)


async def _begin(bench: Any) -> None:
    await (await bench.open()).close()


PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "back-up-a-unit.md").read_text("utf-8")


def test_the_pages_commands_lead_to_a_unit_that_starts(
    finished: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Typed in order, the commands of docs/how-to/back-up-a-unit.md take a copy, put it back and verify it."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(finished.path, "unit.db")
    shutil.copy(finished.path, "pharmacy.db")  # any database with the receipts prints them
    shutil.copytree(finished.trust, "trust")
    lines = [
        line for block in re.findall(r"^```\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL) for line in block.splitlines()
    ]
    assert len(lines) == 5
    for line in lines:
        words, _, output = line.removeprefix("nebctl ledger ").partition(" > ")
        if words.startswith("restore"):
            Path("unit.db").rename("aside.db")
        result = run(*shlex.split(words))
        assert result.exit_code == 0, (line, result.output)
        if output:
            Path(output).write_text(result.stdout)
