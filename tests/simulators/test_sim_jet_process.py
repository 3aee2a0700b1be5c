"""The jet simulator as a process of its own, reached by a Modbus master that is not ours."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from nebctl_simulators.cli import sim

PATIENCE_S = 10.0


@contextmanager
def simulator(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Run `nebctl sim jet` and yield the process and the words of its ready line."""
    command = [sys.executable, "-m", "nebctl_simulators", "jet", "--tcp", "127.0.0.1:0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            words = process.stdout.readline().split()
            assert words[:1] == ["ready"]
            yield process, words
        finally:
            process.kill()


@pytest.fixture
def mbpoll() -> str:
    """The foreign Modbus master; a check without it is no check."""
    found = shutil.which("mbpoll")
    if found is None and os.environ.get("CI"):
        pytest.fail("mbpoll is missing: apt install mbpoll")
    if found is None:
        pytest.skip("mbpoll is missing: apt install mbpoll")
    return found


def master(tool: str, port: str, *arguments: str) -> str:
    """Run the master once and return what it says; registers are counted from 1, as in the manual."""
    host, _, number = port.rpartition(":")
    options, values = arguments[0].split(), arguments[1:]
    command = [tool, "-m", "tcp", "-p", number, *options, host, *values]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    return done.stdout + done.stderr


def values_of(said: str) -> list[float]:
    """Return the values that the master printed."""
    return [float(value) for value in re.findall(r"^\[\d+\]:\s+(-?[\d.]+)", said, re.MULTILINE)]


def wait_for(truth: Path, row: str) -> None:
    """Wait until the truth has a row that ends so."""
    deadline = time.monotonic() + PATIENCE_S
    while row not in truth.read_text(encoding="utf-8"):
        assert time.monotonic() < deadline, f"no row {row}"
        time.sleep(0.005)


def call(base: str, path: str, **body: object) -> dict[str, object]:
    """Call the control interface; without a body it is asked for the state."""
    data = json.dumps(body).encode() if path != "/state" else None
    with urllib.request.urlopen(urllib.request.Request(base + path, data), timeout=PATIENCE_S) as answer:
        result = json.load(answer)
    assert isinstance(result, dict)
    return result


def test_a_foreign_master_reads_and_drives_it(mbpoll: str) -> None:
    """By the manual's register numbers mbpoll arms and closes the relay, sets the flow and reads the floats."""
    with simulator("--fill", "3 mL", "--control", "0") as (_, words):
        port, base = words[1], words[3]
        assert values_of(master(mbpoll, port, "-a 41 -r 1 -c 6 -t 4 -1")) == [0x4E57, 1, 0, 0, 0, 2000]
        master(mbpoll, port, "-a 41 -r 7 -t 4", "2989", "51966", "18", "20352")
        master(mbpoll, port, "-a 41 -r 1 -t 0", "1")
        said = master(mbpoll, port, "-a 40 -r 1010 -t 4:float -B", "6.0")
        assert "Written 1 references" in said
        master(mbpoll, port, "-a 41 -r 5 -t 4", "1")
        pressure, temperature, _, mass_flow = values_of(master(mbpoll, port, "-a 40 -r 1203 -c 4 -t 4:float -B -1"))
        assert (pressure, mass_flow) == (pytest.approx(34.7, abs=0.2), pytest.approx(6, abs=0.05))
        assert temperature == 22
        assert "Illegal data address" in master(mbpoll, port, "-a 40 -r 1100 -c 2 -t 4 -1")
        truth = call(base, "/state")
        assert (truth["run"], truth["setpoint_sccm"]) == ("0badcafe", 6000)


def test_the_control_interface_and_the_truth(tmp_path: Path) -> None:
    """Fill, state, faults, power and empty work from the side, and the truth is written down."""
    truth = tmp_path / "truth.csv"
    with simulator("--control", "0", "--truth", str(truth), "--serial", "SIM-0777") as (process, words):
        base = words[3]
        wait_for(truth, "0,0,OFF")
        assert call(base, "/fill", nl=3_000_000) == {"cup_nl": 3_000_000}
        assert call(base, "/inject", fault="kinked_tube") == {"faults": {"kinked_tube": 1}}
        assert call(base, "/clear") == {"faults": {}}
        state = call(base, "/state")
        assert (state["preset"], state["serial"], state["relay_closed"]) == ("jet.lc", "SIM-0777", False)
        assert call(base, "/power", on=False)["powered"] is False
        wait_for(truth, "0,3000000,OFF")
        assert call(base, "/empty") == {"drawn_nl": 3_000_000, "cup_nl": 0}
        began = time.monotonic()
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
        assert time.monotonic() - began < 1
        assert process.stderr is not None
        assert "no aerosol, not a device" in process.stderr.read()
        rows = truth.read_text(encoding="utf-8").splitlines()
        assert rows[0].startswith("t_s,emitted_nl,cup_nl,output,")
        told = [row.split(",")[1:4] for row in rows[1:]]
        assert told == [["0", "0", "OFF"], ["0", "3000000", "OFF"], ["0", "0", "OFF"]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give one of --pty PATH and --tcp HOST:PORT"),
        (("--pty", "jet", "--framing", "tcp"), "a serial line carries Modbus RTU"),
        (("--tcp", "127.0.0.1:0", "--baud", "50"), "--baud"),
        (("--tcp", "0.0.0.0:0"), "listens on loopback only"),
        (("--tcp", "127.0.0.1:0", "--speed", "2", "--clock", "c"), "--speed and --clock exclude each other"),
        (("--tcp", "127.0.0.1:0", "--serial", "A-1"), "a simulated device has a serial such as SIM-0001"),
        (("--tcp", "127.0.0.1:0", "--preset", "mesh.solo"), "choose one of: jet.lc"),
        (("--tcp", "127.0.0.1:0", "--fill", "9 mL"), "the cup cannot take 9000000 nL"),
    ],
)
def test_wrong_options_end_with_one_clear_line(arguments: tuple[str, ...], message: str) -> None:
    """No bad option ends in a traceback, and nothing is opened."""
    result = CliRunner().invoke(sim, ["jet", *arguments])
    assert result.exit_code in (1, 2)
    assert isinstance(result.exception, SystemExit)
    assert message in " ".join(result.output.split())
