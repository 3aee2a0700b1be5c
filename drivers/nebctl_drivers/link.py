"""Bytes to and from one device, on the event loop itself: serial line, TCP stream, or memory."""

import asyncio
import contextlib
import os
import socket
import termios
from urllib.parse import urlsplit

import serial

from nebctl.core.device import Certainty, CommandFailed
from nebctl.ports import Link

from .port_trouble import explain_open_failure

RECEIVE_LIMIT = 65_536
"""Bytes kept for a reader that lags; beyond it the oldest go, because the newest reading is the one that counts."""
CONNECT_TIMEOUT_S = 3.0
_CHUNK = 4096


class _Inbox:
    """Received bytes waiting for their one reader, and the reason when no more will come."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._end: CommandFailed | None = None
        self._ready = asyncio.Event()

    @property
    def end(self) -> CommandFailed | None:
        """Return why no more will come; None while the wire is up."""
        return self._end

    def put(self, data: bytes) -> None:
        """Add received bytes, unless nobody listens any more; the oldest go where the limit is passed."""
        if self._end is not None:
            return
        self._bytes += data
        del self._bytes[:-RECEIVE_LIMIT]
        self._ready.set()

    def finish(self, reason: CommandFailed) -> None:
        """Let the reader have what is there, and then `reason` for ever; the first reason stays."""
        self._end = self._end or reason
        self._ready.set()

    async def take(self) -> bytes | CommandFailed:
        """Return all that is there, at least one byte, or the reason why nothing more will come."""
        await self._ready.wait()
        data = bytes(self._bytes)
        self._bytes.clear()
        if self._end is None:
            self._ready.clear()
            return data
        return data or self._end


class _DescriptorLink:
    """A link over one non-blocking descriptor.

    Nothing is buffered on the way out: what the kernel does not take at once is reported, so that no STOP ever waits
    behind bytes of ours.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._fd: int | None = None
        self._inbox = _Inbox()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def _acquire(self) -> int | CommandFailed:
        raise NotImplementedError

    def _release(self) -> None:
        raise NotImplementedError

    async def open(self) -> CommandFailed | None:
        """Open the port; None means open. Opening an open port is harmless."""
        if self._fd is not None:
            return None
        fd = await self._acquire()
        if isinstance(fd, CommandFailed):
            return fd
        self._fd = fd
        self._inbox = _Inbox()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(fd, self._receive)
        return None

    def write(self, data: bytes) -> CommandFailed | None:
        """Hand bytes to the kernel at once; None means that it took them all."""
        if self._fd is None:
            return self._fail("write", Certainty.NOT_DONE, "the port is closed", "Open it first.")
        if self._inbox.end is not None:
            return self._inbox.end
        try:
            taken = os.write(self._fd, data)
        except BlockingIOError:
            return self._fail("write", Certainty.NOT_DONE, "a full output buffer", "The device does not take bytes.")
        except OSError as error:
            return self._lose(_say(error))
        if taken < len(data):
            seen = f"only {taken} of {len(data)} bytes taken"
            return self._fail("write", Certainty.UNKNOWN, seen, "The device does not take bytes.")
        return None

    async def read(self) -> bytes | CommandFailed:
        """Return the next bytes, at least one; `CommandFailed` means that the wire is gone."""
        return await self._inbox.take()

    def close(self) -> None:
        """Close the port; closing twice is harmless."""
        if self._fd is None:
            return
        self._forget_reader(self._fd)
        self._fd = None
        self._release()
        self._inbox.finish(self._fail("read", Certainty.NOT_DONE, "the port is closed", "Open it first."))

    def _receive(self) -> None:
        assert self._fd is not None
        try:
            data = os.read(self._fd, _CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lose(_say(error))
            return
        if data:
            self._inbox.put(data)
        else:
            self._lose("the other end hung up")

    def _lose(self, reason: str) -> CommandFailed:
        assert self._fd is not None
        self._forget_reader(self._fd)  # a descriptor at its end stays readable: the loop would spin
        failure = self._fail("read", Certainty.UNKNOWN, f"the wire is gone ({reason})", "Check cable and power.")
        self._inbox.finish(failure)
        return failure

    def _forget_reader(self, fd: int) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(fd)

    def _fail(self, verb: str, certainty: Certainty, seen: str, advice: str) -> CommandFailed:
        return CommandFailed(
            command=f"{verb} {self._name}", certainty=certainty, seen=seen, expected="an open wire", advice=advice
        )


def _say(error: OSError) -> str:
    # asyncio rewords a refused connection into the address alone; the number keeps the reason
    return os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)


class SerialLink(_DescriptorLink):
    """A serial line, 8N1, without flow control, for one owner at a time."""

    def __init__(self, path: str, baudrate: int = 115_200) -> None:
        super().__init__(path)
        self._path = path
        self._baudrate = baudrate
        self._port: serial.Serial | None = None

    async def _acquire(self) -> int | CommandFailed:
        try:
            # inter_byte_timeout=0 means VMIN=1: an idle read says EAGAIN, so that an empty read is a hang-up for sure
            self._port = serial.Serial(
                self._path, self._baudrate, timeout=0, write_timeout=0, inter_byte_timeout=0, exclusive=True
            )
        except (OSError, termios.error) as error:
            return explain_open_failure(self._path, error)
        return self._port.fileno()

    def _release(self) -> None:
        assert self._port is not None
        with contextlib.suppress(OSError, termios.error):  # a port whose device is gone cannot be closed properly
            self._port.close()


class TcpLink(_DescriptorLink):
    """A TCP stream, such as a serial device server; small writes leave at once."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(f"tcp://{host}:{port}")
        self._address = (host, port)
        self._socket: socket.socket | None = None

    async def _acquire(self) -> int | CommandFailed:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                self._socket = await self._connect()
        except TimeoutError:
            return self._refuse(f"no answer in {CONNECT_TIMEOUT_S:g} s")
        except OSError as error:
            return self._refuse(_say(error))
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
            await asyncio.get_running_loop().sock_connect(stream, address)
        except BaseException:
            stream.close()
            raise
        return stream

    def _release(self) -> None:
        assert self._socket is not None
        self._socket.close()

    def _refuse(self, seen: str) -> CommandFailed:
        return CommandFailed(
            command=f"open {self._name}",
            certainty=Certainty.NOT_DONE,
            seen=seen,
            expected="a listening device server",
            advice="Check that it is switched on, and [device] port.",
        )


class MemoryLink:
    """One end of a wire in memory; like a serial line it takes what nobody at the other end hears.

    `inbox` holds what the other end has written.
    """

    def __init__(self) -> None:
        self.inbox = _Inbox()
        self.inbox.finish(_MEMORY_CLOSED)
        self._peer: MemoryLink | None = None

    def join(self, peer: "MemoryLink") -> None:
        """Make `peer` the other end."""
        self._peer = peer

    async def open(self) -> CommandFailed | None:
        """Begin with nothing received."""
        self.inbox = _Inbox()
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


def open_link(url: str) -> Link | CommandFailed:
    """Return the link that `url` names; its own `open` then opens the port.

    `/dev/ttyUSB0` and `serial:///dev/ttyUSB0` are serial ports, `tcp://host:port` is a TCP stream.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return _refuse_url(url)
    if parts.scheme in {"", "serial"} and not parts.netloc and parts.path.startswith("/"):
        return SerialLink(url.removeprefix("serial://"))
    if parts.scheme == "tcp" and host and port and parts.path in {"", "/"}:
        return TcpLink(host, port)
    return _refuse_url(url)


def _refuse_url(url: str) -> CommandFailed:
    return CommandFailed(
        command="open",
        certainty=Certainty.NOT_DONE,
        seen=f"the port {url!r}",
        expected="'/dev/…', 'serial:///dev/…' or 'tcp://host:port'",
        advice="Correct [device] port.",
    )
