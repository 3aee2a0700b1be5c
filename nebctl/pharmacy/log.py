"""The pharmacy's own signed log: every change that a person or the service makes is a record in it first."""

import contextlib
import fcntl
import os
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nebctl import SOFTWARE, keys
from nebctl.core.instant import Instant
from nebctl.core.ledger.envelope import Stamp
from nebctl.core.ledger.records import Entry
from nebctl.ports import Signer
from nebctl.store.faults import StoreFault
from nebctl.store.prove import read
from nebctl.store.reader import LedgerFile
from nebctl.store.sealing import Sealer
from nebctl.store.writer import Writer

UNIT = "pharmacy-log"
"""The log is verified as any unit's: this is its unit's name, and the stem of its trust files."""
EPOCH = 1
WAIT_S = 5.0
LOOK_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """Where the log lies and who signs it; it is opened for a moment by whoever changes something.

    `random` gives fresh bytes, for salts and names; only a simulated pharmacy may be given anything but the system's.
    """

    path: Path
    site: str
    signer: Signer
    config_sha256: str
    simulated: bool
    random: Callable[[int], bytes] = secrets.token_bytes

    @contextlib.contextmanager
    def open(self, at: Instant) -> Iterator[Writer]:
        """Open the log, alone, waiting for others that have it; a new one begins with `genesis`.

        Raises: `StoreFault` where the others do not end in time or the log is not whole.
        """
        stamp = Stamp(unit=UNIT, epoch=1, software=SOFTWARE, config_sha256=self.config_sha256, simulated=self.simulated)
        sealer = Sealer(
            site=self.site,
            stamp=stamp,
            signer=self.signer,
            verify=keys.verify,
            witness=None,
            random=self.random,
        )
        with _turn(self.path), contextlib.closing(Writer(self.path, sealer)) as writer:
            writer.open(at)
            yield writer


def entries(path: Path) -> tuple[Entry, ...]:
    """Return the log's records with their disclosures; empty where there is no log yet.

    Raises: `StoreFault` where it cannot be read.
    """
    if not path.exists():
        return ()
    with LedgerFile.open(path) as file:
        return tuple(entry for _, entry in read(file))


def beside(database: Path) -> Path:
    """Return where the log of a pharmacy's database lies."""
    return database.with_name(f"{UNIT}.db")


@contextlib.contextmanager
def _turn(path: Path) -> Iterator[None]:
    """Wait for one's turn at the log: commands and the service each hold it for milliseconds."""
    try:
        descriptor = os.open(path.with_name(f"{path.name}.turn"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreFault(
            seen=f"{path}: {error.strerror}",
            expected="a folder that this user may write",
            advice="Give the pharmacy's user ownership of it.",
        ) from error
    try:
        _wait(path, descriptor)
        yield
    finally:
        os.close(descriptor)


def _wait(path: Path, descriptor: int) -> None:
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if time.monotonic() > deadline:
                raise StoreFault(
                    seen=f"{path} in use for {WAIT_S:.0f} s",
                    expected="other commands to end within that time",
                    advice="Look which other nebctl pharmacy command hangs, end it, and try again.",
                ) from error
            time.sleep(LOOK_S)
        else:
            return
