"""The Modbus simulators as processes of their own, reached by a master that is not ours."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

import pytest
from click.testing import CliRunner

from nebctl_simulators.cli import sim

PATIENCE_S = 10.0
PROFILE = str(resources.files("nebctl_profiles").joinpath("modbus-nebulizer.toml"))


@contextmanager
def simulator(*arguments: str) -> Iterator[list[str]]:
    """Run `nebctl sim …` and yield the words of its ready line; a traceback of it fails the test."""
    command = [sys.executable, "-m", "nebctl_simulators", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            words = process.stdout.readline().split()
            assert words[:1] == ["ready"]
            yield words
        finally:
            process.terminate()
            _, said = process.communicate(timeout=PATIENCE_S)
    assert "Traceback" not in said, said


@pytest.fixture
def mbpoll() -> str:
    """The foreign Modbus master; a check without it is no check."""
    found = shutil.which("mbpoll")
    if found is None and os.environ.get("CI"):
        pytest.fail("mbpoll is missing: apt install mbpoll")
    if found is None:
        pytest.skip("mbpoll is missing: apt install mbpoll")
    return found


def master(tool: str, address: str, options: str, *values: str) -> str:
    """Run the master once and return what it says; `-0` makes it count registers from 0, as the wire does."""
    host, _, port = address.rpartition(":")
    if host:
        line = ["-m", "tcp", "-p", port]
    else:
        line, host = ["-m", "rtu", "-b", "115200", "-P", "none"], address
    command = [tool, *line, "-0", "-o", "0.5", *options.split(), host, *values]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    return done.stdout + done.stderr


def values_of(said: str) -> list[float]:
    """Return the values that the master printed."""
    return [float(value) for value in re.findall(r"^\[\d+\]:\s+(-?[\d.]+)", said, re.MULTILINE)]


def call(base: str, path: str, **body: object) -> object:
    """Call the control interface; without a body it is asked."""
    data = json.dumps(body).encode() if body else None
    with urllib.request.urlopen(urllib.request.Request(base + path, data), timeout=PATIENCE_S) as answer:
        return json.load(answer)


@pytest.mark.parametrize("unit", [1, 40])
@pytest.mark.parametrize("wire", ["pty", "tcp"])
def test_a_foreign_master_runs_a_nebulizer(mbpoll: str, tmp_path: Path, wire: str, unit: int) -> None:
    """Over RTU on a pseudo-terminal and over Modbus TCP mbpoll sets, starts, reads and stops it."""
    end = str(tmp_path / "line") if wire == "pty" else "127.0.0.1:0"
    arguments = ("modbus", "--profile", PROFILE, f"--{wire}", end, "--unit", str(unit), "--fill", "3 mL")
    with simulator(*arguments) as words:
        address = words[1]
        assert values_of(master(mbpoll, address, f"-a {unit} -r 0 -c 3 -t 3 -1")) == [0x4E42, 1, 100]
        assert "Written 2 references" in master(mbpoll, address, f"-a {unit} -r 0 -t 4", "2989", "51966")
        assert "Written 3 references" in master(mbpoll, address, f"-a {unit} -r 2 -t 4", "1200", "60", "1")
        state, end_code, _, _, on_ms, *run, boot = values_of(master(mbpoll, address, f"-a {unit} -r 100 -c 8 -t 3 -1"))
        assert (state, end_code, run, boot) == (1, 0, [2989, 51966], 1)
        assert 0 <= on_ms < 2000
        assert "Written 1 references" in master(mbpoll, address, f"-a {unit} -r 4 -t 4", "0")
        assert values_of(master(mbpoll, address, f"-a {unit} -r 100 -c 2 -t 3 -1")) == [0, 3]
        assert "Illegal data address" in master(mbpoll, address, f"-a {unit} -r 200 -c 1 -t 3 -1")
        assert "Illegal data value" in master(mbpoll, address, f"-a {unit} -r 3 -t 4", "101")
        assert "timed out" in master(mbpoll, address, f"-a {unit + 1} -r 0 -c 1 -t 3 -1")


EXTRA = """
[block.lamps]
table = "discrete"
address = 8
manual = 10009
count = 10
period_ms = 250
stale_ms = 1000

[block.valves]
table = "coil"
address = 3
manual = 4
count = 4
period_ms = 250
stale_ms = 1000

"""


def point(name: str, block: str, address: int, manual: int, access: str) -> str:
    """Return the table of a bit."""
    place = f'block = "{block}"\naddress = {address}\nmanual = {manual}\n'
    return f'[point.{name}]\n{place}type = "bit"\nunit = "1"\naccess = "{access}"\n\n'


@pytest.mark.parametrize("wire", ["pty", "tcp"])
def test_a_foreign_master_uses_the_other_functions(mbpoll: str, tmp_path: Path, wire: str) -> None:
    """mbpoll reads discrete inputs (2), writes one register (6), one coil (5) and several coils (15).

    A register that only function 6 writes takes mbpoll's single write, and refuses its write of several.
    """
    bits = point("lamp", "lamps", 9, 10010, "r")
    bits += "".join(point(f"valve{at}", "valves", at, at + 1, "rw") for at in range(3, 7))
    text = Path(PROFILE).read_text("utf-8").replace("[point.signature]", f"{EXTRA}{bits}[point.signature]", 1)
    level = "limits = { least = 0, most = 100, safe = 0 }\nreset_value = 0 "
    assert level in text
    file = tmp_path / "made.toml"
    file.write_text(text.replace(level, f"write_function = 6\n{level}"), "utf-8")
    end = str(tmp_path / "line") if wire == "pty" else "127.0.0.1:0"
    with simulator("modbus", "--profile", str(file), f"--{wire}", end) as words:
        assert values_of(master(mbpoll, words[1], "-a 40 -r 8 -c 10 -t 1 -1")) == [0] * 10
        assert "Illegal data address" in master(mbpoll, words[1], "-a 40 -r 3 -c 1 -t 1 -1")
        assert "Written 1 references" in master(mbpoll, words[1], "-a 40 -r 3 -t 4", "60")
        assert values_of(master(mbpoll, words[1], "-a 40 -r 3 -c 1 -t 4 -1")) == [60]
        assert "Illegal function" in master(mbpoll, words[1], "-a 40 -r 2 -t 4", "1200", "61")
        assert "Written 4 references" in master(mbpoll, words[1], "-a 40 -r 3 -t 0", "1", "0", "1", "1")
        assert "Written 1 references" in master(mbpoll, words[1], "-a 40 -r 4 -t 0", "1")
        assert values_of(master(mbpoll, words[1], "-a 40 -r 3 -c 4 -t 0 -1")) == [1, 1, 1, 1]
        assert "Illegal data address" in master(mbpoll, words[1], "-a 40 -r 5 -t 0", "1", "0", "1")


def test_a_foreign_master_on_a_bus(mbpoll: str, tmp_path: Path) -> None:
    """A nebulizer and a jet share one paced line; each is read, an absent unit is silent, and each has its control."""
    path = str(tmp_path / "bus")
    stations = (f"modbus:{PROFILE}:unit=1,fill=2mL", "gas:unit=40,fill=3mL", "relay:unit=41")
    line = [word for station in stations for word in ("--station", station)]
    with simulator("bus", "--pty", path, "--baud", "115200", "--control", "0", *line) as words:
        base = words[3]
        assert values_of(master(mbpoll, path, "-a 1 -r 100 -c 1 -t 3 -1")) == [0]
        assert values_of(master(mbpoll, path, "-a 41 -r 0 -c 6 -t 4 -1")) == [0x4E57, 1, 0, 0, 0, 2000]
        assert "Written 1 references" in master(mbpoll, path, "-a 40 -r 1009 -t 4:float -B", "6.0")
        assert values_of(master(mbpoll, path, "-a 40 -r 1009 -c 1 -t 4:float -B -1")) == [6]
        assert "timed out" in master(mbpoll, path, "-a 7 -r 0 -c 1 -t 4 -1")
        assert call(base, "/") == ["1", "40"]
        states = [call(base, f"/{name}/state") for name in ("1", "40")]
        assert [state["filled_nl"] for state in states if isinstance(state, dict)] == [2_000_000, 3_000_000]
        call(base, "/40/inject", fault="exception", code=6, unit=41)
        assert "device or server is busy" in master(mbpoll, path, "-a 41 -r 0 -c 1 -t 4 -1")
        call(base, "/1/inject", fault="bad_crc")
        assert "Invalid CRC" in master(mbpoll, path, "-a 1 -r 100 -c 1 -t 3 -1")
        told = call(base, "/1/injections")
        assert isinstance(told, list)
        assert [(one["number"], one["fault"], one["tag"]["unit"]) for one in told] == [
            (1, "exception", 41),
            (2, "bad_crc", 1),
        ]
        assert told[1]["before"][:-2] == told[1]["after"][:-2]
        assert told[1]["before"] != told[1]["after"]


def test_a_foreign_master_reads_the_jet_over_rtu(mbpoll: str, tmp_path: Path) -> None:
    """On a pseudo-terminal, at a baud rate and behind an adapter that gathers bytes, the jet speaks RTU."""
    options = ("--pty", str(tmp_path / "jet"), "--fill", "3 mL", "--baud", "19200", "--latency", "16")
    with simulator("jet", *options) as words:
        said = master(mbpoll, words[1], "-a 40 -r 1202 -c 2 -t 4:float -B -1")
        assert values_of(said) == [pytest.approx(14.7, abs=0.1), 22]


def test_the_jet_speaks_rtu_behind_tcp() -> None:
    """With --framing rtu a TCP port carries RTU frames, as a serial device server does; the checks are pymodbus's."""
    with simulator("jet", "--tcp", "127.0.0.1:0", "--framing", "rtu") as words:
        host, _, port = words[1].rpartition(":")
        with socket.create_connection((host, int(port)), PATIENCE_S) as connection:
            connection.sendall(bytes.fromhex("290300000002 C223"))
            answer = b""
            while len(answer) < 9:
                answer += connection.recv(100)
    assert answer == bytes.fromhex("2903044E570001 3509")


def test_pacing_behind_tcp() -> None:
    """At 2400 baud the 17 bytes of an exchange behind a TCP port take their 71 ms, and not much longer."""
    options = ("--tcp", "127.0.0.1:0", "--framing", "rtu", "--baud", "2400")
    with simulator("jet", *options) as words:
        host, _, port = words[1].rpartition(":")
        with socket.create_connection((host, int(port)), PATIENCE_S) as connection:
            began, answer = time.monotonic(), b""
            connection.sendall(bytes.fromhex("290300000002 C223"))
            while len(answer) < 9:
                answer += connection.recv(100)
            took_s = time.monotonic() - began
    assert 17 * 10 / 2400 * 0.95 <= took_s <= 17 * 10 / 2400 + 0.3


def test_memory_survives(tmp_path: Path) -> None:
    """Started again on the same file, the nebulizer's boot counter is one more."""
    state = tmp_path / "state.json"
    for boot in (1, 2):
        arguments = ("--tcp", "127.0.0.1:0", "--state", str(state), "--control", "0")
        with simulator("modbus", "--profile", PROFILE, *arguments) as words:
            deadline = time.monotonic() + PATIENCE_S
            while not state.exists():
                assert time.monotonic() < deadline
                time.sleep(0.005)
            answer = call(words[3], "/state")
            assert isinstance(answer, dict)
            assert answer["boot"] == boot


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("modbus", "--tcp", "127.0.0.1:0"), "Missing option '--profile'"),
        (("modbus", "--tcp", "127.0.0.1:0", "--profile", "none.toml"), "cannot read the profile"),
        (("modbus", "--pty", "x", "--framing", "tcp", "--profile", PROFILE), "a serial line carries Modbus RTU"),
        (("modbus", "--profile", PROFILE), "give one of --pty PATH and --tcp HOST:PORT"),
        (("bus", "--tcp", "127.0.0.1:0"), "Missing option '--station'"),
        (("bus", "--tcp", "127.0.0.1:0", "--station", "fan"), "no station; write such as"),
        (("bus", "--tcp", "127.0.0.1:0", "--station", "gas:unit=0"), "'0' is not a whole number from 1 to 247"),
        (("bus", "--tcp", "127.0.0.1:0", "--station", "gas:unit=40"), "make one jet"),
        (("bus", "--tcp", "127.0.0.1:0", "--station", "gas", "--station", "relay:unit=40"), "unit 40 is there twice"),
        (("bus", "--tcp", "127.0.0.1:0", "--station", "gas", "--station", "relay:fill=3mL"), "write fill there"),
        (("bus", "--tcp", "127.0.0.1:0", "--station", "gas:speed=4"), "speed is not known; write unit, seed or fill"),
        (("bus", "--tcp", "127.0.0.1:0", "--station", f"modbus:{PROFILE}:fill=3"), "is not a volume"),
    ],
)
def test_wrong_options_end_with_one_clear_line(arguments: tuple[str, ...], message: str) -> None:
    """No bad option ends in a traceback, and nothing is opened."""
    result = CliRunner().invoke(sim, list(arguments))
    assert result.exit_code in (1, 2)
    assert isinstance(result.exception, SystemExit)
    assert message in " ".join(result.output.split())
