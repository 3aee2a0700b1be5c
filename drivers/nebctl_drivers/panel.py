"""Buttons, lamp and buzzer on GPIO lines; a folder with two pipes stands in for the lines where there are none."""

import contextlib
import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from nebctl.core.device import Certainty, CommandFailed
from nebctl.core.hardware import BUZZER, LAMP, START, STOP, Edge
from nebctl.ports import Panel

from .descriptor import DescriptorLink
from .port_trouble import say_error
from .pwm import Pwm

PIPE = "pipe://"
DEBOUNCE = timedelta(milliseconds=10)
"""Of START alone: a contact bounces for some milliseconds. STOP acts on its first edge, and bounces are more STOPs."""
_BUTTONS, _LAMPS = (START, STOP), (LAMP, BUZZER)


def open_panel(
    chip: str, lines: Mapping[str, int], *, active_low: bool, pwm: Path | None = None
) -> Panel | CommandFailed:
    """Return the panel on a GPIO chip, such as /dev/gpiochip0, with the offset of each line that this unit has.

    `pipe:///folder` stands in for it. `active_low` says that a button pulls its line to ground. `pwm` is the folder of
    the pulse-width output that a buzzer without a tone of its own hangs on; None where there is none.
    """
    if chip.startswith(PIPE):
        return PipePanel(Path(chip.removeprefix(PIPE)))
    try:
        import gpiod  # noqa: PLC0415 - an extra that units with buttons alone install
    except ImportError:
        return _no("no gpiod", "the extra gpio", "Install it: pip install 'nebctl[gpio]'.")
    return GpioPanel(gpiod, chip, dict(lines), active_low=active_low, pwm=None if pwm is None else Pwm(pwm))


class PipePanel(DescriptorLink):
    """Lines such as `stop down` from the pipe `in` of a folder; what lamp and buzzer do goes to its file `out`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        self._folder = folder
        self._text = ""
        self._opened: int | None = None
        self._said: dict[str, str] = {LAMP: "off", BUZZER: "off"}

    async def read(self) -> tuple[Edge, ...] | CommandFailed:  # type: ignore[override]
        """Return the next presses and releases."""
        while True:
            data = await super().read()
            if isinstance(data, CommandFailed):
                return data
            *lines, self._text = (self._text + data.decode("ascii", errors="replace")).split("\n")
            words = [line.split() for line in lines]
            if edges := tuple(
                Edge(button=w[0], down=w[1] == "down") for w in words if len(w) == 2 and w[0] in _BUTTONS
            ):
                return edges

    def light(self, *, on: bool) -> None:
        """Write what the lamp does, where it changes."""
        self._say(LAMP, "on" if on else "off")

    def sound(self, millihertz: int) -> None:
        """Write the pitch of the buzzer, where it changes."""
        self._say(BUZZER, str(millihertz) if millihertz else "off")

    def _say(self, output: str, word: str) -> None:
        if self._said[output] == word:
            return
        self._said[output] = word
        with (self._folder / "out").open("a", encoding="ascii") as file:
            file.write(f"{output} {word}\n")

    async def _acquire(self) -> int | CommandFailed:
        try:
            self._opened = os.open(self._folder / "in", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            return _no(say_error(error), f"a pipe {self._folder}/in", "Make it with mkfifo.")
        return self._opened

    def _release(self) -> None:
        if self._opened is not None:
            os.close(self._opened)
            self._opened = None


class GpioPanel(DescriptorLink):
    """GPIO lines through the kernel's character device, so that no other program can take them."""

    def __init__(self, gpiod: Any, chip: str, lines: dict[str, int], *, active_low: bool, pwm: Pwm | None) -> None:
        super().__init__(chip)
        self._gpiod = gpiod
        self._chip = chip
        self._lines = lines
        self._active_low = active_low
        self._pwm = pwm
        self._request: Any = None
        self._edges: list[Edge] = []

    async def read(self) -> tuple[Edge, ...] | CommandFailed:  # type: ignore[override]
        """Return the next presses and releases."""
        told = await super().read()
        edges, self._edges = tuple(self._edges), []
        return told if isinstance(told, CommandFailed) else edges

    def light(self, *, on: bool) -> None:
        """Set the line of the lamp."""
        self._put(LAMP, on=on)

    def sound(self, millihertz: int) -> None:
        """Sound at a pitch on a pulse-width output, or at the buzzer's own on its line."""
        if self._pwm is not None:
            self._pwm.sound(millihertz)
        self._put(BUZZER, on=millihertz > 0)

    def _put(self, output: str, *, on: bool) -> None:
        if self._request is None or output not in self._lines:
            return
        value = self._gpiod.line.Value
        with contextlib.suppress(OSError):
            self._request.set_value(self._lines[output], value.ACTIVE if on else value.INACTIVE)

    def _receive(self) -> None:
        try:
            events = self._request.read_edge_events()
        except OSError as error:
            self._lose(say_error(error))
            return
        names = {self._lines[name]: name for name in _BUTTONS if name in self._lines}
        rising = self._gpiod.EdgeEvent.Type.RISING_EDGE
        self._edges += [Edge(button=names[each.line_offset], down=each.event_type is rising) for each in events]
        self._inbox.put(b"." * len(events))

    async def _acquire(self) -> int | CommandFailed:
        mute = None if self._pwm is None else self._pwm.open()
        if mute is not None:
            return mute
        line, settings = self._gpiod.line, self._gpiod.LineSettings
        bias = line.Bias.PULL_UP if self._active_low else line.Bias.PULL_DOWN
        button = {"edge_detection": line.Edge.BOTH, "bias": bias, "active_low": self._active_low}
        wanted = {
            START: settings(**button, debounce_period=DEBOUNCE),
            STOP: settings(**button),
            **dict.fromkeys(_LAMPS, settings(direction=line.Direction.OUTPUT)),
        }
        config = {offset: wanted[name] for name, offset in self._lines.items()}
        try:
            self._request = self._gpiod.request_lines(self._chip, consumer="nebctl", config=config)
        except (OSError, ValueError) as error:
            seen = say_error(error) if isinstance(error, OSError) else str(error)
            return _no(seen, f"the lines {self._lines} of {self._chip}", "Check [gpio]; another program may have them.")
        return int(self._request.fd)

    def _release(self) -> None:
        if self._pwm is not None:
            self._pwm.sound(0)
        self._request.release()
        self._request = None


def _no(seen: str, expected: str, advice: str) -> CommandFailed:
    return CommandFailed(command="open", certainty=Certainty.NOT_DONE, seen=seen, expected=expected, advice=advice)
