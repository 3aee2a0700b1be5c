"""Serial ports of this machine: what is plugged in, under which names, and which programs hold it."""

import os
import pwd
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from nebctl.core.device import Certainty, CommandFailed

BY_ID = Path("/dev/serial/by-id")
_LISTINGS = 3
"""A device that comes or goes while it is read breaks pyserial's listing; the next one is whole."""
_LOCK = re.compile(r"FLOCK +\S+ +\S+ +(\d+) ([0-9a-f]+):([0-9a-f]+):(\d+) ")
"""A line of /proc/locks: pid, major and minor number of the file system in hexadecimal, inode.

Source: proc_locks(5).
"""


@dataclass(frozen=True, slots=True)
class UsbName:
    """Which USB adapter: vendor and product number, and the serial number, None where any will do."""

    vendor: int
    product: int
    serial: str | None

    def text(self) -> str:
        """Return the name as its URL, such as usb://0403:6001/A10K2X."""
        return f"usb://{self.vendor:04x}:{self.product:04x}" + (f"/{self.serial}" if self.serial else "")


@dataclass(frozen=True, slots=True, order=True)
class Holder:
    """A program that holds a port; `user` names its owner, None where that is the present user."""

    pid: int
    name: str
    user: str | None

    def text(self) -> str:
        """Return the holder in words."""
        return f"{self.name} (pid {self.pid})" + (f" of user {self.user}" if self.user else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPort:
    """One serial port that is there now.

    `path` is the kernel's name, which may be another after the next plugging; `by_id` the lasting one, None without
    one. `usb`, `maker` and `product` are what the adapter says of itself, None where it says nothing; `latency_ms` is
    how long an adapter may keep bytes back, None where the driver does not tell. `holders` are the programs that have
    it open, as far as this user may know.
    """

    path: str
    by_id: str | None
    usb: UsbName | None
    maker: str | None
    product: str | None
    latency_ms: int | None
    holders: tuple[Holder, ...]

    @property
    def url(self) -> str:
        """Return the name to write into a configuration: the lasting one where there is one."""
        return self.by_id or self.path

    def text(self) -> str:
        """Return the port in words: its path and what it is."""
        known = [self.usb.text() if self.usb else "", self.maker or "", self.product or ""]
        told = " ".join(part for part in known if part)
        return f"{self.path} ({told})" if told else self.path


Listing: TypeAlias = Callable[[], Iterable[ListPortInfo]]


def find_ports(listing: Listing = list_ports.comports, by_id: Path = BY_ID) -> tuple[FoundPort, ...]:
    """Return the serial ports of this machine, sorted by path; `by_id` is the folder of the lasting names."""
    lasting = _read_lasting_names(by_id)
    infos = sorted(_list(listing), key=lambda info: info.device)
    holders = _map_holders([info.device for info in infos])
    return tuple(
        FoundPort(
            path=info.device,
            by_id=lasting.get(os.path.realpath(info.device)),
            usb=_read_usb(info),
            maker=info.manufacturer or None,
            product=info.product or None,
            latency_ms=_read_latency(info.device),
            holders=holders[info.device],
        )
        for info in infos
    )


def find_usb(name: UsbName, listing: Listing = list_ports.comports) -> str | CommandFailed:
    """Return the path at which the adapter `name` is now, looked up afresh."""
    usb = {info.device: found for info in _list(listing) if (found := _read_usb(info)) is not None}
    paths = sorted(path for path, found in usb.items() if _fits(found, name))
    if len(paths) == 1:
        return paths[0]
    if paths:
        seen = f"{len(paths)} ports of that name: {', '.join(paths)}"
        return _refuse(name, seen, "one port", "Add the serial number, or write the port's /dev/serial/by-id/... name.")
    present = ", ".join(f"{path} ({found.text()})" for path, found in sorted(usb.items())) or "none"
    return _refuse(name, f"no such adapter; USB ports present: {present}", "one port", "Plug it in or correct the URL.")


def find_holders(path: str) -> tuple[Holder, ...]:
    """Return the programs that have the port `path` open or locked, as far as this user may know."""
    return _map_holders([path])[path]


def _fits(found: UsbName, name: UsbName) -> bool:
    same = (found.vendor, found.product) == (name.vendor, name.product)
    return same and name.serial in {None, found.serial}


def _refuse(name: UsbName, seen: str, expected: str, advice: str) -> CommandFailed:
    return CommandFailed(
        command=f"open {name.text()}", certainty=Certainty.NOT_DONE, seen=seen, expected=expected, advice=advice
    )


def _list(listing: Listing) -> list[ListPortInfo]:
    for _ in range(_LISTINGS):
        try:
            return list(listing())
        except (OSError, TypeError, ValueError):
            continue
    return []


def _read_usb(info: ListPortInfo) -> UsbName | None:
    if info.vid is None or info.pid is None:
        return None
    return UsbName(info.vid, info.pid, info.serial_number or None)


def _read_latency(path: str) -> int | None:
    """Return an FTDI adapter's latency timer.

    Source: facts of the kernel's ftdi_sio driver, /sys/bus/usb-serial/devices/NAME/latency_timer, in milliseconds.
    """
    name = Path(os.path.realpath(path)).name
    try:
        return int(Path(f"/sys/bus/usb-serial/devices/{name}/latency_timer").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _read_lasting_names(folder: Path) -> dict[str, str]:
    try:
        return {os.path.realpath(link): str(link) for link in sorted(folder.iterdir(), reverse=True)}
    except OSError:
        return {}


def _map_holders(paths: list[str]) -> Mapping[str, tuple[Holder, ...]]:
    if not paths:
        return {}
    targets = {path: os.path.realpath(path) for path in paths}
    pids = _find_open(set(targets.values())) | _find_locked(set(targets.values()))
    return {path: tuple(sorted(_describe(pid) for pid, target in pids if target == targets[path])) for path in targets}


def _find_open(targets: set[str]) -> set[tuple[int, str]]:
    """Return who has one of `targets` open, by the processes' descriptors: those of this user alone, but for root."""
    pids = [int(process.name) for process in Path("/proc").glob("[0-9]*")]
    return {(pid, target) for pid in pids for target in _read_open(pid) & targets}


def _read_open(pid: int) -> set[str]:
    try:
        return set(filter(None, map(_read_link, Path(f"/proc/{pid}/fd").iterdir())))
    except OSError:
        return set()  # another user's process, or one that has just ended


def _read_link(descriptor: Path) -> str | None:
    try:
        return str(descriptor.readlink())
    except OSError:
        return None  # closed while the list was read


def _find_locked(targets: set[str]) -> set[tuple[int, str]]:
    """Return who has one of `targets` locked: the kernel tells that of every user's processes."""
    places = {place: target for target in targets if (place := _place(target)) is not None}
    try:
        lines = Path("/proc/locks").read_text(encoding="ascii")
    except OSError:
        return set()
    locks = ((int(m[1]), (int(m[2], 16), int(m[3], 16), int(m[4]))) for m in _LOCK.finditer(lines))
    return {(pid, places[place]) for pid, place in locks if place in places}


def _place(path: str) -> tuple[int, int, int] | None:
    try:
        stat = Path(path).stat()
    except OSError:
        return None
    return os.major(stat.st_dev), os.minor(stat.st_dev), stat.st_ino


def _describe(pid: int) -> Holder:
    return Holder(pid, _read_name(pid), _read_owner(pid))


def _read_name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return "a program"


def _read_owner(pid: int) -> str | None:
    try:
        owner = Path(f"/proc/{pid}").stat().st_uid
    except OSError:
        return None
    if owner == os.geteuid():
        return None
    try:
        return pwd.getpwuid(owner).pw_name
    except KeyError:
        return str(owner)
