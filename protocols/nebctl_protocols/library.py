"""The study protocols that come with nebctl, and site rules that state every default."""

from importlib.resources import files

_SITE_RULES = "site-rules.toml"


def names() -> tuple[str, ...]:
    """Return the names of the study protocols that come with nebctl, in order."""
    found = (file.name for file in files("nebctl_protocols").iterdir())
    return tuple(sorted(n.removesuffix(".toml") for n in found if n.endswith(".toml") and n != _SITE_RULES))


def builtin(name: str) -> str:
    """Return the text of a study protocol that comes with nebctl.

    Raises: `KeyError` naming the ones that there are.
    """
    if name not in names():
        raise KeyError(f"no study protocol {name!r} comes with nebctl; there are {', '.join(names())}")
    return files("nebctl_protocols").joinpath(f"{name}.toml").read_text("utf-8")


def default_site_rules() -> str:
    """Return the text of site rules that state every default with its reason."""
    return files("nebctl_protocols").joinpath(_SITE_RULES).read_text("utf-8")
