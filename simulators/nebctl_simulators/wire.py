"""Where the simulator's line ends: a pseudo-terminal behind a stable symlink, a TCP port on loopback, or memory."""

import asyncio
import os
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

CHUNK = 4096
OnBytes = Callable[[bytes], None]

_PTY = re.compile(r"/dev/pts/[0-9]+")


class Wire(Protocol):
    """One end of a line on the running event loop; bytes that nobody takes are lost, as on a real one."""

    @property
    def address(self) -> str:
        """Where a host finds the line: a path, or host:port."""
        ...

    def plug(self, on_bytes: OnBytes) -> None:
        """Make the line reachable and hand what comes in to `on_bytes`."""
        ...

    def unplug(self) -> None:
        """Take the line away; a connected host sees it go. Harmless when it is not there."""
        ...

    def write(self, data: bytes) -> None:
        """Send bytes to the host, if there is one."""
        ...


class MemoryWire:
    """A line that ends in the same process: what the device says goes to `to_host`, `receive` is the host speaking."""

    def __init__(self, to_host: OnBytes) -> None:
        self._to_host = to_host
        self._on_bytes: OnBytes | None = None

    @property
    def address(self) -> str:
        """A word in the place of an address."""
        return "memory"

    def plug(self, on_bytes: OnBytes) -> None:
        """Let the host reach the device."""
        self._on_bytes = on_bytes

    def unplug(self) -> None:
        """Lose what the host says from now on."""
        self._on_bytes = None

    def write(self, data: bytes) -> None:
        """Send bytes to the host."""
        self._to_host(data)

    def receive(self, data: bytes) -> None:
        """Take bytes from the host."""
        if self._on_bytes is not None:
            self._on_bytes(data)


class PtyWire:
    """A pseudo-terminal, raw 8N1 at 115200, with a symlink that stays the same when it is pulled and put back.

    Behind the symlink it comes back under another name, as an adapter does whose old name is still held by somebody.
    The simulator keeps the host's end open too: hosts may come and go, and the line settings stay.
    Raises: ValueError for a path where something else lies.
    """

    def __init__(self, path: Path) -> None:
        _check_free(path)
        self._path = path
        self._ends: tuple[int, int] | None = None
        self._name = ""

    @property
    def address(self) -> str:
        """The symlink's path."""
        return str(self._path)

    def plug(self, on_bytes: OnBytes) -> None:
        """Open a new pseudo-terminal and point the symlink to it."""
        device_end, host_end = _open_raw_pty(self._name)
        self._ends = (device_end, host_end)
        self._name = os.ttyname(host_end)
        asyncio.get_running_loop().add_reader(device_end, self._read, device_end, on_bytes)
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        draft.symlink_to(self._name)
        draft.replace(self._path)

    def unplug(self) -> None:
        """Remove the symlink if it is still this one's, and hang up."""
        if self._ends is None:
            return
        if self._path.is_symlink() and str(self._path.readlink()) == self._name:
            self._path.unlink()
        asyncio.get_running_loop().remove_reader(self._ends[0])
        for end in self._ends:
            os.close(end)
        self._ends = None

    def write(self, data: bytes) -> None:
        """Send bytes; what does not fit the terminal's buffer is lost."""
        if self._ends is not None:
            try:
                os.write(self._ends[0], data)
            except BlockingIOError:
                return

    def _read(self, device_end: int, on_bytes: OnBytes) -> None:
        try:
            data = os.read(device_end, CHUNK)
        except BlockingIOError:
            return
        on_bytes(data)


class TcpWire:
    """A serial line behind a TCP port on loopback; one host at a time, a new one replaces the old.

    Raises: ValueError for an address that is not on loopback.
    """

    def __init__(self, host: str, port: int) -> None:
        if host not in ("127.0.0.1", "localhost"):
            raise ValueError(f"a simulator listens on loopback only: got host {host!r}, write 127.0.0.1:{port}")
        self._address = ("127.0.0.1", port)
        self._listener: socket.socket | None = None
        self._host: socket.socket | None = None

    @property
    def address(self) -> str:
        """The address as host:port; a port of 0 is replaced by the one in use when the line is plugged."""
        return f"{self._address[0]}:{self._address[1]}"

    def plug(self, on_bytes: OnBytes) -> None:
        """Listen on the port."""
        listener = socket.create_server(self._address)
        listener.setblocking(False)
        self._address = listener.getsockname()
        self._listener = listener
        asyncio.get_running_loop().add_reader(listener, self._accept, listener, on_bytes)

    def unplug(self) -> None:
        """Stop listening and hang up."""
        self._hang_up()
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    def write(self, data: bytes) -> None:
        """Send bytes to the connected host; without one they are lost."""
        if self._host is None:
            return
        try:
            self._host.send(data)
        except BlockingIOError:
            return
        except OSError:
            self._hang_up()

    def _accept(self, listener: socket.socket, on_bytes: OnBytes) -> None:
        try:
            host, _ = listener.accept()
        except OSError:  # gone again before it was taken
            return
        self._hang_up()
        host.setblocking(False)
        host.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._host = host
        asyncio.get_running_loop().add_reader(host, self._read, host, on_bytes)

    def _read(self, host: socket.socket, on_bytes: OnBytes) -> None:
        try:
            data = host.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            on_bytes(data)
        else:
            self._hang_up()

    def _hang_up(self) -> None:
        if self._host is not None:
            asyncio.get_running_loop().remove_reader(self._host)
            self._host.close()
            self._host = None


def _open_raw_pty(other_than: str) -> tuple[int, int]:
    # These modules exist on POSIX only; a simulator on TCP does without them.
    import pty  # noqa: PLC0415
    import termios  # noqa: PLC0415
    import tty  # noqa: PLC0415

    device_end, host_end = pty.openpty()
    if os.ttyname(host_end) == other_than:
        taken = device_end, host_end
        device_end, host_end = pty.openpty()
        for end in taken:
            os.close(end)
    tty.setraw(host_end)
    settings = termios.tcgetattr(host_end)
    settings[4] = settings[5] = termios.B115200
    termios.tcsetattr(host_end, termios.TCSANOW, settings)
    os.set_blocking(device_end, False)
    return device_end, host_end


def _check_free(path: Path) -> None:
    if path.parent == Path("/dev"):
        raise ValueError(
            f"{path}: a simulator does not stand where real devices are looked for; choose a path outside /dev"
        )
    if path.is_symlink() and _PTY.fullmatch(str(path.readlink())):
        return
    if path.is_symlink() or path.exists():
        raise ValueError(
            f"{path}: something else is there, expected nothing or a symlink to a pseudo-terminal; choose another path"
        )
    if not path.parent.is_dir():
        raise ValueError(f"{path}: there is no folder {path.parent}; make it first")
