"""A simulator on a real serial port, for a host or an adapter under test: hardware in the loop, on a bench alone."""

import asyncio
import fcntl
import os
import termios
import tty
from pathlib import Path

from nebctl_simulators.wire import CHUNK, OnBytes


class SerialWire:
    """A real serial port, raw 8N1, for this process alone while it is plugged.

    Raises: ValueError for a baud rate that the system does not have.
    """

    def __init__(self, path: Path, baud: int) -> None:
        speed = getattr(termios, f"B{baud}", None)
        if speed is None:
            raise ValueError(f"--baud: a real port has no {baud} baud; write such as 9600, 19200, 57600 or 115200")
        self._path = path
        self._speed: int = speed
        self._port: int | None = None

    @property
    def address(self) -> str:
        """The port's path."""
        return str(self._path)

    def plug(self, on_bytes: OnBytes) -> None:
        """Open the port.

        Raises: OSError where it is not there or in use; ValueError where it is no serial port.
        """
        port = os.open(self._path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            fcntl.flock(port, fcntl.LOCK_EX | fcntl.LOCK_NB)
            tty.setraw(port)
            settings = termios.tcgetattr(port)
            settings[4] = settings[5] = self._speed
            termios.tcsetattr(port, termios.TCSANOW, settings)
        except termios.error as error:
            os.close(port)
            raise ValueError(f"{self._path}: not a serial port ({error.args[-1]})") from error
        except OSError:
            os.close(port)
            raise
        self._port = port
        asyncio.get_running_loop().add_reader(port, self._read, port, on_bytes)

    def unplug(self) -> None:
        """Close the port."""
        if self._port is not None:
            asyncio.get_running_loop().remove_reader(self._port)
            os.close(self._port)
            self._port = None

    def write(self, data: bytes) -> None:
        """Send bytes; what the port does not take is lost."""
        if self._port is not None:
            try:
                os.write(self._port, data)
            except BlockingIOError:
                return

    def _read(self, port: int, on_bytes: OnBytes) -> None:
        try:
            data = os.read(port, CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            on_bytes(data)
        else:
            asyncio.get_running_loop().remove_reader(port)
