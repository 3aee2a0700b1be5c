"""The check of a ledger on several cores: the same findings in the same order as on one, and little memory."""

import os
import pickle
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nebctl.cli.ledger import ledger as command
from nebctl.cli.ledger.progress import Progress
from nebctl.core.ledger.chain import Chain
from nebctl.core.ledger.check import Finding
from nebctl.core.ledger.keyring import KeyRing
from nebctl.core.ledger.records import Draft
from nebctl.core.ledger.rows import Row
from nebctl.core.ledger.stretch import Authority, check_stretch
from nebctl.keys import verify
from nebctl.store import schema
from nebctl.store.audit import Auditor, LogTally
from nebctl.store.cores import on_cores
from nebctl.store.faults import StoreFault
from nebctl.store.reader import LedgerFile


@pytest.fixture(scope="module")
def long(finished: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A unit whose ledger holds more records than one stretch, with a receipt in the midst of them."""
    import asyncio

    bench = type(finished)(tmp_path_factory.mktemp("long"))
    bench.write_trust()
    asyncio.run(_write(bench))
    return bench


async def _write(bench: Any) -> None:
    ledger = await bench.open()
    await bench.give_dose(ledger, "2026-02-14-7f3a9c")
    await ledger.append([Draft(typ="clock") for _ in range(600)], bench.at())
    await ledger.take_receipt(bench.receipt(ledger.head_note))
    await ledger.append([Draft(typ="chart", private={"text": f"{number}"}) for number in range(600)], bench.at())
    await bench.give_dose(ledger, "2026-02-15-0a0b0c")
    await ledger.take_receipt(bench.receipt(ledger.head_note))
    await ledger.close()


def audit(path: Path, bench: Any, processes: int) -> list[Finding | LogTally]:
    """Return everything that the audit says, by so many processes."""
    auditor = Auditor(
        unit_key=lambda *_: bench.unit_vkey, pharmacy=bench.pharmacy_vkey, verify=verify, each=on_cores(processes)
    )
    with LedgerFile.open(path) as file:
        return list(auditor.audit(file))


def tamper(path: Path, *statements: str) -> None:
    """Change the file behind the guards' back."""
    db = sqlite3.connect(path, isolation_level=None)
    for name in schema.triggers():
        db.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        assert db.execute(statement).rowcount
    for sql in schema.triggers().values():
        db.execute(sql)
    db.close()


@pytest.mark.req("S34")
def test_several_cores_find_what_one_finds(long: Any, tmp_path: Path) -> None:
    """Whole or harmed in three stretches, the findings and their order do not depend on the number of processes."""
    (tally,) = audit(long.path, long, 2)
    assert isinstance(tally, LogTally)
    assert (tally.records, tally.receipts, tally.traces) == (1205, 2, 2)
    harmed = Path(shutil.copy(long.path, tmp_path / "unit.db"))
    tamper(
        harmed,
        "UPDATE log SET jws = replace(jws, 'A', 'B') WHERE seq = 3",
        "UPDATE log SET leaf = zeroblob(32) WHERE seq = 700",
        "DELETE FROM disclosure WHERE seq = 1100",
        "UPDATE trace SET csv = csv || '9' WHERE session = '2026-02-15-0a0b0c'",
    )
    found = audit(harmed, long, 2)
    assert found == audit(harmed, long, 1)
    assert [each.seq for each in found if isinstance(each, Finding)] == [3, 700, 1100, 1204]


@pytest.mark.req("S34")
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=60
)
@given(st.data())
def test_stretches_of_any_length_find_the_same(long: Any, data: st.DataObject) -> None:
    """However a log is cut into stretches, a harmed one has the same findings: what follows a wrong record is known."""
    with LedgerFile.open(long.path) as file:
        (log,) = file.logs()
        rows = [row for _, row in zip(range(24), file.rows_beside(log), strict=False)]
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(rows) - 1))
        rows = [*rows[:at], *harm(rows[at], data), *rows[at + 1 :]]
    cut = data.draw(st.integers(2, 25))
    assert findings(rows, long, cut) == findings(rows, long, 1)


def harm(row: Row, data: st.DataObject) -> list[Row]:
    """Return what is made of a row."""
    text = row.text[:-3] + "AAA"
    return data.draw(
        st.sampled_from([[], [row, row], [row._replace(text=text)], [row._replace(leaf=b"x" * 32)], [row]])
    )


def findings(rows: Iterable[Row], bench: Any, most: int) -> list[Finding]:
    """Return the findings on rows, checked in stretches of so many."""
    by = Authority(ring=KeyRing.of(bench.unit_vkey), verify=verify)
    chain = Chain(by, None)
    found = [each for stretch in chain.stretches(rows, most=most) for each in chain.take(check_stretch(stretch, by))]
    return [*found, *chain.close(None)]


def test_only_what_keeps_the_processes_busy_is_in_memory() -> None:
    """Values are taken as results are, never many more than the processes can hold."""
    taken: list[int] = []

    def values() -> Iterator[int]:
        for number in range(200):
            taken.append(number)
            yield number

    most = 0
    for done, result in enumerate(on_cores(2)(abs, values())):
        assert result == done
        most = max(most, len(taken) - done)
    assert done == 199
    assert most <= 8


def test_a_caller_that_wants_no_more_is_not_kept() -> None:
    """The first result is enough for who asks for no other."""
    results = on_cores(2)(abs, iter(range(1000)))
    assert next(results) == 0
    results.close()  # type: ignore[attr-defined]


def kill(_: int) -> None:
    """End this process as if memory had run out."""
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_process_is_a_fault_that_says_what_to_do() -> None:
    """A checking process that is killed ends the check with one line, never with half a result."""
    with pytest.raises(StoreFault, match="--jobs 1"):
        list(on_cores(2)(kill, range(4)))


def holds_interrupts_back(_: int) -> bool:
    """Return whether Ctrl-C is held back from this process."""
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_ctrl_c_is_for_the_parent_alone() -> None:
    """A checking process begins with Ctrl-C held back, and so never breaks the check of one that is interrupted."""
    assert list(on_cores(2)(holds_interrupts_back, range(3))) == [True] * 3
    assert not holds_interrupts_back(0)


WHO_CHECKS = """
import os, signal, time
from nebctl.store.cores import on_cores

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests may ignore it, as nohup does

def tell(number):
    return os.getpid() if number < 8 else time.sleep(60)

if __name__ == "__main__":
    for pid in on_cores(2)(tell, range(40)):
        print(pid, flush=True)
"""


@pytest.mark.parametrize("blow", [signal.SIGHUP, signal.SIGKILL])
def test_no_process_outlives_a_check_that_was_killed(
    tmp_path: Path, blow: signal.Signals, ended: Callable[[Iterable[int]], bool]
) -> None:
    """A terminal that is closed, or kill -9, ends the checking processes too, even in the midst of their work."""
    script = tmp_path / "checks.py"
    script.write_text(WHO_CHECKS)
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        checking = {int(parent.stdout.readline()) for _ in range(8)}
        parent.send_signal(blow)
    assert ended(checking), "a process outlived its check"


HOW_IT_BEGAN = """
import threading
from nebctl.store.cores import on_cores

said = "fresh"

def tell(_):
    return said

if __name__ == "__main__":
    said = "copied"
    print(*on_cores(2)(tell, range(3)))
    ended = threading.Event()
    threading.Thread(target=ended.wait).start()
    print(*on_cores(2)(tell, range(3)))
    ended.set()
"""


def test_processes_are_copies_only_of_one_without_threads(tmp_path: Path) -> None:
    """Alone a process is copied, which spares the imports; beside a thread, whose locks a copy keeps, it is new."""
    script = tmp_path / "began.py"
    script.write_text(HOW_IT_BEGAN)
    ran = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout.splitlines() == ["copied copied copied", "fresh fresh fresh"]


def test_the_command_counts_on_standard_error(long: Any) -> None:
    """With --progress how far it is stands on standard error alone; the answer is the same."""
    arguments = ["verify", str(long.path), "--trust", str(long.trust)]
    plain = CliRunner().invoke(command, [*arguments, "--jobs", "1"])
    told = CliRunner().invoke(command, [*arguments, "--jobs", "2", "--progress"])
    assert (plain.exit_code, told.exit_code) == (0, 0)
    assert plain.stdout == told.stdout
    assert "records, " not in plain.stderr


def test_progress_says_rate_and_rest(capsys: pytest.CaptureFixture[str]) -> None:
    """Twice a second it says how many are done, how fast and how long it takes; at last it takes its line away."""
    now = [0.0]
    progress = Progress(1000, shown=True, now_s=lambda: now[0])
    for _ in range(4):
        now[0] += 0.25
        progress.add(100)
    progress.close()
    said = capsys.readouterr().err.split("\r")
    assert said[1:3] == ["200 of 1000 records, 400 a second, 2 s left", "400 of 1000 records, 400 a second, 2 s left"]
    assert said[3].strip() == said[4] == ""


def test_what_goes_to_a_process_can_go_there(long: Any) -> None:
    """Stretches and what is found in them survive the way between processes."""
    by = Authority(ring=KeyRing.of(long.unit_vkey), verify=verify)
    with LedgerFile.open(long.path) as file:
        (stretch, *_) = Chain(by, None).stretches(file.rows_beside(file.logs()[0]), most=5)
    spoiled = replace(stretch, rows=tuple(row._replace(text="x") for row in stretch.rows))
    assert pickle.loads(pickle.dumps(check_stretch(spoiled, by))) == check_stretch(spoiled, by)


@pytest.mark.req("S34")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(st.data())
def test_any_one_bit_of_a_long_ledger_is_found(long: Any, data: st.DataObject) -> None:
    """In a ledger of more than a thousand records, a flipped bit of any record is found there, and is all that is."""
    with LedgerFile.open(long.path) as file:
        rows = list(file.rows_beside(file.logs()[0]))
    seq = data.draw(st.integers(0, len(rows) - 1))
    text = bytearray(rows[seq].text.encode())
    text[data.draw(st.integers(0, len(text) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    rows[seq] = rows[seq]._replace(text=text.decode("utf-8", "surrogateescape"))
    by = Authority(ring=KeyRing.of(long.unit_vkey), verify=lambda *each: each[1] in rows_signed or verify(*each))
    rows_signed = {row.text.rpartition(".")[0].encode("utf-8", "surrogateescape") for row in rows if row.seq != seq}
    chain = Chain(by, None)
    found = [each for stretch in chain.stretches(rows) for each in chain.take(check_stretch(stretch, by))]
    assert [each.seq for each in found] == [seq]
