"""A scanner that poses as a keyboard: this program alone gets its events, and no page ever sees a key."""

import errno
import fcntl
import os
import struct

from nebctl.core.device import Certainty, CommandFailed
from nebctl_drivers.descriptor import DescriptorLink
from nebctl_drivers.port_trouble import say_error

from .keys import Keyboard, Layout

EVENT = struct.Struct("@llHHi")
"""Seconds, microseconds, type, code, value. Source: struct input_event of the kernel's input.h on a 64-bit machine."""
EV_KEY = 1
_GRAB = 0x40044590
"""EVIOCGRAB. Source: the kernel's input.h, _IOW('E', 0x90, int)."""
_NO_INPUT_DEVICE = (errno.ENOTTY, errno.EINVAL)


class EvdevLink(DescriptorLink):
    """Reads what a grabbed keyboard types, as bytes; a plug that was pulled is a loss, and opening finds it anew.

    A pipe may stand in for the device; it needs no grab, for nobody else reads it.
    """

    def __init__(self, path: str, layout: Layout) -> None:
        super().__init__(path)
        self._path = path
        self._layout = layout
        self._keyboard = Keyboard(layout)
        self._rest = b""
        self._opened: int | None = None

    async def read(self) -> bytes | CommandFailed:
        """Return the characters of the next keys, at least one; `CommandFailed` means that the plug was pulled."""
        while True:
            data = await super().read()
            if isinstance(data, CommandFailed):
                return data
            if text := "".join(self._keyboard.typed(self._events(data))):
                return text.encode()

    def _events(self, data: bytes) -> list[tuple[int, int]]:
        """Return the key events of these bytes; part of an event waits for the rest of it."""
        data = self._rest + data
        whole = len(data) - len(data) % EVENT.size
        self._rest = data[whole:]
        return [(code, value) for _, _, kind, code, value in EVENT.iter_unpack(data[:whole]) if kind == EV_KEY]

    async def _acquire(self) -> int | CommandFailed:
        self._keyboard, self._rest = Keyboard(self._layout), b""
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            return self._refuse(say_error(error), "Plug the scanner in, and let the service read it: group input.")
        try:
            fcntl.ioctl(fd, _GRAB, 1)
        except OSError as error:
            if error.errno not in _NO_INPUT_DEVICE or not _is_pipe(fd):
                os.close(fd)
                return self._refuse(say_error(error), "Another program has grabbed it, or it is no input device.")
        self._opened = fd
        return fd

    def _release(self) -> None:
        if self._opened is not None:
            os.close(self._opened)
            self._opened = None

    def _refuse(self, seen: str, advice: str) -> CommandFailed:
        expected = f"{self._path} as an input device of our own"
        return CommandFailed(command="open", certainty=Certainty.NOT_DONE, seen=seen, expected=expected, advice=advice)


def _is_pipe(fd: int) -> bool:
    return os.fstat(fd).st_mode & 0o170000 == 0o010000
