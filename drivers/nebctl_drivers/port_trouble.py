"""Why a port could not be opened, in one line that a person can act on."""

import errno
import grp
import os
from collections.abc import Iterator
from pathlib import Path

from serial.tools import list_ports

from nebctl.core.device import Certainty, CommandFailed

_ABSENT = frozenset((errno.ENOENT, errno.ENODEV, errno.ENXIO))
_BUSY = frozenset((errno.EBUSY, errno.EAGAIN))
_FORBIDDEN = frozenset((errno.EACCES, errno.EPERM))


def explain_open_failure(path: str, error: Exception) -> CommandFailed:
    """Return what stood in the way of opening the serial port `path`, with the person's next step."""
    number = _find_errno(error)
    if number in _ABSENT:
        present = ", ".join(port.device for port in list_ports.comports()) or "none"
        seen = f"port {path} does not exist; present ports: {present}"
        return _refuse(path, seen, "Plug the device in or correct [device] port.")
    if number in _BUSY:
        seen = f"port {path} is in use by {_name_holders(path)}"
        return _refuse(path, seen, "End the other program; a port has one owner.")
    if number in _FORBIDDEN:
        seen = f"port {path} may not be opened by this user"
        return _refuse(path, seen, f"Add the user to the group {_name_group(path)}.")
    return _refuse(path, f"port {path} did not open as a serial line: {error}", "Correct [device] port.")


def _refuse(path: str, seen: str, advice: str) -> CommandFailed:
    return CommandFailed(
        command=f"open {path}",
        certainty=Certainty.NOT_DONE,
        seen=seen,
        expected="a free serial port",
        advice=advice,
    )


def _find_errno(error: Exception) -> int | None:
    # pyserial wraps the refused lock in an exception without a number; the cause has it
    for candidate in (error, error.__cause__, error.__context__):
        number = getattr(candidate, "errno", None)
        if isinstance(number, int):
            return number
    return None


def _name_holders(path: str) -> str:
    names = [f"{_read_name(pid)} (pid {pid})" for pid in sorted(_find_holders(os.path.realpath(path)))]
    return ", ".join(names) or "another program"


def _find_holders(target: str) -> Iterator[int]:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(str(descriptor.readlink()) == target for descriptor in (process / "fd").iterdir()):
                yield int(process.name)
        except OSError:
            continue  # another user's process, or one that has just ended


def _read_name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        return "a program"


def _name_group(path: str) -> str:
    try:
        return grp.getgrgid(Path(path).stat().st_gid).gr_name
    except (OSError, KeyError):
        return "that owns the port"
