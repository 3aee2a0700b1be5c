"""A simulator as a test holds it, without pytest's fixtures: wire, plant, faults, truth and the end."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nebctl_simulators.mesh.codec import encode_line
from nebctl_simulators.testing.options import command_line, example_profile, url_of
from nebctl_simulators.testing.process import SimulatorFault
from nebctl_simulators.testing.simulator import Simulator


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[Simulator]:
    """Return a running mesh controller with 1 mL, a hundred times as fast as time."""
    with Simulator("mesh", folder=tmp_path, fill="1 mL", speed=100) as simulator:
        yield simulator


def say(simulator: Simulator, words: str) -> bytes:
    """Send one request and return what comes back at first."""
    with socket.create_connection((simulator.host, simulator.port), 5) as line:
        line.sendall(encode_line(words))
        return line.recv(200)


def test_the_truth_follows_what_the_host_does(mesh: Simulator) -> None:
    """A START shows in the truth, by attribute and by name, and in the truth's file, which can be drawn."""
    assert say(mesh, "C,1,START,0badcafe,60000").startswith(b"$A,1,START")
    seen = mesh.wait_for(lambda truth: truth.emitted_nl > 20_000)
    assert (seen.output, seen["run"]) == ("RUN", "0badcafe")
    assert say(mesh, "C,2,STOP").startswith(b"$A,2,STOP")
    after = mesh.wait_for(lambda truth: truth.output == "OFF")
    assert after.emitted_nl + after.cup_nl == 1_000_000
    assert {line.split(",")[3] for line in mesh.truth_file.read_text().splitlines()[1:]} == {"OFF", "SWEEP", "RUN"}
    assert mesh.plot(mesh.folder / "run.svg").read_text(encoding="utf-8").startswith("<svg")


def test_the_plant_can_be_reached_behind_the_wire(mesh: Simulator) -> None:
    """Cup and power obey the test, volumes as text or nL, and a power cut shows in the boot counter."""
    assert mesh.plant.fill("0.5 mL") == 1_500_000
    assert mesh.plant.fill(1) == 1_500_001
    assert mesh.plant.empty() == 1_500_001
    assert mesh.plant.empty() == 0
    mesh.plant.cut_power()
    assert mesh.truth.powered is False
    mesh.plant.give_power()
    assert (mesh.truth.powered, mesh.truth.boot) == (True, 2)
    assert (mesh.plant.preset, mesh.plant.seed, mesh.plant.serial) == ("mesh.solo", 1, "SIM-0001")


@pytest.mark.parametrize("volume", ["3", "3 L", "-1 mL", 0, 9_000_000])
def test_what_is_no_volume_is_refused(mesh: Simulator, volume: int | str) -> None:
    """A volume without a unit, of another one, or past the cup is a ValueError, and nothing is poured."""
    with pytest.raises(ValueError, match=r"volume|nl:|cannot take"):
        mesh.plant.fill(volume)
    assert mesh.plant.cup_nl == 1_000_000


def test_faults_by_text_and_by_name(mesh: Simulator) -> None:
    """Both ways to ask for a fault arm the same; one that happened is told with both sides, and `clear` ends them."""
    assert mesh.inject("late:ms=10,count=2") == {"late": 2}
    assert mesh.inject("bad_crc", count=3) == {"late": 2, "bad_crc": 3}
    say(mesh, "C,1,STAT")
    (happened,) = mesh.injections
    assert happened["fault"] == "late"
    assert bytes.fromhex(happened["before"]).startswith(b"$A,1,STAT,OFF")
    mesh.clear()
    assert mesh.faults == {}


def test_terms_that_are_words_of_python_have_a_form(mesh: Simulator) -> None:
    """`from_` is the term from, as in a text: a fault of the future is armed and has not happened."""
    mesh.inject("unplug", from_="500s", until="501s", time="plant")
    mesh.inject("mute:from=500s,until=501s")
    assert mesh.faults == {"unplug": 1, "mute": 1}
    assert mesh.truth.plugged
    assert mesh.injections == []


def test_what_happened_is_in_a_file_too(mesh: Simulator) -> None:
    """The file of injections has each fault as it happened, with the plant's time, and the picture shows it."""
    mesh.inject("duplicate_reply")
    say(mesh, "C,1,STAT")
    mesh.wait_for(lambda _: "duplicate_reply" in mesh.injections_file.read_text(encoding="utf-8"))
    say(mesh, "C,2,START,0badcafe,60000")
    mesh.wait_for(lambda truth: truth.emitted_nl > 20_000)
    assert ">duplicate_reply<" in mesh.plot(mesh.folder / "run.svg").read_text(encoding="utf-8")


def test_lockstep_time_moves_by_advance_alone(tmp_path: Path) -> None:
    """With clock="lockstep" the plant stands still until the test lets time pass; without it that is refused."""
    with Simulator("mesh", folder=tmp_path, fill="1 mL", clock="lockstep") as mesh:
        before = mesh.truth.t_ns
        time.sleep(0.05)
        assert mesh.truth.t_ns == before
        mesh.plant.advance(2.5)
        assert mesh.truth.t_ns == before + 2_500_000_000
    with Simulator("mesh") as mesh, pytest.raises(ValueError, match="start the simulator with --clock lockstep"):
        mesh.plant.advance(1)


def test_a_fault_that_there_is_not_is_refused_with_those_that_there_are(mesh: Simulator) -> None:
    """A wrong name, count or time is a ValueError in the simulator's own words."""
    with pytest.raises(ValueError, match=r"there is no fault 'fire'; choose one of: .*late"):
        mesh.inject("fire")
    with pytest.raises(ValueError, match="count"):
        mesh.inject("late", count=0)


def test_a_member_that_the_truth_does_not_have_is_refused_with_those_that_it_has(mesh: Simulator) -> None:
    """A misspelt member is an AttributeError that lists the right ones."""
    with pytest.raises(AttributeError, match=r"the truth has no 'emited'; it has: .*emitted_nl"):
        _ = mesh.truth.emited
    assert "emitted_nl" in dict(mesh.truth)


def test_a_stopped_clock_of_the_test_does_not_stop_the_device(mesh: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the test's own clock standing still the plant's time goes on, and waiting in vain still ends."""
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)
    before = mesh.truth.t_ns
    mesh.wait_for(lambda truth: truth.t_ns > before + 10**9)
    with pytest.raises(TimeoutError, match=r"mesh: not within 0.05 s; the last truth was Truth\(preset='mesh.solo'"):
        mesh.wait_for(lambda _: False, seconds=0.05)


def test_a_device_that_died_is_told_with_its_last_words(mesh: Simulator) -> None:
    """A simulator that was killed is a SimulatorFault with its exit code and log, not a bare connection error."""
    os.kill(mesh.pid, signal.SIGKILL)
    with pytest.raises(SimulatorFault, match=r"the simulated mesh (has ended|does not answer).*SIMULATOR: mesh.solo"):
        mesh.wait_for(lambda _: False)


def test_without_a_folder_nothing_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulator without a folder of its own takes a temporary one and removes it, with the pseudo-terminal's path."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Simulator("mesh", wire="pty") as simulator:
        assert Path(simulator.path).is_symlink()
        assert (simulator.host, simulator.port) == ("", 0)
        assert simulator.url == f"serial://{simulator.path}"
    assert list(tmp_path.iterdir()) == []


def test_a_simulator_that_does_not_start_says_why_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value that the command refuses is a SimulatorFault with the command's sentence."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(SimulatorFault, match="the cup cannot take 9000000 nL"), Simulator("mesh", fill="9 mL"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_simulator_is_started_once(mesh: Simulator) -> None:
    """A second start would lose the first process, so that it is refused."""
    with pytest.raises(RuntimeError, match=f"runs already, as process {mesh.pid}"):
        mesh.start()
    assert mesh.truth.powered


def test_options_become_the_words_of_the_command(tmp_path: Path) -> None:
    """Names, flags, lists, numbers of nL and absent values are written as the command wants them."""
    options = {"fill": 5, "meter": True, "totalizer": False, "letter": ["A", "B"], "flow_unit": "SCCM", "baud": None}
    words = command_line("alicat", options | {"wire": "pty"}, tmp_path)
    start = ["alicat", "--pty", str(tmp_path / "line"), "--control", "0", "--truth", str(tmp_path / "truth.csv")]
    start += ["--injections", str(tmp_path / "injections.jsonl")]
    rest = ["--fill", "5 nL", "--meter", "--letter", "A", "--letter", "B", "--flow-unit", "SCCM"]
    assert words == [*start, *rest]


def test_a_url_is_one_that_nebctl_reads() -> None:
    """TCP, RTU in TCP and odd paths become the forms of the page of device URLs."""
    assert url_of("jet", {}, "127.0.0.1:4001") == "tcp://127.0.0.1:4001"
    assert url_of("modbus", {"framing": "rtu"}, "127.0.0.1:4001") == "rtu+tcp://127.0.0.1:4001"
    assert url_of("mesh", {"wire": "pty"}, "/tmp/a?b#c%d/line") == "serial:///tmp/a%3Fb%23c%25d/line"


def test_the_example_profile_is_found_and_used() -> None:
    """Without a profile the Modbus nebulizer has the map of the example that is installed beside it."""
    assert example_profile().name == "modbus-nebulizer.toml"
    assert example_profile().is_file()
