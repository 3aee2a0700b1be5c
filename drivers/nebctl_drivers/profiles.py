"""Device profiles, the data files of `nebctl_profiles`, as their drivers read them."""

import tomllib
from importlib import resources
from typing import Any, TypeAlias

Table: TypeAlias = dict[str, Any]


def read_profile(name: str) -> Table:
    """Return the profile `name`, a TOML table.

    Raises: `FileNotFoundError` where the installation has no such profile.
    """
    return tomllib.loads(resources.files("nebctl_profiles").joinpath(f"{name}.toml").read_text(encoding="utf-8"))
