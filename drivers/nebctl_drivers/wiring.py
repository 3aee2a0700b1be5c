"""What is wrong with a unit's ports and lines as its configuration writes them, found without opening any of them."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from nebctl.core.device import CommandFailed
from nebctl.core.faults import Fault, show_value
from nebctl.core.toml_text import TomlText, read_toml

from .jet.profile import PROFILE as JET_PROFILE
from .jet.profile import JetProfile, find_jet_profile
from .registry import GPIO_SCHEME, Had, open_driver
from .watchdog_relay.gpio_lines import GpioPlace, read_gpio_url


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """The device and the lines of a unit as written; None means that there is none.

    `gpio` is the chip of buttons, lamp and buzzer, with the offset of each that there is.
    """

    driver: str
    port: str
    profile: str | None = None
    cut_off: str | None = None
    balance: str | None = None
    simulated: bool = False
    gpio: tuple[str, Mapping[str, int]] | None = None


def check_wiring(wiring: Wiring, file: Path) -> tuple[Fault, ...]:
    """Return everything that is wrong with the wiring that this configuration has.

    Raises: `OSError` where the file, which is read again to number its lines, is gone.
    """
    text = read_toml(file.read_text("utf-8", "replace"), str(file))
    found = tuple(_check_ports(wiring, text))
    return found or tuple(_check_lines(wiring, text))


def _check_ports(wiring: Wiring, text: TomlText) -> Iterator[Fault]:
    """Yield what a start would refuse: in the device alone, else in each part beside it, else in both together."""
    alone = _had(wiring)
    if isinstance(alone, CommandFailed | tuple):
        yield from _refused(alone, text, _field_of(alone))
        return
    parts = {"cut_off": wiring.cut_off, "balance": wiring.balance}
    asked = [{name: url} for name, url in parts.items() if url is not None]
    faults = [fault for one in asked for fault in _refused(_had(wiring, **one), text, f"device.{next(iter(one))}")]
    yield from faults or _refused(_had(wiring, **parts), text, "device.balance")


def _had(wiring: Wiring, cut_off: str | None = None, balance: str | None = None) -> Had:
    """Return the driver with these parts; making it opens nothing."""
    return open_driver(
        wiring.driver,
        wiring.port,
        nonce=lambda: "",
        now_ns=lambda: 0,
        profile=wiring.profile,
        simulated=wiring.simulated,
        cut_off=cut_off,
        balance=balance,
    )


def _field_of(had: CommandFailed | tuple[Fault, ...]) -> str:
    """Return the field of [device] that a refusal of the device alone is about."""
    seen = had.seen if isinstance(had, CommandFailed) else ""
    if seen.startswith("the driver"):
        return "device.driver"
    return "device.profile" if "profile" in seen and not seen.startswith("the port") else "device.port"


def _refused(had: Had, text: TomlText, field: str) -> tuple[Fault, ...]:
    if isinstance(had, tuple):
        return had
    if not isinstance(had, CommandFailed):
        return ()
    return (_fault(text, field, f"saw {had.seen}", f"expected {had.expected}. {had.advice}"),)


def _check_lines(wiring: Wiring, text: TomlText) -> Iterator[Fault]:
    """Yield each line of the cut-off that a button, the lamp or the buzzer has too."""
    place = _cut_off_lines(wiring)
    chip, lines = wiring.gpio or ("", {})
    if place is None or os.path.realpath(place.chip) != os.path.realpath(chip):
        return
    owners = {place.pulse: "pulse", place.clear: "clear", place.sense: "sense"}
    for name, offset in lines.items():
        if offset in owners:
            problem = f"line {offset} of {chip} is the cut-off's {owners[offset]} line too"
            yield _fault(text, f"gpio.{name}", problem, "give each a line of its own", offset)


def _cut_off_lines(wiring: Wiring) -> GpioPlace | None:
    """Return the lines of the cut-off, named by the configuration or by a jet's profile; None where it has none."""
    url = wiring.cut_off or ""
    if wiring.driver in ("jet", JET_PROFILE):
        jet = find_jet_profile(wiring.profile or JET_PROFILE)
        url = (jet.cutoff.url or "") if isinstance(jet, JetProfile) else ""
    place = read_gpio_url(url) if url.startswith(GPIO_SCHEME) else None
    return place if isinstance(place, GpioPlace) else None


def _fault(text: TomlText, field: str, problem: str, right: str, value: object = None) -> Fault:
    path = tuple(field.split("."))
    shown = None if value is None else show_value(value)
    return Fault(file=text.file, line=text.line_of(path), field=field, value=shown, problem=problem, right=right)
