"""The registry of drivers: what each needs, and what is refused before anything is opened."""

import time
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from nebctl.core.device import CommandFailed, Identity
from nebctl_drivers.board_9c.device import Board9C
from nebctl_drivers.guarded import Guarded
from nebctl_drivers.jet.device import Jet
from nebctl_drivers.jet.profile import JetProfile, load_jet_profile, read_jet_profile
from nebctl_drivers.mesh_reference.device import MeshReference
from nebctl_drivers.modbus_nebulizer.device import ModbusNebulizer
from nebctl_drivers.priors import PRIORS
from nebctl_drivers.registry import DRIVERS, open_driver
from nebctl_drivers.weighed import Weighed
from nebctl_lab.processes import Child

JET_TEXT = resources.files("nebctl_profiles").joinpath("jet-modbus.toml").read_text("utf-8")
GAS = 'gas = { driver = "alicat-modbus", unit = 40 }'
CUTOFF = 'cutoff = { driver = "watchdog-relay", unit = 41 }'


def have(name: str, url: str = "/dev/ttyX", **options: Any) -> Any:
    """Ask the registry for a driver."""
    return open_driver(name, url, nonce=lambda: "a1b2c3d4", now_ns=time.monotonic_ns, **options)


def jet_text(gas: str = GAS, cutoff: str = CUTOFF, more: str = "") -> str:
    """Return the jet's profile with other parts."""
    text = JET_TEXT.replace(GAS, gas).replace(CUTOFF, f"{cutoff}\n{more}")
    assert gas in text
    assert cutoff in text
    return text


def test_every_driver_has_a_prior() -> None:
    """The daemon finds the estimator's prior of each driver's device class."""
    assert PRIORS.keys() == DRIVERS.keys()


@pytest.mark.parametrize(
    ("name", "url", "options", "kind"),
    [
        ("mesh-reference", "/dev/ttyX", {}, MeshReference),
        ("board-9c", "/dev/ttyX", {}, Board9C),
        ("jet-modbus", "tcp://127.0.0.1:502", {}, Jet),
        ("jet-modbus", "rtu+tcp://127.0.0.1:4001", {}, Jet),
        ("jet-modbus", "/dev/ttyX", {}, Jet),
        ("jet", "/dev/ttyX", {"profile": "jet-modbus"}, Jet),
        (
            "modbus-nebulizer",
            "serial:///dev/ttyX?unit=40",
            {"profile": "modbus-nebulizer", "simulated": True},
            ModbusNebulizer,
        ),
    ],
)
def test_a_driver_is_had_by_name(name: str, url: str, options: dict[str, Any], kind: type) -> None:
    """Each driver is made for its port, and nothing is opened yet."""
    assert isinstance(have(name, url, **options), kind)


@pytest.mark.parametrize(
    ("name", "url", "options", "seen", "expected"),
    [
        ("mesh-reference", "/dev/ttyX", {"profile": "mine.toml"}, "[device] profile 'mine.toml'", "none"),
        ("board-9c", "/dev/ttyX", {"profile": "x"}, "[device] profile 'x'", "none"),
        ("jet-modbus", "/dev/ttyX", {"profile": "x"}, "[device] profile 'x'", "none"),
        ("jet", "/dev/ttyX", {}, "no [device] profile", "docs/devices/jet.md"),
        ("modbus-nebulizer", "/dev/ttyX", {}, "no [device] profile", "docs/how-to/add-a-modbus-nebulizer.md"),
        (
            "modbus-nebulizer",
            "/dev/ttyX",
            {"profile": "modbus-nebulizer", "simulated": True},
            "'/dev/ttyX': no unit",
            "serial:///dev/ttyX?unit=40",
        ),
        (
            "modbus-nebulizer",
            "tcp://h:502?latency_ms=1",
            {"profile": "modbus-nebulizer", "simulated": True},
            "no unit",
            "tcp://h:502?latency_ms=1&unit=40",
        ),
        ("modbus-nebulizer", "/dev/ttyX", {"profile": "watchdog-relay"}, "no nebulizer by itself", "[nebulizer]"),
    ],
)
def test_what_is_missing_is_said(name: str, url: str, options: dict[str, Any], seen: str, expected: str) -> None:
    """A profile too many, one too few, or no unit: one sentence with what was seen and the right form."""
    failure = have(name, url, **options)
    assert isinstance(failure, CommandFailed), failure
    assert seen in failure.seen
    assert expected in failure.expected


def test_an_example_is_never_used_live() -> None:
    """The example of a Modbus nebulizer is refused on a live unit, before any port is looked at."""
    failure = have("modbus-nebulizer", "serial:///dev/ttyX?unit=40", profile="modbus-nebulizer")
    assert isinstance(failure, CommandFailed)
    assert "example" in failure.seen


def test_an_example_of_a_jet_is_never_used_live(tmp_path: Path) -> None:
    """A jet's profile that says it is an example serves a simulated unit alone."""
    file = tmp_path / "jet.toml"
    file.write_text(JET_TEXT.replace('verified = "manual"', 'verified = "example"'), "utf-8")
    assert isinstance(have("jet", profile=str(file)), CommandFailed)
    assert isinstance(have("jet", profile=str(file), simulated=True), Jet)


def test_a_profile_without_goldens_is_refused_live(tmp_path: Path) -> None:
    """A map that nobody proved by golden frames drives no real device."""
    text = resources.files("nebctl_profiles").joinpath("modbus-nebulizer.toml").read_text("utf-8")
    file = tmp_path / "mine.toml"
    file.write_text(text[: text.index("[[golden]]")].replace('verified = "example"', 'verified = "manual"'), "utf-8")
    failure = have("modbus-nebulizer", "serial:///dev/ttyX?unit=40", profile=str(file))
    assert isinstance(failure, CommandFailed)
    assert "no golden frame" in failure.seen
    assert isinstance(
        have("modbus-nebulizer", "serial:///dev/ttyX?unit=40", profile=str(file), simulated=True), ModbusNebulizer
    )


def test_the_faults_of_a_profile_come_all_at_once(tmp_path: Path) -> None:
    """A profile with several mistakes comes back as its faults, in the order of the lines."""
    file = tmp_path / "jet.toml"
    file.write_text(jet_text(more='spray = "x"').replace("low_percent = 85", "low_percent = 850"), "utf-8")
    faults = have("jet", profile=str(file))
    assert isinstance(faults, tuple)
    assert [fault.field for fault in faults] == ["parts.spray", "gas.low_percent"]
    assert all(str(file) in str(fault) for fault in faults)


def test_a_jet_of_two_languages_needs_two_ports(tmp_path: Path) -> None:
    """Gas by Alicat ASCII and a relay by Modbus on one port are refused; with a port of its own the relay is had."""
    file, ascii_gas = tmp_path / "jet.toml", 'gas = { driver = "alicat-ascii", id = "B" }'
    file.write_text(jet_text(gas=ascii_gas), "utf-8")
    failure = have("jet", profile=str(file))
    assert isinstance(failure, CommandFailed)
    assert "Modbus RTU on the port of /dev/ttyX, which speaks Alicat ASCII" in failure.seen
    relay = 'cutoff = { driver = "watchdog-relay", unit = 41, url = "tcp://127.0.0.1:502" }'
    file.write_text(jet_text(gas=ascii_gas, cutoff=relay), "utf-8")
    assert isinstance(have("jet", profile=str(file)), Jet)


def test_the_jets_profile_is_read_whole() -> None:
    """The installed profile names a gas controller at unit 40 and a relay at 41, and weighs nothing."""
    profile = read_jet_profile()
    assert (profile.gas.driver, profile.gas.unit, profile.gas.url) == ("alicat-modbus", 40, None)
    assert (profile.cutoff.driver, profile.cutoff.unit) == ("watchdog-relay", 41)
    assert profile.balance is None
    assert (profile.setpoint_sccm, profile.no_flow_ns, profile.confirm_ns) == (6000, 5 * 10**9, 60 * 10**9)


def test_a_balance_is_a_part_with_a_port_of_its_own() -> None:
    """A balance names its port and may name its number; without a port it is refused."""
    profile = load_jet_profile(jet_text(more='balance = { driver = "mt-sics", url = "/dev/b", serial = "B1" }'), "x")
    assert isinstance(profile, JetProfile), profile
    assert profile.balance is not None
    assert (profile.balance.url, profile.balance.serial) == ("/dev/b", "B1")
    faults = load_jet_profile(jet_text(more='balance = { driver = "mt-sics" }'), "x")
    assert isinstance(faults, tuple)
    assert [(fault.field, fault.problem) for fault in faults] == [("parts.balance.url", "this is missing")]


@pytest.mark.req("S24")
def test_a_jet_with_a_relay_on_gpio_lines_lacks_s24(tmp_path: Path) -> None:
    """Such a relay opens by itself without pulses (S22), but the host counts its maximum on-time."""
    file = tmp_path / "jet.toml"
    url = "gpio:///dev/gpiochip0?pulse=17&clear=27&sense=22"
    file.write_text(jet_text(cutoff=f'cutoff = {{ driver = "gpio-relay", url = "{url}" }}'), "utf-8")
    assert have("jet", profile=str(file)).declaration.missing() == ("S24",)
    assert have("jet-modbus").declaration.missing() == ()
    for wrong in ("/dev/gpiochip0", url.replace("&sense=22", ""), "tcp://127.0.0.1:502"):
        faults = load_jet_profile(jet_text(cutoff=f'cutoff = {{ driver = "gpio-relay", url = "{wrong}" }}'), "x")
        assert isinstance(faults, tuple)
        assert faults[0].field == "parts.cutoff.url"
        assert url in faults[0].right


@pytest.mark.parametrize(
    ("gas", "field", "right"),
    [
        ('gas = { driver = "alicat", unit = 40 }', "parts.gas.driver", "in quotes"),
        ('gas = { driver = "alicat-modbus" }', "parts.gas.unit", "unit = 40"),
        ('gas = { driver = "alicat-modbus", unit = 248 }', "parts.gas.unit", "such as 40"),
        ('gas = { driver = "alicat-modbus", unit = 40, id = "A" }', "parts.gas.id", "unit"),
        ('gas = { driver = "alicat-ascii", id = "a" }', "parts.gas.id", "in quotes"),
        ('gas = { driver = "alicat-ascii", id = "A", url = "COM3" }', "parts.gas.url", "tcp://host:port"),
        ("gas = 40", "parts.gas", "[parts.gas]"),
    ],
)
def test_a_wrong_part_is_refused_by_key_and_line(gas: str, field: str, right: str) -> None:
    """Each mistake in a part names file, line, key, value and the right form."""
    text = jet_text(gas=gas)
    faults = load_jet_profile(text, "my-jet.toml")
    assert isinstance(faults, tuple)
    assert faults[0].field == field
    assert right in faults[0].right
    assert str(faults[0]).startswith(f"my-jet.toml:{text.split(gas, maxsplit=1)[0].count(chr(10)) + 1}: ")


def test_a_threshold_above_the_set_point_is_refused() -> None:
    """A flow above which "gas flows" must be below what is asked for."""
    faults = load_jet_profile(
        JET_TEXT.replace("flowing_sccm = 500 ", "flowing_sccm = 5000 ").replace("6000", "5000"), "x"
    )
    assert isinstance(faults, tuple)
    assert faults[0].field == "gas.flowing_sccm"


@pytest.mark.req("S48")
async def test_a_9c_board_behind_a_program_is_told_as_simulated(tmp_path: Path) -> None:
    """The board cannot say that it is simulated: behind a pseudo-terminal the driver says it."""
    port = tmp_path / "board"
    simulator = Child("board", ("-m", "nebctl_simulators", "board-9c", "--pty", str(port)), tmp_path / "log").start()
    try:
        board = have("board-9c", str(port), simulated=False)
        assert isinstance(board, Board9C)
        identity = await board.open()
        assert isinstance(identity, Identity), identity
        assert identity.simulated
        await board.close()
    finally:
        simulator.stop()


@pytest.mark.req("S22")
@pytest.mark.req("S24")
@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("tcp://127.0.0.1:502?unit=41", "watchdog-relay"),
        ("gpio:///dev/gpiochip0?pulse=17&clear=27&sense=22", "gpio-relay"),
    ],
)
def test_a_cut_off_can_stand_behind_any_device(url: str, kept: str) -> None:
    """A 9C board, which takes 3 s by itself, lacks no promise behind a relay, and needs no acceptance of the site."""
    assert have("board-9c").declaration.missing() == ("S22",)
    guarded = have("board-9c", cut_off=url)
    assert isinstance(guarded, Guarded)
    assert (guarded.declaration.cut_off, guarded.declaration.missing()) == (kept, ())
    assert isinstance(have("mesh-reference", cut_off=url, balance="tcp://127.0.0.1:4003"), Weighed)


@pytest.mark.parametrize(
    ("name", "url", "said"),
    [
        ("jet-modbus", "tcp://127.0.0.1:502?unit=41", "its profile names its cut-off"),
        ("board-9c", "tcp://127.0.0.1:502", "with the unit id of the device"),
        ("board-9c", "nowhere", "nowhere"),
        ("board-9c", "gpio:///dev/gpiochip0?pulse=17", "gpio:///dev/gpiochip0?pulse=17&clear=27&sense=22"),
    ],
)
def test_a_cut_off_that_cannot_be_says_why(name: str, url: str, said: str) -> None:
    """A jet has one already; a relay needs its unit, its port, or three lines."""
    failed = have(name, cut_off=url)
    assert isinstance(failed, CommandFailed)
    assert said in failed.sentence()
