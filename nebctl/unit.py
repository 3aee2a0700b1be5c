"""One unit at work: the loop, the bedside page and the stream, begun together and ended in order."""

import asyncio
import contextlib
import logging
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeAlias
from zoneinfo import ZoneInfo

from starlette.applications import Starlette

from nebctl import SOFTWARE
from nebctl.bedside.api import Api
from nebctl.bedside.clock_check import ClockCheck, ClockTrust
from nebctl.bedside.credentials import Credentials, Proof
from nebctl.bedside.desk import Desk, Place
from nebctl.bedside.device import device
from nebctl.bedside.hardware import NOTHING_BESIDE, Beside, Hardware
from nebctl.bedside.logins import Logins
from nebctl.bedside.probe import Probe
from nebctl.bedside.tries_file import NAME as TRIES
from nebctl.bedside.tries_file import TriesFile
from nebctl.bedside.view import Surroundings as Shown
from nebctl.bedside.view import view
from nebctl.config import LoadedConfig
from nebctl.contact import Contact, Terms
from nebctl.core import events as ev
from nebctl.core.alarms import Condition
from nebctl.core.device import CommandFailed
from nebctl.core.history import UnitHistory
from nebctl.core.instant import NS_PER_S
from nebctl.core.ledger.hello import NONCE_BYTES
from nebctl.core.ledger.note import Vkey
from nebctl.core.ledger.records import Json
from nebctl.core.session import LIVE, Rules, State
from nebctl.daywatch import watch_day
from nebctl.pins import PinKey
from nebctl.ports import Clock, Link, Nebulizer
from nebctl.publish.connection import Connect, MqttSettings, connect
from nebctl.publish.unit import Callbacks, Standing, UnitPublisher
from nebctl.runner import Runner, Surroundings
from nebctl.store.ledger import UnitLedger
from nebctl.store.outbox import Receipted, ReceiptRefused
from nebctl.study import Study
from nebctl.systemd import ServiceNotice, Watchdog
from nebctl.webpage import hosts_of, listen, serve, write_token
from nebctl.worklists import WorklistKeeper

log = logging.getLogger("nebctl")

OFF_WAIT_S = 1.2
"""How long a shutdown waits for the output to read back OFF; the whole shutdown takes at most 2 s."""
LOOP_END_S = 0.3
"""How long the loop may finish what it began; a device that keeps silent is then left to its own watchdog."""
TELEMETRY_S = 0.5
FAREWELL_S = 0.4


class StartFault(Exception):  # noqa: N818 - a fault is of the world, not of the program
    """Why a unit cannot start, one line a fault; `wrong_call` says that its configuration is to be corrected."""

    def __init__(self, sentence: str, *, wrong_call: bool = False) -> None:
        super().__init__(sentence)
        self.wrong_call = wrong_call


def mqtt_settings(loaded: LoadedConfig) -> MqttSettings | None:
    """Return how the unit reaches its broker; None where its configuration names none."""
    mqtt, path = loaded.config.mqtt, loaded.path
    if mqtt is None:
        return None
    return MqttSettings(
        url=mqtt.url,
        client_id=loaded.config.unit.id,
        ca=path(mqtt.ca) if mqtt.ca else None,
        cert=path(mqtt.cert) if mqtt.cert else None,
        key=path(mqtt.key) if mqtt.key else None,
    )


def ask_to_end() -> asyncio.Event:
    """Return what SIGTERM and SIGINT set."""
    asked, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    return asked


@contextlib.asynccontextmanager
async def serve_on_loopback(make: Callable[[frozenset[str]], Starlette], bind: str) -> AsyncIterator[str]:
    """Serve the application that `make` returns for its Host values; yield its address.

    Raises: `StartFault` where the port is taken.
    """
    listener = _listen(bind)
    port = listener.getsockname()[1]
    async with serve(make(hosts_of(listener)), listener):
        yield f"http://127.0.0.1:{port}"


ServePage: TypeAlias = Callable[
    [Callable[[frozenset[str]], Starlette], str], contextlib.AbstractAsyncContextManager[str]
]
"""Serves a page as `serve_on_loopback` does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """What a unit takes from the world beside its configuration; only a simulated unit may be given anything else.

    `random` gives fresh bytes. `clock` None is the clock that the configuration names, `open_link` None the wires that
    device URLs lead to, `thread` None a thread of its own for the ledger, and one for PINs. `ended` returns
    what asks the unit to end.
    """

    random: Callable[[int], bytes] = secrets.token_bytes
    clock: Clock | None = None
    open_link: Callable[[str], Link | CommandFailed] | None = None
    thread: Callable[[], Executor] | None = None
    connect: Connect = connect
    ended: Callable[[], asyncio.Event] = ask_to_end
    serve: ServePage = serve_on_loopback


LIVE_EDGE = Edge()


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """Everything that was read and opened before the unit can serve.

    `pin_key` is the site's PIN key, None where this unit has none; `beside` is what stands beside the screen.
    `orders` is the pharmacy's orders key; `unreceipted` records waited at the start; `found` are alarms that stand from
    the start.
    """

    loaded: LoadedConfig
    clock: Clock
    zone: ZoneInfo
    study: Study
    rules: Rules
    nebulizer: Nebulizer
    ledger: UnitLedger
    history: UnitHistory
    worklists: WorklistKeeper
    orders: Vkey
    unreceipted: int
    pin_key: PinKey | None = None
    beside: Beside = NOTHING_BESIDE
    found: tuple[Condition, ...] = ()
    edge: Edge = field(default_factory=Edge)


class Unit:
    """One unit at work: loop, page, stream."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self._config = opened.loaded.config
        self._random = opened.edge.random
        self._notice = ServiceNotice()
        self._closing = asyncio.Event()
        self._publisher = self._make_publisher()
        self._trust = ClockTrust(opened.clock, lambda: self._runner.history.clock_checked, opened.history.synchronised)
        self._runner = self._make_runner()
        terms = Terms(orders=opened.orders, longest_wait_ns=opened.rules.site.max_unreceipted_ns)
        receipted = opened.ledger.size - opened.unreceipted
        self._contact = Contact(opened.ledger, opened.clock, terms, self._runner, receipted=receipted)
        page = self._config.page
        self._probe = Probe(display=page.display, sound=page.sound, tell=self._runner.tell_changed)
        place = Place(
            regimen=opened.study.regimen,
            rules=opened.study.rules,
            zone=opened.zone,
            random_hex=lambda digits: self._random((digits + 1) // 2).hex()[:digits],
            peripherals=lambda: self._hardware.checks(self._probe),
            simulated=self._config.unit.simulated,
            approved_until_ns=opened.study.expires_ns,
            follow_up=opened.study.follow_up,
            link=opened.pin_key.link if opened.pin_key else None,
            code_of=partial(opened.pin_key.return_code, self._config.unit.id) if opened.pin_key else None,
            absent=opened.worklists.absent,
        )
        self._desk = Desk(self._runner, opened.clock, place, opened.worklists.current)
        self._thread = opened.edge.thread() if opened.edge.thread else ThreadPoolExecutor(max_workers=1)
        self._credentials = self._make_credentials()
        self._logins = Logins(now_s=asyncio.get_running_loop().time, idle_s=opened.study.rules.idle_lock_ns / NS_PER_S)
        self._hardware = Hardware(opened.beside, self._runner, self._desk, self._logins, opened.clock)

    @property
    def runner(self) -> Runner:
        """Return the loop, to be read."""
        return self._runner

    async def run(self, ready: Callable[[str], None]) -> None:
        """Serve until a signal asks to end, then leave the device off and the log whole."""
        asked = self._opened.edge.ended()
        if not self._trusted():
            log.warning("the clock is not trusted: no dose can be started until it is synchronised or checked")
        if self._opened.pin_key is None:
            log.warning("[unit] has no pin_key: nobody can sign in, and no dose can be started; STOP works")
        for condition in self._opened.found:
            self._runner.raise_alarm(condition)
        async with self._page() as address, asyncio.TaskGroup() as tasks:
            loop = tasks.create_task(self._runner.run())
            streaming = (self._publisher.run, self._tell_state, self._contact.watch_age) if self._publisher else ()
            streams = [tasks.create_task(work()) for work in (self._watch_day, *self._hardware.works(), *streaming)]
            self._notice.tell("READY=1")
            ready(address)
            await asyncio.wait({asyncio.ensure_future(asked.wait()), loop}, return_when=asyncio.FIRST_COMPLETED)
            self._notice.tell("STOPPING=1")
            await self._end_session()
            self._runner.close()
            self._closing.set()
            await asyncio.wait({loop}, timeout=LOOP_END_S)
            loop.cancel()
            await self._drain()
            for task in streams:
                task.cancel()

    async def _end_session(self) -> None:
        """Turn off, and give the session the outcome that a shutdown allows.

        A device that does not answer holds nobody up: it goes off by itself, and the next start records the outcome.
        """
        runner = self._runner
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(OFF_WAIT_S):
                await runner.stop("signal")
                while runner.session.state in LIVE:
                    await runner.changed(0.1)
                if runner.session.state is State.RESIDUAL:
                    await runner.press(ev.ResidualRefused(reason="the unit was shut down", operator=""))

    async def _drain(self) -> None:
        """Give the last records a moment on the wire; what stays is sent after the next start."""
        if self._publisher is None or not self._publisher.connected:
            return
        self._publisher.poke()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_S):
                while (await self._opened.ledger.backlog()).waiting:  # noqa: ASYNC110 - receipts tell nobody here
                    await asyncio.sleep(0.02)

    def _make_credentials(self) -> Credentials:
        opened, unit = self._opened, self._config.unit
        proof = Proof(
            key=opened.pin_key,
            tries=TriesFile(opened.loaded.path(unit.data) / TRIES, opened.clock.instant()),
            thread=self._thread,
            simulated=unit.simulated,
            absent=opened.worklists.absent,
        )
        worklist, rules = opened.worklists.current, opened.study.rules
        return Credentials(proof, opened.clock, opened.zone, rules, worklist, self._runner.note)

    def _trusted(self) -> bool:
        return self._trust.now()

    def _make_runner(self) -> Runner:
        opened, watchdog = self._opened, Watchdog(self._notice)
        loop = asyncio.get_running_loop()
        publisher = self._publisher
        return Runner(
            nebulizer=opened.nebulizer,
            store=opened.ledger,
            clock=opened.clock,
            rules=opened.rules,
            doses_per_day=opened.study.regimen.doses_per_day,
            history=opened.history,
            poll_s=self._config.device.poll / 1e9,
            around=Surroundings(
                trusted=self._trust.at,
                recorded=publisher.poke if publisher else lambda: None,
                cycle=lambda: watchdog.feed(loop.time()),
            ),
        )

    def _make_publisher(self) -> "UnitPublisher[Receipted | ReceiptRefused] | None":
        opened, unit = self._opened, self._config.unit
        settings = mqtt_settings(opened.loaded)
        if settings is None:
            return None
        callbacks: Callbacks[Receipted | ReceiptRefused] = Callbacks(
            standing=lambda: Standing(epoch=opened.ledger.epoch, size=opened.ledger.size, root=opened.ledger.root),
            state=lambda: {"state": self._runner.session.state.value, "software": SOFTWARE},
            on_worklist=self._take_worklist,
            on_receipt=lambda answer: self._contact.take_receipt(answer),  # noqa: PLW0108 - it is made later
            on_answer=lambda note, nonce: self._contact.take_answer(note, nonce),  # noqa: PLW0108
        )
        return UnitPublisher(
            settings,
            unit.site,
            unit.id,
            opened.ledger,
            callbacks,
            random=lambda: int.from_bytes(self._random(6)) / 2**48,
            nonce=lambda: self._random(NONCE_BYTES).hex(),
            log=logging.getLogger("nebctl.stream"),
            connect=opened.edge.connect,
        )

    async def _take_worklist(self, note_text: str) -> None:
        draft = self._opened.worklists.take(note_text)
        if draft is not None:
            await self._runner.commit((draft,))

    async def _tell_state(self) -> None:
        """Send what a remote page may show, twice a second in a dose; unsigned and never needed."""
        while True:
            await asyncio.sleep(TELEMETRY_S)
            session = self._runner.session
            if self._publisher is not None and session.state in LIVE:
                emitted: dict[str, Json] = {"state": session.state.value, **session.estimate.emitted.as_json()}
                self._publisher.send_telemetry(emitted)

    @contextlib.asynccontextmanager
    async def _page(self) -> AsyncIterator[str]:
        """Serve the API; yield its address."""
        token = _fresh_token(self._opened.loaded.path(self._config.unit.data) / "api.token")

        def make(hosts: frozenset[str]) -> Starlette:
            return Api(
                runner=self._runner,
                desk=self._desk,
                credentials=self._credentials,
                clock_check=ClockCheck(self._opened.clock, self._opened.zone, self._runner.note),
                logins=self._logins,
                show=self._show(),
                show_device=self._show_device,
                token=token,
                closing=self._closing,
                probe=self._probe,
                hosts=hosts,
                cookie=f"nebctl-{self._config.unit.id}",
            ).app()

        async with self._opened.edge.serve(make, self._config.page.bind) as address:
            yield address

    async def _watch_day(self) -> None:
        opened = self._opened
        listed, longest_ns = opened.worklists.current, opened.study.rules.max_unsigned_ns
        await watch_day(self._runner, opened.clock, opened.zone, listed, self._trusted, longest_ns)

    def _show(self) -> Callable[[], dict[str, Json]]:
        shown = Shown(
            unit=self._config.unit.id,
            simulated=self._config.unit.simulated,
            regimen=self._opened.study.regimen,
            clock=self._opened.clock,
            trusted=self._trusted,
            stream=self._stream_state,
            zone=self._opened.zone,
            worklist=self._opened.worklists.current,
            checks=lambda: self._desk.checks,
            charted=self._desk.charting.shown,
            scanned=self._hardware.shown,
            operator_ends=self._opened.rules.model.operator_ends,
            probe=lambda: self._probe.question,
            soft=self._opened.study.rules.soft,
            returning=self._desk.returning.shown,
        )
        return lambda: view(self._runner, shown)

    def _show_device(self) -> dict[str, Json]:
        answering = self._runner.witnessed.device
        now_ns = self._opened.clock.instant().wall_ns
        return device(self._runner.history, self._opened.rules, answering.serial if answering else None, now_ns)

    def _stream_state(self) -> dict[str, Json]:
        publisher, waiting = self._publisher, self._opened.ledger.size - self._contact.receipted
        if publisher is None:
            return {"connected": False, "fault": "no broker is configured", "waiting": waiting}
        return {"connected": publisher.connected, "fault": publisher.fault, "waiting": waiting}


def _fresh_token(path: Path) -> str:
    try:
        return write_token(path)
    except OSError as error:
        raise StartFault(
            f"{path}: {error.strerror}, expected a file that the unit may write; mend or remove it"
        ) from None


def _listen(bind: str) -> socket.socket:
    try:
        return listen(bind)
    except OSError as error:
        raise StartFault(f"[page] bind {bind}: {error.strerror}; choose another port", wrong_call=True) from None
