"""A client that sends what it heard again, later and in another order: `python -m nebctl_lab.stream.echo`.

What it sends are true messages, as a confused network or an eavesdropper would repeat them.
"""

import argparse
import asyncio
import logging
import random
import sys

from nebctl.publish.connection import Message, MqttSettings, connect
from nebctl.publish.steady import stream_forever
from nebctl.publish.topics import topic
from nebctl_lab.stream.site import SITE

KINDS = ("record", "hello", "receipt")
REMEMBERED = 300
PAUSE_S = 0.01


async def repeat(settings: MqttSettings, chance: random.Random) -> None:
    """Listen to everything, and send random messages of the last ones again."""
    heard: list[Message] = []
    async with connect(settings) as live:
        await live.subscribe(topic(SITE, "+", kind) for kind in KINDS)

        async def listen() -> None:
            async for message in live.messages():
                heard.append(Message(message.topic, message.payload))
                if len(heard) > REMEMBERED:
                    heard.pop(chance.randrange(REMEMBERED))

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(listen())
            while True:
                await asyncio.sleep(PAUSE_S)
                if heard:
                    await live.publish(chance.choice(heard))


async def serve(url: str, seed: int) -> None:
    """Repeat until killed, through every broken connection."""
    chance = random.Random(seed)  # noqa: S311 - a storm is to be the same twice
    settings = MqttSettings(url=url, client_id="echo", answer_s=1)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await stream_forever(
        lambda _: repeat(settings, chance),
        random=chance.random,
        log=logging.getLogger("echo"),
        note=lambda _: None,
    )


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mqtt", required=True, help="the broker's address")
    parser.add_argument("--seed", type=int, required=True, help="which messages are repeated")
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.mqtt, arguments.seed))


if __name__ == "__main__":
    main()
