"""What stands beside the screen is configured strictly: each wrong value is told with what would be right."""

from pathlib import Path

import pytest

from nebctl.config import LoadedConfig, load_config

BASE = """[unit]
id = "neb-0001"
site = "mexcovid.example"
zone = "UTC"
data = "."
key = "k"
trust = "t"

[study]
protocol = "p.toml"
site_rules = "s.toml"

[device]
driver = "mesh-reference"
port = "/dev/ttyUSB0"

[page]
bind = "127.0.0.1:8080"
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[scanner]\nport = "COM3"', "this is no scanner's port"),
        ('[scanner]\nport = "evdev:///dev/input/event3"\nlayout = "fr"', "scanner.layout"),
        ('[scanner]\nlayout = "us"', "scanner.port"),
        ('[gpio]\nchip = "gpiochip0"\nstop = 27', "this is no GPIO chip"),
        ('[gpio]\nchip = "/dev/gpiochip0"\nstart = 17', "gpio.stop"),
        (
            '[gpio]\nchip = "/dev/gpiochip0"\nstop = 27\nlamp = 27',
            "gpio.lamp: line 27 is the stop line's too",
        ),
        ('[gpio]\nchip = "/dev/gpiochip0"\nstop = 27\nbuzzer = 3\npwm = "/sys/class/pwm/a"', "a unit has one buzzer"),
        ('[gpio]\nchip = "/dev/gpiochip0"\nstop = 27\npwm = "pwm0"', "this is no pulse-width output"),
        ('[gpio]\nchip = "/dev/gpiochip0"\nstop = -1', "gpio.stop"),
        ('[gpio]\nchip = "/dev/gpiochip0"\nstop = 27\nbell = 3', "gpio.bell"),
        ('[gpio]\nchip = "/dev/gpiochip0"\nstop = 27\nstart = -1', "write a whole number, without quotes"),
        ('[scanner]\nport = "serial:///dev/ttyUSB0?baudrate=9600"', "a device of [device] has this port"),
    ],
)
def test_a_wrong_value_is_told_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    """Port, layout, chip and lines are each named where they are wrong, missing, doubled or unknown."""
    (tmp_path / "unit.toml").write_text(f"{BASE}\n{text}\n", "utf-8")
    faults = load_config(tmp_path / "unit.toml")
    assert not isinstance(faults, LoadedConfig)
    assert said in "\n".join(map(str, faults))


def test_all_of_it_may_be_left_out_or_given(tmp_path: Path) -> None:
    """A unit without scanner and lines is whole, and so is one with both."""
    for text in ("", '[scanner]\nport = "serial:///dev/ttyACM0"\n[gpio]\nchip = "/dev/gpiochip0"\nstop = 27\n'):
        (tmp_path / "unit.toml").write_text(BASE + text, "utf-8")
        assert isinstance(load_config(tmp_path / "unit.toml"), LoadedConfig)
