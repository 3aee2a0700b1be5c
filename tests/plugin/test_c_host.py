"""A host program in C on the reference protocol, over a pseudo-terminal, against the simulated controller."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nebctl_simulators.testing.simulator import Simulator

SOURCE = Path(__file__).with_name("mesh_host.c")
PATIENCE_S = 30
ENDED_DRY, WRONG_CALL, SILENT, REFUSED, OTHER_END = 0, 2, 3, 4, 5
RUN = "0badcafe"
Host = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def program(compiler: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the compiled program."""
    built = tmp_path_factory.mktemp("host") / "mesh_host"
    command = [compiler, "-std=c11", "-Wall", "-Wextra", "-Werror", "-O1", "-o", str(built), str(SOURCE)]
    subprocess.run(command, check=True, timeout=PATIENCE_S)
    return built


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[Simulator]:
    """Return a controller with 0.1 mL on a pseudo-terminal, fifty times as fast as time."""
    with Simulator("mesh", folder=tmp_path, wire="pty", fill="0.1 mL", speed=50) as simulator:
        yield simulator


@pytest.fixture
def host(program: Path, mesh: Simulator) -> Host:
    """Return a function that runs the host to its end."""

    def run(max_on_ms: int = 600_000) -> "subprocess.CompletedProcess[str]":
        words = [str(program), mesh.path, RUN, str(max_on_ms)]
        return subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE_S, check=False)

    return run


def test_a_dose_ends_dry(host: Host, mesh: Simulator) -> None:
    """The host gives what the cup can give, and tells the same end and on-time as the controller."""
    done = host()
    truth = mesh.truth
    assert (done.returncode, done.stderr) == (ENDED_DRY, "")
    assert done.stdout.splitlines()[-1] == f"end DRY after {truth.on_ms} ms"
    assert (truth.output, truth.run) == ("OFF", RUN)
    assert truth.emitted_nl == 100_000 - truth.cup_nl > 90_000


@pytest.mark.parametrize(
    "fault",
    [
        "drop_reply:count=3",
        "bad_crc:count=3",
        "late:ms=150",
        "garbage:count=2",
        "split:count=4",
        "duplicate_reply:count=4",
    ],
)
def test_a_bad_line_costs_no_dose(host: Host, mesh: Simulator, fault: str) -> None:
    """Lost, spoiled, late, torn and doubled answers are repeated or passed over: one run, begun once, ended dry."""
    mesh.inject(fault)
    done = host()
    assert done.returncode == ENDED_DRY, done.stderr
    assert mesh.injections != []
    assert (mesh.truth.end, mesh.truth.run, mesh.truth.boot) == ("DRY", RUN, 1)


def test_a_pulled_cable_ends_the_host_and_the_output(program: Path, mesh: Simulator) -> None:
    """With the cable out the host ends at once, and the controller's own watchdog turns the output off."""
    mesh.plant.fill("3 mL")
    words = [str(program), mesh.path, RUN, "600000"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as running:
        mesh.wait_for(lambda truth: truth.output == "RUN")
        mesh.inject("unplug", ms=60_000)
        _, said = running.communicate(timeout=PATIENCE_S)
    assert (running.returncode, said) == (SILENT, "stopped: the line is gone or silent\n")
    assert mesh.wait_for(lambda truth: truth.output == "OFF").end == "BEAT"


def test_a_refused_start_is_told(host: Host, mesh: Simulator) -> None:
    """Without a cup the controller refuses the start: the host says so, and nothing is emitted."""
    mesh.inject("no_cup")
    done = host()
    assert (done.returncode, done.stderr) == (REFUSED, "stopped: refused\n")
    assert mesh.truth.emitted_nl == 0


def test_a_run_that_ends_early_is_no_dose(host: Host, mesh: Simulator) -> None:
    """A run that its maximum on-time ended is told apart from one that ended dry."""
    done = host(max_on_ms=10_000)
    assert (done.returncode, done.stderr) == (OTHER_END, "stopped: ended, and not because the mesh is dry\n")
    assert (mesh.truth.output, mesh.truth.on_ms) == ("OFF", 10_000)


def test_a_wrong_call_is_told(program: Path) -> None:
    """Without its three words the program says how it is called."""
    done = subprocess.run([str(program)], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert (done.returncode, done.stderr) == (WRONG_CALL, "usage: mesh_host PATH RUN MAX_ON_MS\n")
