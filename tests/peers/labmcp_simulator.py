"""Runs in the peers' environment: one of the labmcp simulators behind a TCP port, with its lines cut and ended here.

Usage: labmcp_simulator.py alicat|balance     (prints `ready HOST:PORT`, serves until it is killed)
"""

import asyncio
import sys

from labmcp_alicat.simulator import AlicatSimulator
from labmcp_mettler_toledo.simulator import MTSICSSimulator

KINDS = {"alicat": (AlicatSimulator, b"\r"), "balance": (MTSICSSimulator, b"\r\n")}


async def serve(kind: str) -> None:
    """Serve one instrument to one host after the other."""
    make, ending = KINDS[kind]
    instrument = make()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readuntil(ending):
                answer = instrument.handle(line.decode("latin-1").removesuffix(ending.decode()))
                lines = [answer] if isinstance(answer, str) else answer or []
                writer.write(b"".join(text.encode("latin-1") + ending for text in lines))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    print(f"ready {host}:{port}", flush=True)  # noqa: T201 - the word that the test waits for
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
