"""What the jet driver goes by: the parts, flows and times of its profile, read strictly."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from nebctl.core.device import CommandFailed
from nebctl.core.faults import Fault, FieldError
from nebctl.core.toml_text import read_toml
from nebctl_drivers.address import HIGHEST_UNIT, read_address
from nebctl_drivers.profile_text import read_profile_text
from nebctl_drivers.profiles.form import Form, Kind, choice, text_of, whole
from nebctl_drivers.watchdog_relay.gpio_lines import FORM as GPIO_FORM
from nebctl_drivers.watchdog_relay.gpio_lines import read_gpio_url

PROFILE = "jet-modbus"
NS_PER_MS = 1_000_000
T = TypeVar("T")
_VERIFIED = ("manual", "peer", "hardware", "example")
_LONGEST_MS = 600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Which device takes a part: its driver, and where it is.

    `url` None means the unit's own port; that of a GPIO relay names its chip and lines. `unit` is a Modbus unit, `id`
    the letter of an Alicat controller, `serial` the number that the device must have; each None where the driver has no
    such thing, or any will do.
    """

    driver: str
    url: str | None = None
    unit: int | None = None
    id: str | None = None
    serial: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JetProfile:
    """Flows in sccm, shares in percent or millionths, and times in ns; the profile file says what each is.

    `verified` says what stands behind the numbers: "manual", "peer", "hardware" or "example". `balance` None means that
    the cup is not weighed.
    """

    id: str
    verified: str
    gas: Part
    cutoff: Part
    balance: Part | None
    setpoint_sccm: int
    flowing_sccm: int
    low_percent: int
    no_flow_ns: int
    rough_ppm: int
    smooth_readings: int
    calm_ns: int
    least_rough: int
    confirm_ns: int


def find_jet_profile(where: str) -> JetProfile | tuple[Fault, ...]:
    """Return a jet's profile by the path of its file, or by its name where it comes with nebctl."""
    found = read_profile_text(where)
    return found if isinstance(found, tuple) else load_jet_profile(found.text, found.file)


def read_jet_profile() -> JetProfile:
    """Return the profile of the driver `jet-modbus`."""
    profile = find_jet_profile(PROFILE)
    assert isinstance(profile, JetProfile), profile
    return profile


def load_jet_profile(text: str, file: str) -> JetProfile | tuple[Fault, ...]:
    """Return the profile of a TOML text, or everything that is wrong with it; `file` names the text for people."""
    toml = read_toml(text, file)
    if toml.table is None:
        return toml.faults
    faults = list(toml.faults)
    form = Form(toml, faults)
    header, parts = form.sub("profile", needed=True), form.sub("parts", needed=True)
    gas, sputter = form.sub("gas", needed=True), form.sub("sputter", needed=True)
    header.need("protocol", choice("jet"))
    header.need("source", text_of('"the maker\'s manual, page 3"'))
    profile = JetProfile(
        id=header.need("id", text_of('"jet-ward-3"')),
        verified=header.need("verified", choice(*_VERIFIED)),
        gas=_part(parts, "gas", _GAS_SOURCES),
        cutoff=_part(parts, "cutoff", _CUT_OFFS),
        balance=_part(parts, "balance", _BALANCES) if "balance" in parts else None,
        setpoint_sccm=gas.need("setpoint_sccm", whole(1, 20_000, 6000)),
        flowing_sccm=gas.need("flowing_sccm", whole(1, 5_000, 500)),
        low_percent=gas.need("low_percent", whole(1, 100, 85)),
        no_flow_ns=gas.need("no_flow_ms", whole(1, _LONGEST_MS, 5000)) * NS_PER_MS,
        rough_ppm=sputter.need("rough_ppm", whole(1, 1_000_000, 15_000)),
        smooth_readings=sputter.need("smooth_readings", whole(1, 1000, 3)),
        calm_ns=sputter.need("calm_ms", whole(1, _LONGEST_MS, 10_000)) * NS_PER_MS,
        least_rough=sputter.need("least_rough", whole(1, 1000, 3)),
        confirm_ns=sputter.need("confirm_ms", whole(1, _LONGEST_MS, 60_000)) * NS_PER_MS,
    )
    if not gas.spoilt and profile.flowing_sccm >= profile.setpoint_sccm:
        gas.blame("flowing_sccm", "it is not below the set-point", f"write less than {profile.setpoint_sccm}")
    for inner in (header, parts, gas, sputter, form):
        inner.finish()
    return tuple(sorted(faults, key=lambda fault: fault.line)) if faults else profile


def _read_url(value: object) -> str:
    if not isinstance(value, str):
        raise FieldError("expected a device URL", 'write it in quotes, such as "tcp://192.0.2.10:4001"')
    address = read_address(value)
    if isinstance(address, CommandFailed):
        raise FieldError("this is no device URL", f"write {address.expected}")
    return value


def _none_or(kind: Kind[T]) -> Kind[T | None]:
    return Kind(kind.read, kind.example, None)


def _read_gpio(value: object) -> str:
    place = read_gpio_url(value) if isinstance(value, str) else None
    if not isinstance(value, str) or isinstance(place, CommandFailed):
        said = place.seen.partition(": ")[2] if isinstance(place, CommandFailed) else ""
        raise FieldError(f"these are no GPIO lines{': ' * bool(said)}{said}", f"write {GPIO_FORM}")
    return value


_URL: Kind[str | None] = Kind(_read_url, '"tcp://192.0.2.10:4001"', None)
_GPIO: Kind[str | None] = Kind(_read_gpio, '"gpio:///dev/gpiochip0?pulse=17&clear=27&sense=22"', None)
_UNIT = _none_or(whole(1, HIGHEST_UNIT, 40))
_LETTER = _none_or(choice(*"ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
_SERIAL = _none_or(text_of('"123456"'))


@dataclass(frozen=True, slots=True)
class _Keys:
    """Which keys a part of one driver must have, and may have, and how its URL is written."""

    needed: tuple[str, ...]
    optional: tuple[str, ...] = ()
    url: Kind[str | None] = _URL


_GAS_SOURCES: Mapping[str, _Keys] = {
    "alicat-modbus": _Keys(("unit",), ("url",)),
    "alicat-ascii": _Keys(("id",), ("url", "serial")),
}
_CUT_OFFS: Mapping[str, _Keys] = {
    "watchdog-relay": _Keys(("unit",), ("url",)),
    "gpio-relay": _Keys(("url",), url=_GPIO),
}
_BALANCES: Mapping[str, _Keys] = {"mt-sics": _Keys(("url",), ("serial",))}


def _part(parts: Form, name: str, drivers: Mapping[str, _Keys]) -> Part:
    """Return one part; the keys that it may have depend on its driver."""
    form = parts.sub(name, needed=True)
    driver = form.need("driver", choice(*drivers))
    keys = drivers[driver]
    if form.spoilt:
        return Part(driver=driver)

    def take(key: str, kind: Kind[T | None]) -> T | None:
        if key in keys.needed:
            return form.need(key, kind)
        return form.may(key, kind, None) if key in keys.optional else None

    part = Part(
        driver=driver,
        url=take("url", keys.url),
        unit=take("unit", _UNIT),
        id=take("id", _LETTER),
        serial=take("serial", _SERIAL),
    )
    form.finish()
    return part
