"""A unit's side of the stream: records out, receipts and worklists in; an absent broker costs delivery nothing."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from nebctl.core.ledger import canonical
from nebctl.core.ledger.hello import HEAD as HELLO
from nebctl.core.ledger.hello import Hello
from nebctl.core.ledger.records import Json
from nebctl.publish.connection import BrokerFault, Connect, Live, Message, MqttSettings, connect
from nebctl.publish.steady import stream_forever
from nebctl.publish.topics import INBOUND, format_record, parse_topic, topic
from nebctl.publish.window import Numbered, Window

LIMIT = 100
RESEND_S = 5.0
STATE_S = 30.0
ASK_S = 5.0
NUDGE_S = 0.5
FAREWELL_S = 0.5
SILENT_S = 15.0
SILENT = "no receipt for {} s: the pharmacy is away, or the broker keeps the records from it"
Answer = TypeVar("Answer")
Answer_co = TypeVar("Answer_co", covariant=True)


class Record(Numbered, Protocol):
    """A committed record on its way out."""

    @property
    def jws(self) -> str:
        """Return the record's text."""
        ...

    @property
    def disclosures(self) -> tuple[str, ...]:
        """Return all disclosures of the record."""
        ...

    @property
    def head_line(self) -> str:
        """Return the unit's signature line over the tree that ends with the record."""
        ...


class Outbox(Protocol[Answer_co]):
    """What the ledger offers to the stream."""

    async def unreceipted(self, limit: int) -> Sequence[Record]:
        """Return the lowest records without a receipt, in order."""
        ...

    async def take_receipt(self, note_text: str) -> Answer_co:
        """Check a receipt and close what it covers; a bad one closes nothing."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where the unit's tree stands when it says hello."""

    epoch: int
    size: int
    root: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Callbacks(Generic[Answer]):
    """What the unit gives and takes: its standing, its state for the birth message, and what arrives.

    `on_answer` takes what the pharmacy answered to a hello, and the nonce of the newest one; it returns whether that
    was answered, and until then the hello is said again. A fault in any of them is logged and ends nothing.
    """

    standing: Callable[[], Standing]
    state: Callable[[], Mapping[str, Json]]
    on_worklist: Callable[[str], Awaitable[None]]
    on_receipt: Callable[[Answer], Awaitable[None]]
    on_answer: Callable[[str, str], Awaitable[bool]]


class UnitPublisher(Generic[Answer]):
    """The task beside delivery that keeps the pharmacy informed; `run` ends only when it is cancelled."""

    def __init__(
        self,
        settings: MqttSettings,
        site: str,
        unit: str,
        outbox: Outbox[Answer],
        callbacks: Callbacks[Answer],
        *,
        random: Callable[[], float],
        nonce: Callable[[], str],
        log: logging.Logger,
        connect: Connect = connect,
    ) -> None:
        self._connect = connect
        self._settings = settings
        self._topics = {kind: topic(site, unit, kind) for kind in ("record", "state", "hello", "telemetry", *INBOUND)}
        self._outbox = outbox
        self._callbacks = callbacks
        self._random = random
        self._nonce = nonce
        self._log = log
        self._wake = asyncio.Event()
        self._live: Live | None = None
        self._heard = False
        self._reading: Mapping[str, Json] | None = None
        self._reading_came = asyncio.Event()
        self._fault: str | None = None
        self._asked: str | None = None
        self._window: Window | None = None

    @property
    def connected(self) -> bool:
        """Return whether a connection stands now."""
        return self._live is not None

    @property
    def fault(self) -> str | None:
        """Return why records do not arrive, in one line; None while they do or before the first attempt.

        A broker of MQTT 3.1.1 acknowledges what its access list throws away: only the receipts that stay away tell.
        """
        if self._live is None or self._window is None:
            return self._fault
        stuck_s = self._window.stuck_s(asyncio.get_running_loop().time())
        return None if stuck_s < SILENT_S else SILENT.format(round(stuck_s))

    def poke(self) -> None:
        """Say that records were appended; returns at once."""
        self._wake.set()

    def send_telemetry(self, body: Mapping[str, Json]) -> None:
        """Send one unsigned reading when the wire is free; only the newest waits, and none without a connection."""
        self._reading = body
        self._reading_came.set()

    async def run(self) -> None:
        """Connect, stream, and connect again, until cancelled."""
        await stream_forever(self._stream, random=self._random, log=self._log, note=self._note_fault)

    def _note_fault(self, text: str) -> None:
        self._fault = text

    async def _stream(self, established: Callable[[], None]) -> None:
        offline = self._message("state", {"online": False}, retain=True)
        async with self._connect(self._settings, offline) as live:
            await live.subscribe(self._topics[kind] for kind in INBOUND)
            await self._greet(live)
            established()
            self._live = live
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._receive(live))
                    tasks.create_task(self._send(live))
                    tasks.create_task(self._tell(live))
                    tasks.create_task(self._ask(live))
            except asyncio.CancelledError:
                await self._leave(live, offline)
                raise
            finally:
                self._live = self._window = None

    async def _leave(self, live: Live, offline: Message) -> None:
        """Say that the unit goes on purpose: the will speaks only for an accident."""
        with contextlib.suppress(BrokerFault, TimeoutError):
            async with asyncio.timeout(FAREWELL_S):
                await live.publish(offline)

    async def _greet(self, live: Live) -> None:
        await live.publish(self._state())
        self._asked = self._nonce()
        await self._say_hello(live, self._asked)

    async def _say_hello(self, live: Live, nonce: str) -> None:
        standing = self._callbacks.standing()
        hello = Hello(nonce=nonce, epoch=standing.epoch, size=standing.size, root=standing.root)
        await live.publish(Message(self._topics["hello"], hello.body()))

    async def _ask(self, live: Live) -> None:
        """Say hello again, with the nonce of this connection, until it is answered: the pharmacy may come later."""
        while self._asked is not None:
            await asyncio.sleep(ASK_S)
            if self._asked is not None:
                await self._say_hello(live, self._asked)

    async def _take_receipt(self, text: str) -> None:
        """Take what came on the receipt topic: an answer to a hello, or a countersigned head."""
        if not text.startswith(f"{HELLO}\n"):
            await self._callbacks.on_receipt(await self._outbox.take_receipt(text))
        elif self._asked is not None and await self._callbacks.on_answer(text, self._asked):
            self._asked = None

    def _state(self) -> Message:
        return self._message("state", {"online": True, **self._callbacks.state()}, retain=True)

    def _message(self, kind: str, body: Mapping[str, Json], *, retain: bool = False) -> Message:
        return Message(self._topics[kind], canonical.encode(dict(body)), retain)

    async def _receive(self, live: Live) -> None:
        async for message in live.messages():
            named = parse_topic(message.topic)
            try:
                if named is not None and named.kind == "receipt":
                    await self._take_receipt(message.payload.decode())
                elif named is not None and named.kind == "worklist":
                    await self._callbacks.on_worklist(message.payload.decode())
            except UnicodeDecodeError:
                self._log.warning("a message on %s is no UTF-8 text and was not taken", message.topic)
            except Exception:
                self._log.exception("a message on %s was not taken", message.topic)
            self._heard = True
            self._wake.set()
        raise BrokerFault("the broker closed the connection")

    async def _send(self, live: Live) -> None:
        clock = asyncio.get_running_loop().time
        self._window = window = Window(resend_s=RESEND_S, nudge_s=NUDGE_S, now=clock())
        while True:
            self._wake.clear()
            if self._heard:
                self._heard = False
                window.heard()
            for record in window.due(await self._outbox.unreceipted(LIMIT), clock()):
                body = format_record(record.jws, record.disclosures, record.head_line)
                await live.publish(Message(self._topics["record"], body))
            await self._sleep(window.wait_s(clock()))

    async def _tell(self, live: Live) -> None:
        """Send readings as they come, and the state every half minute, so that the pharmacy sees a quiet unit too."""
        self._reading_came.clear()
        while True:
            try:
                async with asyncio.timeout(STATE_S):
                    await self._reading_came.wait()
            except TimeoutError:
                await live.publish(self._state())
                continue
            self._reading_came.clear()
            if self._reading is not None:
                await live.publish(self._message("telemetry", self._reading), qos=0)

    async def _sleep(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
