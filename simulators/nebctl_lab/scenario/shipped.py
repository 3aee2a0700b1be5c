"""The scenarios that come with nebctl, by name, and the reading of any scenario file."""

from importlib.resources import files
from pathlib import Path

from nebctl.core.faults import Fault, readable, suggest
from nebctl_lab.scenario.form import Scenario, load_scenario


class ScenarioFault(Exception):  # noqa: N818 - a fault is of the world, not of the program
    """What keeps a scenario from being played, one line a fault."""


def shipped_names() -> tuple[str, ...]:
    """Return the names of the scenarios that come with nebctl, in the order of the alphabet."""
    folder = files("nebctl_lab") / "scenarios"
    return tuple(sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml")))


def open_scenario(name: str) -> Scenario:
    """Return a scenario by its name, or by the path of its file: what holds a slash or ends in .toml is a path.

    Raises: `ScenarioFault` naming file, line, key, value and what would be right, or the names that there are.
    """
    if "/" in name or name.endswith(".toml"):
        return _checked(load_scenario(_read(Path(name)), name, Path(name).stem))
    if name not in shipped_names():
        raise ScenarioFault(f"there is no scenario {readable(name)!r}; {suggest(name, shipped_names())}")
    text = (files("nebctl_lab") / "scenarios" / f"{name}.toml").read_text("utf-8")
    return _checked(load_scenario(text, f"{name}.toml", name))


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise ScenarioFault(f"{path}: {error.strerror}; give the path of a scenario file") from None
    except UnicodeDecodeError as error:
        raise ScenarioFault(f"{path}: byte {error.start} is no UTF-8; save the file as UTF-8") from None


def _checked(read: Scenario | tuple[Fault, ...]) -> Scenario:
    if isinstance(read, Scenario):
        return read
    raise ScenarioFault("\n".join(map(str, read)))
