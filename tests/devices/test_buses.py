"""One bus for each port: who may share it, and who may not."""

from pathlib import Path

import pytest

from nebctl.core.device import CommandFailed
from nebctl_drivers.address import Address, LineSettings, read_address
from nebctl_drivers.alicat_ascii.profile import read_alicat_profile
from nebctl_drivers.balance.profile import read_balance_profile
from nebctl_drivers.bus import Bus
from nebctl_drivers.buses import Buses, Language
from nebctl_drivers.profiles import Profile, find_profile

PLAIN = LineSettings(baudrate=19_200, parity="N", stop_bits=1)


def at(url: str) -> Address:
    """Return the address of a URL."""
    address = read_address(url)
    assert isinstance(address, Address), address
    return address


def modbus(buses: Buses, url: str, answer_s: float = 0.1, defaults: LineSettings = PLAIN) -> object:
    """Ask for the Modbus bus of a URL."""
    return buses.modbus(at(url), defaults=defaults, answer_s=answer_s)


@pytest.fixture
def buses() -> Buses:
    """The ports of a process that has opened none."""
    return Buses(now_ns=lambda: 0)


def test_two_names_of_one_port_share_its_bus(buses: Buses, tmp_path: Path) -> None:
    """A lasting name and the path behind it are one bus; another port is another bus; the unit plays no part."""
    port, lasting = tmp_path / "ttyUSB0", tmp_path / "by-id"
    port.touch()
    lasting.symlink_to(port)
    first = modbus(buses, f"serial://{port}?unit=1")
    assert isinstance(first, Bus)
    assert modbus(buses, f"serial://{lasting}?unit=2") is first
    assert modbus(buses, str(tmp_path / "ttyUSB1")) is not first
    assert modbus(buses, "tcp://127.0.0.1:502?unit=1") is modbus(buses, "tcp://127.0.0.1:502?unit=2")


def test_a_shared_bus_waits_for_its_slowest_unit(buses: Buses) -> None:
    """Units of one port are awaited as long as the slowest of them may take; the line's own figures stay."""
    first = modbus(buses, "/dev/ttyX", answer_s=0.05)
    assert isinstance(first, Bus)
    before = first.timing
    modbus(buses, "/dev/ttyX", answer_s=0.3)
    modbus(buses, "/dev/ttyX", answer_s=0.1)
    assert (before.answer_s, first.timing.answer_s) == (0.05, 0.3)
    assert (first.timing.baud, first.timing.char_bits, first.timing.gap_s) == (19_200, 10, before.gap_s)


@pytest.mark.parametrize(
    ("url", "baud", "bits", "latency_s"),
    [
        ("/dev/ttyX", 19_200, 10, 0.016),
        ("serial:///dev/ttyX?baudrate=9600&parity=E&latency_ms=1", 9600, 11, 0.001),
        ("rtu+tcp://127.0.0.1:4001?baudrate=38400", 38_400, 10, 0.016),
        ("tcp://127.0.0.1:502", None, 10, 0.0),
    ],
)
def test_the_line_of_a_url_times_the_bus(buses: Buses, url: str, baud: int | None, bits: int, latency_s: float) -> None:
    """Baud rate, bits and latency come from the URL, else from the profile; Modbus TCP has no line."""
    bus = modbus(buses, url)
    assert isinstance(bus, Bus)
    assert (bus.timing.baud, bus.timing.char_bits, bus.timing.latency_s) == (baud, bits, latency_s)


def test_a_second_language_on_a_port_is_refused(buses: Buses) -> None:
    """Modbus and Alicat ASCII cannot share a port, whoever comes first; the sentence names both and the first URL."""
    assert isinstance(modbus(buses, "/dev/ttyX"), Bus)
    refused = buses.alicat(at("serial:///dev/ttyX?id=B"), defaults=PLAIN, profile=read_alicat_profile())
    assert isinstance(refused, CommandFailed)
    assert refused.seen == "Alicat ASCII on the port of /dev/ttyX, which speaks Modbus RTU"
    assert isinstance(modbus(buses, "tcp://127.0.0.1:502"), Bus)
    assert isinstance(modbus(buses, "rtu+tcp://127.0.0.1:502"), CommandFailed)


def test_controllers_with_letters_share_a_port(buses: Buses) -> None:
    """Alicat controllers with different ids are on one bus."""
    profile = read_alicat_profile()
    first = buses.alicat(at("serial:///dev/ttyX?id=A"), defaults=PLAIN, profile=profile)
    assert isinstance(first, Bus)
    assert buses.alicat(at("serial:///dev/ttyX?id=B"), defaults=PLAIN, profile=profile) is first


def test_devices_without_an_address_have_their_port_alone(buses: Buses) -> None:
    """A second balance or mesh controller on a port is refused: nothing on the wire would tell them apart."""
    profile = read_balance_profile()
    assert isinstance(buses.balance(at("/dev/ttyX"), defaults=PLAIN, profile=profile), Bus)
    second = buses.balance(at("/dev/ttyX"), defaults=PLAIN, profile=profile)
    assert isinstance(second, CommandFailed)
    assert "a second device" in second.seen
    assert not isinstance(buses.link(at("/dev/ttyY"), Language.MESH, defaults=PLAIN), CommandFailed)
    assert isinstance(buses.link(at("/dev/ttyY"), Language.MESH, defaults=PLAIN), CommandFailed)


def test_one_port_has_one_baud_rate(buses: Buses) -> None:
    """Two URLs of a port with other settings are refused, with both settings named; Modbus TCP has none to differ."""
    assert isinstance(modbus(buses, "serial:///dev/ttyX?unit=1"), Bus)
    refused = modbus(buses, "serial:///dev/ttyX?unit=2&baudrate=9600&parity=E")
    assert isinstance(refused, CommandFailed)
    assert refused.seen == "9600 8E1 on the port of serial:///dev/ttyX?unit=1, which has 19200 8N1"
    assert isinstance(modbus(buses, "tcp://127.0.0.1:502"), Bus)
    assert isinstance(modbus(buses, "tcp://127.0.0.1:502", defaults=LineSettings(baudrate=9600)), Bus)


def test_a_baud_rate_that_would_hold_up_a_stop_is_refused(buses: Buses) -> None:
    """A block that takes more than 40 ms at the URL's baud rate is refused with its name."""
    profile = find_profile("modbus-nebulizer")
    assert isinstance(profile, Profile), profile
    refused = buses.for_profile(at("serial:///dev/ttyX?baudrate=4800"), profile)
    assert isinstance(refused, CommandFailed)
    assert "4800 baud" in refused.seen
    bus = buses.for_profile(at("serial:///dev/ttyX"), profile)
    assert isinstance(bus, Bus)
    assert (bus.timing.answer_s, bus.timing.baud) == (0.1, 19_200)
