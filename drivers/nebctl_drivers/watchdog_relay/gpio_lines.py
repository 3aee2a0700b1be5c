"""Where a cut-off relay on GPIO lines is, and its three lines as the kernel gives them."""

import importlib
import re
from dataclasses import dataclass
from typing import Any, Protocol

from nebctl.core.device import Certainty, CommandFailed

FORM = "'gpio:///dev/gpiochip0?pulse=17&clear=27&sense=22', with three lines of one GPIO chip"
_URL = re.compile(r"gpio://(/[^?#]+)\?([^#]*)")
_LINE = re.compile(r"0|[1-9][0-9]{0,3}")
_KEYS = ("pulse", "clear", "sense")


class Lines(Protocol):
    """The relay's three lines; each call raises `OSError` where the kernel refuses it."""

    def drive(self, *, high: bool) -> None:
        """Set the pulse line."""
        ...

    def clear(self, *, active: bool) -> None:
        """Set the clear line: active is low, as it is without a host, and holds the contact open."""
        ...

    def is_closed(self) -> bool:
        """Return what the sense line says of the contact."""
        ...

    def release(self) -> None:
        """Give the lines back to the kernel, with pulse and clear low."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GpioPlace:
    """The lines of a relay by their offsets on a chip, such as "/dev/gpiochip0"."""

    chip: str
    pulse: int
    clear: int
    sense: int

    @property
    def name(self) -> str:
        """Return what stands for the relay's serial number."""
        return f"{self.chip.rsplit('/', maxsplit=1)[-1]}:{self.pulse},{self.clear},{self.sense}"


def read_gpio_url(url: str) -> GpioPlace | CommandFailed:
    """Return the place that a URL writes, or what is wrong with it; nothing of the machine is touched."""
    match = _URL.fullmatch(url) if url.isprintable() else None
    if match is None:
        return _refuse(f"the port {url!r}", FORM)
    given: dict[str, int] = {}
    for pair in match[2].split("&"):
        key, stroke, value = pair.partition("=")
        if key not in _KEYS or key in given or not stroke or not _LINE.fullmatch(value):
            return _refuse(f"the port {url!r}: the setting {pair!r}", f"each of {', '.join(_KEYS)} once: {FORM}")
        given[key] = int(value)
    missing = [key for key in _KEYS if key not in given]
    if missing:
        wrong = f"no {missing[0]} line"
        reason = "a contact that nobody reads back is no cut-off" if missing[0] == "sense" else FORM
        return _refuse(f"the port {url!r}: {wrong}", f"a {missing[0]} line of its own: {reason}")
    if len(set(given.values())) < len(_KEYS):
        return _refuse(f"the port {url!r}: one line twice", f"three lines: {FORM}")
    return GpioPlace(chip=match[1], **given)


def open_lines(place: GpioPlace) -> Lines | CommandFailed:
    """Return the lines of a place; from this moment on they hold the contact open."""
    try:
        gpiod = importlib.import_module("gpiod")
        importlib.import_module("gpiod.line")
        if not hasattr(gpiod, "request_lines"):
            return _refuse("gpiod 1", "gpiod 2", "Install nebctl[gpio]; Debian's python3-libgpiod is too old.")
    except ImportError:
        return _refuse("no module gpiod", "gpiod 2", "Install nebctl[gpio].")
    try:
        return _KernelLines(gpiod, place)
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        lines = f"lines {place.pulse}, {place.clear} and {place.sense}"
        return _refuse(f"{place.chip}, {lines}: {said}", "three free lines of a GPIO chip")


class _KernelLines:
    """Three lines of one GPIO chip through gpiod 2."""

    def __init__(self, gpiod: Any, place: GpioPlace) -> None:
        values = gpiod.line.Value
        low = gpiod.LineSettings(direction=gpiod.line.Direction.OUTPUT, output_value=values.INACTIVE)
        settings = {
            place.pulse: low,
            place.clear: low,
            place.sense: gpiod.LineSettings(direction=gpiod.line.Direction.INPUT),
        }
        self._request = gpiod.request_lines(place.chip, consumer="nebctl", config=settings)
        self._place = place
        self._high, self._low = values.ACTIVE, values.INACTIVE

    def drive(self, *, high: bool) -> None:
        """Set the pulse line."""
        self._request.set_value(self._place.pulse, self._high if high else self._low)

    def clear(self, *, active: bool) -> None:
        """Set the clear line, which is active when low."""
        self._request.set_value(self._place.clear, self._low if active else self._high)

    def is_closed(self) -> bool:
        """Return what the sense line says of the contact."""
        return bool(self._request.get_value(self._place.sense) == self._high)

    def release(self) -> None:
        """Give the lines back: a chip may leave them as they were last set, so both are set low before."""
        try:
            self.clear(active=True)
            self.drive(high=False)
        finally:
            self._request.release()


def _refuse(seen: str, expected: str, advice: str = "Correct the url of the cut-off.") -> CommandFailed:
    return CommandFailed(
        command="open the relay", certainty=Certainty.NOT_DONE, seen=seen, expected=expected, advice=advice
    )
