"""A buzzer without a tone of its own on a pulse-width output of the kernel, so that no program has to swing it.

Source: Linux kernel, Documentation/driver-api/pwm.rst, "Using PWMs with the sysfs interface": `period` and `duty_cycle`
in ns, the latter never the longer one, and `enable`.
"""

import contextlib
import os
from pathlib import Path

from nebctl.core.device import Certainty, CommandFailed

from .port_trouble import say_error

_NS_PER_KILOSECOND = 1_000_000_000_000


class Pwm:
    """The output whose files are in `folder`, such as /sys/class/pwm/pwmchip0/pwm0."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sounds = 0

    def open(self) -> CommandFailed | None:
        """Be silent; None means that the output obeys."""
        try:
            self._set(0)
        except OSError as error:
            return CommandFailed(
                command="open",
                certainty=Certainty.NOT_DONE,
                seen=say_error(error),
                expected=f"the pulse-width output {self._folder}",
                advice="Export it, and let the service's group write its files.",
            )
        return None

    def sound(self, millihertz: int) -> None:
        """Sound at a pitch, a square wave; 0 is silence. An output that no longer obeys is left as it is."""
        if millihertz != self._sounds:
            with contextlib.suppress(OSError):
                self._set(millihertz)

    def _set(self, millihertz: int) -> None:
        self._sounds = millihertz
        if not millihertz:
            self._write("enable", 0)
            return
        period_ns = _NS_PER_KILOSECOND // millihertz
        self._write("duty_cycle", 0)  # before the period, which may become shorter than it
        self._write("period", period_ns)
        self._write("duty_cycle", period_ns // 2)
        self._write("enable", 1)

    def _write(self, name: str, value: int) -> None:
        descriptor = os.open(self._folder / name, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)  # never made: it is there
        try:
            os.write(descriptor, f"{value}\n".encode())
        finally:
            os.close(descriptor)
