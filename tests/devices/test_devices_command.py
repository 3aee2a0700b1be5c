"""`nebctl devices list | read` against a simulated device of every family, over real pseudo-terminals and TCP."""

import fcntl
import json
import os
import re
import subprocess
import sys
import termios
from importlib import resources
from pathlib import Path

import pytest

from nebctl_drivers import ports_found
from nebctl_drivers.ports_found import FoundPort, Holder, UsbName

from .conftest import EXAMPLE, Fleet, devices

JET = resources.files("nebctl_profiles").joinpath("jet-modbus.toml")
SHAPE = {"value", "unit", "status"}
STATUSES = {"ok", "stale", "nan", "alarm", "out-of-range", "missing"}
AT = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3}Z")

FAMILIES = {
    "mesh-reference": ("mesh", "reference mesh controller", {"state": "off", "temperature": 22.0}),
    "board-9c": ("board", "9C nebulizer main board", {"mode": "hot", "mist_running": False}),
    "alicat-ascii": ("alicat", "Alicat MC-20SLPM-D, id A", {"flow": 0, "alarms": "none"}),
    "mt-sics": ("balance", "serial SIM-0005", {"state": "weighing"}),
    "jet-modbus": ("jet_tcp", "watchdog relay, serial SIM-0002", {"gas.setpoint": 0, "cutoff.contact": "open"}),
}


@pytest.mark.parametrize("profile", FAMILIES)
def test_every_family_is_read(fleet: Fleet, profile: str) -> None:
    """Two readings of each family are two JSON objects, each with its moment, age, and values with unit and status."""
    place, who, values = FAMILIES[profile]
    done = devices(
        "read", "--profile", profile, "--url", getattr(fleet, place), "--count", "2", "--every", "50ms", "--json"
    )
    assert done.code == 0, done
    first, second = done.objects
    for reading in (first, second):
        assert set(reading) == {"at", "mono_ns", "device", "values", "age_ms"}
        assert AT.fullmatch(reading["at"])
        assert who in reading["device"]
        assert 0 <= reading["age_ms"] < 1000
        assert all(set(value) == SHAPE and value["status"] in STATUSES for value in reading["values"].values())
        assert {name: reading["values"][name]["value"] for name in values} == values
    assert 40_000_000 <= second["mono_ns"] - first["mono_ns"] < 2 * 10**9


@pytest.mark.parametrize("unit", [1, 2])
def test_a_modbus_nebulizer_is_read_by_its_unit(fleet: Fleet, unit: int) -> None:
    """Each unit of the bus tells its own serial number; numbers that the profile names go by those names."""
    done = devices("read", "--profile", EXAMPLE, "--url", fleet.unit(unit), "--json")
    [reading] = done.objects
    values = reading["values"]
    assert (values["serial"]["value"], values["state"]["value"]) == (f"SIM-100{unit}", "OFF")
    assert values["current"] == {"value": 0, "unit": "mA", "status": "ok"}
    assert f"unit {unit}" in reading["device"]


def test_gas_and_relay_are_read_by_their_maps(fleet: Fleet) -> None:
    """The parts of a jet are read on RTU as well, each by its own profile; a driver's name will do."""
    [gas] = devices("read", "--profile", "alicat-modbus", "--url", fleet.unit(40), "--json").objects
    assert gas["values"]["mass_flow"] == {"value": 0, "unit": "SLPM", "status": "ok"}
    [relay] = devices("read", "--profile", "watchdog-relay", "--url", fleet.unit(41), "--json").objects
    assert relay["values"]["contact"]["value"] == "OPEN"
    [jet] = devices("read", "--profile", "jet-modbus", "--url", fleet.bus, "--json").objects
    assert jet["values"]["cutoff.contact"]["value"] == "open"


def test_a_relay_on_gpio_lines_is_left_alone(fleet: Fleet, tmp_path: Path) -> None:
    """To take a GPIO relay's lines would open its contact: such a jet is read without it."""
    file = tmp_path / "jet.toml"
    text = JET.read_text("utf-8").replace(
        'driver = "watchdog-relay", unit = 41',
        'driver = "gpio-relay", url = "gpio:///dev/gpiochip0?pulse=17&clear=27&sense=22"',
    )
    file.write_text(text, "utf-8")
    [reading] = devices("read", "--profile", str(file), "--url", fleet.bus, "--json").objects
    assert {name.partition(".")[0] for name in reading["values"]} == {"gas"}


def test_without_json_a_reading_is_one_line(fleet: Fleet) -> None:
    """For people a reading is one line: moment, URL, and name=value with its unit."""
    done = devices("read", "--profile", "alicat-ascii", "--url", fleet.alicat)
    [line] = done.out.splitlines()
    assert AT.match(line)
    assert f"{fleet.alicat} setpoint=0sccm flow=0sccm " in line


def test_the_wrong_device_is_a_json_object_and_exit_1(fleet: Fleet) -> None:
    """Where another device answers, the line says what was seen, expected and to be done; the exit code is 1."""
    done = devices("read", "--profile", "mesh-reference", "--url", fleet.balance, "--json", "--count", "3")
    assert done.code == 1
    [failure] = done.objects
    assert set(failure) == {"at", "mono_ns", "device", "error"}
    assert set(failure["error"]) == {"command", "seen", "expected", "advice"}
    assert "ES" in failure["error"]["seen"]
    assert "reference mesh controller" in failure["error"]["expected"]


def test_another_map_is_refused_by_its_identity(fleet: Fleet) -> None:
    """A relay that is read as a nebulizer is refused by what it says of itself."""
    done = devices("read", "--profile", EXAMPLE, "--url", fleet.unit(41), "--json")
    assert done.code == 1
    [failure] = done.objects
    assert "expected" in failure["error"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--profile", "mesh-referense", "--url", "/dev/x"), "did you mean mesh-reference?"),
        (("--profile", "/no/such.toml", "--url", "/dev/x"), "/no/such.toml:1: profile: "),
        (("--profile", "mesh-reference", "--url", "COM3"), "'tcp://host:port'"),
        (("--profile", "mesh-reference", "--url", "serial:///dev/x?baud=9600"), "the setting 'baud=9600'"),
        (("--profile", "modbus-nebulizer", "--url", "/dev/x"), "serial:///dev/x?unit=40"),
        (("--profile", "mesh-reference", "--url", "/dev/x", "--every", "5"), "write such as 250ms"),
        (("--profile", "mesh-reference", "--url", "/dev/x", "--count", "0"), "--count"),
        (("--profile", "mesh-reference", "--url", "/dev/x", "--trace", "/no/such/folder/t"), "--trace"),
    ],
)
def test_a_wrong_call_names_what_is_right(words: tuple[str, ...], said: str) -> None:
    """A wrong profile, URL or option is exit code 2, with the key and the right form; no configuration is spoken of."""
    done = devices("read", *words)
    assert done.code == 2
    assert said in " ".join(done.err.split())
    assert "[device]" not in done.err
    assert done.out == ""


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("x = 1", "profile.protocol"),
        ('[profile]\nid = "x"\nprotocol = "profibus"', "profile.protocol"),
        ('[profile]\nprotocol = "modbus"', "profile.id"),
        ('[profile]\nprotocol = "jet"', "profile.id"),
        ('[profile]\nprotocol = "mt-sics"', "TOML"),
        ("[profile", "TOML"),
    ],
)
def test_a_wrong_profile_names_file_line_and_key(tmp_path: Path, text: str, field: str) -> None:
    """A file of one's own that is wrong is exit code 2, with file, line and key."""
    file = tmp_path / "mine.toml"
    file.write_text(text, "utf-8")
    done = devices("read", "--profile", str(file), "--url", "tcp://127.0.0.1:1?unit=1")
    assert done.code == 2, done
    assert re.search(rf"{re.escape(str(file))}:[0-9]+: {re.escape(field)}: ", done.err), done.err


def test_a_port_in_use_names_its_holder(tmp_path: Path) -> None:
    """A port that another program holds is told with that program's name and number, and not touched."""
    master, slave = os.openpty()
    path = os.ttyname(slave)
    script = "import fcntl, sys, termios, time; f = open(sys.argv[1], 'r+b', 0); fcntl.ioctl(f, termios.TIOCEXCL);"
    script += "fcntl.flock(f, fcntl.LOCK_EX); print('held', flush=True); time.sleep(60)"
    holder = subprocess.Popen([sys.executable, "-c", script, path], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        done = devices("read", "--profile", "mesh-reference", "--url", path, "--json")
        assert done.code == 1
        [failure] = done.objects
        assert f"pid {holder.pid}" in failure["error"]["seen"], failure
        [port] = json.loads(devices("list", "--probe", "--json", "--url", path).out)["ports"]
        assert f"pid {holder.pid}" in port["error"]["seen"]
        assert port["answers"] is None
        os.set_blocking(master, False)
        with pytest.raises(BlockingIOError):
            os.read(master, 1)
    finally:
        fcntl.ioctl(slave, termios.TIOCNXCL)
        holder.kill()
        holder.communicate()
        os.close(master)
        os.close(slave)


def test_of_the_machines_ports_only_the_free_ones_are_asked(monkeypatch: pytest.MonkeyPatch, fleet: Fleet) -> None:
    """A port that the system says is held is listed with its holder, and never opened; a free one is asked."""
    plain = {"by_id": None, "usb": UsbName(0x0403, 0x6001, "A1"), "maker": "FTDI", "product": None, "latency_ms": 16}
    held = FoundPort(path="/dev/ttyHELD", holders=(Holder(4711, "nebctl", "neb"),), **plain)  # type: ignore[arg-type]
    free = FoundPort(path=fleet.mesh, holders=(), **plain)  # type: ignore[arg-type]
    monkeypatch.setattr(ports_found, "find_ports", lambda: (held, free))
    first, second = json.loads(devices("list", "--probe", "--json").out)["ports"]
    assert first["holders"] == [{"pid": 4711, "name": "nebctl", "user": "neb"}]
    assert (first["answers"], first["error"]) == (None, None)
    assert (first["usb"], first["latency_ms"]) == ("usb://0403:6001/A1", 16)
    assert [answer["profile"] for answer in second["answers"]] == ["mesh-reference"]
    said = devices("list").out
    assert "/dev/ttyHELD (usb://0403:6001/A1 FTDI); held by nebctl (pid 4711) of user neb" in said


def test_the_trace_shows_what_was_asked(fleet: Fleet, tmp_path: Path) -> None:
    """With --trace every byte is in the file; a 9C board is sent GET_STATUS (24) and GET_RUNTIME (2A) and no more."""
    trace = tmp_path / "trace.txt"
    assert devices("read", "--profile", "board-9c", "--url", fleet.board, "--trace", str(trace)).code == 0
    sent = re.findall(r"> aa 55 .. .. 01 01 00 (..) ", trace.read_text("utf-8"))
    assert set(sent) == {"24", "2a"}
    assert len(re.findall(r"\] > ", trace.read_text("utf-8"))) == len(sent)


def test_probing_finds_every_family(fleet: Fleet) -> None:
    """`list --probe` names what answers at each port, with a URL that `read` then takes."""
    urls = (fleet.mesh, fleet.alicat, fleet.balance, fleet.board, fleet.jet_tcp, fleet.bus, "tcp://127.0.0.1:1")
    done = devices("list", "--probe", "--json", *(word for url in urls for word in ("--url", url)))
    ports = {port["url"]: port for port in json.loads(done.out)["ports"]}
    assert set(ports) == set(urls)
    profiles = {url: [answer["profile"] for answer in ports[url]["answers"] or ()] for url in urls}
    assert profiles[fleet.mesh] == ["mesh-reference"]
    assert profiles[fleet.alicat] == ["alicat-ascii"]
    assert profiles[fleet.balance] == ["mt-sics"]
    assert profiles[fleet.board] == ["board-9c"]
    assert profiles[fleet.jet_tcp] == [None, "watchdog-relay"]
    assert profiles[fleet.bus] == ["modbus-nebulizer", None, "watchdog-relay"]
    assert "refused" in ports["tcp://127.0.0.1:1"]["error"]["seen"]
    for url in (fleet.mesh, fleet.bus):
        answer = ports[url]["answers"][0]
        assert devices("read", "--profile", answer["profile"], "--url", answer["url"]).code == 0


def test_the_list_shows_what_to_type_next(fleet: Fleet) -> None:
    """For people the list shows the next command to type, and a port where nobody answers says so."""
    master, slave = os.openpty()
    try:
        done = devices("list", "--probe", "--url", fleet.mesh, "--url", f"serial://{os.ttyname(slave)}?baudrate=9600")
    finally:
        os.close(master)
        os.close(slave)
    assert "    a reference mesh controller\n      nebctl devices read --profile mesh-reference --url '" in done.out
    assert "    nobody answers" in done.out


def test_listing_asks_nobody() -> None:
    """Without --probe the list is what the system knows; as JSON each port has its names and holders."""
    done = devices("list", "--json")
    assert done.code == 0
    for port in json.loads(done.out)["ports"]:
        assert {"url", "path", "usb", "maker", "product", "latency_ms", "holders", "answers", "error"} == set(port)
        assert port["answers"] is None
    assert devices("list").code == 0
