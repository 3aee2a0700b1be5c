"""A unit that writes records and streams them, to be killed at any moment: `python -m nebctl_lab.stream.unit`.

It notes each record in its journal once the ledger has acknowledged it. SIGTERM ends the writing; the process ends when
everything is receipted.
"""

import argparse
import asyncio
import contextlib
import logging
import os
import random
import secrets
import signal
import sys
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, Protocol

from nebctl import keys
from nebctl.clock import SystemClock
from nebctl.core.ledger.envelope import Stamp
from nebctl.core.ledger.records import Draft, Entry
from nebctl.publish.connection import Connect, MqttSettings, connect
from nebctl.publish.unit import Callbacks, Outbox, Standing, UnitPublisher
from nebctl.store.ledger import UnitLedger
from nebctl_lab.stream.site import SITE

ANSWER_S = 2.0
LOOK_S = 0.02


async def open_ledger(folder: Path, unit: str, thread: Executor | None = None) -> UnitLedger:
    """Open the unit's ledger in the site's folder, or begin it; `thread` is as for the ledger itself."""
    return await UnitLedger.open(
        folder / f"{unit}.db",
        site=SITE,
        unit=unit,
        signer=keys.load_signer(folder / f"{unit}.key"),
        verify=keys.verify,
        witness=keys.load_trust(folder / "trust", "pharmacy"),
        stamp=Stamp(unit=unit, epoch=1, software="lab", config_sha256="0" * 64, simulated=True),
        random=secrets.token_bytes,
        at=SystemClock().instant(),
        thread=thread,
    )


class Streamed(Outbox[Any], Protocol):
    """What a publisher asks of a ledger: the outbox, and where the tree stands."""

    @property
    def size(self) -> int:
        """Return the number of records."""
        ...

    @property
    def root(self) -> bytes:
        """Return the root over them."""
        ...


def make_publisher(
    ledger: Streamed, unit: str, url: str, on_receipt: Callable[[Any], None], connect: Connect = connect
) -> UnitPublisher[Any]:
    """Return the publisher over a ledger; `on_receipt` gets the ledger's answer to each receipt."""

    async def on_worklist(_: str) -> None:
        """Take no worklist: nothing is dosed here."""

    async def take_receipt(answer: Any) -> None:
        on_receipt(answer)

    async def on_answer(_text: str, _nonce: str) -> bool:
        """Take the first answer for what it is: receipts tell the rest here."""
        return True

    return UnitPublisher(
        MqttSettings(url=url, client_id=unit, answer_s=ANSWER_S),
        SITE,
        unit,
        ledger,
        Callbacks(
            standing=lambda: Standing(epoch=1, size=ledger.size, root=ledger.root),
            state=lambda: {"state": "idle"},
            on_worklist=on_worklist,
            on_receipt=take_receipt,
            on_answer=on_answer,
        ),
        random=random.random,
        nonce=lambda: secrets.token_hex(16),
        log=logging.getLogger(unit),
        connect=connect,
    )


class Journal:
    """The acknowledged records, one line each: `seq leaf`; what a killed process wrote stays."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def note(self, entries: tuple[Entry, ...]) -> None:
        """Note records."""
        os.write(self._file, "".join(f"{entry.seq} {entry.leaf.hex()}\n" for entry in entries).encode())


async def write(ledger: UnitLedger, publisher: UnitPublisher[Any], journal: Journal, stop: asyncio.Event) -> None:
    """Append one to three records at a time, with short pauses, until told to stop."""
    chance, clock = random.Random(), SystemClock()  # noqa: S311 - when to write is no secret
    while not stop.is_set():
        drafts = [
            Draft(typ="chart", facts={"n": n}, private={"subject": "MEX-001"}) for n in range(chance.randint(1, 3))
        ]
        journal.note(await ledger.append(drafts, clock.instant()))
        publisher.poke()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(chance.uniform(0, 2 * LOOK_S)):
                await stop.wait()


async def serve(folder: Path, unit: str, url: str) -> None:
    """Write and stream until SIGTERM, and then until everything is receipted."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    ledger, receipt_came = await open_ledger(folder, unit), asyncio.Event()
    publisher = make_publisher(ledger, unit, url, lambda _: receipt_came.set())
    streaming = asyncio.create_task(publisher.run())
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    try:
        await write(ledger, publisher, Journal(folder / f"{unit}.journal"), stop)
        while (await ledger.backlog()).waiting:
            receipt_came.clear()
            with contextlib.suppress(TimeoutError):  # it may have come between the look and the wait
                async with asyncio.timeout(1):
                    await receipt_came.wait()
    finally:
        streaming.cancel()
        await asyncio.wait([streaming])
        await ledger.close()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="the site's folder, with the unit's key")
    parser.add_argument("--unit", required=True, help="the unit's name")
    parser.add_argument("--mqtt", required=True, help="the broker's address")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(serve(arguments.folder, arguments.unit, arguments.mqtt))


if __name__ == "__main__":
    main()
