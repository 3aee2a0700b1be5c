"""Where a GPIO relay is: its URL, and its lines as gpiod gives them."""

import sys
from importlib import resources
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebctl.core.device import CommandFailed
from nebctl_drivers.jet.device import Jet
from nebctl_drivers.jet.profile import JetProfile, load_jet_profile
from nebctl_drivers.registry import open_driver
from nebctl_drivers.watchdog_relay.gpio_lines import GpioPlace, Lines, open_lines, read_gpio_url

URL = "gpio:///dev/gpiochip0?pulse=17&clear=27&sense=22"
PLACE = GpioPlace(chip="/dev/gpiochip0", pulse=17, clear=27, sense=22)
JET_TEXT = resources.files("nebctl_profiles").joinpath("jet-modbus.toml").read_text("utf-8")
CUTOFF = 'cutoff = { driver = "watchdog-relay", unit = 41 }'


def test_the_url_names_chip_and_lines() -> None:
    """Chip and three lines come out, in whatever order they stand; the name is chip and lines."""
    assert read_gpio_url(URL) == PLACE
    assert read_gpio_url("gpio:///dev/gpiochip0?sense=22&clear=27&pulse=17") == PLACE
    assert PLACE.name == "gpiochip0:17,27,22"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("/dev/gpiochip0", "the port '/dev/gpiochip0'"),
        ("gpio://dev/gpiochip0?pulse=1&clear=2&sense=3", "the port"),
        ("gpio:///dev/gpiochip0", "the port"),
        ("gpio:///dev/gpiochip0?pulse=17&clear=27", "no sense line"),
        ("gpio:///dev/gpiochip0?pulse=17&sense=27", "no clear line"),
        ("gpio:///dev/gpiochip0?clear=17&sense=27", "no pulse line"),
        ("gpio:///dev/gpiochip0?pulse=17&clear=27&sense=27", "one line twice"),
        ("gpio:///dev/gpiochip0?pulse=17&pulse=18&clear=27&sense=22", "'pulse=18'"),
        ("gpio:///dev/gpiochip0?pulse=-1&clear=27&sense=22", "'pulse=-1'"),
        ("gpio:///dev/gpiochip0?pulse=017&clear=27&sense=22", "'pulse=017'"),
        ("gpio:///dev/gpiochip0?pulse=17&clear=27&sense=22&reset=1", "'reset=1'"),
        ("gpio:///dev/gpiochip0?pulse=17&clear=27&sense=22\n", "the port"),
    ],
)
def test_a_wrong_url_is_refused_with_the_right_form(url: str, words: str) -> None:
    """Each mistake names what is wrong, and how it is written; a relay that nobody can read back or clear is none."""
    failure = read_gpio_url(url)
    assert isinstance(failure, CommandFailed)
    assert words in failure.seen
    assert "gpio:///dev/gpiochip0" in failure.expected or "is no cut-off" in failure.expected


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    """Whatever stands there, it is a place or a refusal."""
    for url in (text, f"gpio:///dev/x?{text}", f"{URL}{text}"):
        assert isinstance(read_gpio_url(url), GpioPlace | CommandFailed)


def test_a_jet_takes_it_as_its_cut_off(tmp_path: Any) -> None:
    """The jet's profile may name the lines; the driver is then had, touches nothing yet, and does not claim S24."""
    file = tmp_path / "jet.toml"
    file.write_text(JET_TEXT.replace(CUTOFF, f'cutoff = {{ driver = "gpio-relay", url = "{URL}" }}'), "utf-8")
    options: dict[str, Any] = {"nonce": lambda: "a1b2c3d4", "now_ns": lambda: 0}
    jet = open_driver("jet", "tcp://127.0.0.1:502", profile=str(file), **options)
    assert isinstance(jet, Jet), jet
    assert jet.declaration.missing() == ("S24",)
    modbus = open_driver("jet-modbus", "tcp://127.0.0.1:502", **options)
    assert isinstance(modbus, Jet)
    assert modbus.declaration.missing() == ()


@pytest.mark.parametrize(
    ("cutoff", "field", "words"),
    [
        ('cutoff = { driver = "gpio-relay" }', "parts.cutoff.url", "gpio:///dev/gpiochip0?pulse=17&clear=27&sense=22"),
        ('cutoff = { driver = "gpio-relay", url = "/dev/gpiochip0" }', "parts.cutoff.url", "no GPIO lines"),
        (
            'cutoff = { driver = "gpio-relay", url = "gpio:///dev/g?pulse=1&clear=2" }',
            "parts.cutoff.url",
            "no sense line",
        ),
        (f'cutoff = {{ driver = "gpio-relay", url = "{URL}", unit = 41 }}', "parts.cutoff.unit", "not known"),
        (f'cutoff = {{ driver = "watchdog-relay", unit = 41, url = "{URL}" }}', "parts.cutoff.url", "device URL"),
    ],
)
def test_a_wrong_cut_off_is_refused_by_key(cutoff: str, field: str, words: str) -> None:
    """Each mistake names file, line, key and the right form."""
    faults = load_jet_profile(JET_TEXT.replace(CUTOFF, cutoff), "my-jet.toml")
    assert isinstance(faults, tuple)
    assert [fault.field for fault in faults] == [field]
    assert words in str(faults[0])


def test_the_profile_without_a_mistake_is_read() -> None:
    """The same text with good lines is a profile, so the refusals above are for their mistakes alone."""
    text = JET_TEXT.replace(CUTOFF, f'cutoff = {{ driver = "gpio-relay", url = "{URL}" }}')
    profile = load_jet_profile(text, "my-jet.toml")
    assert isinstance(profile, JetProfile)
    assert (profile.cutoff.driver, profile.cutoff.url) == ("gpio-relay", URL)


def test_without_gpiod_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing module names the extra; Debian's gpiod 1, whose interface is another, is told apart."""
    monkeypatch.setitem(sys.modules, "gpiod", None)
    missing = open_lines(PLACE)
    assert isinstance(missing, CommandFailed)
    assert missing.advice == "Install nebctl[gpio]."
    monkeypatch.setitem(sys.modules, "gpiod", ModuleType("gpiod"))
    monkeypatch.setitem(sys.modules, "gpiod.line", ModuleType("gpiod.line"))
    old = open_lines(PLACE)
    assert isinstance(old, CommandFailed)
    assert (old.seen, old.expected) == ("gpiod 1", "gpiod 2")


def install_gpiod(monkeypatch: pytest.MonkeyPatch, request: Any) -> list[Any]:
    """Put a gpiod 2 in place whose `request_lines` is `request`; return its calls."""
    calls: list[Any] = []
    line = SimpleNamespace(
        Value=SimpleNamespace(ACTIVE="active", INACTIVE="inactive"),
        Direction=SimpleNamespace(INPUT="in", OUTPUT="out"),
    )

    def request_lines(chip: str, *, consumer: str, config: dict[int, Any]) -> Any:
        calls.append((chip, consumer, config))
        if isinstance(request, OSError):
            raise request
        return request

    settings = lambda **traits: traits  # noqa: E731 - stands for a class
    module = SimpleNamespace(line=line, LineSettings=settings, request_lines=request_lines)
    monkeypatch.setitem(sys.modules, "gpiod", module)
    monkeypatch.setitem(sys.modules, "gpiod.line", line)
    return calls


def kernel_lines(monkeypatch: pytest.MonkeyPatch) -> tuple[Lines, list[Any], list[Any]]:
    """Return lines of a kernel that notes what it is told, with the calls that asked for them."""
    done: list[Any] = []
    request = SimpleNamespace(
        set_value=lambda offset, value: done.append((offset, value)),
        get_value=lambda offset: "active" if offset == 22 else "inactive",
        release=lambda: done.append("released"),
    )
    calls = install_gpiod(monkeypatch, request)
    lines = open_lines(PLACE)
    assert not isinstance(lines, CommandFailed)
    return lines, calls, done


def test_the_kernel_s_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pulse and clear are asked for as outputs that are low, the sense line as an input, all in one request."""
    lines, calls, done = kernel_lines(monkeypatch)
    low = {"direction": "out", "output_value": "inactive"}
    assert calls == [("/dev/gpiochip0", "nebctl", {17: low, 27: low, 22: {"direction": "in"}})]
    lines.drive(high=True)
    lines.drive(high=False)
    lines.clear(active=False)
    lines.clear(active=True)
    assert lines.is_closed()
    assert done == [(17, "active"), (17, "inactive"), (27, "active"), (27, "inactive")]


def test_lines_are_given_back_low(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chip may leave a line as it was last set: clear goes low first, then pulse, and only then are they released."""
    lines, _, done = kernel_lines(monkeypatch)
    lines.clear(active=False)
    done.clear()
    lines.release()
    assert done == [(27, "inactive"), (17, "inactive"), "released"]


def test_lines_that_are_taken_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the kernel refuses, chip, lines and reason stand in one sentence."""
    install_gpiod(monkeypatch, OSError(16, "Device or resource busy"))
    failure = open_lines(PLACE)
    assert isinstance(failure, CommandFailed)
    assert "/dev/gpiochip0, lines 17, 27 and 22: Device or resource busy" in failure.seen
