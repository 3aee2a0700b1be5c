"""One conversation with the pharmacy before a unit records anything: a hello, its answer, and what was asked back."""

import contextlib
from collections.abc import AsyncIterator

from nebctl.core.ledger.hello import Hello
from nebctl.publish.connection import BrokerFault, Connect, Live, Message, MqttSettings
from nebctl.publish.topics import topic


class Conversation:
    """A connection on which a unit asks, and hears what comes on its receipt topic."""

    def __init__(self, live: Live, site: str, unit: str) -> None:
        self._live = live
        self._hello = topic(site, unit, "hello")

    async def say(self, hello: Hello) -> None:
        """Say hello.

        Raises: `BrokerFault` where the broker is gone.
        """
        await self._live.publish(Message(self._hello, hello.body()))

    async def heard(self) -> AsyncIterator[str]:
        """Yield what comes as text, until the connection ends; what is no text is left out.

        Raises: `BrokerFault` at the end.
        """
        async for message in self._live.messages():
            with contextlib.suppress(UnicodeDecodeError):
                yield message.payload.decode()
        raise BrokerFault("the broker closed the connection")


@contextlib.asynccontextmanager
async def converse(connect: Connect, settings: MqttSettings, site: str, unit: str) -> AsyncIterator[Conversation]:
    """Connect and listen to the unit's receipt topic.

    Raises: `BrokerFault` where no broker answers.
    """
    async with connect(settings, None) as live:
        await live.subscribe([topic(site, unit, "receipt")])
        yield Conversation(live, site, unit)
