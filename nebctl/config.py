"""unit.toml: the configuration of one bedside unit, read strictly, with every fault told at once."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator

from nebctl.core.faults import Fault, FieldError
from nebctl.core.ledger.head import SITE, UNIT
from nebctl.core.toml_text import read_toml
from nebctl_protocols.explain import in_order, read_model
from nebctl_protocols.values import Duration

_MESH = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,39}", re.ASCII)


def _read_path(value: object) -> Path:
    if not isinstance(value, str) or not value:
        raise FieldError("this is no path", 'write a path in quotes, such as "keys/neb-0001.key"')
    return Path(value)


def _read_site(value: object) -> str:
    if not isinstance(value, str) or not SITE.fullmatch(value):
        raise FieldError("this is no domain name", 'write the site\'s own domain, such as "mexcovid.example"')
    return value


def _read_unit(value: object) -> str:
    if not isinstance(value, str) or not UNIT.fullmatch(value):
        raise FieldError("this is no unit name", 'write lower-case letters, digits and "-", such as "neb-0001"')
    return value


def _read_bind(value: object) -> str:
    host, _, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    if host not in ("127.0.0.1", "[::1]") or not port.isdigit() or int(port) > 65535:
        raise FieldError(
            "the page is served on this machine only", 'write "127.0.0.1:8080", with a port of your choice'
        )
    return f"{host}:{port}"


def _read_profile(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise FieldError("this is no profile", 'write a file such as "my-device.toml", or an installed profile\'s name')
    return value


def _read_scanner(value: object) -> str:
    if not isinstance(value, str) or not value.startswith(("/dev/", "serial:///", "usb://", "evdev:///")):
        right = 'write "serial:///dev/serial/by-id/…" or "evdev:///dev/input/by-id/…-event-kbd"'
        raise FieldError("this is no scanner's port", right)
    return value


def _read_chip(value: object) -> str:
    if not isinstance(value, str) or not value.startswith(("/dev/gpiochip", "pipe:///")):
        raise FieldError("this is no GPIO chip", 'write "/dev/gpiochip0"; `gpiodetect` lists those of this machine')
    return value


def _read_pwm(value: object) -> Path:
    if not isinstance(value, str) or not value.startswith("/"):
        raise FieldError("this is no pulse-width output", 'write its folder, such as "/sys/class/pwm/pwmchip0/pwm0"')
    return Path(value)


def _read_mesh(value: object) -> str:
    if not isinstance(value, str) or not _MESH.fullmatch(value):
        raise FieldError("this is no mesh name", 'write the number on its package, such as "M-2231"')
    return value


FilePath = Annotated[Path, PlainValidator(_read_path)]
SiteName = Annotated[str, PlainValidator(_read_site)]
ScannerPort = Annotated[str, PlainValidator(_read_scanner)]
GpioChip = Annotated[str, PlainValidator(_read_chip)]
PwmFolder = Annotated[Path, PlainValidator(_read_pwm)]
ProfileName = Annotated[str, PlainValidator(_read_profile)]
MeshName = Annotated[str, PlainValidator(_read_mesh)]
UnitName = Annotated[str, PlainValidator(_read_unit)]
Loopback = Annotated[str, PlainValidator(_read_bind)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class UnitTable(_Table):
    """`[unit]`: who this unit is; paths are relative to the file.

    `pin_key` is the site's PIN key; None means that nobody can sign in here. `credential:NAME` in it or in `key` is a
    credential of the service manager.
    """

    id: UnitName = Field(examples=['"neb-0001"'])
    site: SiteName = Field(examples=['"mexcovid.example"'])
    zone: str = Field(examples=['"Asia/Shanghai"'])
    data: FilePath = Field(examples=['"/var/lib/nebctl"'])
    key: FilePath = Field(examples=['"/etc/nebctl/neb-0001.key"'])
    trust: FilePath = Field(examples=['"/etc/nebctl/trust"'])
    simulated: bool = False
    pin_key: FilePath | None = None


class StudyTable(_Table):
    """`[study]`: the study protocol and the site's rules, each with its approval `FILE.sig` beside it."""

    protocol: FilePath = Field(examples=['"NCT04276987.toml"'])
    arm: str | None = None
    site_rules: FilePath = Field(examples=['"site-rules.toml"'])


class DeviceTable(_Table):
    """`[device]`: the nebulizer. `poll` is how often it is read in a dose.

    `port` is a device URL, whose grammar the drivers own; `profile` a file of this folder or the name of an installed
    device profile, None where the driver needs none; `trace` the file that every byte of the wire goes to, None for
    none; `balance` the device URL of an MT-SICS balance under the cup; `cut_off` the device URL of an independent
    cut-off, a Modbus relay with its unit or GPIO lines. `mesh` names the mesh in use, as on its package;
    a new name drops the calibration of the old one, and "" means that nobody names it. `rate_nl_per_s` and
    `sigma_ppm` are for a bench whose device nobody calibrates with saline: a signed calibration wins over them, and
    without either the prior of the device's class counts.
    """

    driver: str = Field(examples=['"mesh-reference"'])
    port: str = Field(examples=['"/dev/serial/by-id/usb-example"'])
    profile: ProfileName | None = None
    mesh: MeshName = ""
    trace: FilePath | None = None
    balance: str | None = None
    cut_off: str | None = None
    poll: Duration = 250_000_000
    rate_nl_per_s: int | None = Field(default=None, ge=100, le=100_000)
    sigma_ppm: int | None = Field(default=None, ge=1_000, le=1_000_000)


class MqttTable(_Table):
    """`[mqtt]`: the broker's address and, for mqtts, PEM files."""

    url: str = Field(examples=['"mqtts://broker.example:8883"'])
    ca: FilePath | None = None
    cert: FilePath | None = None
    key: FilePath | None = None


class ScannerTable(_Table):
    """`[scanner]`: where codes come from: a serial line, or a keyboard that the unit alone reads.

    `layout` is the keyboard's layout that the scanner was set to; a serial line has none.
    """

    port: ScannerPort = Field(examples=['"evdev:///dev/input/by-id/usb-example-event-kbd"'])
    layout: Literal["us", "de"] = "us"


class GpioTable(_Table):
    """`[gpio]`: the lines of buttons, lamp and buzzer, by their offsets on the chip; one that is not there is left out.

    `active_low` says that a button pulls its line to ground. `buzzer` is the line of a buzzer with a tone of its own,
    `pwm` the folder of the pulse-width output that plays the alarm's melody on one without.
    """

    chip: GpioChip = Field(examples=['"/dev/gpiochip0"'])
    start: int | None = Field(default=None, ge=0, le=1023)
    stop: int = Field(ge=0, le=1023, examples=["17"])
    lamp: int | None = Field(default=None, ge=0, le=1023)
    buzzer: int | None = Field(default=None, ge=0, le=1023)
    pwm: PwmFolder | None = None
    active_low: bool = True

    def lines(self) -> dict[str, int]:
        """Return the offset of each line that this unit has."""
        named = {"start": self.start, "stop": self.stop, "lamp": self.lamp, "buzzer": self.buzzer}
        return {name: offset for name, offset in named.items() if offset is not None}


class PageTable(_Table):
    """`[page]`: where the bedside page and its API are served, on this machine only.

    `display` and `sound` say that the unit has a screen, and a loudspeaker behind it: the self-test tries them.
    """

    bind: Loopback = Field(examples=['"127.0.0.1:8080"'])
    display: bool = False
    sound: bool = False


class ClockTable(_Table):
    """`[clock]`: the system's clock, or the shared clock file of a simulation."""

    source: Literal["system", "file"] = "system"
    file: FilePath | None = None


class UnitConfig(_Table):
    """The whole file."""

    unit: UnitTable = Field(examples=['{ id = "neb-0001", ... }'])
    study: StudyTable
    device: DeviceTable
    mqtt: MqttTable | None = None
    page: PageTable
    clock: ClockTable = ClockTable()
    scanner: ScannerTable | None = None
    gpio: GpioTable | None = None


_DEVICE = re.compile(r"\s*\[\[?\s*device\s*\]\]?\s*(?:#.*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedConfig:
    """A configuration with the folder that its paths are relative to, and the SHA-256 of its text (64 hex digits)."""

    config: UnitConfig
    folder: Path
    sha256: str

    def path(self, relative: Path) -> Path:
        """Return a path of the file as it is found from anywhere."""
        return self.folder / relative

    def traced_to(self, trace: Path) -> "LoadedConfig":
        """Return this configuration with another byte trace, as the caller's path; the digest stays the file's."""
        device = self.config.device.model_copy(update={"trace": trace.absolute()})
        return replace(self, config=self.config.model_copy(update={"device": device}))


def load_config(path: Path) -> LoadedConfig | tuple[Fault, ...]:
    """Return the configuration, or everything that is wrong with it, in the order of the lines.

    Raises: `OSError` where the file cannot be read.
    """
    data = path.read_bytes()
    if second := _second_device(data.decode("utf-8", errors="replace"), str(path)):
        return (second,)
    text = read_toml(data.decode("utf-8", errors="replace"), str(path))
    if text.table is None:
        return text.faults
    model, faults = read_model(text, UnitConfig)
    together = () if model is None else tuple(_check_together(model, str(path), text.line_of))
    if model is None or text.faults or faults or together:
        return in_order((*text.faults, *faults, *together))
    return LoadedConfig(config=model, folder=path.absolute().parent, sha256=hashlib.sha256(data).hexdigest())


def _second_device(text: str, file: str) -> Fault | None:
    """Return what is wrong with a second device: one STOP turns off all that a unit drives, which is one (S51)."""
    rows = [number for number, row in enumerate(text.splitlines(), 1) if _DEVICE.fullmatch(row)]
    if len(rows) < 2:
        return None
    problem = f"a unit drives one device, and the first stands on line {rows[0]}"
    right = "keep one [device]; another nebulizer needs a unit of its own"
    return Fault(file=file, line=rows[1], field="device", value=None, problem=problem, right=right)


def _wire(port: str) -> str:
    """Return the line of a port, without the settings that it is opened with."""
    return port.removeprefix("serial://").partition("?")[0]


def _doubled(lines: Mapping[str, int]) -> list[tuple[str, str]]:
    """Return the fields whose line another one has too, each with what is wrong."""
    first: dict[int, str] = {}
    shared = [(name, offset, first.setdefault(offset, name)) for name, offset in lines.items()]
    return [
        (f"gpio.{name}", f"line {offset} is the {owner} line's too, and each needs its own")
        for name, offset, owner in shared
        if owner != name
    ]


def _check_together(config: UnitConfig, file: str, line_of: Callable[[tuple[str, ...]], int]) -> list[Fault]:
    """Return what is wrong between fields that are right one by one."""
    found = []
    unit, device, clock = config.unit, config.device, config.clock
    if unit.simulated != unit.site.startswith("sim."):
        found.append(
            ("unit.simulated", "a simulated unit belongs to a site whose name begins with sim., and no other does")
        )
    if (device.rate_nl_per_s is None) != (device.sigma_ppm is None):
        found.append(("device.rate_nl_per_s", "a calibration has both a rate and its sigma"))
    if (clock.source == "file") != (clock.file is not None):
        found.append(("clock.source", 'a clock of source "file" names its file, and no other does'))
    if config.gpio is not None:
        found += _doubled(config.gpio.lines())
    if config.gpio is not None and config.gpio.buzzer is not None and config.gpio.pwm is not None:
        found.append(("gpio.pwm", "a unit has one buzzer: name its line or its pulse-width output"))
    wired = [_wire(port) for port in (device.port, device.balance, device.cut_off) if port]
    if config.scanner is not None and _wire(config.scanner.port) in wired:
        found.append(("scanner.port", "a device of [device] has this port, and each needs its own"))
    if clock.source == "file" and not unit.simulated:
        found.append(("clock.source", "only a simulated unit runs on simulated time"))
    return [
        Fault(
            file=file,
            line=line_of(tuple(field.split("."))),
            field=field,
            value=None,
            problem=problem,
            right="correct one of them",
        )
        for field, problem in found
    ]
