"""Time that moves only when a host says so: by itself, about a device, and through the whole command."""

import json
import os
import select
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from nebctl_simulators.cli import sim
from nebctl_simulators.control import bus_app, control_app
from nebctl_simulators.line.pace import Pace, PacedWire
from nebctl_simulators.mesh.codec import encode_line
from nebctl_simulators.mesh.device import Device
from nebctl_simulators.mesh.memory import Memory
from nebctl_simulators.presets import build_unit
from nebctl_simulators.serve import Bench
from nebctl_simulators.simtime import Lockstep, ScaledTime
from nebctl_simulators.wire import MemoryWire

MS, S = 1_000_000, 1_000_000_000
PATIENCE_S = 5.0
RUN = "0badcafe"


def test_time_moves_by_itself_never() -> None:
    """It stands where it was moved to, and calls come in the order of their times."""
    lockstep = Lockstep()
    called: list[tuple[str, int]] = []
    for name, at_ns in (("later", 25 * MS), ("sooner", 5 * MS), ("never", 99 * MS), ("also sooner", 5 * MS)):
        lockstep.call_at(at_ns, lambda name=name: called.append((name, lockstep.now_ns())))  # type: ignore[misc]
    assert lockstep.move(30 * MS) == 30 * MS == lockstep.now_ns()
    assert called == [("sooner", 5 * MS), ("also sooner", 5 * MS), ("later", 25 * MS)]


def test_what_is_cancelled_does_not_happen() -> None:
    """A cancelled call is not made when time passes it."""
    lockstep = Lockstep()
    called: list[int] = []
    lockstep.call_at(MS, lambda: called.append(1)).cancel()
    lockstep.move(2 * MS)
    assert called == []


def test_a_call_may_set_the_next() -> None:
    """A chain of calls within one move runs to its end, each at its own time."""
    lockstep = Lockstep()
    times: list[int] = []

    def again() -> None:
        times.append(lockstep.now_ns())
        if len(times) < 4:
            lockstep.call_at(lockstep.now_ns() + 3 * MS, again)

    lockstep.call_at(MS, again)
    lockstep.move(100 * MS)
    assert times == [MS, 4 * MS, 7 * MS, 10 * MS]


def test_those_who_look_see_every_step() -> None:
    """They are called each 10 ms, however the moves are cut, and at each touch."""
    looks = []
    for cuts in ((100,), (30, 30, 40), (1,) * 100):
        lockstep, seen = Lockstep(), []
        lockstep.look(lambda seen=seen, lockstep=lockstep: seen.append(lockstep.now_ns()))  # type: ignore[misc]
        for ms in cuts:
            lockstep.move(ms * MS)
        looks.append({at_ns for at_ns in seen if at_ns % (10 * MS) == 0})
    assert looks[0] == looks[1] == looks[2] == {at * 10 * MS for at in range(11)}


def build_mesh(speed: int = 1) -> Device:
    """Return a mesh controller at time 0 with 3 mL in its cup."""
    unit = build_unit("mesh.solo", 1)
    sim_time = ScaledTime(0, speed * 1000)
    device = Device(unit=unit, serial="SIM-0001", sim_time=sim_time, memory=Memory(), real_ns=0)
    device.pour(3_000_000)
    return device


def test_a_device_and_its_pacing_stand_still() -> None:
    """At 9600 baud an answer is on its way until time is moved by as long as its bytes take, and no sooner."""
    lockstep, heard = Lockstep(), bytearray()
    wire = MemoryWire(heard.extend)
    bench = Bench(build_mesh(), PacedWire(wire, Pace(baud=9600), lockstep), lockstep=lockstep)
    lockstep.look(bench.tick)
    bench.plug()
    boot = len(encode_line("E,BOOT,1"))
    lockstep.move(S)
    assert len(heard) == boot
    request = encode_line("C,1,BEAT")
    wire.receive(request)
    answer = encode_line("A,1,BEAT")
    assert len(heard) == boot
    both_ns = (len(request) + len(answer)) * 10 * S // 9600
    lockstep.move(both_ns - 10_000)
    assert len(heard) < boot + len(answer)
    lockstep.move(20_000)
    assert bytes(heard).endswith(answer)


def run_a_dose(cuts: int) -> list[tuple[object, ...]]:
    """Run 20 s with a beat each second, in moves of this many ms, and return what was said and the truth."""
    lockstep, heard = Lockstep(), bytearray()
    wire = MemoryWire(heard.extend)
    device = build_mesh(speed=20)
    bench = Bench(device, wire, lockstep=lockstep)
    lockstep.look(bench.tick)
    bench.plug()
    wire.receive(encode_line(f"C,1,START,{RUN},600000"))
    for second in range(20):
        for _ in range(1000 // cuts):
            lockstep.move(cuts * MS)
        wire.receive(encode_line(f"C,{second + 2},STAT"))
        wire.receive(encode_line(f"C,{second + 200},BEAT"))
    bench.unplug()
    return [(bytes(heard), device.truth())]


def test_the_same_run_is_the_same_however_it_is_cut() -> None:
    """20 s in one-second moves, in 100 ms and in 10 ms give the same bytes and the same truth."""
    assert run_a_dose(1000) == run_a_dose(100) == run_a_dose(10)


async def test_advance_is_refused_where_time_passes() -> None:
    """Without lockstep it is answered with 409 and the option that is missing."""
    transport = httpx.ASGITransport(control_app(build_mesh(), lambda: 0))
    async with httpx.AsyncClient(transport=transport, base_url="http://bench") as client:
        answer = await client.post("/advance", json={"ms": 10})
    assert answer.status_code == 409
    assert "--clock lockstep" in answer.json()["error"]


async def test_one_clock_for_a_whole_bus() -> None:
    """Advanced at one device, time has moved for the other too."""
    lockstep = Lockstep()
    devices = {"1": build_mesh(), "2": build_mesh()}
    transport = httpx.ASGITransport(bus_app(devices, lockstep=lockstep))
    async with httpx.AsyncClient(transport=transport, base_url="http://bench") as client:
        assert (await client.post("/1/advance", json={"ms": 1500})).json() == {"now_ns": 1500 * MS, "t_ns": 1500 * MS}
        assert (await client.get("/2/state")).json()["t_ns"] == 1500 * MS


@contextmanager
def simulator(*arguments: str) -> Iterator[list[str]]:
    """Run `nebctl sim` and yield the words of its ready line."""
    command = [sys.executable, "-m", "nebctl_simulators", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            words = process.stdout.readline().split()
            assert words[:1] == ["ready"]
            yield words
        finally:
            process.kill()


def post(base: str, path: str, **body: object) -> dict[str, object]:
    """Send a POST to the control interface and return its answer."""
    request = urllib.request.Request(base + path, json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        result = json.load(answer)
    assert isinstance(result, dict)
    return result


class ForeignHost:
    """A small host program that knows nothing of this project: it writes, advances, and reads what has come."""

    def __init__(self, path: str, base: str) -> None:
        self.line = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self.base = base

    def close(self) -> None:
        """Leave the line."""
        os.close(self.line)

    def write(self, payload: str) -> None:
        """Send a line."""
        os.write(self.line, encode_line(payload))

    def advance(self, ms: int) -> None:
        """Let time pass."""
        post(self.base, "/advance", ms=ms)

    def read(self, wait_s: float = 0.0) -> bytes:
        """Return what has come, waiting in the system's own time for the first of it."""
        said = b""
        while select.select([self.line], [], [], 0.05 if said else wait_s)[0]:
            said += os.read(self.line, 4096)
        return said


def play(folder: Path) -> list[object]:
    """Play one short run in lockstep against the command and return all that was said and the truth."""
    folder.mkdir()
    path, log = folder / "mesh", folder / "faults.jsonl"
    arguments = ("--pty", str(path), "--fill", "3 mL", "--control", "0", "--clock", "lockstep", "--speed", "10")
    faults = ("--fault", "late:ms=150,command=STAT,probability=0.5,count=all", "--injections", str(log))
    said: list[object] = []
    with simulator("mesh", *arguments, *faults, "--truth", str(folder / "truth.csv")) as words:
        host = ForeignHost(words[1], words[3])
        host.write(f"C,1,START,{RUN},600000")
        host.advance(0)
        said.append(host.read(PATIENCE_S))
        for number in range(2, 30):
            host.write(f"C,{number},STAT")
            host.advance(400)
            said.append(host.read(PATIENCE_S))
        state = json.loads(urllib.request.urlopen(words[3] + "/state", timeout=PATIENCE_S).read())
        host.close()
    truth = (folder / "truth.csv").read_text(encoding="utf-8")
    return [*said, state, truth, log.read_text(encoding="utf-8")]


def test_a_foreign_host_in_lockstep(tmp_path: Path) -> None:
    """A script over a pseudo-terminal sees a late answer after its 150 ms and not before, and no beat in time ends it.

    However long the script takes in the system's own time, the watchdog of 2 s knows lockstep time alone.
    """
    path = tmp_path / "mesh"
    arguments = ("--pty", str(path), "--fill", "3 mL", "--control", "0", "--clock", "lockstep")
    with simulator("mesh", *arguments, "--fault", "late:ms=150,command=STAT") as words:
        host = ForeignHost(words[1], words[3])
        host.write(f"C,1,START,{RUN},600000")
        assert b"A,1,START" in host.read(PATIENCE_S)
        time.sleep(0.3)  # the system's time, which is nothing here
        host.write("C,2,STAT")
        host.advance(149)
        assert host.read() == b""
        host.advance(1)
        assert f"A,2,STAT,SWEEP,{RUN},0,".encode() in host.read(PATIENCE_S)  # as it was when it was asked
        host.advance(1849)
        host.write("C,3,STAT")
        assert f"A,3,STAT,SWEEP,{RUN},1999,".encode() in host.read(PATIENCE_S)
        host.advance(1)
        assert f"E,END,{RUN},2000,BEAT".encode() in host.read(PATIENCE_S)
        host.close()


def test_two_plays_are_the_same(tmp_path: Path) -> None:
    """The same script twice gives the same bytes, truth, file of truth and log of faults, to the last digit."""
    first, second = play(tmp_path / "one"), play(tmp_path / "two")
    assert first == second
    log = [json.loads(line) for line in str(first[-1]).splitlines()]
    assert 4 < len(log) < 24
    assert [one["number"] for one in log] == list(range(1, len(log) + 1))
    assert {(one["fault"], one["tag"]["command"]) for one in log} == {("late", "STAT")}
    assert all(one["t_ns"] == 10 * one["at_ns"] for one in log)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--tcp", "127.0.0.1:0", "--clock", "lockstep"), "--clock lockstep needs --control PORT"),
        (("--tcp", "127.0.0.1:0", "--fault", "late:mss=3"), "the fault 'late:mss=3': 'mss': there is no such key"),
        (("--tcp", "127.0.0.1:0", "--fault", "nan"), "the fault 'nan': this device cannot have the fault 'nan'"),
        (("--tcp", "127.0.0.1:0", "--fault", "late:device=40"), "device: got '40', choose one of: none"),
        (("--real-port", "/dev/ttyUSB9"), "opens a real serial port on a bench alone; add --i-am-a-bench"),
        (("--tcp", "127.0.0.1:0", "--i-am-a-bench"), "--i-am-a-bench is for --real-port PATH alone"),
        (("--real-port", "/nowhere/tty", "--i-am-a-bench"), "No such file"),
        (("--real-port", __file__, "--i-am-a-bench"), "not a serial port"),
        (("--real-port", "/dev/ttyUSB9", "--i-am-a-bench", "--baud", "12345"), "a real port has no 12345 baud"),
        (("--real-port", "/dev/ttyUSB9", "--i-am-a-bench", "--pty", "a"), "give one of --pty PATH and --tcp"),
    ],
)
def test_wrong_options_end_with_one_clear_line(arguments: tuple[str, ...], message: str) -> None:
    """No bad option ends in a traceback, and nothing is opened."""
    result = CliRunner().invoke(sim, ["mesh", *arguments])
    assert result.exit_code in (1, 2)
    assert isinstance(result.exception, SystemExit)
    assert message in " ".join(result.output.split())
