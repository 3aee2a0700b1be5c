"""Device URLs: one strict grammar; what is wrong is told with key, value and the right form."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebctl.core.device import Certainty, CommandFailed
from nebctl_drivers import address as addresses
from nebctl_drivers.address import Address, Framing, Kind, LineSettings, read_address
from nebctl_drivers.ports_found import UsbName


def good(url: str) -> Address:
    """Return the address of a URL that is right."""
    address = read_address(url)
    assert isinstance(address, Address), address
    return address


def bad(url: str) -> CommandFailed:
    """Return what is told about a URL that is wrong; nothing was done, and the URL is named."""
    failure = read_address(url)
    assert isinstance(failure, CommandFailed), failure
    assert failure.certainty is Certainty.NOT_DONE
    assert repr(url) in failure.seen
    return failure


@pytest.mark.parametrize(
    ("url", "kind", "framing", "fields"),
    [
        ("/dev/ttyUSB0", Kind.SERIAL, Framing.RTU, {"path": "/dev/ttyUSB0"}),
        ("/dev/serial/by-id/usb-FTDI_A-if00", Kind.SERIAL, Framing.RTU, {"path": "/dev/serial/by-id/usb-FTDI_A-if00"}),
        ("/tmp/a path/with?odd#name", Kind.SERIAL, Framing.RTU, {"path": "/tmp/a path/with?odd#name"}),
        ("serial:///dev/ttyS1", Kind.SERIAL, Framing.RTU, {"path": "/dev/ttyS1"}),
        ("serial:///tmp/what%3F", Kind.SERIAL, Framing.RTU, {"path": "/tmp/what?"}),
        ("usb://0403:6001/A10K2X", Kind.USB, Framing.RTU, {"usb": UsbName(0x0403, 0x6001, "A10K2X")}),
        ("usb://1A86:7523", Kind.USB, Framing.RTU, {"usb": UsbName(0x1A86, 0x7523, None)}),
        ("tcp://box.example:502", Kind.TCP, Framing.TCP, {"host": "box.example", "port": 502}),
        ("tcp://192.168.0.7:1/", Kind.TCP, Framing.TCP, {"host": "192.168.0.7", "port": 1}),
        ("tcp://[::1]:65535", Kind.TCP, Framing.TCP, {"host": "::1", "port": 65535}),
        ("rtu+tcp://box_2:4001", Kind.TCP, Framing.RTU, {"host": "box_2", "port": 4001}),
    ],
)
def test_each_form_says_where_the_device_is(url: str, kind: Kind, framing: Framing, fields: dict[str, Any]) -> None:
    """Each of the forms becomes its kind, its framing and its own fields, and nothing else is set."""
    address = good(url)
    assert address == Address(url=url, kind=kind, framing=framing, **fields)


def test_settings_are_taken_from_the_query() -> None:
    """Every key is read into its own value; what the URL leaves out stays open, and defaults fill it."""
    address = good("serial:///dev/x?baudrate=19200&parity=E&stop_bits=1&latency_ms=16&unit=247&id=Z")
    assert address.line == LineSettings(baudrate=19_200, parity="E", stop_bits=1, latency_ms=16)
    assert (address.unit, address.id) == (247, "Z")
    open_line = good("rtu+tcp://h:1?baudrate=9600").line
    assert (open_line.parity, open_line.stop_bits, open_line.latency_ms) == (None, None, None)
    filled = open_line.over(LineSettings(baudrate=19_200, parity="O", stop_bits=2))
    assert filled == LineSettings(baudrate=9600, parity="O", stop_bits=2)


@pytest.mark.parametrize(("settings", "bits"), [("", 10), ("?parity=E", 11), ("?stop_bits=2", 11), ("?parity=N", 10)])
def test_a_character_has_its_bits(settings: str, bits: int) -> None:
    """8N1 takes ten bits of wire time a character; parity and a second stop bit take one more each."""
    assert good(f"serial:///dev/x{settings}").line.char_bits == bits


@pytest.mark.parametrize(
    ("setting", "right"),
    [
        ("baudrate=fast", "baudrate=50 to 4000000"),
        ("baudrate=0", "baudrate=50 to 4000000"),
        ("baudrate=019200", "baudrate=50 to 4000000"),
        ("baudrate=19_200", "baudrate=50 to 4000000"),
        ("baudrate=١٩٢٠٠", "baudrate=50 to 4000000"),
        ("baudrate=9999999999999999999999", "baudrate=50 to 4000000"),
        ("parity=e", "parity=N, parity=E or parity=O"),
        ("parity=", "parity=N, parity=E or parity=O"),
        ("stop_bits=1.5", "stop_bits=1 or stop_bits=2"),
        ("stop_bits=3", "stop_bits=1 or stop_bits=2"),
        ("latency_ms=-1", "latency_ms=0 to 1000"),
        ("unit=0", "unit=1 to 247"),
        ("unit=248", "unit=1 to 247"),
        ("id=AB", "id=A to id=Z"),
        ("id=a", "id=A to id=Z"),
    ],
)
@pytest.mark.parametrize("base", ["serial:///dev/x", "usb://0403:6001/A", "tcp://h:1", "rtu+tcp://h:1"])
def test_a_wrong_value_is_named_with_its_key_and_the_right_form(base: str, setting: str, right: str) -> None:
    """On every form a wrong value is refused with its key, the value itself and what may stand there."""
    key, _, value = setting.partition("=")
    failure = bad(f"{base}?{setting}")
    assert f"{key} {value!r}" in failure.seen
    assert right in failure.expected


@pytest.mark.parametrize(
    "query", ["baud=9600", "baudrate", "", "baudrate=9600&", "=5", "Baudrate=9600", "parity=E;unit=1&x=1"]
)
def test_an_unknown_key_is_named_with_the_known_ones(query: str) -> None:
    """A key that there is none of, or none at all, is refused with every key and its form."""
    failure = bad(f"tcp://h:1?{query}")
    wanted = ("baudrate=", "parity=N", "stop_bits=1", "latency_ms=", "unit=1", "id=A")
    assert all(key in failure.expected for key in wanted) or "parity 'E;unit=1'" in failure.seen


def test_a_key_stands_once() -> None:
    """A key twice is refused with both values: neither is guessed to be the one meant."""
    failure = bad("serial:///dev/x?unit=1&unit=2")
    assert "unit twice, '1' and '2'" in failure.seen
    assert failure.expected == "unit once"


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("tcp://h:0", "port '0'"),
        ("tcp://h:99999", "port '99999'"),
        ("tcp://h", "port ''"),
        ("tcp://h:", "port ''"),
        ("tcp://h:+5", "port '+5'"),
        ("tcp://:5", "host ''"),
        ("rtu+tcp://:5", "host ''"),
        ("tcp://-h:5", "host '-h'"),
        ("tcp://1.2.3:5", "host '1.2.3'"),
        ("tcp://1.2.3.400:5", "host '1.2.3.400'"),
        ("tcp://[::zz]:5", "host '[::zz]'"),
        ("tcp://user@h:5", "no host and port alone"),
        ("tcp://h:1/path", "no host and port alone"),
        ("tcp://h:1#part", "no host and port alone"),
        ("serial://dev/x", "no absolute path"),
        ("serial:///", "no absolute path"),
        ("serial:///dev/x#1", "no absolute path"),
        ("serial:///dev/x%00y", "no absolute path"),
        ("usb://0403/A", "no USB name"),
        ("usb://0403:60012/A", "no USB name"),
        ("usb://0403:6001/A/B", "no USB name"),
        ("/dev/ttyUSB0?baudrate=9600", "a path with settings"),
        ("/dev/tty\0USB0", "a character that cannot be seen"),
        ("tcp://h:1\n", "a character that cannot be seen"),
    ],
)
def test_what_is_wrong_with_the_place_is_named(url: str, wrong: str) -> None:
    """A wrong host, port, path or USB name is told by itself, beside the forms that are right."""
    failure = bad(url)
    assert wrong in failure.seen
    assert "tcp://host:port" in failure.expected


@pytest.mark.parametrize(
    "url", ["", "ttyUSB0", "COM3", "http://h:1", "TCP://h:1", "tcp:h:1", "socket://h:1", "://", "?"]
)
def test_another_form_is_refused_with_every_right_one(url: str) -> None:
    """What has none of the forms is told all of them."""
    failure = bad(url)
    for form in (
        "'/dev/…'",
        "'serial:///dev/…'",
        "'usb://VID:PID/SERIAL'",
        "'tcp://host:port'",
        "'rtu+tcp://host:port'",
    ):
        assert form in failure.expected


@given(st.text(max_size=60) | st.from_regex(r"(serial|usb|tcp|rtu\+tcp)://[\x00-\x7f]{0,40}", fullmatch=True))
def test_any_text_is_an_address_or_a_refusal(url: str) -> None:
    """No text raises, and what is taken is complete: a path, a USB name, or a host with a port in range."""
    address = read_address(url)
    if isinstance(address, Address):
        network = bool(address.host) and address.port is not None and 1 <= address.port <= 65_535
        assert [bool(address.path), address.usb is not None, network].count(True) == 1


def test_two_names_of_one_port_share_a_bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path, a link to it and its USB name have one bus key; another port has another."""
    (tmp_path / "ttyUSB7").touch()
    (tmp_path / "by-id").symlink_to(tmp_path / "ttyUSB7")
    monkeypatch.setattr(addresses, "find_usb", lambda name: str(tmp_path / "ttyUSB7"))
    urls = [f"{tmp_path}/ttyUSB7", f"{tmp_path}/by-id", f"serial://{tmp_path}/by-id?unit=3", "usb://0403:6001/A"]
    assert {good(url).bus_key for url in urls} == {f"serial:{os.path.realpath(tmp_path)}/ttyUSB7"}
    assert good(f"{tmp_path}/ttyUSB8").bus_key != good(urls[0]).bus_key


def test_a_usb_name_without_a_port_has_a_key_of_its_own() -> None:
    """An adapter that is not plugged in is its own bus until it is."""
    assert good("usb://ffff:fffe/none").bus_key == "usb:usb://ffff:fffe/none"


def test_one_device_server_is_one_bus() -> None:
    """Two units behind one server port share its bus, however its name is written; another port is another bus."""
    keys = {good(url).bus_key for url in ("rtu+tcp://Box.example:4001?unit=1", "rtu+tcp://box.example.:4001?unit=2")}
    assert keys == {"tcp:box.example:4001"}
    assert good("tcp://box.example:4002").bus_key not in keys
