"""Links: real pseudo-terminals, loopback TCP and memory; every trouble one clear line."""

import asyncio
import contextlib
import errno
import os
import pty
import socket
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nebctl.core.device import Certainty, CommandFailed, Identity
from nebctl.ports import Link
from nebctl_drivers.link import RECEIVE_LIMIT, SerialLink, TcpLink, memory_pair, open_link
from nebctl_drivers.port_trouble import explain_open_failure
from nebctl_drivers.registry import DRIVERS, open_driver


@pytest.fixture
def terminal() -> Iterator[tuple[int, str]]:
    """Give a pseudo-terminal: the device's descriptor and the host's path."""
    far, near = pty.openpty()
    tty.setraw(near)
    path = os.ttyname(near)
    os.close(near)
    yield far, path
    with contextlib.suppress(OSError):  # the test may have pulled the plug itself
        os.close(far)


async def read_exactly(link: Link, count: int) -> bytes:
    """Read until there are `count` bytes."""
    data = b""
    while len(data) < count:
        piece = await link.read()
        assert isinstance(piece, bytes), piece
        data += piece
    return data


async def test_bytes_pass_unchanged_over_a_serial_line(terminal: tuple[int, str]) -> None:
    """All 256 byte values go both ways; nothing is taken for a control character."""
    far, path = terminal
    link = SerialLink(path)
    assert await link.open() is None
    every = bytes(range(256))
    assert link.write(every) is None
    assert os.read(far, 1000) == every
    os.write(far, every)
    assert await read_exactly(link, 256) == every
    link.close()
    link.close()


async def test_a_pulled_serial_plug_is_a_value(terminal: tuple[int, str]) -> None:
    """When the device's end goes, read and write return the reason, again and again, and nothing raises."""
    far, path = terminal
    link = SerialLink(path)
    await link.open()
    os.write(far, b"last words")
    assert await link.read() == b"last words"
    os.close(far)
    for _ in range(2):
        gone = await link.read()
        assert isinstance(gone, CommandFailed)
        assert "the wire is gone" in gone.seen
        assert isinstance(link.write(b"x"), CommandFailed)
    link.close()


async def test_a_write_finds_the_pulled_plug_too(terminal: tuple[int, str]) -> None:
    """A write that comes before the loop has noticed fails as a value."""
    far, path = terminal
    link = SerialLink(path)
    await link.open()
    os.close(far)
    failure = link.write(b"x")
    assert isinstance(failure, CommandFailed)
    assert failure.certainty is Certainty.UNKNOWN
    link.close()


async def test_a_serial_line_opens_again_after_the_plug_is_back(tmp_path: Path) -> None:
    """The same link opens anew when its path leads to a device again."""
    path = tmp_path / "port"
    link = SerialLink(str(path))
    for _ in range(2):
        far, near = pty.openpty()
        path.symlink_to(os.ttyname(near))
        os.close(near)
        assert await link.open() is None
        os.close(far)
        assert isinstance(await link.read(), CommandFailed)
        path.unlink()
        link.close()
        missing = await link.open()
        assert isinstance(missing, CommandFailed)


async def test_a_device_that_takes_no_bytes_is_told_from_a_lost_one(terminal: tuple[int, str]) -> None:
    """With the kernel's buffer full, a write returns at once and says so; the wire is not lost."""
    _, path = terminal
    link = SerialLink(path)
    await link.open()
    failures = [failure for _ in range(50) if (failure := link.write(b"x" * 1000)) is not None]
    assert "taken" in failures[0].seen or "full output buffer" in failures[0].seen
    assert failures[-1].certainty is Certainty.NOT_DONE
    link.close()


async def test_a_missing_port_is_named_with_those_present(tmp_path: Path) -> None:
    """A path that is not there is one line with the ports that are."""
    failure = await SerialLink(str(tmp_path / "ttyX")).open()
    assert isinstance(failure, CommandFailed)
    assert failure.seen.startswith(f"port {tmp_path}/ttyX does not exist; present ports: ")
    assert failure.certainty is Certainty.NOT_DONE


async def test_a_port_in_use_names_who_uses_it(terminal: tuple[int, str]) -> None:
    """A second opening is refused with the name and number of the process that holds the port."""
    _, path = terminal
    first, second = SerialLink(path), SerialLink(path)
    await first.open()
    failure = await second.open()
    assert isinstance(failure, CommandFailed)
    assert f"port {path} is in use by" in failure.seen
    assert f"(pid {os.getpid()})" in failure.seen
    first.close()


async def test_what_is_no_terminal_is_refused(tmp_path: Path) -> None:
    """A plain file on the path is one line, not a traceback."""
    (tmp_path / "file").write_text("")
    failure = await SerialLink(str(tmp_path / "file")).open()
    assert isinstance(failure, CommandFailed)
    assert "did not open as a serial line" in failure.seen


def test_a_forbidden_port_names_the_group() -> None:
    """Where permission is missing, the advice names the group that owns the port."""
    failure = explain_open_failure("/dev/null", PermissionError(errno.EACCES, "Permission denied"))
    assert "may not be opened by this user" in failure.seen
    assert failure.advice == "Add the user to the group root."


async def test_a_tcp_stream_carries_bytes_and_its_end() -> None:
    """Bytes go both ways without delay, and the other side's closing is a value."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(4))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    link = TcpLink("127.0.0.1", server.sockets[0].getsockname()[1])
    assert await link.open() is None
    assert link._socket is not None
    assert link._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert link.write(b"ping") is None
    assert await link.read() == b"ping"
    gone = await link.read()
    assert isinstance(gone, CommandFailed)
    assert "hung up" in gone.seen
    link.close()
    server.close()
    await server.wait_closed()


async def test_a_name_with_two_addresses_is_tried_at_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device server that listens at the second address of its name alone is reached."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    stream = (socket.AF_INET, socket.SOCK_STREAM, 6, "")

    async def look_up(*_: object, **__: object) -> list[object]:
        return [(*stream, ("127.0.0.2", port)), (*stream, ("127.0.0.1", port))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up)
    link = TcpLink("box.example", port)
    assert await link.open() is None
    assert isinstance(await link.read(), CommandFailed)
    link.close()
    server.close()
    await server.wait_closed()


async def test_nobody_listening_is_one_line() -> None:
    """A refused connection names the address and what to check."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    failure = await TcpLink("127.0.0.1", port).open()
    assert isinstance(failure, CommandFailed)
    assert failure.sentence().startswith(f"open tcp://127.0.0.1:{port}: saw ")
    assert "refused" in failure.seen


async def test_a_lagging_reader_keeps_the_newest_bytes() -> None:
    """The receive buffer is bounded, and what it lets go is the oldest."""
    near, far = memory_pair()
    await near.open()
    await far.open()
    for number in range(RECEIVE_LIMIT // 8 + 100):
        far.write(b"%08d" % number)
    data = await near.read()
    assert isinstance(data, bytes)
    assert len(data) == RECEIVE_LIMIT
    assert data.endswith(b"%08d" % (RECEIVE_LIMIT // 8 + 99))


async def test_a_cut_memory_wire_fails_at_both_ends_and_mends() -> None:
    """Both ends read the cut, neither can write, and opening again mends it."""
    near, far = memory_pair()
    for _ in range(2):
        await near.open()
        await far.open()
        far.write(b"x")
        near_first = await near.read()
        far.cut()
        assert near_first == b"x"
        assert isinstance(await near.read(), CommandFailed)
        assert isinstance(await far.read(), CommandFailed)
        assert isinstance(near.write(b"y"), CommandFailed)


@pytest.mark.parametrize("url", ["/dev/ttyUSB0", "serial:///dev/ttyUSB0", "/tmp/a path/with?odd#name"])
def test_a_path_is_a_serial_line(url: str) -> None:
    """Absolute paths, with or without `serial://`, are serial ports, taken as they are."""
    link = open_link(url)
    assert isinstance(link, SerialLink)
    assert link._path == url.removeprefix("serial://")


@pytest.mark.parametrize("url", ["tcp://127.0.0.1:4001", "tcp://[::1]:4001", "tcp://box.example:4001/"])
def test_a_tcp_address_is_a_stream(url: str) -> None:
    """`tcp://host:port` is a TCP stream."""
    assert isinstance(open_link(url), TcpLink)


@pytest.mark.parametrize(
    "url",
    ["", "ttyUSB0", "COM3", "tcp://host", "tcp://:5", "tcp://h:99999", "serial://dev/x", "http://h:1", "tcp://h:1/p"],
)
def test_another_address_is_refused_with_the_forms_that_are_right(url: str) -> None:
    """What is neither is one line with the value and the three right forms."""
    failure = open_link(url)
    assert isinstance(failure, CommandFailed)
    assert repr(url) in failure.seen
    assert "tcp://host:port" in failure.expected


def test_an_unknown_driver_is_refused_with_the_known_ones() -> None:
    """The registry names what it has; a known driver with a bad port is refused for the port."""
    failure = open_driver("mesh", "/dev/x", nonce=str, now_ns=int)
    assert isinstance(failure, CommandFailed)
    assert "'mesh'" in failure.seen
    assert failure.expected == " or ".join(map(repr, DRIVERS))
    assert isinstance(open_driver("mesh-reference", "COM3", nonce=str, now_ns=int), CommandFailed)
    assert list(DRIVERS) == ["board-9c", "jet", "jet-modbus", "mesh-reference", "modbus-nebulizer"]


async def test_the_driver_works_over_a_real_terminal_until_it_is_unplugged(
    terminal: tuple[int, str], sign_line: Callable[[str], bytes]
) -> None:
    """Over a pseudo-terminal the device opens; when it goes, every call is a value that says so."""
    far, path = terminal
    hello = sign_line("A,1,HELLO,a1b2c3d4,0.1.0,nebctl,mesh-sim,SIM-0001,0.1.0,7,1800000,S")
    stat = sign_line("A,2,STAT,OFF,-,0,POWER,7,0.0,0,0,-,0,-")
    loop = asyncio.get_running_loop()
    replies = iter([hello, stat])
    loop.add_reader(far, lambda: os.read(far, 1000) and os.write(far, next(replies)))
    device = open_driver("mesh-reference", path, nonce=lambda: "a1b2c3d4", now_ns=lambda: 0)
    assert not isinstance(device, CommandFailed)
    identity = await device.open()
    assert isinstance(identity, Identity), identity
    loop.remove_reader(far)
    os.close(far)
    failures = [await device.status(), await device.beat(), await device.stop()]
    assert all(isinstance(failure, CommandFailed) and "gone" in failure.seen for failure in failures)
    await device.close()
