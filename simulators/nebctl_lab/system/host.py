"""The computers of a site: a unit's, which can hang and lose its power, and the pharmacy's."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from nebctl.config import LoadedConfig, load_config
from nebctl.daemon import open_parts
from nebctl.pharmacy import run as pharmacy
from nebctl.pharmacy.config import PharmacyConfig
from nebctl.pharmacy.config import read_config as read_pharmacy
from nebctl.runner import Runner
from nebctl.store.ledger import UnitLedger
from nebctl.unit import Edge, Unit
from nebctl_lab.bedside import Answer, Desk
from nebctl_lab.people import PIN
from nebctl_lab.system.asgi import HOST, ask, listen
from nebctl_lab.system.broker import Broker, Client
from nebctl_lab.system.cable import Cable, CableLink
from nebctl_lab.system.chance import stream
from nebctl_lab.system.inline import Inline
from nebctl_lab.system.time import HostClock
from nebctl_lab.virtual import Process, VirtualLoop


class SiteFault(AssertionError):  # noqa: N818 - a fault is of the world, not of the program
    """Something that was asked of a machine that is off, or waited for and did not come."""


class UnitHost:
    """A unit's computer: the daemon's own parts on this clock, cables and broker, with chance from the seed.

    `cables` are its lines by the device URLs of its configuration.
    """

    def __init__(self, folder: Path, seed: int, clock: HostClock, broker: Broker, cables: Mapping[str, Cable]) -> None:
        self.folder = folder
        self.clock = clock
        self._random = stream(seed, f"host {folder.name}").randbytes
        self._broker = broker
        self._cables = cables
        self._desk = Desk()
        self._disk = Inline()
        self._links: list[CableLink] = []
        self._clients: list[Client] = []
        self._process: Process | None = None
        self._ledger: UnitLedger | None = None
        self._unit: Unit | None = None
        self._app: Starlette | None = None
        self._ended = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_on(self) -> bool:
        """Whether the daemon runs."""
        return self._task is not None and not self._task.done()

    @property
    def runner(self) -> Runner:
        """The daemon's loop, to be read.

        Raises: `SiteFault` where it does not run.
        """
        if self._unit is None or not self.is_on:
            raise SiteFault(f"{self.folder.name} is off")
        return self._unit.runner

    async def start(self) -> None:
        """Switch on and wait until the daemon serves.

        Raises: whatever keeps it from starting; `SiteFault` where it runs already.
        """
        if self.is_on:
            raise SiteFault(f"{self.folder.name} runs already")
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        self._process = Process(loop)
        self._disk, self._ended = Inline(), asyncio.Event()
        serves = asyncio.Event()
        self._task = self._process.start(self._run(lambda _: serves.set()))
        await _until(serves, self._task)

    async def stop(self) -> None:
        """Ask the daemon to end, as SIGTERM does, and wait until it has."""
        self._ended.set()
        if self._task is not None:
            await self._task

    async def die(self) -> None:
        """Lose the power now: nothing more goes out, and the disk stays as it is."""
        self._disk.severed = True
        for link in self._links:
            link.severed = True
        for client in self._clients:
            self._broker.sever(client)
        if self._process is not None:
            await self._process.kill()
        await self._leave_disk()
        self._links.clear()
        self._clients.clear()

    async def _leave_disk(self) -> None:
        """Give the ledger's files back as the power cut left them: closing a database would tidy it up."""
        if self._ledger is None:
            return
        kept = [(path, path.with_name(f"{path.name}.cut")) for path in self._database_files() if path.exists()]
        for path, copy in kept:
            shutil.copyfile(path, copy)
        self._disk.severed = False
        await self._ledger.close()
        for path in self._database_files():
            path.unlink(missing_ok=True)
        for path, copy in kept:
            copy.replace(path)
        self._ledger = None

    def _database_files(self) -> tuple[Path, Path]:
        return self.folder / "unit.db", self.folder / "unit.db-wal"

    def freeze(self) -> None:
        """Let nothing run on this computer."""
        if self._process is not None:
            self._process.freeze()

    def thaw(self) -> None:
        """Let it go on."""
        if self._process is not None:
            self._process.thaw()

    async def ask(self, method: str, path: str, body: Any) -> dict[str, Any]:
        """Ask the bedside API, from a process of this computer, and return the answer; whoever presses signs in before.

        Raises: `Answer` for a refusal; `SiteFault` where the host is off, or goes off before it has answered.
        """
        if who := self._desk.wanted(path, body):
            await self.sign_in(who)
        try:
            return await self._ask(method, path, body)
        except Answer as answer:
            if not self._desk.is_over(answer):
                raise
            await self.sign_in(self._desk.operator)
            return await self._ask(method, path, body)

    def listen(self, take: Callable[[bytes], Awaitable[None]]) -> "asyncio.Task[None]":
        """Read the daemon's event stream from now on, as a page does; cancelling the task ends it.

        Raises: `SiteFault` where the host is off.
        """
        if self._app is None or self._process is None or not self.is_on:
            raise SiteFault(f"{self.folder.name} is off")
        token = (self.folder / "api.token").read_text("ascii")
        return self._process.start(listen(self._app, "/api/events", token, take))

    async def sign_in(self, operator: str, pin: str = PIN) -> None:
        """Sign a person in for the presses that follow.

        Raises: `Answer` where badge or PIN are refused.
        """
        answer = await self._ask("POST", "/api/login", {"operator": operator, "pin": pin})
        self._desk.signed_in(operator, answer)

    async def _ask(self, method: str, path: str, body: Any) -> dict[str, Any]:
        if self._app is None or self._process is None or not self.is_on:
            raise SiteFault(f"{self.folder.name} is off")
        token = (self.folder / "api.token").read_text("ascii")
        body = self._desk.body(path, body)
        asking = self._process.start(ask(self._app, method, path, body, token, self._desk.session))
        await asyncio.wait({asking})
        if asking.cancelled():
            raise SiteFault(f"{self.folder.name} went off before it answered")
        status, answer = asking.result()
        if status != 200:
            raise Answer(status, answer)
        return answer

    async def _run(self, ready: Callable[[str], None]) -> None:
        opened = await open_parts(read_config(self.folder / "unit.toml"), self._edge())
        self._ledger = opened.ledger
        self._unit = Unit(opened)
        try:
            await self._unit.run(ready)
        finally:
            await opened.nebulizer.close()
            await opened.ledger.close()

    def _edge(self) -> Edge:
        return Edge(
            random=self._random,
            clock=self.clock,
            open_link=self._open_link,
            thread=lambda: self._disk,
            connect=self._broker.connect_for(self._clients),
            ended=lambda: self._ended,
            serve=self._serve,
        )

    def _open_link(self, url: str) -> CableLink:
        link = self._cables[url].open_link(url)
        self._links.append(link)
        return link

    @contextlib.asynccontextmanager
    async def _serve(self, make: Callable[[frozenset[str]], Starlette], _bind: str) -> AsyncIterator[str]:
        self._app = make(frozenset({HOST}))
        yield "memory"


class PharmacyHost:
    """The pharmacy's computer: its service, on this clock and this broker, with chance from the seed."""

    def __init__(self, root: Path, seed: int, clock: HostClock, broker: Broker) -> None:
        config = read_pharmacy(root / "pharmacy.toml")
        assert isinstance(config, PharmacyConfig)
        self.config = config
        self.clock = clock
        self._ended = asyncio.Event()
        self.edge = pharmacy.Edge(
            random=stream(seed, "pharmacy").randbytes,
            clock=clock,
            thread=Inline,
            connect=broker.connect_for([]),
            ended=lambda: self._ended,
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Switch on and wait until records can be kept."""
        serves = asyncio.Event()
        self._task = asyncio.create_task(pharmacy.serve(self.config, lambda _: serves.set(), self.edge))
        await _until(serves, self._task)

    async def stop(self) -> None:
        """End the service."""
        self._ended.set()
        if self._task is not None:
            await self._task


async def _until(serves: asyncio.Event, task: "asyncio.Task[None]") -> None:
    """Wait until a program serves; one that ended before raises here what ended it."""
    waiting = asyncio.create_task(serves.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if task.done():
        task.result()


def read_config(path: Path) -> LoadedConfig:
    """Return a unit's configuration.

    Raises: `SiteFault` telling everything that is wrong with it.
    """
    loaded = load_config(path)
    if isinstance(loaded, tuple):
        raise SiteFault("\n".join(map(str, loaded)))
    return loaded
