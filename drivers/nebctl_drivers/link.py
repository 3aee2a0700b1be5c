"""Bytes to and from one device, on the event loop itself: serial line, TCP stream, or memory."""

import asyncio
import contextlib
import logging
import os
import socket
import termios
from collections.abc import Callable
from pathlib import Path

import serial

from nebctl.core.device import Certainty, CommandFailed
from nebctl.ports import Link

from .address import DEFAULT_BAUDRATE, Address, LineSettings, read_address
from .descriptor import RECEIVE_LIMIT, DescriptorLink, Inbox
from .port_trouble import explain_connect_failure, explain_open_failure
from .ports_found import find_usb
from .trace_file import TracedLink, TraceFile, open_trace

__all__ = ["RECEIVE_LIMIT", "MemoryLink", "SerialLink", "TcpLink", "memory_pair", "open_link"]

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 3.0
DEAD_PEER_MS = 4000
"""A peer that acknowledges nothing for so long is gone; without this, Linux goes on trying for a quarter of an hour.

Source: TCP_USER_TIMEOUT in tcp(7); a planning figure, under the 5 s after which delivery stops without a report.
"""
_KEEPALIVE = {socket.TCP_KEEPIDLE: 2, socket.TCP_KEEPINTVL: 1, socket.TCP_KEEPCNT: 2}
"""An idle wire is asked after 2 s, then each second, and given up after two unanswered probes."""
_PTY_SLAVES = range(136, 144)
"""Source: the kernel's admin-guide/devices.txt, Unix98 pseudo-terminal slaves."""
_STOP_BITS = {1: serial.STOPBITS_ONE, 2: serial.STOPBITS_TWO}


class SerialLink(DescriptorLink):
    """A serial line of 8 data bits, without flow control, for one owner at a time; 8N1 unless told otherwise.

    Each opening follows `path` anew, so that a link in the file system may lead to another port after a plug was
    pulled; `find`, where given, is asked for the path instead. A pseudo-terminal is opened with 8N1 whatever is asked:
    it has no line, and with parity its second opening fails.
    Source: glibc 2.36 and 2.41 answer EINVAL when a pseudo-terminal is opened with parity for the second time.
    """

    def __init__(
        self,
        path: str,
        baudrate: int = DEFAULT_BAUDRATE,
        *,
        parity: str = "N",
        stop_bits: int = 1,
        find: Callable[[], str | CommandFailed] | None = None,
    ) -> None:
        super().__init__(path)
        self._path = path
        self._line = LineSettings(baudrate=baudrate, parity=parity, stop_bits=stop_bits)
        self._find = find
        self._port: serial.Serial | None = None
        self._pty_told = False
        self.note: Callable[[str], None] | None = None

    async def _acquire(self) -> int | CommandFailed:
        # the look at the system's files takes a while, and no other wire is to wait for it
        path = await asyncio.to_thread(self._find) if self._find is not None else self._path
        if isinstance(path, CommandFailed):
            return path
        try:
            self._port = self._open_port(path, self._settle_line(path))
        except (OSError, ValueError, termios.error) as error:
            return await asyncio.to_thread(explain_open_failure, path, error)
        if self._find is not None:
            self._say(f"{self._name} is at {path}")
        return self._port.fileno()

    @staticmethod
    def _open_port(path: str, line: LineSettings) -> serial.Serial:
        # inter_byte_timeout=0 means VMIN=1: an idle read says EAGAIN, so that an empty read is a hang-up for sure
        return serial.Serial(
            path,
            line.baudrate or DEFAULT_BAUDRATE,
            parity=line.parity or "N",
            stopbits=_STOP_BITS[line.stop_bits or 1],
            timeout=0,
            write_timeout=0,
            inter_byte_timeout=0,
            exclusive=True,
        )

    def _settle_line(self, path: str) -> LineSettings:
        """Return the settings to open `path` with."""
        plain = LineSettings(baudrate=self._line.baudrate, parity="N", stop_bits=1)
        if self._line == plain or not _is_pty(path):
            return self._line
        if not self._pty_told:
            self._pty_told = True
            self._say(f"{path} is a pseudo-terminal: opened with {plain.text()} in place of {self._line.text()}")
        return plain

    def _say(self, text: str) -> None:
        log.info("%s", text)
        if self.note is not None:
            self.note(text)

    def _release(self) -> None:
        assert self._port is not None
        with contextlib.suppress(OSError, termios.error):  # a port whose device is gone cannot be closed properly
            self._port.close()


def _is_pty(path: str) -> bool:
    try:
        return os.major(Path(path).stat().st_rdev) in _PTY_SLAVES
    except OSError:
        return False


class TcpLink(DescriptorLink):
    """A TCP stream, such as a serial device server; small writes leave at once, and a dead peer is noticed in 5 s."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}")
        self._address = (host, port)
        self._socket: socket.socket | None = None

    async def _acquire(self) -> int | CommandFailed:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                self._socket = await self._connect()
        except TimeoutError as error:
            silence = OSError(f"no answer in {CONNECT_TIMEOUT_S:g} s")
            return explain_connect_failure(self._name, error if error.errno else silence)
        except (OSError, UnicodeError) as error:  # a name may be too long for the resolver
            return explain_connect_failure(self._name, error if isinstance(error, OSError) else OSError(str(error)))
        return self._socket.fileno()

    async def _connect(self) -> socket.socket:
        failure = OSError("the name has no address")
        loop = asyncio.get_running_loop()
        for family, _, _, _, address in await loop.getaddrinfo(*self._address, type=socket.SOCK_STREAM):
            try:
                return await self._connect_one(family, address)
            except OSError as error:
                failure = error
        raise failure

    @staticmethod
    async def _connect_one(family: int, address: tuple[str | int, ...] | tuple[int, bytes]) -> socket.socket:
        stream = socket.socket(family, socket.SOCK_STREAM)
        try:
            stream.setblocking(False)
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_PEER_MS)
            for option, value in _KEEPALIVE.items():
                stream.setsockopt(socket.IPPROTO_TCP, option, value)
            await asyncio.get_running_loop().sock_connect(stream, address)
        except BaseException:
            stream.close()
            raise
        return stream

    def _release(self) -> None:
        assert self._socket is not None
        self._socket.close()


class MemoryLink:
    """One end of a wire in memory; like a serial line it takes what nobody at the other end hears.

    `inbox` holds what the other end has written.
    """

    def __init__(self) -> None:
        self.inbox = Inbox()
        self.inbox.finish(_MEMORY_CLOSED)
        self._peer: MemoryLink | None = None

    def join(self, peer: "MemoryLink") -> None:
        """Make `peer` the other end."""
        self._peer = peer

    async def open(self) -> CommandFailed | None:
        """Begin with nothing received."""
        self.inbox = Inbox()
        return None

    def write(self, data: bytes) -> CommandFailed | None:
        """Give the bytes to the other end at once."""
        assert self._peer is not None
        if self.inbox.end is not None:
            return self.inbox.end
        self._peer.inbox.put(data)
        return None

    async def read(self) -> bytes | CommandFailed:
        """Return the next bytes, at least one; `CommandFailed` means that this end is closed or the wire cut."""
        return await self.inbox.take()

    def close(self) -> None:
        """Close this end alone; closing twice is harmless."""
        self.inbox.finish(_MEMORY_CLOSED)

    def cut(self) -> None:
        """Pull the plug: both ends hear of it, and each may be opened again."""
        assert self._peer is not None
        self.inbox.finish(_MEMORY_CUT)
        self._peer.inbox.finish(_MEMORY_CUT)


_MEMORY_CLOSED = CommandFailed(
    command="memory wire",
    certainty=Certainty.NOT_DONE,
    seen="the port is closed",
    expected="an open wire",
    advice="Open it first.",
)
_MEMORY_CUT = CommandFailed(
    command="memory wire",
    certainty=Certainty.UNKNOWN,
    seen="the wire is gone (cut)",
    expected="an open wire",
    advice="Open both ends.",
)


def memory_pair() -> tuple[MemoryLink, MemoryLink]:
    """Return the two ends of a wire in memory; both are closed at first."""
    near, far = MemoryLink(), MemoryLink()
    near.join(far)
    far.join(near)
    return near, far


def open_link(
    url: str, *, trace: Path | TraceFile | None = None, defaults: LineSettings | None = None
) -> Link | CommandFailed:
    """Return the link that `url` names; its own `open` then opens the port.

    The URL is written as docs/reference/device-urls.md has it. `trace` is the file that every byte goes to, None for
    none; links with the same file share it. `defaults` are the settings of the line where the URL says nothing, None
    for 115200 8N1.
    """
    address = read_address(url)
    if isinstance(address, CommandFailed):
        return address
    link = _make_link(address, address.line.over(defaults or LineSettings()))
    if trace is None:
        return link
    traced = TracedLink(link, open_trace(trace) if isinstance(trace, Path) else trace, url)
    if isinstance(link, SerialLink):
        link.note = traced.note
    return traced


def _make_link(address: Address, line: LineSettings) -> SerialLink | TcpLink:
    if address.host is not None and address.port is not None:
        return TcpLink(address.host, address.port)
    usb = address.usb
    return SerialLink(
        address.path or (usb.text() if usb else address.url),
        line.baudrate or DEFAULT_BAUDRATE,
        parity=line.parity or "N",
        stop_bits=line.stop_bits or 1,
        find=None if usb is None else lambda: find_usb(usb),
    )
