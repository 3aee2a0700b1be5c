"""A card that is put back, through unit, broker and pharmacy as processes, and the way out of it by the commands."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nebctl.store.prove import read
from nebctl.store.reader import LedgerFile
from nebctl_lab.bedside import Answer
from nebctl_lab.bench_site import Bench, until
from nebctl_lab.demo.site import PHARMACISTS, SITE
from nebctl_lab.processes import Child

pytestmark = pytest.mark.timeout(120)
PERSONS = ("--by", PHARMACISTS[0][0], "--second", PHARMACISTS[1][0], "--reason", "restored card")


class Ward:
    """A unit with broker and pharmacy, and a copy of its card."""

    def __init__(self, bench: Bench, broker: Child, copy: Path) -> None:
        self.bench, self.broker, self._copy = bench, broker, copy
        arguments = ["-m", "nebctl", "pharmacy", "run", "--config", str(bench.site.pharmacy)]
        self.pharmacy = Child("pharmacy", arguments, bench.site.log("pharmacy")).start()

    @property
    def card(self) -> Path:
        """Return where the unit keeps its records."""
        return self.bench.folder / "unit.db"

    def take_copy(self) -> None:
        """Stop the unit and copy its card."""
        self.bench.unit.stop()
        shutil.copy(self.card, self._copy)

    def put_back(self) -> None:
        """Stop the unit and put the copy back."""
        self.bench.unit.stop()
        shutil.copy(self._copy, self.card)

    def start_and_receipt(self) -> None:
        """Start the unit, and wait until both sides have the same records."""
        self.bench.start_unit()
        until(lambda: texts(self.bench.site.pharmacy_db) == texts(self.card), "the same records on both sides", 40)

    def alarms(self) -> list[str]:
        """Return the alarms on the page."""
        return [alarm["condition"] for alarm in self.bench.view()["alarms"]]


def texts(database: Path) -> list[str]:
    """Return the texts of the records in a database, of the newest epoch."""
    with LedgerFile.open(database) as file:
        entries = [entry for _, entry in read(file)]
    newest = max((entry.epoch for entry in entries), default=0)
    return [entry.jws for entry in entries if entry.epoch == newest]


@pytest.fixture
def ward(make_bench: Callable[..., Bench], tmp_path: Path) -> Iterator[Ward]:
    """A unit whose first records are receipted."""
    broker = Child("broker", ["-m", "nebctl_lab.broker", "--port", "0"], tmp_path / "broker.log").start()
    bench = make_bench(broker=broker.ready)
    found = Ward(bench, broker, tmp_path / "card.db")
    bench.simulator.start()
    found.start_and_receipt()
    yield found
    bench.unit.stop()
    found.pharmacy.stop()
    broker.stop()


def test_lost_records_come_back_and_the_page_says_so(ward: Ward) -> None:
    """A unit that starts from an older card has, at its first page, every record again that the pharmacy had."""
    ward.take_copy()
    ward.start_and_receipt()
    before = texts(ward.bench.site.pharmacy_db)
    ward.put_back()
    assert len(texts(ward.card)) < len(before)
    ward.start_and_receipt()
    assert texts(ward.card)[: len(before)] == before
    assert ward.alarms() == ["records-restored"]
    assert [record["kind"] for record in ward.bench.records("incident")] == ["restored"]


def test_a_fork_is_found_and_ends_by_the_commands_of_the_page(ward: Ward, nebctl: Callable[..., Any]) -> None:
    """After the fork no dose starts; two pharmacists and the unit begin a new epoch, and the unit works again."""
    bench = ward.bench
    ward.take_copy()
    ward.start_and_receipt()
    ward.put_back()
    ward.pharmacy.stop()
    bench.start_unit()  # without an answer from the pharmacy it records a boot of its own
    ward.pharmacy.start()
    until(lambda: set(ward.alarms()) & {"log-forked", "receipt-ahead"}, "the alarm", 40)
    with pytest.raises(Answer, match="records-parted"):
        bench.scan()
    bench.unit.stop()
    trust, permit = bench.site.trust, bench.folder / "permit"
    name = f"{SITE}/nebctl/neb-0001/2"
    key = bench.folder / "neb-0001.key"
    permitting = ("--unit", "neb-0001", "--vkey", trust / "neb-0001.2.vkey", *PERSONS, "-o", permit)
    for words in (
        ("keys", "publish", key, "--name", name, "--trust", trust, "--as", "neb-0001.2"),
        ("pharmacy", "epoch", "--config", bench.site.pharmacy, *permitting),
        ("ledger", "epoch", "--config", bench.config, "--permit", permit),
    ):
        done = nebctl(*words)
        assert done.returncode == 0, done.stderr
    ward.start_and_receipt()
    assert ward.alarms() == []
    genesis = next(record for record in bench.records("genesis") if record["ep"] == 2)
    assert genesis["divergent"] == len([r for r in bench.records("incident") if r["kind"] == "divergent"]) > 0
    shown = nebctl("pharmacy", "show", "--config", bench.site.pharmacy, "--unit", "neb-0001")
    assert f"{name}: " in shown.stdout
    checked = nebctl("ledger", "verify", bench.site.pharmacy_db, "--trust", trust)
    assert checked.returncode == 0, checked.stdout
    assert bench.make_ready()
