"""What a test asks of a simulator, as arguments of `nebctl sim`: each option by its name, `-` written `_`."""

import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path

COMMANDS = {
    "mesh": "mesh",
    "jet": "jet",
    "balance": "balance",
    "modbus": "modbus",
    "alicat": "alicat",
    "board_9c": "board-9c",
}
"""The kinds of device, each with its command."""
OWN = ("pty", "tcp", "control", "truth", "injections", "help", "real_port", "i_am_a_bench")
"""Options of the commands that the fixture sets itself, or that have no place in a test."""
WIRES = ("tcp", "pty")
FRAMED = ("jet", "modbus")
EXAMPLE_PROFILE = ("nebctl_profiles", "modbus-nebulizer.toml")


def check_kind(kind: object) -> str:
    """Return the kind of device.

    Raises: ValueError for another one.
    """
    if kind not in COMMANDS:
        raise ValueError(f"there is no simulator {kind!r}; choose one of: {', '.join(COMMANDS)}")
    return str(kind)


def check_options(kind: str, options: Mapping[str, object]) -> None:
    """Refuse an option that the kind does not have; the values of all but `wire` are judged by the command itself.

    Raises: ValueError with the options that it has.
    """
    allowed = _allowed(kind)
    if unknown := sorted(options.keys() - allowed):
        raise ValueError(f"{kind}: there is no option {unknown[0]!r}; choose one of: {', '.join(sorted(allowed))}")
    if (wire := options.get("wire", "tcp")) not in WIRES:
        raise ValueError(f"wire: got {wire!r}; choose one of: {', '.join(WIRES)}")


def command_line(kind: str, options: Mapping[str, object], folder: Path) -> list[str]:
    """Return the arguments for a simulator of this kind, with checked options, whose files lie in `folder`.

    Raises: ValueError where the example profile would be needed and is not installed.
    """
    given = {name: value for name, value in options.items() if name != "wire"}
    if kind == "modbus":
        given.setdefault("profile", example_profile())
    place = ["--pty", str(folder / "line")] if options.get("wire") == "pty" else ["--tcp", "127.0.0.1:0"]
    files = ["--truth", str(folder / "truth.csv"), "--injections", str(folder / "injections.jsonl")]
    return [COMMANDS[kind], *place, "--control", "0", *files, *_arguments(given)]


def url_of(kind: str, options: Mapping[str, object], address: str) -> str:
    """Return the device URL by which nebctl reaches the simulator at this address: a path, or host:port."""
    if options.get("wire", "tcp") == "pty":
        quoted = address.replace("%", "%25").replace("?", "%3F").replace("#", "%23")
        return f"serial://{quoted}"
    scheme = "rtu+tcp" if kind in FRAMED and options.get("framing") == "rtu" else "tcp"
    return f"{scheme}://{address}"


def example_profile() -> Path:
    """Return the path of the example profile that is installed beside this package.

    Raises: ValueError where it is not.
    """
    package, name = EXAMPLE_PROFILE
    # Found, not imported: a simulator reads a profile as a file and shares no code with what reads it for a driver.
    found = importlib.util.find_spec(package)
    places = (found.submodule_search_locations or []) if found is not None else []
    for place in places:
        if (path := Path(place) / name).is_file():
            return path
    raise ValueError(f"profile: the example {package}/{name} is not installed; name a file: profile='my-device.toml'")


def _allowed(kind: str) -> set[str]:
    import click  # noqa: PLC0415 - a run that starts no simulator does not pay for it

    from nebctl_simulators.cli import sim  # noqa: PLC0415

    command = sim.get_command(click.Context(sim), COMMANDS[kind])
    assert command is not None
    names = {text.removeprefix("--").replace("-", "_") for parameter in command.params for text in parameter.opts}
    return (names - set(OWN)) | {"wire"}


def _arguments(given: Mapping[str, object]) -> Iterator[str]:
    for name, value in given.items():
        option = f"--{name.replace('_', '-')}"
        match value:
            case None | False:
                pass
            case True:
                yield option
            case list() | tuple():
                for item in value:
                    yield from (option, _text(name, item))
            case _:
                yield from (option, _text(name, value))


def _text(name: str, value: object) -> str:
    # A bare number of a volume is nanolitres, as everywhere in the control interface.
    return f"{value} nL" if name == "fill" and isinstance(value, int) else str(value)
