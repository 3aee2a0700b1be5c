"""One connection to a broker: MQTT 5, or 3.1.1 where the broker knows no more; every failure is a `BrokerFault`."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self, TypeAlias
from urllib.parse import urlsplit

import aiomqtt
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.client import MQTT_LOG_ERR, MQTTMessage
from paho.mqtt.reasoncodes import ReasonCode

CONNECT_S = 2.0
ANSWER_S = 5.0
KEEPALIVE_S = 15
QUEUED = 10_000
READ_TOGETHER = 100
"""Packets that are read at one turn of the loop: a few milliseconds of work."""
UNSUPPORTED_VERSION = 132
REFUSED = 0x80
"""Reason codes from here on are refusals. Source: MQTT 5.0, section 2.4; 0x80 alone in MQTT 3.1.1, section 3.9.3."""


class BrokerFault(Exception):  # noqa: N818 - a fault is of the world, not of the program
    """The broker cannot be reached, does not answer, or refused; what was not receipted will be sent again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttSettings:
    """Where the broker is and who we are.

    `url` is `mqtt://host[:1883]` or `mqtts://host[:8883]`; `ca`, `cert` and `key` are PEM files for `mqtts`, and
    None means the system's authorities and no certificate of our own. An answer is awaited `answer_s` seconds.
    """

    url: str
    client_id: str
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    answer_s: float = ANSWER_S

    def address(self) -> tuple[str, int, bool]:
        """Return host, port and whether TLS is wanted.

        Raises: `ValueError` where the address is not one of a broker.
        """
        parts = urlsplit(self.url)
        if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname or parts.path or parts.username:
            raise ValueError(f"broker address {self.url!r} is not of the form mqtt://host:port or mqtts://host:port")
        secure = parts.scheme == "mqtts"
        return parts.hostname, parts.port or (8883 if secure else 1883), secure


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it arrived, or as it is to go out."""

    topic: str
    payload: bytes
    retain: bool = False


def obey_cancellation() -> None:
    """Raise the cancellation of this task that a library's call has swallowed.

    Before Python 3.12 `asyncio.wait_for`, which the MQTT library uses, loses a cancellation that comes together with
    the answer; a task that loops over such calls would then never end.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


class Live(Protocol):
    """A connection that stands; every failure is a `BrokerFault`."""

    async def publish(self, message: Message, *, qos: int = 1) -> None:
        """Publish; with `qos` 1 the broker's acknowledgement is awaited."""
        ...

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Subscribe with QoS 1."""
        ...

    def messages(self) -> AsyncIterator[Message]:
        """Yield what arrives, until the connection ends with a `BrokerFault`."""
        ...


Connect: TypeAlias = Callable[[MqttSettings, Message | None], contextlib.AbstractAsyncContextManager[Live]]
"""Connects with these settings and this will (None: none), as `connect` does."""


class _Client(aiomqtt.Client):
    """The library's client, which also remembers that a publish was refused and lets go of a half-open socket.

    It reads and writes what is there at one turn of the loop; the library takes one packet a turn and asks the kernel
    before each whether it may write, which costs a busy pharmacy a third of its time.
    """

    refusal: str | None = None
    trouble: str | None = None
    came = 0
    _stands = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.news = asyncio.Event()
        """Set when something arrived, or when the connection ended."""

    @property
    def over(self) -> bool:
        """Return whether the connection has ended."""
        return self._disconnected.done()

    def end(self) -> aiomqtt.MqttError:
        """Return why the connection has ended, as the library says it."""
        fault = aiomqtt.MqttError("Disconnected during message iteration")
        fault.__cause__ = self._disconnected.exception()
        return fault

    def _on_log(self, _client: Any, _userdata: Any, level: int, text: str) -> None:
        if level == MQTT_LOG_ERR:
            self.trouble = text

    def _on_publish(self, client: Any, userdata: Any, mid: int, reason_code: ReasonCode, properties: Any) -> None:
        if reason_code.is_failure:
            self.refusal = str(reason_code)
        self.came += 1
        super()._on_publish(client, userdata, mid, reason_code, properties)

    def _on_message(self, _client: Any, _userdata: Any, message: Any) -> None:
        self.came += 1
        queue: asyncio.Queue[Any] = self._queue
        try:  # as the library does, but in our own shape at once
            queue.put_nowait(_read(message))
            self.news.set()
        except asyncio.QueueFull:
            self._logger.warning("the queue of messages is full; one is thrown away")

    def _read(self, sock: Any) -> None:
        """Take packets as long as each brings a message or an acknowledgement, and no more than the loop can bear."""
        for _ in range(READ_TOGETHER):
            before = self.came
            self._work(self._client.loop_read)
            pending = getattr(sock, "pending", int)  # what TLS has decrypted already, of which the kernel knows nothing
            if self.came == before and not pending():
                return

    def _on_socket_register_write(self, client: Any, userdata: Any, sock: Any) -> None:
        if self._stands:
            self._loop.call_soon(self._write, sock)
        else:  # perhaps from another thread, which connects
            super()._on_socket_register_write(client, userdata, sock)

    def _write(self, sock: Any) -> None:
        """Send what waits, in as few segments as it fits in; what the socket does not take goes when it does."""
        if sock.fileno() < 0:
            return
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        self._work(self._client.loop_write)
        if sock.fileno() >= 0:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
            if self._client.want_write():
                self._loop.add_writer(sock.fileno(), self._write, sock)

    def _work(self, step: Callable[[], object]) -> None:
        """Do one of the library's steps; one that breaks ends the connection."""
        try:
            step()
        except Exception as fault:
            if not self._disconnected.done():
                self._disconnected.set_exception(fault)

    async def __aenter__(self) -> Self:
        self._client.connect_timeout = CONNECT_S
        self._client.on_log = self._on_log
        try:
            await super().__aenter__()
            obey_cancellation()
        except BaseException as fault:
            # The library leaves the socket open when no answer came, and stumbles over its own cancelled future.
            self._connected = asyncio.Future()
            self._client.disconnect()
            if self.trouble and isinstance(fault, aiomqtt.MqttError):
                # A refused certificate shows only after the handshake, and then as an answer that never comes.
                raise aiomqtt.MqttError(self.trouble) from fault
            raise
        self._client.on_log = None
        self._stands = True
        self._disconnected.add_done_callback(lambda _: self.news.set())
        if (sock := self._client.socket()) is not None and sock.fileno() >= 0:
            self._loop.add_reader(sock.fileno(), self._read, sock)  # in the place of the library's
        return self

    async def __aexit__(self, *exc: Any) -> None:
        try:
            await super().__aexit__(*exc)
        finally:
            if self._disconnected.done() and not self._disconnected.cancelled():
                self._disconnected.exception()  # looked at, so that the loop does not complain of it later


class Connection:
    """A live connection; `arrived` is where the client puts what arrives."""

    def __init__(self, client: _Client, arrived: "asyncio.Queue[Message]") -> None:
        self._client = client
        self._arrived = arrived

    async def publish(self, message: Message, *, qos: int = 1) -> None:
        """Publish; with `qos` 1 the broker's acknowledgement is awaited, which says nothing of durability.

        Raises: `BrokerFault` where the broker is gone, silent, or refuses.
        """
        with _as_fault("publish"):
            await self._client.publish(message.topic, message.payload, qos, message.retain)
        obey_cancellation()
        if self._client.refusal:
            raise BrokerFault(f"the broker refused a publish on {message.topic}: {self._client.refusal}")

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Subscribe with QoS 1.

        Raises: `BrokerFault` where the broker refuses one of the topics.
        """
        wanted = list(topics)
        with _as_fault("subscribe"):
            granted = await self._client.subscribe([(name, 1) for name in wanted])
        obey_cancellation()
        numbers = [code.value if isinstance(code, ReasonCode) else code for code in granted]
        for name, number in zip(wanted, numbers, strict=True):
            if number >= REFUSED:
                raise BrokerFault(f"the broker refused the subscription to {name}")

    async def messages(self) -> AsyncIterator[Message]:
        """Yield what arrives, until the connection ends with a `BrokerFault`.

        The library's own iterator makes a task for each message, and lets an acknowledgement go out before it.
        """
        with _as_fault("receive"):
            while True:
                self._client.news.clear()
                while not self._arrived.empty():
                    yield self._arrived.get_nowait()
                if self._client.over:
                    raise self._client.end()
                await self._client.news.wait()


@contextlib.asynccontextmanager
async def connect(settings: MqttSettings, will: Message | None = None) -> AsyncIterator[Connection]:
    """Connect with a new session, MQTT 5 first.

    A new client object serves each connection: the library would silently deliver what an old one had given up.
    Raises: `BrokerFault` where no connection comes about or where it ends.
    """
    with _as_fault("connection"):
        arrived: asyncio.Queue[Message] = asyncio.Queue(QUEUED)
        async with _client(settings, will, await _version(settings), arrived) as client:
            yield Connection(client, arrived)


def _read(message: MQTTMessage) -> Message:
    return Message(message.topic, bytes(message.payload), bool(message.retain))


async def _version(settings: MqttSettings) -> aiomqtt.ProtocolVersion:
    """Ask the broker with a bare connection: an old one may choke on a will in MQTT 5 instead of refusing it."""
    try:
        async with _client(settings, None, aiomqtt.ProtocolVersion.V5):
            return aiomqtt.ProtocolVersion.V5
    except MqttConnectError as fault:
        if not isinstance(fault.rc, ReasonCode) or fault.rc.value != UNSUPPORTED_VERSION:
            raise
    return aiomqtt.ProtocolVersion.V311


def _client(
    settings: MqttSettings,
    will: Message | None,
    version: aiomqtt.ProtocolVersion,
    arrived: "asyncio.Queue[Message] | None" = None,
) -> _Client:
    host, port, secure = settings.address()
    return _Client(
        host,
        port,
        identifier=settings.client_id,
        protocol=version,
        clean_session=True if version is aiomqtt.ProtocolVersion.V311 else None,
        will=aiomqtt.Will(will.topic, will.payload, 1, will.retain) if will else None,
        keepalive=KEEPALIVE_S,
        timeout=settings.answer_s,
        queue_type=lambda maxsize: asyncio.Queue(maxsize) if arrived is None else arrived,  # a maker, not a type
        tls_context=_tls(settings) if secure else None,
        socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
    )


def _tls(settings: MqttSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if settings.cert:
        context.load_cert_chain(settings.cert, settings.key)
    return context


@contextlib.contextmanager
def _as_fault(doing: str) -> Iterator[None]:
    try:
        yield
    except (aiomqtt.MqttError, OSError) as fault:
        raise BrokerFault(f"{doing}: {fault}") from fault
