"""Code scanners: on a serial line, or as a keyboard that nobody else may read."""

from collections.abc import Callable

from nebctl.core.device import Certainty, CommandFailed
from nebctl.ports import Link
from nebctl_drivers.link import open_link

from .evdev import EvdevLink
from .keys import LAYOUTS

EVDEV = "evdev://"


def open_scanner(
    url: str, layout: str = "us", own_link: Callable[[str], Link | CommandFailed] | None = None
) -> Link | CommandFailed:
    """Return the link to a scanner: `evdev:///dev/input/…` for a keyboard with this layout, else a device URL.

    What comes from it are the characters of each code and an Enter. `own_link` opens the wires of a simulation.
    """
    if layout not in LAYOUTS:
        return _no(
            f"the layout {layout!r}", " or ".join(LAYOUTS), "Set the scanner and [scanner] layout to one of them."
        )
    if not url.startswith(EVDEV):
        return (own_link or open_link)(url)
    path = url.removeprefix(EVDEV)
    if not path.startswith("/"):
        return _no(url, "evdev:///dev/input/by-id/…-event-kbd", "Correct [scanner] port.")
    return EvdevLink(path, LAYOUTS[layout])


def _no(seen: str, expected: str, advice: str) -> CommandFailed:
    return CommandFailed(command="open", certainty=Certainty.NOT_DONE, seen=seen, expected=expected, advice=advice)
