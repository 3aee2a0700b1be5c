"""Device profiles: the data files of `nebctl_profiles`, and profiles that a site writes for its own devices."""

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any, TypeAlias

from nebctl.core.faults import Fault

from .live import gap_s, refuse_live, refuse_slow
from .profile import Block, Point, Profile, Roles
from .schema import load_profile

__all__ = [
    "Block",
    "Point",
    "Profile",
    "Roles",
    "Table",
    "find_profile",
    "gap_s",
    "installed_profiles",
    "load_profile",
    "read_profile",
    "refuse_live",
    "refuse_slow",
]

Table: TypeAlias = dict[str, Any]
_PACKAGE = "nebctl_profiles"


def read_profile(name: str) -> Table:
    """Return the installed profile `name` as the TOML table that it is, unchecked.

    Raises: `FileNotFoundError` where the installation has no such profile.
    """
    return tomllib.loads(resources.files(_PACKAGE).joinpath(f"{name}.toml").read_text(encoding="utf-8"))


def installed_profiles() -> tuple[str, ...]:
    """Return the names of the profiles that come with nebctl, of every protocol, in order."""
    names = (file.name for file in resources.files(_PACKAGE).iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


def find_profile(where: str) -> Profile | tuple[Fault, ...]:
    """Return a Modbus profile by the path of its file, or by its name where it comes with nebctl.

    What looks like a path (it has a slash, or ends in .toml) is one.
    """
    if "/" not in where and not where.endswith(".toml") and where in installed_profiles():
        text = resources.files(_PACKAGE).joinpath(f"{where}.toml").read_text(encoding="utf-8")
        return load_profile(text, f"{where}.toml")
    try:
        return load_profile(Path(where).read_text(encoding="utf-8"), where)
    except (OSError, ValueError) as error:
        said = error.strerror or "" if isinstance(error, OSError) else "it is no text in UTF-8"
        names = ", ".join(installed_profiles())
        right = f"write the path of a TOML file, or one of {names}"
        return (Fault(file=where, line=1, field="profile", value=None, problem=f"cannot be read: {said}", right=right),)
