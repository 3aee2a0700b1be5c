"""Why a port could not be opened, in one line that a person can act on."""

import errno
import grp
import os
from pathlib import Path

from nebctl.core.device import Certainty, CommandFailed

from .ports_found import find_holders, find_ports

_ABSENT = frozenset((errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ENOTDIR))
_BUSY = frozenset((errno.EBUSY, errno.EAGAIN))
_FORBIDDEN = frozenset((errno.EACCES, errno.EPERM))
_TCP_REASONS = {
    errno.ECONNREFUSED: "Nothing listens there: check that the device server is on, and the port number.",
    errno.EHOSTUNREACH: "Check the network cable, and that the device server is on.",
    errno.ENETUNREACH: "Check this machine's network.",
    errno.ETIMEDOUT: "Check the network cable, and that the device server is on.",
    errno.ECONNRESET: "The device server hung up: it may serve another host already; many take one at a time.",
}


def explain_open_failure(path: str, error: Exception) -> CommandFailed:
    """Return what stood in the way of opening the serial port `path`, with the person's next step."""
    number = _find_errno(error)
    if number in _ABSENT:
        present = ", ".join(port.text() for port in find_ports()) or "none"
        seen = f"port {path} does not exist; present ports: {present}"
        return _refuse(path, seen, "Plug the device in or correct [device] port.")
    if number in _BUSY:
        seen = f"port {path} is in use by {_name_holders(path)}"
        return _refuse(path, seen, "End the other program; a port has one owner.")
    if number in _FORBIDDEN:
        seen = f"port {path} may not be opened by this user"
        return _refuse(path, seen, f"Add the user to the group {_name_group(path)}.")
    return _refuse(path, f"port {path} did not open as a serial line: {error}", "Correct [device] port.")


def explain_connect_failure(name: str, error: OSError) -> CommandFailed:
    """Return why the TCP address `name` could not be reached, with the person's next step."""
    advice = _TCP_REASONS.get(error.errno or 0, "Check that it is switched on, and [device] port.")
    return CommandFailed(
        command=f"open {name}",
        certainty=Certainty.NOT_DONE,
        seen=say_error(error),
        expected="a listening device server",
        advice=advice,
    )


def say_error(error: OSError) -> str:
    """Return the operating system's reason alone."""
    # asyncio rewords a refused connection into the address alone; the number keeps the reason
    return os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)


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
    return ", ".join(holder.text() for holder in find_holders(path)) or "a program that this user may not see"


def _name_group(path: str) -> str:
    try:
        return grp.getgrgid(Path(path).stat().st_gid).gr_name
    except (OSError, KeyError):
        return "that owns the port"
