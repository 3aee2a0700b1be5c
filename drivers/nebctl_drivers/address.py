"""Device URLs: one strict grammar, read into values; what is wrong is told with the key, the value and the right form.

Reading an address opens nothing and looks nothing up; only `bus_key` asks the file system. The reference for people is
docs/reference/device-urls.md.
"""

import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from urllib.parse import unquote

from nebctl.core.device import Certainty, CommandFailed

from .ports_found import UsbName, find_usb

FORMS = (
    "'/dev/…', 'serial:///dev/…', 'usb://VID:PID/SERIAL', 'tcp://host:port' or 'rtu+tcp://host:port', "
    "all but the first with settings such as '?baudrate=19200&parity=E' where needed"
)
DEFAULT_BAUDRATE = 115_200
HIGHEST_BAUDRATE = 4_000_000
"""The highest that Linux names (B4000000); adapters end at or below it."""
LONGEST_LATENCY_MS = 1000
HIGHEST_UNIT = 247
"""Source: MODBUS over serial line specification V1.02, 2.2: units are 1 to 247, 0 is broadcast."""
_SERIAL = re.compile(r"serial://(/[^?#]*)(?:\?([^#]*))?")
_USB = re.compile(r"usb://([0-9A-Fa-f]{4}):([0-9A-Fa-f]{4})(?:/([^/?#]+))?(?:\?([^#]*))?")
_NETWORK = re.compile(r"(tcp|rtu\+tcp)://(\[[^\]/?#]*\]|[^:/?#\[\]@]*)(?::([^/?#]*))?/?(?:\?([^#]*))?")
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?")
_COUNT = re.compile(r"0|[1-9][0-9]{0,9}")
_LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1", "[::1]"))
_SETTINGS_ON_A_PATH = re.compile(r"\?[a-z_]+=")


class Kind(Enum):
    """What an address leads to: a serial port by path, one by its USB name, or a TCP stream."""

    SERIAL = "serial"
    USB = "usb"
    TCP = "tcp"


class Framing(Enum):
    """How a Modbus device's frames lie on this wire; devices with another language pay no attention to it."""

    RTU = "rtu"
    TCP = "tcp"


@dataclass(frozen=True, slots=True, kw_only=True)
class LineSettings:
    """What a URL says of the serial line; None means that it says nothing, and the device's profile or driver decides.

    `parity` is N, E or O; `stop_bits` 1 or 2; `latency_ms` how long an adapter may keep bytes back, each way.
    """

    baudrate: int | None = None
    parity: str | None = None
    stop_bits: int | None = None
    latency_ms: int | None = None

    def over(self, defaults: "LineSettings") -> "LineSettings":
        """Return these settings, with `defaults` where they say nothing."""
        own = {name: value for name in self.__slots__ if (value := getattr(self, name)) is not None}
        return replace(defaults, **own)

    @property
    def char_bits(self) -> int:
        """Return the bits of one character on the wire: start, eight of data, parity and stop."""
        return 9 + (self.parity in {"E", "O"}) + (self.stop_bits or 1)

    def text(self) -> str:
        """Return the settings in the usual short form, such as "19200 8E1", with 115200 8N1 where they say nothing."""
        return f"{self.baudrate or DEFAULT_BAUDRATE} 8{self.parity or 'N'}{self.stop_bits or 1}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a device is, as its URL says.

    `path` is set for a serial port, `usb` for a USB name, `host` and `port` for a TCP stream; the others are None.
    `unit` is the Modbus unit and `id` the letter of an Alicat device, None where the URL names none.
    """

    url: str
    kind: Kind
    framing: Framing
    path: str | None = None
    usb: UsbName | None = None
    host: str | None = None
    port: int | None = None
    line: LineSettings = LineSettings()
    unit: int | None = None
    id: str | None = None

    @property
    def bus_key(self) -> str:
        """Return what names the physical port as it is plugged in now: equal keys share one bus.

        A path and a USB name become the real path behind them. Of a port that is not there the name itself is the key;
        two names of it are then two keys, and the second opening of the port is refused as in use.
        """
        if self.usb is not None:
            found = find_usb(self.usb)
            return f"usb:{self.usb.text()}" if isinstance(found, CommandFailed) else _serial_key(found)
        if self.path is not None:
            return _serial_key(self.path)
        return f"tcp:{(self.host or '').lower().rstrip('.')}:{self.port}"

    def is_bench_wire(self) -> bool:
        """Return whether the port, as it is now, can only lead to a program: a pseudo-terminal, or TCP on loopback."""
        return self.bus_key.startswith("serial:/dev/pts/") or (self.host or "").lower() in _LOOPBACK


def read_address(url: str) -> Address | CommandFailed:
    """Return the address that `url` writes, or what is wrong with it.

    An absolute path is a serial port, taken as it stands. Every other form has a scheme, and may have settings:
    `baudrate`, `parity`, `stop_bits`, `latency_ms`, `unit` and `id`, each once.
    """
    if not url.isprintable():
        return _refuse(url, "a character that cannot be seen", FORMS)
    if url.startswith("/"):
        return _read_path(url)
    scheme = url.partition("://")[0]
    read = _SCHEMES.get(scheme) if "://" in url else None
    return read(url) if read is not None else _refuse(url, "", FORMS)


def _serial_key(path: str) -> str:
    return f"serial:{os.path.realpath(path)}"


def _read_path(url: str) -> Address | CommandFailed:
    if _SETTINGS_ON_A_PATH.search(url):
        return _refuse(url, "a path with settings", f"'serial://{url}', for a path alone has none; also {FORMS}")
    return Address(url=url, kind=Kind.SERIAL, framing=Framing.RTU, path=url)


def _read_serial(url: str) -> Address | CommandFailed:
    match = _SERIAL.fullmatch(url)
    path = unquote(match[1]) if match else ""
    if match is None or path == "/" or not path.isprintable():
        return _refuse(url, "no absolute path", f"'serial:///dev/…', with three strokes, '?' as %3F; also {FORMS}")
    return _settle(Address(url=url, kind=Kind.SERIAL, framing=Framing.RTU, path=path), match[2])


def _read_usb(url: str) -> Address | CommandFailed:
    match = _USB.fullmatch(url)
    if match is None:
        right = (
            f"'usb://VID:PID/SERIAL' with four hexadecimal digits each, such as 'usb://0403:6001/A10K2X'; also {FORMS}"
        )
        return _refuse(url, "no USB name", right)
    serial = unquote(match[3]) if match[3] else None
    name = UsbName(int(match[1], 16), int(match[2], 16), serial)
    return _settle(Address(url=url, kind=Kind.USB, framing=Framing.RTU, usb=name), match[4])


def _read_network(url: str) -> Address | CommandFailed:
    match = _NETWORK.fullmatch(url)
    if match is None:
        return _refuse(url, "no host and port alone", FORMS)
    host, port = _read_host(match[2]), match[3]
    if host is None:
        return _refuse(url, f"host {match[2]!r}", f"a name, an IPv4 address or an IPv6 address in brackets; {FORMS}")
    if port is None or not _COUNT.fullmatch(port) or not 1 <= int(port) <= 65_535:
        return _refuse(url, f"port {port or ''!r}", f"a port from 1 to 65535; {FORMS}")
    framing = Framing.TCP if match[1] == "tcp" else Framing.RTU
    return _settle(Address(url=url, kind=Kind.TCP, framing=framing, host=host, port=int(port)), match[4])


_SCHEMES: Mapping[str, Callable[[str], Address | CommandFailed]] = {
    "serial": _read_serial,
    "usb": _read_usb,
    "tcp": _read_network,
    "rtu+tcp": _read_network,
}


def _read_host(text: str) -> str | None:
    """Return the host without its brackets; None where it is none."""
    if text.startswith("["):
        return _read_ip(text[1:-1], ipaddress.IPv6Address)
    if re.fullmatch(r"[0-9.]+", text):  # digits and points alone are no name: "1.2.3" would be guessed at
        return _read_ip(text, ipaddress.IPv4Address)
    return text if _HOST.fullmatch(text) else None


def _read_ip(text: str, form: type[ipaddress.IPv4Address] | type[ipaddress.IPv6Address]) -> str | None:
    try:
        return str(form(text))
    except ValueError:
        return None


def _settle(address: Address, query: str | None) -> Address | CommandFailed:
    """Return the address with the settings of its query."""
    if query is None:
        return address
    given: dict[str, str] = {}
    for pair in query.split("&"):
        key, stroke, value = pair.partition("=")
        if key not in _KEYS or not stroke:
            return _refuse(address.url, f"the setting {pair!r}", f"one of {_FORMS_OF_KEYS}")
        if key in given:
            return _refuse(address.url, f"{key} twice, {given[key]!r} and {value!r}", f"{key} once")
        if not _KEYS[key].fits(value):
            return _refuse(address.url, f"{key} {value!r}", _KEYS[key].right)
        given[key] = value
    return _apply(address, given)


def _apply(address: Address, given: Mapping[str, str]) -> Address:
    def count(key: str) -> int | None:
        return int(given[key]) if key in given else None

    line = LineSettings(
        baudrate=count("baudrate"),
        parity=given.get("parity"),
        stop_bits=count("stop_bits"),
        latency_ms=count("latency_ms"),
    )
    return replace(address, line=line, unit=count("unit"), id=given.get("id"))


@dataclass(frozen=True, slots=True)
class _Key:
    fits: Callable[[str], bool]
    right: str


def _between(least: int, most: int) -> Callable[[str], bool]:
    def fits(value: str) -> bool:
        return _COUNT.fullmatch(value) is not None and least <= int(value) <= most

    return fits


_KEYS: Mapping[str, _Key] = {
    "baudrate": _Key(_between(50, HIGHEST_BAUDRATE), f"baudrate=50 to {HIGHEST_BAUDRATE}"),
    "parity": _Key(lambda value: value in {"N", "E", "O"}, "parity=N, parity=E or parity=O"),
    "stop_bits": _Key(_between(1, 2), "stop_bits=1 or stop_bits=2"),
    "latency_ms": _Key(_between(0, LONGEST_LATENCY_MS), f"latency_ms=0 to {LONGEST_LATENCY_MS}"),
    "unit": _Key(_between(1, HIGHEST_UNIT), f"unit=1 to {HIGHEST_UNIT}"),
    "id": _Key(lambda value: re.fullmatch("[A-Z]", value) is not None, "id=A to id=Z, one capital letter"),
}
_FORMS_OF_KEYS = "; ".join(key.right for key in _KEYS.values())


def _refuse(url: str, wrong: str, right: str) -> CommandFailed:
    seen = f"the port {url!r}" + (f": {wrong}" if wrong else "")
    return CommandFailed(
        command="open", certainty=Certainty.NOT_DONE, seen=seen, expected=right, advice="Correct the URL."
    )
