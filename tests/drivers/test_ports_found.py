"""Ports that are plugged in: their lasting names, what they say of themselves, and who holds them."""

import errno
import fcntl
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from serial.tools.list_ports_common import ListPortInfo

from nebctl.core.device import CommandFailed
from nebctl_drivers import ports_found
from nebctl_drivers.port_trouble import explain_connect_failure, explain_open_failure
from nebctl_drivers.ports_found import FoundPort, Holder, UsbName, find_holders, find_ports, find_usb

HOLD = "import fcntl, sys; f = open(sys.argv[1]); fcntl.flock(f, fcntl.LOCK_EX); print('held', flush=True); input()"


def adapter(path: str, serial: str | None = "A10K2X") -> ListPortInfo:
    """Return what pyserial lists for a USB adapter at `path`."""
    info = ListPortInfo(path, skip_link_detection=True)
    info.vid, info.pid, info.serial_number = 0x0403, 0x6001, serial
    info.manufacturer, info.product = "FTDI", "FT232R USB UART"
    return info


@pytest.fixture
def terminal() -> Iterator[str]:
    """Give a pseudo-terminal's path, with its two ends open in this process."""
    far, near = pty.openpty()
    yield os.ttyname(near)
    os.close(near)
    os.close(far)


def test_a_port_is_listed_with_its_lasting_name_and_its_holder(terminal: str, tmp_path: Path) -> None:
    """The name by id comes first, then the path, the USB name, the maker's text and who has the port open."""
    (tmp_path / "usb-FTDI-if00").symlink_to(terminal)
    (port,) = find_ports(lambda: [adapter(terminal)], tmp_path)
    assert port.url == port.by_id == f"{tmp_path}/usb-FTDI-if00"
    assert (port.path, port.maker, port.product) == (terminal, "FTDI", "FT232R USB UART")
    assert port.usb == UsbName(0x0403, 0x6001, "A10K2X")
    assert os.getpid() in [holder.pid for holder in port.holders]
    assert port.text() == f"{terminal} (usb://0403:6001/A10K2X FTDI FT232R USB UART)"


def test_a_port_that_says_nothing_has_its_path_alone(tmp_path: Path) -> None:
    """A built-in port has no lasting name, no USB name, no maker and no holder, and none is invented."""
    (port,) = find_ports(lambda: [ListPortInfo("/dev/ttyS77")], tmp_path / "none")
    nothing = {"by_id": None, "usb": None, "maker": None, "product": None, "latency_ms": None, "holders": ()}
    assert port == FoundPort(path="/dev/ttyS77", **nothing)  # type: ignore[arg-type]
    assert port.url == port.text() == "/dev/ttyS77"


def test_the_real_listing_is_a_tuple_of_ports() -> None:
    """On this machine, whatever is plugged in, the listing comes back sorted by path."""
    paths = [port.path for port in find_ports()]
    assert paths == sorted(paths)


def test_a_listing_that_breaks_while_a_plug_is_pulled_is_made_again(tmp_path: Path) -> None:
    """pyserial raises where a device goes while it is read; the next listing counts, and none at all is no error."""
    answers = iter([TypeError("int() argument must be a string"), OSError(errno.ENODEV, "gone"), None])

    def listing() -> list[ListPortInfo]:
        trouble = next(answers)
        if trouble is not None:
            raise trouble
        return [adapter("/dev/ttyUSB9")]

    assert [port.path for port in find_ports(listing, tmp_path)] == ["/dev/ttyUSB9"]

    def broken() -> list[ListPortInfo]:
        raise TypeError("int() argument must be a string")

    assert find_ports(broken, tmp_path) == ()
    assert isinstance(find_usb(UsbName(1, 2, None), broken), CommandFailed)


def test_a_usb_name_finds_its_port() -> None:
    """The adapter with the ids and the serial number is found; without a serial number the only one of its kind is."""
    ports = [adapter("/dev/ttyUSB0", "A"), adapter("/dev/ttyUSB1", "B"), ListPortInfo("/dev/ttyS0")]
    assert find_usb(UsbName(0x0403, 0x6001, "B"), lambda: ports) == "/dev/ttyUSB1"
    assert find_usb(UsbName(0x0403, 0x6001, None), lambda: ports[:1]) == "/dev/ttyUSB0"


def test_a_usb_name_that_fits_two_ports_is_refused() -> None:
    """Two adapters of one name are both named: no dose goes to the one that comes first."""
    ports = [adapter("/dev/ttyUSB1", None), adapter("/dev/ttyUSB0", None)]
    failure = find_usb(UsbName(0x0403, 0x6001, None), lambda: ports)
    assert isinstance(failure, CommandFailed)
    assert failure.seen == "2 ports of that name: /dev/ttyUSB0, /dev/ttyUSB1"
    assert "by-id" in failure.advice


def test_an_absent_usb_name_is_told_with_those_present() -> None:
    """A serial number that nobody has is refused with the USB names that are there."""
    failure = find_usb(UsbName(0x0403, 0x6001, "C"), lambda: [adapter("/dev/ttyUSB0", "A")])
    assert isinstance(failure, CommandFailed)
    assert failure.command == "open usb://0403:6001/C"
    assert failure.seen == "no such adapter; USB ports present: /dev/ttyUSB0 (usb://0403:6001/A)"


def test_another_program_is_found_by_its_lock_alone(terminal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program whose descriptors this user may not read is still named by the kernel's list of locks."""
    monkeypatch.setattr(ports_found, "_find_open", lambda targets: set())
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, terminal], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        found = find_holders(terminal)
        holder.communicate(b"\n")
    assert [pid for pid, _, _ in ((held.pid, held.name, held.user) for held in found)] == [holder.pid]


def test_a_lock_of_this_process_is_seen_too(terminal: str) -> None:
    """A port that this very process has locked names this process, once."""
    with Path(terminal).open("rb", buffering=0) as port:
        fcntl.flock(port, fcntl.LOCK_EX)
        assert [holder.pid for holder in find_holders(terminal)].count(os.getpid()) == 1


def test_another_user_s_program_is_named_with_its_user() -> None:
    """A holder of another user is told apart from one's own."""
    assert Holder(7, "getty", "root").text() == "getty (pid 7) of user root"
    assert Holder(7, "minicom", None).text() == "minicom (pid 7)"


def test_a_holder_that_cannot_be_seen_is_said_to_be_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where neither descriptors nor locks tell, the line says that this user may not see the program."""
    monkeypatch.setattr(ports_found, "_find_open", lambda targets: set())
    failure = explain_open_failure("/dev/null", OSError(errno.EBUSY, "busy"))
    assert failure.seen == "port /dev/null is in use by a program that this user may not see"


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ECONNREFUSED, "Nothing listens there"),
        (errno.EHOSTUNREACH, "network cable"),
        (errno.ECONNRESET, "hung up"),
    ],
)
def test_a_refused_connection_says_what_to_check(number: int, advice: str) -> None:
    """Each reason of the network has its own next step."""
    failure = explain_connect_failure("tcp://h:1", OSError(number, "Connect call failed ('h', 1)"))
    assert failure.seen == os.strerror(number)
    assert advice in failure.advice
