"""`nebctl config check` looks into the ports and lines of a unit: a device, its cut-off, its balance, its buttons."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nebctl.cli import main

HEAD = """\
[unit]
id = "neb-0001"
site = "sim.mexcovid.example"
zone = "UTC"
data = "data"
key = "unit.key"
trust = "trust"
simulated = true
[study]
protocol = "p.toml"
site_rules = "s.toml"
[page]
bind = "127.0.0.1:0"
"""
MESH = '[device]\ndriver = "mesh-reference"\nport = "/dev/ttyUSB0"\n'
JET = '[device]\ndriver = "jet"\nport = "rtu+tcp://192.0.2.10:4001"\nprofile = "jet-gpio.toml"\n'
LINES = "gpio:///dev/gpiochip0?pulse=17&clear=27&sense=22"
BUTTONS = '[gpio]\nchip = "/dev/gpiochip0"\nstop = 5\nstart = 6\nlamp = 13\nbuzzer = 19\n'


def checked(folder: Path, text: str) -> Result:
    """Check a unit.toml with this device and these lines."""
    (folder / "unit.toml").write_text(HEAD + text, "utf-8")
    return CliRunner().invoke(main, ["config", "check", str(folder / "unit.toml")])


def port(name: str, url: str) -> str:
    """Return a line of [device]."""
    return f'{MESH}{name} = "{url}"\n'


WRONG = [
    (port("cut_off", "http://192.0.2.9:80"), 17, "device.cut_off", "http://192.0.2.9:80", "'tcp://host:port'"),
    (port("cut_off", "tcp://192.0.2.9:502?unit=40&speed=9"), 17, "device.cut_off", "'speed=9'", "one of baudrate=50"),
    (port("cut_off", "tcp://192.0.2.9:502"), 17, "device.cut_off", "no unit", "tcp://192.0.2.9:502?unit=40"),
    (port("cut_off", "tcp://192.0.2.9:502?unit=400"), 17, "device.cut_off", "unit '400'", "unit=1 to 247"),
    (port("cut_off", "serial:///dev/ttyUSB0?unit=40"), 17, "device.cut_off", "/dev/ttyUSB0", "one language on a port"),
    (
        port("cut_off", "gpio:///dev/gpiochip0?pulse=17&clear=27"),
        17,
        "device.cut_off",
        "no sense line",
        "is no cut-off",
    ),
    (
        port("cut_off", "gpio:///dev/gpiochip0?pulse=17&clear=17&sense=22"),
        17,
        "device.cut_off",
        "one line twice",
        "three lines",
    ),
    (
        port("cut_off", "gpio:///dev/gpiochip0?pulse=17&clear=27&sense=22&bell=3"),
        17,
        "device.cut_off",
        "'bell=3'",
        "each of pulse, clear, sense once",
    ),
    (port("balance", "ftp://192.0.2.9"), 17, "device.balance", "ftp://192.0.2.9", "'serial:///dev/…'"),
    (
        port("balance", "/dev/ttyUSB1?baudrate=9600"),
        17,
        "device.balance",
        "a path with settings",
        "serial:///dev/ttyUSB1",
    ),
    (port("balance", "/dev/ttyUSB0"), 17, "device.balance", "/dev/ttyUSB0", "one language on a port"),
    (
        port("cut_off", "rtu+tcp://192.0.2.9:4001?unit=40") + 'balance = "tcp://192.0.2.9:4001"\n',
        18,
        "device.balance",
        "MT-SICS on the port of rtu+tcp://192.0.2.9:4001",
        "Give this device a port of its own",
    ),
    (MESH.replace("/dev/", "dev://"), 16, "device.port", "dev://ttyUSB0", "'/dev/…'"),
    (MESH.replace("mesh-", "mosh-"), 15, "device.driver", "'mosh-reference'", "'mesh-reference'"),
    (port("profile", "alicat-mc"), 17, "device.profile", "[device] profile 'alicat-mc'", "it has one of its own"),
    (
        port("cut_off", LINES) + BUTTONS.replace("lamp = 13", "lamp = 22"),
        22,
        "gpio.lamp",
        "line 22 of /dev/gpiochip0 is the cut-off's sense line too",
        "got 22; give each a line of its own",
    ),
    (MESH + BUTTONS.replace("buzzer = 19", "buzzer = 5"), 22, "gpio.buzzer", "line 5 is the stop line's", "its own"),
]


@pytest.mark.parametrize(("text", "line", "field", "seen", "right"), WRONG, ids=lambda value: str(value)[-40:])
def test_a_wrong_port_or_line_is_told(tmp_path: Path, text: str, line: int, field: str, seen: str, right: str) -> None:
    """Each mistake is refused with its file, line and field, what stands there and what would be right."""
    done = checked(tmp_path, text)
    assert done.exit_code == 1
    (said,) = done.output.splitlines()
    assert said.startswith(f"{tmp_path}/unit.toml:{line}: {field}: ")
    assert seen in said
    assert right in said


def test_two_wrong_parts_are_told_at_once(tmp_path: Path) -> None:
    """A cut-off and a balance that are both wrong are two lines."""
    done = checked(tmp_path, port("cut_off", "x://y") + 'balance = "z"\n')
    assert [said.split(": ")[1] for said in done.output.splitlines()] == ["device.cut_off", "device.balance"]


def test_the_lines_of_a_jet_are_those_of_its_profile(tmp_path: Path) -> None:
    """A button on a line of the cut-off that a jet's own profile names is refused too."""
    jet = Path("drivers/nebctl_profiles/jet-modbus.toml").read_text("utf-8")
    own = jet.replace('driver = "watchdog-relay", unit = 41', f'driver = "gpio-relay", url = "{LINES}"')
    (tmp_path / "jet-gpio.toml").write_text(own, "utf-8")
    assert checked(tmp_path, JET + BUTTONS).exit_code == 0
    done = checked(tmp_path, JET + BUTTONS.replace("stop = 5", "stop = 27"))
    assert "gpio.stop: line 27 of /dev/gpiochip0 is the cut-off's clear line too" in done.output


@pytest.mark.parametrize(
    "text",
    [
        port("cut_off", "tcp://192.0.2.9:502?unit=40") + 'balance = "/dev/ttyUSB1"\n' + BUTTONS,
        port("cut_off", LINES) + BUTTONS,
        port("cut_off", LINES) + BUTTONS.replace("gpiochip0", "gpiochip1").replace("stop = 5", "stop = 17"),
    ],
    ids=["modbus", "lines", "another chip"],
)
def test_what_is_right_passes(tmp_path: Path, text: str) -> None:
    """A cut-off, a balance and buttons that have ports and lines of their own are right, plugged in or not."""
    done = checked(tmp_path, text)
    assert (done.exit_code, "right; unit neb-0001" in done.output) == (0, True)


def test_a_unit_does_not_run_on_doubled_lines(tmp_path: Path) -> None:
    """`nebctl run` refuses the same: a button on a line of the cut-off would be taken with it."""
    text = port("cut_off", LINES) + BUTTONS.replace("stop = 5", "stop = 27")
    (tmp_path / "unit.toml").write_text(HEAD + text, "utf-8")
    done = CliRunner().invoke(main, ["run", "--config", str(tmp_path / "unit.toml")])
    assert (done.exit_code, "gpio.stop: line 27" in done.output) == (2, True)
