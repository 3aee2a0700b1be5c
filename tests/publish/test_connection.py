"""One connection: the version that the broker knows, and nothing that an earlier one had given up."""

import asyncio
import signal
from typing import Any

import pytest
from paho.mqtt.client import MQTTv5, MQTTv311

from nebctl.publish.connection import BrokerFault, Message, MqttSettings, connect


async def test_the_newest_version_that_the_broker_knows_is_spoken(broker: Any) -> None:
    """Mosquitto is spoken to in MQTT 5; a broker that refuses that, as amqtt does, in 3.1.1 without being asked."""
    await broker.start()
    async with connect(MqttSettings(url=broker.url, client_id="x")) as live:
        assert live._client._client._protocol == (MQTTv311 if broker.kind == "amqtt" else MQTTv5)
        await live.subscribe(["a/b"])
        await live.publish(Message("a/b", b"heard"))
        async with asyncio.timeout(10):
            assert (await anext(live.messages())).payload == b"heard"


@pytest.mark.parametrize("broker", ["mosquitto"], indirect=True)
async def test_what_one_connection_gave_up_never_comes_from_the_next(broker: Any) -> None:
    """A publish that failed is not sent by the library behind our back once there is a connection again."""
    settings = MqttSettings(url=broker.url, client_id="x", answer_s=0.3)
    await broker.start()
    async with connect(settings) as live:
        broker.signal(signal.SIGSTOP)
        with pytest.raises(BrokerFault):
            await live.publish(Message("a/b", b"given up"))
        broker.signal(signal.SIGCONT)
    await broker.kill()
    await broker.start()
    async with connect(MqttSettings(url=broker.url, client_id="listener")) as listener:
        await listener.subscribe(["a/b"])
        async with connect(settings) as live:
            await live.publish(Message("a/b", b"sent"))
        async with asyncio.timeout(10):
            assert (await anext(listener.messages())).payload == b"sent"
