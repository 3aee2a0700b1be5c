"""The ports between core and edge; each has at least two adapters, one of them for tests."""

from collections.abc import Callable, Sequence
from typing import Protocol

from nebctl.core.device import CommandFailed, Declaration, DeviceReport, Identity, RunOutcome
from nebctl.core.hardware import Edge
from nebctl.core.instant import Instant
from nebctl.core.ledger.records import Draft, Entry
from nebctl.core.trace import Trace


class Clock(Protocol):
    """Where time comes from: the system, a scaled simulation, or a test."""

    def instant(self) -> Instant:
        """Return the present moment."""
        ...


class Link(Protocol):
    """Bytes to and from one device: a serial line, a TCP stream, or memory."""

    async def open(self) -> CommandFailed | None:
        """Open the port; None means open."""
        ...

    def write(self, data: bytes) -> CommandFailed | None:
        """Hand bytes to the wire at once; None means that the wire took them all."""
        ...

    async def read(self) -> bytes | CommandFailed:
        """Return the next bytes, at least one; CommandFailed means that the wire is gone."""
        ...

    def close(self) -> None:
        """Close the port; closing twice is harmless."""
        ...


class Nebulizer(Protocol):
    """One device that makes aerosol; every failure comes back as a value."""

    @property
    def declaration(self) -> Declaration:
        """Return which promises the device keeps by itself."""
        ...

    @property
    def loss(self) -> CommandFailed | None:
        """Return why there is no wire to the device; None while there is one."""
        ...

    async def open(self) -> Identity | CommandFailed:
        """Open the conversation afresh, also after a loss; the output is proven OFF afterwards."""
        ...

    async def start(self, run: str, max_on_ms: int) -> DeviceReport | CommandFailed:
        """Start or continue the run `run` (8 hex digits), once; it is never sent again by itself."""
        ...

    async def stop(self) -> DeviceReport | CommandFailed:
        """Turn the output off now, ahead of everything else, and repeat until a read-back shows OFF."""
        ...

    async def beat(self) -> CommandFailed | None:
        """Tell the device that the host's control loop is alive."""
        ...

    async def status(self) -> DeviceReport | CommandFailed:
        """Read the device."""
        ...

    async def last_run(self) -> RunOutcome | CommandFailed:
        """Ask what the device remembers of its last run."""
        ...

    async def trip_cut_off(self) -> CommandFailed | None:
        """Try the independent cut-off, with the output off; None: it closed and opened, or there is none."""
        ...

    async def close(self) -> None:
        """Close the conversation; the device turns itself off when the beats end."""
        ...


class Signer(Protocol):
    """A private key that signs; it never shows itself."""

    @property
    def public(self) -> bytes:
        """Return the 32 bytes of the public key."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte Ed25519 signature over `message`."""
        ...


Verifier = Callable[[bytes, bytes, bytes], bool]
"""verify(public 32 bytes, message, signature 64 bytes) -> whether the signature is good; it never raises."""


class EntryStore(Protocol):
    """Where records become durable."""

    async def append(self, drafts: Sequence[Draft], at: Instant, *, traces: Sequence[Trace] = ()) -> tuple[Entry, ...]:
        """Sign, chain and commit the drafts and traces in one transaction; return them once they are on disk.

        Raises: an exception where the disk or the database refused; nothing of the drafts is then recorded.
        """
        ...

    async def save_trace_rows(self, session: str, rows_text: str) -> None:
        """Keep rows of a running session's trace."""
        ...

    async def load_trace_rows(self, session: str) -> str:
        """Return the rows kept so far; empty where there are none."""
        ...


class Panel(Protocol):
    """Buttons, lamp and buzzer beside the screen: lines that are on or off."""

    async def open(self) -> CommandFailed | None:
        """Take the lines; None means taken. Lamp and buzzer are off afterwards."""
        ...

    async def read(self) -> tuple[Edge, ...] | CommandFailed:
        """Return the next presses and releases, at least one; `CommandFailed` means that the lines are gone."""
        ...

    def light(self, *, on: bool) -> None:
        """Turn the lamp on or off; a unit without one does nothing."""
        ...

    def sound(self, millihertz: int) -> None:
        """Let the buzzer sound at a pitch, 0 for silence; one with a pitch of its own sounds at that."""
        ...

    def close(self) -> None:
        """Give the lines back, lamp and buzzer off; closing twice is harmless."""
        ...
