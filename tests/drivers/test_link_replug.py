"""Links after a pulled plug: the port is given back at once, and found again wherever it comes up."""

import asyncio
import contextlib
import os
import pty
import socket
import termios
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import serial
from serial.tools.list_ports_common import ListPortInfo

from nebctl.core.device import Certainty, CommandFailed
from nebctl_drivers import link as links
from nebctl_drivers.address import LineSettings
from nebctl_drivers.link import SerialLink, TcpLink, open_link
from nebctl_drivers.ports_found import UsbName, find_usb
from nebctl_drivers.trace_file import TracedLink, open_trace


class Socket:
    """A place to plug a pseudo-terminal in, whose path in the file system is the same each time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.terminal = ""
        self.far = -1

    def plug(self) -> None:
        """Make a new terminal and let the path lead to it."""
        self.far, near = pty.openpty()
        tty.setraw(near)
        self.terminal = os.ttyname(near)
        os.close(near)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(self.terminal)

    def pull(self) -> None:
        """Take the device away; the path leads nowhere until the next plugging."""
        os.close(self.far)
        self.far = -1


@pytest.fixture
def plugged(tmp_path: Path) -> Iterator[Socket]:
    """Give a socket with a device in it."""
    place = Socket(tmp_path / "usb-device-if00")
    place.plug()
    yield place
    if place.far >= 0:
        place.pull()


def held() -> set[str]:
    """Return what this process has open."""
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found.add(str(descriptor.readlink()))
    return found


async def until_lost(link: Any) -> CommandFailed:
    """Read until the wire is gone."""
    while isinstance(data := await link.read(), bytes):
        pass
    return data


async def test_a_lost_port_is_given_back_before_anybody_closes_it(plugged: Socket) -> None:
    """As soon as the plug is pulled the descriptor is closed: else the kernel would give the adapter another name."""
    link = SerialLink(str(plugged.path))
    await link.open()
    assert plugged.terminal in held()
    plugged.pull()
    await until_lost(link)
    assert not {name for name in held() if name.startswith(plugged.terminal)}
    failure = link.write(b"x")
    assert isinstance(failure, CommandFailed)
    assert "the wire is gone" in failure.seen
    link.close()
    after = link.write(b"x")
    assert isinstance(after, CommandFailed)
    assert (after.certainty, after.seen) == (Certainty.NOT_DONE, "the port is closed")


async def test_the_lasting_name_is_followed_to_another_terminal(plugged: Socket) -> None:
    """A link opened again after a loss, closed in between or not, talks to the terminal that the name leads to now."""
    link = SerialLink(str(plugged.path))
    for number in range(4):
        assert await link.open() is None
        os.write(plugged.far, b"%d" % number)
        assert await link.read() == b"%d" % number
        before, pulled = plugged.terminal, plugged.far
        plugged.plug()  # the new one is there before the old one goes, so that it has another number
        os.close(pulled)
        await until_lost(link)
        assert plugged.terminal != before
        if number % 2:
            link.close()
    link.close()


async def test_a_usb_name_is_followed_to_another_terminal(
    plugged: Socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`usb://` is looked up at each opening: absent is one line, and at another path the same link is open again."""
    present: list[str] = [plugged.terminal]

    def listing() -> list[ListPortInfo]:
        infos = [ListPortInfo(path, skip_link_detection=True) for path in present]
        for info in infos:
            info.vid, info.pid, info.serial_number = 0x0403, 0x6001, "A10K2X"
        return infos

    monkeypatch.setattr(links, "find_usb", lambda name: find_usb(name, listing))
    trace = tmp_path / "trace"
    link = open_link("usb://0403:6001/A10K2X", trace=trace)
    assert isinstance(link, TracedLink)
    assert await link.open() is None
    first = plugged.terminal
    spare = pty.openpty()
    plugged.pull()
    await until_lost(link)
    present.clear()
    absent = await link.open()
    assert isinstance(absent, CommandFailed)
    assert absent.command == f"open {UsbName(0x0403, 0x6001, 'A10K2X').text()}"
    plugged.plug()
    present.append(plugged.terminal)
    assert await link.open() is None
    os.write(plugged.far, b"again")
    assert await link.read() == b"again"
    link.close()
    for descriptor in spare:
        os.close(descriptor)
    assert open_trace(trace).flush(5)
    text = trace.read_text(encoding="utf-8")
    assert f"# usb://0403:6001/A10K2X is at {first}" in text
    assert f"# usb://0403:6001/A10K2X is at {plugged.terminal}" in text


async def test_a_terminal_is_opened_without_parity_and_says_so_once(plugged: Socket, tmp_path: Path) -> None:
    """8E2 on a pseudo-terminal becomes 8N1, so that it opens a second time too; the trace says it once."""
    trace = tmp_path / "trace"
    link = open_link(f"serial://{plugged.path}?baudrate=19200&parity=E&stop_bits=2", trace=trace)
    assert isinstance(link, TracedLink)
    for _ in range(3):
        assert await link.open() is None
        link.close()
    assert open_trace(trace).flush(5)
    text = trace.read_text(encoding="utf-8")
    told = f"# {plugged.path} is a pseudo-terminal: opened with 19200 8N1 in place of 19200 8E2\n"
    assert text.count("pseudo-terminal") == text.count(told) == 1


async def test_the_speed_reaches_the_line(plugged: Socket) -> None:
    """The baud rate of the URL is the one that the terminal is set to."""
    link = open_link(f"serial://{plugged.path}?baudrate=19200")
    assert isinstance(link, SerialLink)
    await link.open()
    with plugged.path.open("rb", buffering=0) as port:
        assert termios.tcgetattr(port)[4:6] == [termios.B19200, termios.B19200]
    link.close()


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", (19_200, "O", serial.STOPBITS_TWO)),
        ("?parity=E&stop_bits=1", (19_200, "E", serial.STOPBITS_ONE)),
        ("?baudrate=9600", (9600, "O", serial.STOPBITS_TWO)),
    ],
)
async def test_a_real_line_gets_every_setting(
    plugged: Socket, monkeypatch: pytest.MonkeyPatch, query: str, wanted: tuple[int, str, float]
) -> None:
    """On a port that is no pseudo-terminal the URL's settings count, and the device's own where it says nothing."""
    asked: list[tuple[Any, ...]] = []
    real = serial.Serial

    def spy(path: str, baudrate: int, *, parity: str, stopbits: float, **others: Any) -> serial.Serial:
        asked.append((baudrate, parity, stopbits))
        return real(path, baudrate, **others)

    monkeypatch.setattr(serial, "Serial", spy)
    monkeypatch.setattr(links, "_is_pty", lambda path: False)
    defaults = LineSettings(baudrate=19_200, parity="O", stop_bits=2)
    link = open_link(f"serial://{plugged.path}{query}", defaults=defaults)
    assert isinstance(link, SerialLink)
    assert await link.open() is None
    link.close()
    assert asked == [wanted]


async def test_a_dead_peer_is_noticed_in_seconds() -> None:
    """An idle connection is probed, and bytes that nobody acknowledges end it, both before delivery would stop."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    link = TcpLink("127.0.0.1", server.sockets[0].getsockname()[1])
    assert await link.open() is None
    stream = link._socket
    assert stream is not None
    assert stream.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
    idle, every, probes = (stream.getsockopt(socket.IPPROTO_TCP, option) for option in options)
    assert idle + every * probes < 5
    assert stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) < 5000
    link.close()
    server.close()
    await server.wait_closed()


async def test_a_tcp_stream_opens_again_after_its_server_came_back() -> None:
    """A server that hangs up is a loss; refused while it is away, and the same link is open again afterwards."""
    ends: list[asyncio.StreamWriter] = []

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        ends.append(writer)

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    link = open_link(f"rtu+tcp://127.0.0.1:{port}?baudrate=19200")
    assert isinstance(link, TcpLink)
    for _ in range(2):
        assert await link.open() is None
        assert await link.read() == b"hello"
        server.close()
        ends.pop().close()
        assert "hung up" in (await until_lost(link)).seen
        refused = await link.open()
        assert isinstance(refused, CommandFailed)
        assert "Nothing listens there" in refused.advice
        server = await asyncio.start_server(greet, "127.0.0.1", port)
    link.close()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("host", ["a" * 70 + ".example", "nobody.invalid"])
async def test_a_name_without_an_address_is_one_line(host: str) -> None:
    """A name that nobody knows, or that is no name at all, fails as a value."""
    failure = await TcpLink(host, 1).open()
    assert isinstance(failure, CommandFailed)
    assert failure.certainty is Certainty.NOT_DONE
    assert failure.command == f"open tcp://{host}:1"
