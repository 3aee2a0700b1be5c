"""The text of a profile, by the path of its file or by its name where it comes with nebctl."""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from nebctl.core.faults import Fault, suggest

from .address import LineSettings
from .profiles import installed_profiles, read_profile

_PACKAGE = "nebctl_profiles"


@dataclass(frozen=True, slots=True)
class ProfileText:
    """A profile as it is written; `file` is the name that its faults give."""

    text: str
    file: str


def read_profile_text(where: str) -> ProfileText | tuple[Fault, ...]:
    """Return the text of a profile; what looks like a path (it has a slash, or ends in .toml) is one."""
    if is_path(where):
        try:
            return ProfileText(Path(where).read_text(encoding="utf-8"), where)
        except (OSError, ValueError) as error:
            said = error.strerror or "" if isinstance(error, OSError) else "it is no text in UTF-8"
            return _fault(where, f"the profile cannot be read: {said}", "write the path of a TOML file")
    installed = installed_profiles()
    if where not in installed:
        return _fault(where, "there is no profile of this name", suggest(where, installed))
    text = resources.files(_PACKAGE).joinpath(f"{where}.toml").read_text(encoding="utf-8")
    return ProfileText(text, f"{where}.toml")


def is_path(where: str) -> bool:
    """Return whether a profile is named by a path, and not by its own name."""
    return "/" in where or where.endswith(".toml")


def _fault(where: str, problem: str, right: str) -> tuple[Fault, ...]:
    return (Fault(file=where, line=1, field="profile", value=None, problem=problem, right=right),)


def installed_line(name: str) -> LineSettings:
    """Return the settings of the serial line that the devices of an installed profile come with."""
    serial = read_profile(name)["serial"]
    return LineSettings(
        baudrate=serial["baudrate"],
        parity=serial["parity"],
        stop_bits=serial.get("stop_bits", serial.get("stopbits", 1)),
    )
