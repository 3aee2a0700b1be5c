"""A cable in memory between a simulated device and the host's driver, which can be pulled, and which takes its time."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import Context

from nebctl.core.device import Certainty, CommandFailed
from nebctl_drivers.descriptor import Inbox

TRIP_S = 0.001
"""How long bytes are under way: an assumption, some ten bytes at 115200 baud."""

OnBytes = Callable[[bytes], None]


class Cable:
    """Both ends of one line: `plug`, `unplug` and `write` are the device's, `open_link` is how the host comes to its.

    It carries bytes while the device has its plug in and the cable lies: `pull` and `lay` are a person's hands. `asked`
    counts what the host has said.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._on_bytes: OnBytes | None = None
        self._lies = True
        self._link: CableLink | None = None
        self.asked = 0

    @property
    def address(self) -> str:
        """Where the host finds the line."""
        return self._name

    @property
    def carries(self) -> bool:
        """Whether a host can reach the device."""
        return self._lies and self._on_bytes is not None

    def plug(self, on_bytes: OnBytes) -> None:
        """Make the line reachable and hand what comes in to `on_bytes`."""
        self._on_bytes = on_bytes

    def unplug(self) -> None:
        """Take the line away; a connected host sees it go."""
        self._on_bytes = None
        self._drop()

    def pull(self) -> None:
        """Pull the cable."""
        self._lies = False
        self._drop()

    def lay(self) -> None:
        """Put the cable in again; a host must open it anew."""
        self._lies = True

    def write(self, data: bytes) -> None:
        """Send bytes to the host, if there is one."""
        if self._lies and self._link is not None:
            self._link.come(data)

    def open_link(self, _url: str) -> "CableLink":
        """Return a host's end of the line."""
        return CableLink(self)

    def take(self, link: "CableLink") -> bool:
        """Let a host have the line, where there is one."""
        if self.carries:
            self._link = link
        return self.carries

    def hear(self, data: bytes) -> None:
        """Hand the host's bytes to the device."""
        if self._lies and self._on_bytes is not None:
            self.asked += 1
            self._on_bytes(data)

    def _drop(self) -> None:
        if self._link is not None:
            self._link.lose()
            self._link = None


class CableLink:
    """The host's end, a `nebctl.ports.Link`; while `severed`, as that of a host without power, it is deaf and mute."""

    def __init__(self, cable: Cable) -> None:
        self._cable = cable
        self._inbox = Inbox()
        self._opened = False
        self._outward: deque[bytes] = deque()
        self._inward: deque[bytes] = deque()
        self.severed = False

    async def open(self) -> CommandFailed | None:
        """Open the port; None means open."""
        if not self._cable.take(self):
            return self._fail("open", Certainty.NOT_DONE, "no such port", "Check cable and power.")
        self._inbox = Inbox()
        self._opened = True
        return None

    def write(self, data: bytes) -> CommandFailed | None:
        """Hand bytes to the wire at once; None means that the wire took them all."""
        if self.severed:
            return None
        if not self._opened:
            return self._inbox.end or self._fail("write", Certainty.NOT_DONE, "the port is closed", "Open it first.")
        self._outward.append(data)
        asyncio.get_running_loop().call_later(TRIP_S, self._arrive, context=Context())
        return None

    async def read(self) -> bytes | CommandFailed:
        """Return the next bytes, at least one; CommandFailed means that the wire is gone."""
        return await self._inbox.take()

    def close(self) -> None:
        """Close the port; closing twice is harmless."""
        self._opened = False
        self._inbox.finish(self._fail("read", Certainty.NOT_DONE, "the port is closed", "Open it first."))

    def come(self, data: bytes) -> None:
        """Take bytes from the device."""
        if self._opened and not self.severed:
            self._inward.append(data)
            asyncio.get_running_loop().call_later(TRIP_S, self._come_in, context=Context())

    def lose(self) -> None:
        """Lose the wire."""
        self._opened = False
        self._outward.clear()
        self._inward.clear()
        self._inbox.finish(self._fail("read", Certainty.UNKNOWN, "the wire is gone", "Check cable and power."))

    def _arrive(self) -> None:
        if self._outward:  # what was on a cable that was pulled is lost
            self._cable.hear(self._outward.popleft())

    def _come_in(self) -> None:
        if self._inward:
            self._inbox.put(self._inward.popleft())

    def _fail(self, verb: str, certainty: Certainty, seen: str, advice: str) -> CommandFailed:
        return CommandFailed(
            command=f"{verb} {self._cable.address}",
            certainty=certainty,
            seen=seen,
            expected="an open wire",
            advice=advice,
        )
