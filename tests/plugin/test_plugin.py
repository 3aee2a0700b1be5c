"""The pytest plugin in a project of somebody else: what its fixtures give, refuse, and leave behind."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.plugin.conftest import PATIENCE_S, PytestRun, command_of_pytest

EACH = """
import socket

import pytest

KINDS = ["mesh", "jet", "balance", "modbus", "alicat", "board_9c"]


@pytest.mark.parametrize("kind", KINDS)
def test_one(request, kind):
    simulator = request.getfixturevalue(f"{kind}_sim")
    assert simulator.url.startswith("tcp://127.0.0.1:")
    with socket.create_connection((simulator.host, simulator.port)):
        pass
    assert simulator.plant.serial.startswith("SIM-")
    assert simulator.truth.output == "OFF"
    assert simulator.plant.fill("1 mL") == 1_000_000
    assert simulator.inject("delay", ms=30, count=2) == {"delay": 2}
    assert simulator.faults == {"delay": 2}


def test_several(nebctl_sims):
    one, two = nebctl_sims("mesh", seed=5), nebctl_sims("mesh", seed=6)
    assert (one.plant.seed, two.plant.seed) == (5, 6)
    assert one.port != two.port
"""

MARKED = """
import pytest

pytestmark = pytest.mark.nebctl_sim("mesh", seed=3, fill="2 mL")


@pytest.mark.nebctl_sim("mesh", preset="mesh.solo", seed=4)
class TestAll:
    def test_class(self, mesh_sim):
        assert (mesh_sim.plant.seed, mesh_sim.plant.cup_nl) == (4, 2_000_000)

    @pytest.mark.nebctl_sim("mesh", seed=5, wire="pty", fill=7_000)
    def test_own(self, mesh_sim, balance_sim):
        assert (mesh_sim.plant.seed, mesh_sim.plant.cup_nl) == (5, 7_000)
        assert mesh_sim.url == f"serial://{mesh_sim.path}"
        assert balance_sim.plant.seed == 1


@pytest.mark.nebctl_sim("jet", framing="rtu")
def test_rtu(jet_sim):
    assert jet_sim.url.startswith("rtu+tcp://")
"""

LAZY = """
import sys


def test_nothing():
    heavy = {"click", "http.client", "asyncio", "nebctl", "uvicorn", "nebctl_lab.bench_site", "nebctl_simulators.cli"}
    heavy |= {"nebctl_simulators.testing.simulator"}
    assert sorted(heavy & set(sys.modules)) == []


def test_a_device(mesh_sim):
    assert mesh_sim.truth.cup_nl == 0
    foreign = {"nebctl", "nebctl_drivers", "nebctl_lab.bench_site", "aiomqtt", "sqlite3", "uvicorn", "starlette"}
    assert sorted(foreign & set(sys.modules)) == []
"""

BOTH_LOOPS = """
import asyncio

import pytest


async def ask(simulator):
    reader, writer = await asyncio.open_connection(simulator.host, simulator.port)
    writer.write(b"$C,1,STAT*%04X\\r\\n" % 0x4A0C)
    writer.close()
    await writer.wait_closed()


def test_plain(mesh_sim):
    asyncio.run(ask(mesh_sim))


@pytest.mark.asyncio
async def test_on_the_loop(mesh_sim):
    await ask(mesh_sim)
    assert mesh_sim.truth.output == "OFF"
"""


def wait_until(holds: Callable[[], bool], what: str) -> None:
    """Wait for a condition, and fail when it does not come in time."""
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    """Return whether a process is there and has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_each_fixture_gives_a_device_of_its_own(run_pytest: PytestRun) -> None:
    """Every fixture has a wire, a cup, faults and a truth, with every warning an error; several stand side by side."""
    done = run_pytest(EACH, alone=True)
    assert "7 passed" in done.stdout, done.stdout + done.stderr


def test_markers_say_how_a_device_is_made(run_pytest: PytestRun) -> None:
    """The test's own marker wins over its class's and its module's, key by key, for the kinds that it names."""
    done = run_pytest(MARKED, "--strict-markers", alone=True)
    assert "3 passed" in done.stdout, done.stdout + done.stderr


WRONG = {
    "presett='mesh.solo'": "nebctl_sim: mesh: there is no option 'presett'; choose one of: baud,",
    "'mash', seed=1": "nebctl_sim: there is no simulator 'mash'; choose one of: mesh, jet,",
    "preset='mesh.x'": "there is no preset 'mesh.x'; choose one of: mesh",
    "fill='3'": "'3' is not a volume above 0",
    "wire='usb'": "wire: got 'usb'; choose one of: tcp, pty",
    "tcp='0.0.0.0:1'": "mesh: there is no option 'tcp'",
    "serial='A-1'": "a simulated device has a serial such as SIM-0001",
    "fault=['late', 'fire']": "there is no fault 'fire'; choose one of:",
}


def test_a_wrong_marker_is_one_sentence(run_pytest: PytestRun) -> None:
    """What cannot be made is an error of the set-up that names key, value and choice, and no traceback."""
    tests = (
        f"@pytest.mark.nebctl_sim({marker})\ndef test_{number}(mesh_sim):\n    pass\n\n\n"
        for number, marker in enumerate(WRONG)
    )
    done = run_pytest("import pytest\n\n\n" + "".join(tests), alone=True)
    said = " ".join(done.stdout.split())
    assert f"{len(WRONG)} errors" in said
    assert [message for message in WRONG.values() if message not in said] == []
    assert "Traceback" not in done.stdout + done.stderr
    assert "simulator.py" not in done.stdout


def test_a_run_without_simulators_pays_nothing(run_pytest: PytestRun) -> None:
    """The plugin imports nothing heavy until a fixture is asked for, and a device needs neither MQTT nor store."""
    done = run_pytest(LAZY, alone=True)
    assert "2 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(("asyncio_plugin", "passed"), [("asyncio", "2 passed"), ("no:asyncio", "1 passed")])
def test_it_works_with_and_without_an_asyncio_plugin(run_pytest: PytestRun, asyncio_plugin: str, passed: str) -> None:
    """The fixtures serve tests with a loop of their own and tests on pytest-asyncio's."""
    own = [
        "-p",
        "no:asyncio",
        "--deselect",
        "test_theirs.py::test_on_the_loop",
        "-W",
        "ignore::pytest.PytestUnknownMarkWarning",
    ]
    done = run_pytest(BOTH_LOOPS, *(own if asyncio_plugin == "no:asyncio" else []))
    assert passed in done.stdout, done.stdout + done.stderr


def test_no_device_outlives_its_test(run_pytest: PytestRun, tmp_path: Path) -> None:
    """A device has ended before the next test begins, whether its test passed or failed; the truth stays."""
    text = f"""
import os
from pathlib import Path

NOTE = Path({str(tmp_path / "note")!r})


def test_fails(mesh_sim):
    NOTE.write_text(f"{{mesh_sim.pid}} {{mesh_sim.truth_file}}")
    assert False


def test_next():
    assert not Path("/proc/" + NOTE.read_text().split()[0]).exists()
"""
    done = run_pytest(text, alone=True)
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "Captured nebctl simulators setup" in done.stdout
    assert "preset mesh.solo, seed 1" in done.stdout
    truth = Path((tmp_path / "note").read_text(encoding="utf-8").split()[1])
    assert truth.read_text(encoding="utf-8").startswith("t_s,emitted_nl,cup_nl,output")


def test_a_killed_run_leaves_no_device_behind(tmp_path: Path) -> None:
    """A run of pytest that is killed in mid-test takes its devices with it."""
    note = tmp_path / "note"
    (tmp_path / "test_theirs.py").write_text(
        f"import pathlib, time\n\n\ndef test_it(mesh_sim):\n"
        f"    pathlib.Path({str(tmp_path / 'draft')!r}).write_text(str(mesh_sim.pid))\n"
        f"    pathlib.Path({str(tmp_path / 'draft')!r}).rename({str(note)!r})\n    time.sleep(60)\n",
        encoding="utf-8",
    )
    command = command_of_pytest("-p", "no:cacheprovider", "-p", "no:asyncio", f"--basetemp={tmp_path / 'base'}")
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL) as process:
        try:
            wait_until(note.exists, "the test did not begin")
            device = int(note.read_text(encoding="utf-8"))
            assert is_alive(device)
        finally:
            os.kill(process.pid, signal.SIGKILL)
        process.wait(PATIENCE_S)
    wait_until(lambda: not is_alive(device), "the device lives on")


def test_a_whole_unit_gives_a_dose(run_pytest: PytestRun) -> None:
    """`nebctl_bench` is a running unit: a test scans, charges, starts, stops, and reads the records."""
    text = """
import pytest


@pytest.mark.nebctl_bench(subjects=2)
def test_dose(nebctl_bench):
    bench = nebctl_bench
    assert len(bench.subjects) == 2
    bench.begin(on_ms=5_000)
    bench.api.post("/api/stop")
    assert bench.until_state("residual")["state"] == "residual"
    assert bench.emitted_nl() > 0
    assert len(bench.records("start")) == 1


@pytest.mark.nebctl_bench(units=2)
def test_wrong(nebctl_bench):
    pass
"""
    done = run_pytest(text, alone=True)
    assert "1 passed, 1 error" in done.stdout, done.stdout + done.stderr
    assert "nebctl_bench: there is no option 'units'; choose one of: subjects" in done.stdout
