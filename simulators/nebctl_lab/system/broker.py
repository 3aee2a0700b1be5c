"""An MQTT broker in memory: what publishers and subscribers see of one, without sockets, on the running loop's time.

The broker of `nebctl_lab.broker` is the real one. The MQTT library measures its keep-alive by the system's clock, and
loopback bytes are under way for as long as the kernel likes: neither is the same twice in virtual time.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextvars import Context

from nebctl.publish.connection import BrokerFault, Connect, Message, MqttSettings

TRIP_S = 0.002
"""How long a message, or the broker's word of it, is under way: an assumption, a network of one site."""
SILENT_S = 22.5
"""A client that says nothing for one and a half times its keep-alive of 15 s is gone. Source: MQTT 5.0, 3.1.2.10."""
REFUSED = "connection: the broker is away"
ENDED = "receive: the broker ended the connection"


def topic_fits(wanted: str, topic: str) -> bool:
    """Return whether a subscription takes a topic; `+` stands for one level."""
    ones, others = wanted.split("/"), topic.split("/")
    return len(ones) == len(others) and all(one in ("+", other) for one, other in zip(ones, others, strict=True))


class Client:
    """One connection; while `severed`, as that of a host without power, nothing goes in or out and nobody is told."""

    def __init__(self, broker: "Broker", name: str, will: Message | None) -> None:
        self._broker = broker
        self.name = name
        self.will = will
        self.topics: list[str] = []
        self.severed = self.ended = False
        self._inbox: asyncio.Queue[Message | None] = asyncio.Queue()

    async def publish(self, message: Message, *, qos: int = 1) -> None:
        """Publish; returns once the broker has it.

        Raises: `BrokerFault` where the broker is gone.
        """
        await asyncio.sleep(TRIP_S * max(1, 2 * qos))
        if self.ended or self.severed:
            raise BrokerFault(f"publish: {ENDED}")
        self._broker.spread(message)

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Subscribe, and get what was retained.

        Raises: `BrokerFault` where the broker is gone.
        """
        await asyncio.sleep(2 * TRIP_S)
        if self.ended:
            raise BrokerFault(f"subscribe: {ENDED}")
        self.topics += topics
        for message in self._broker.retained_for(self.topics):
            self.take(message)

    def take(self, message: Message) -> None:
        """Take a message from the broker."""
        if not self.severed:
            self._inbox.put_nowait(message)

    def end(self) -> None:
        """End the connection from the broker's side."""
        self.ended = True
        self._inbox.put_nowait(None)

    async def messages(self) -> AsyncIterator[Message]:
        """Yield what arrives, until the connection ends with a `BrokerFault`."""
        while (message := await self._inbox.get()) is not None:
            yield message
        raise BrokerFault(ENDED)


class Broker:
    """The broker; it forgets what it retained when it goes down, and clients find that out at once."""

    def __init__(self) -> None:
        self.up = True
        self._retained: dict[str, Message] = {}
        self._clients: list[Client] = []
        self._on_way: deque[Message] = deque()

    def connect_for(self, clients: list[Client]) -> Connect:
        """Return what connects one host; its connections are put on the list."""

        @contextlib.asynccontextmanager
        async def connect(settings: MqttSettings, will: Message | None) -> AsyncIterator[Client]:
            await asyncio.sleep(2 * TRIP_S)
            if not self.up:
                raise BrokerFault(REFUSED)
            client = Client(self, settings.client_id, will)
            self._take_over(client)
            clients[:] = [client]
            try:
                yield client
            finally:
                if not client.severed:  # a host that ends its connection by itself says so: no will
                    self._forget(client)

        return connect

    def sever(self, client: Client) -> None:
        """Let a host fall silent; its will is spoken when the broker misses it."""
        client.severed = True
        asyncio.get_running_loop().call_later(SILENT_S, self._miss, client, context=Context())

    def go_down(self) -> None:
        """End every connection and forget everything, as a broker that keeps nothing on disk."""
        self.up = False
        self._retained.clear()
        for client in tuple(self._clients):
            self._forget(client)
            client.end()

    def come_up(self) -> None:
        """Take connections again."""
        self.up = True

    def spread(self, message: Message) -> None:
        """Hand a message to everybody who wants it, later by one trip."""
        if message.retain:
            self._retained[message.topic] = message
        self._on_way.append(message)  # timers of the same moment come in no order: the queue keeps it
        asyncio.get_running_loop().call_later(TRIP_S, self._deliver, context=Context())

    def retained_for(self, topics: Iterable[str]) -> list[Message]:
        """Return the retained messages that these subscriptions take."""
        wanted = list(topics)
        return [found for found in self._retained.values() if any(topic_fits(one, found.topic) for one in wanted)]

    def _deliver(self) -> None:
        message = self._on_way.popleft()
        for client in tuple(self._clients):
            if any(topic_fits(wanted, message.topic) for wanted in client.topics):
                client.take(message)

    def _take_over(self, client: Client) -> None:
        for old in [old for old in self._clients if old.name == client.name]:
            self._forget(old)
            old.end()
        self._clients.append(client)

    def _miss(self, client: Client) -> None:
        if client in self._clients:
            self._forget(client)
            if client.will is not None:
                self.spread(client.will)

    def _forget(self, client: Client) -> None:
        if client in self._clients:
            self._clients.remove(client)
