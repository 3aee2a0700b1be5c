"""Real brokers in processes of their own, and a whole stream between a unit's ledger and a pharmacy."""

import asyncio
import contextlib
import getpass
import logging
import os
import secrets
import shutil
import signal
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from nebctl import keys
from nebctl.core.instant import ClockState, Instant
from nebctl.core.ledger import head
from nebctl.core.ledger.envelope import Stamp
from nebctl.core.ledger.note import COSIGNATURE, ED25519, Vkey
from nebctl.core.ledger.records import Draft
from nebctl.core.orders import Operator
from nebctl.core.regimen import SiteRules
from nebctl.pharmacy.books import Books, Rulebook
from nebctl.pharmacy.database import beside
from nebctl.pharmacy.enrolment import enrol_unit
from nebctl.pharmacy.log import Log
from nebctl.pharmacy.orders import Desk
from nebctl.pharmacy.service import PharmacyService
from nebctl.pharmacy.store import PharmacyStore
from nebctl.publish.connection import MqttSettings
from nebctl.publish.unit import Callbacks, Standing, UnitPublisher
from nebctl.store.ledger import UnitLedger
from nebctl_protocols import StudyProtocol, builtin, load_protocol

SITE, UNIT = "sim.mexcovid.example", "neb-0001"
NOW = Instant(
    mono_ns=1, wall_ns=1_771_063_200_000_000_000, boot="boot", clock=ClockState(sync=True, source="sim", scale=60)
)
UNIT_KEY = keys.Ed25519Signer.from_seed(b"\x01" * 32)
WITNESS_KEY = keys.Ed25519Signer.from_seed(b"\x02" * 32)
ORDERS_KEY = keys.Ed25519Signer.from_seed(b"\x03" * 32)
WITNESS = Vkey(f"{SITE}/nebctl-pharmacy", COSIGNATURE, WITNESS_KEY.public)
ORDERS = Vkey(f"{SITE}/nebctl-pharmacy/orders", ED25519, ORDERS_KEY.public)
LOG = logging.getLogger("stream-test")
MISSING = "mosquitto is not installed: apt-get install mosquitto"


async def until(holds: Callable[[], Any], what: str, seconds: float = 15) -> None:
    """Wait until a condition, plain or awaitable, holds."""
    async with asyncio.timeout(seconds):
        while True:
            found = holds()
            if await found if asyncio.iscoroutine(found) else found:
                return
            await asyncio.sleep(0.01)
    raise AssertionError(what)


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Broker:
    """A broker that a test starts, kills and starts again on one port; `extra` are lines for mosquitto."""

    kind: str
    folder: Path
    port: int = field(default_factory=free_port)
    extra: str = ""
    written: bool = False
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Return its address."""
        return f"mqtt://127.0.0.1:{self.port}"

    def _command(self) -> list[str]:
        if self.kind == "amqtt":
            return [sys.executable, "-m", "nebctl_lab.broker", "--port", str(self.port)]
        if not self.written:
            own = f"listener {self.port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n"
            self.configuration.write_text(f"{own}user {getpass.getuser()}\n{self.extra}")
        return [shutil.which("mosquitto") or "mosquitto", "-c", str(self.configuration)]

    @property
    def configuration(self) -> Path:
        """Return mosquitto's configuration file."""
        return self.folder / "mosquitto.conf"

    def write_configuration(self, text: str) -> None:
        """Use this text as mosquitto's configuration, run by whoever runs the test."""
        self.configuration.write_text(f"{text}\nuser {getpass.getuser()}\n")
        self.written = True

    async def start(self) -> None:
        """Start it and wait until it listens."""
        quiet = asyncio.subprocess.DEVNULL
        self.process = await asyncio.create_subprocess_exec(*self._command(), stdout=quiet, stderr=quiet)
        await until(self._listens, "the broker listens")

    async def _listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        await writer.wait_closed()
        return True

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its process."""
        assert self.process is not None
        self.process.send_signal(number)

    async def kill(self) -> None:
        """End it at once: sessions, retained messages and what is in flight are lost."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


@pytest.fixture(params=["amqtt", "mosquitto"])
async def broker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Broker]:
    """Return each kind of broker, not started yet."""
    if request.param == "mosquitto" and shutil.which("mosquitto") is None:
        if os.environ.get("CI") == "true":
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    found = Broker(request.param, tmp_path)
    yield found
    await found.kill()


@dataclass
class Stream:
    """A unit and a pharmacy, each as its own task, with everything between them real."""

    broker: Broker
    folder: Path
    ledger: UnitLedger
    store: PharmacyStore
    publisher: UnitPublisher[Any]
    worklists: list[str]
    answers: list[Any]
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def until(self, holds: Callable[[], Any], what: str) -> None:
        """Wait until a condition holds."""
        await until(holds, what)

    def books(self, db: sqlite3.Connection) -> Books:
        """Return the pharmacy's books over a connection."""
        return bookkeeping(self.folder)(db, NOW)

    def run_unit(self) -> None:
        """Start the unit's side."""
        self.tasks["unit"] = asyncio.create_task(self.publisher.run())

    def run_pharmacy(self, settings: MqttSettings | None = None) -> None:
        """Start the pharmacy's side; None means over plain TCP."""

        class Fixed:
            def instant(self) -> Instant:
                return NOW

        settings = settings or MqttSettings(url=self.broker.url, client_id="pharmacy", answer_s=1)
        service = PharmacyService(self.store, settings, SITE, Fixed(), random=lambda: 0.9, log=LOG)
        self.tasks["pharmacy"] = asyncio.create_task(service.run())

    async def append(self, count: int) -> None:
        """Record something and tell the publisher, as the runner does."""
        for _ in range(count):
            await self.ledger.append([Draft(typ="boot", facts={"reason": "x"}, private={"place": "ward"})], NOW)
            self.publisher.poke()

    async def all_receipted(self) -> bool:
        """Return whether no record waits for a receipt."""
        return (await self.ledger.backlog()).waiting == 0

    def kept(self) -> list[str]:
        """Return the texts that the pharmacy kept, in order."""
        with contextlib.closing(sqlite3.connect(self.folder / "pharmacy.db")) as db:
            return [row[0] for row in db.execute("SELECT jws FROM rec ORDER BY seq")]

    async def written(self) -> list[str]:
        """Return the texts that the unit wrote, in order."""
        return [entry.jws for entry in await self.ledger.entries()]

    async def restore_empty_card(self) -> None:
        """Put the unit back to before its first record, as an old copy of its card would."""
        await self.ledger.close()
        for file in self.folder.glob("unit.db*"):
            file.unlink()
        await self.reopen()

    @property
    def now(self) -> Instant:
        """Return the moment at which everything happens here."""
        return NOW

    async def reopen(self, signer: keys.Ed25519Signer = UNIT_KEY) -> None:
        """Open the unit's ledger again, from the files as they lie, with this key."""
        self.ledger = await open_ledger(self.folder, signer)
        self.publisher = make_publisher(self.broker.url, self.ledger, self.worklists, self.answers)

    def receipts(self) -> list[str]:
        """Return the receipts that the unit keeps, smallest first."""
        with contextlib.closing(sqlite3.connect(self.folder / "unit.db")) as db:
            return [row[0] for row in db.execute("SELECT note FROM receipt ORDER BY size")]

    async def clone(self) -> "Stream":
        """Copy the unit's card into another computer with the same key; the original is closed and opened again."""
        await self.ledger.close()
        folder = self.folder / "clone"
        folder.mkdir()
        shutil.copy(self.folder / "unit.db", folder / "unit.db")
        await self.reopen()
        ledger, answers = await open_ledger(folder), list[Any]()
        publisher = make_publisher(self.broker.url, ledger, [], answers, client=f"{UNIT}-clone")
        return Stream(self.broker, folder, ledger, self.store, publisher, [], answers)

    async def stop(self, name: str) -> None:
        """Cancel one side and wait for its end."""
        task = self.tasks.pop(name)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
def instant() -> Instant:
    """Return the moment at which everything happens here."""
    return NOW


async def open_ledger(folder: Path, signer: keys.Ed25519Signer = UNIT_KEY) -> UnitLedger:
    """Return a unit's ledger that knows the pharmacy's witness key."""
    stamp = Stamp(unit=UNIT, epoch=1, software="test", config_sha256="0" * 64, simulated=True)
    return await UnitLedger.open(
        folder / "unit.db",
        site=SITE,
        unit=UNIT,
        signer=signer,
        verify=keys.verify,
        witness=WITNESS,
        stamp=stamp,
        random=secrets.token_bytes,
        at=NOW,
    )


def make_publisher(
    url: str, ledger: UnitLedger, worklists: list[str], answers: list[Any], client: str = UNIT
) -> UnitPublisher[Any]:
    """Return the unit's publisher over its ledger; a clone on another network has another `client` name."""

    async def on_worklist(text: str) -> None:
        worklists.append(text)

    async def on_receipt(answer: Any) -> None:
        answers.append(answer)

    async def on_answer(text: str, nonce: str) -> bool:
        answers.append(await ledger.take_answer(text, nonce, ORDERS))
        return True

    return UnitPublisher(
        MqttSettings(url=url, client_id=client, answer_s=1),
        SITE,
        UNIT,
        ledger,
        Callbacks(
            standing=lambda: Standing(epoch=1, size=ledger.size, root=ledger.root),
            state=lambda: {"phase": "idle"},
            on_worklist=on_worklist,
            on_receipt=on_receipt,
            on_answer=on_answer,
        ),
        random=lambda: 0.9,
        nonce=lambda: secrets.token_hex(16),
        log=LOG,
    )


def bookkeeping(folder: Path) -> Callable[[sqlite3.Connection, Instant], Books]:
    """Return what makes the pharmacy's books of a moment, with two pharmacists."""
    signer = keys.Ed25519Signer.from_seed(b"\x09" * 32)
    log = Log(path=folder / "pharmacy-log.db", site=SITE, signer=signer, config_sha256="0" * 64, simulated=True)
    study = load_protocol(builtin("NCT04276987"), "study")
    assert isinstance(study, StudyProtocol)
    book = Rulebook(regimen=study.regimen(), follow_up=study.follow_up, rules=SiteRules())
    staff = tuple(Operator(code=code, name=code, roles=("pharmacist",)) for code in ("PH-01", "PH-02"))
    zone = ZoneInfo("UTC")
    return lambda db, at: Books(db=db, log=log, at=at, zone=zone, founders=staff, book=book, lease_ns=10**18)


@pytest.fixture
async def stream(broker: Broker, tmp_path: Path) -> AsyncIterator[Stream]:
    """Return a unit and a pharmacy that know each other; neither they nor the broker run yet."""
    ledger = await open_ledger(tmp_path)
    with beside(tmp_path / "pharmacy.db") as db:
        vkey = Vkey(head.origin(SITE, UNIT, 1), ED25519, UNIT_KEY.public)
        enrol_unit(db, SITE, UNIT, vkey, NOW.wall_ns)
    desk = Desk(site=SITE, study="NCT", operators=(), key_name=f"{WITNESS.name}/orders", signer=ORDERS_KEY)
    store = PharmacyStore(tmp_path / "pharmacy.db", WITNESS, WITNESS_KEY, desk, bookkeeping(tmp_path))
    await store.open(simulated=True, verify=keys.verify)
    worklists: list[str] = []
    answers: list[Any] = []
    publisher = make_publisher(broker.url, ledger, worklists, answers)
    found = Stream(broker, tmp_path, ledger, store, publisher, worklists, answers)
    yield found
    for name in list(found.tasks):
        await found.stop(name)
    await found.ledger.close()
    await store.close()
