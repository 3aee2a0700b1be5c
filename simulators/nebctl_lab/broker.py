"""An MQTT 3.1.1 broker for demonstrations and tests, in a process of its own; loopback only, nothing kept on disk."""

import argparse
import asyncio
import contextlib
import logging
import signal
import sys

from amqtt.broker import Broker
from amqtt.errors import BrokerError

SHUTDOWN_S = 1.0


def _configuration(port: int) -> dict[str, object]:
    return {
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }


def _bound_port(broker: Broker) -> int:
    """Return the port that the kernel gave; the library tells only what was asked for, which may be 0."""
    server = broker._servers["default"].instance  # noqa: SLF001
    return int(server.sockets[0].getsockname()[1])


async def serve(port: int) -> int:
    """Run the broker until SIGTERM or SIGINT; return the exit code.

    `port` 0 takes any free one. The line `ready mqtt://127.0.0.1:PORT` on standard output says that it listens.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    broker = Broker(_configuration(port))
    try:
        await broker.start()
    except BrokerError as fault:
        sys.stderr.write(f"broker: {fault}. Choose another --port, or 0 for any free one.\n")
        return 1
    sys.stdout.write(f"ready mqtt://127.0.0.1:{_bound_port(broker)}\n")
    sys.stdout.flush()
    await stop.wait()
    with contextlib.suppress(TimeoutError):  # a client that does not let go must not keep the process alive
        await asyncio.wait_for(broker.shutdown(), SHUTDOWN_S)
    return 0


def main() -> int:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="TCP port on 127.0.0.1; 0 takes any free one")
    logging.disable(logging.CRITICAL)  # the library writes tracebacks for clients that merely went away
    return asyncio.run(serve(parser.parse_args().port))


if __name__ == "__main__":
    sys.exit(main())
