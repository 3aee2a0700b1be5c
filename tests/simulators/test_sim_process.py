"""The simulator as a process of its own, reached as a host reaches it."""

import fcntl
import json
import os
import select
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from nebctl_simulators.cli import sim
from nebctl_simulators.control import control_app
from nebctl_simulators.mesh.codec import encode_line
from nebctl_simulators.mesh.device import Device

PATIENCE_S = 5.0
RUN = "0badcafe"


@contextmanager
def simulator(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Run `nebctl sim mesh` and yield the process and the words of its ready line."""
    command = [sys.executable, "-m", "nebctl_simulators", "mesh", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            words = process.stdout.readline().split()
            assert words[:1] == ["ready"]
            yield process, words
        finally:
            process.kill()


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """Open the line raw, as a host without any serial library does."""
    line = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        yield line
    finally:
        os.close(line)


def wait_until(is_true: Callable[[], bool]) -> None:
    """Wait for a condition, and fail when it does not come in time."""
    deadline = time.monotonic() + PATIENCE_S
    while not is_true():
        assert time.monotonic() < deadline, "the condition did not come"
        time.sleep(0.005)


def ask(line: int, payload: str, expected: str) -> str:
    """Send a request and return the line that begins as expected, past whatever comes before it."""
    os.write(line, encode_line(payload))
    seen = b""
    while not (seen.endswith(b"\r\n") and b"$" + expected.encode() in seen):
        ready, _, _ = select.select([line], [], [], PATIENCE_S)
        assert ready, f"no answer that begins with {expected}, saw {seen!r}"
        seen += os.read(line, 4096)
    return seen.rsplit(b"$", 1)[1].decode().strip()


def post(base: str, path: str, **body: object) -> dict[str, object]:
    """Send a POST to the control interface and return its answer."""
    request = urllib.request.Request(base + path, json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        result = json.load(answer)
    assert isinstance(result, dict)
    return result


def get_state(base: str) -> dict[str, object]:
    """Return the truth."""
    with urllib.request.urlopen(base + "/state", timeout=PATIENCE_S) as answer:
        result = json.load(answer)
    assert isinstance(result, dict)
    return result


@pytest.mark.req("S48")
def test_a_run_over_a_pseudo_terminal(tmp_path: Path) -> None:
    """A host opens the symlink, is told that this is a simulator, runs, stops, closes, and another host follows."""
    path = tmp_path / "mesh"
    with simulator("--pty", str(path), "--fill", "3 mL", "--speed", "50") as (process, words):
        assert words == ["ready", str(path)]
        with opened(path) as line:
            hello = ask(line, "C,1,HELLO,a1b2c3d4", "A,1,HELLO")
            assert hello.startswith("A,1,HELLO,a1b2c3d4,0.1.0,nebctl,mesh-sim,SIM-0001,0.1.0,1,1800000,S*")
            ask(line, f"C,2,START,{RUN},600000", f"A,2,START,{RUN},600000")
        with opened(path) as line:
            ask(line, "C,3,STAT", f"A,3,STAT,SWEEP,{RUN}")
            ask(line, "C,4,STOP", "A,4,STOP,OFF")
        process.terminate()
        started = time.monotonic()
        assert process.wait(PATIENCE_S) == 0
        assert time.monotonic() - started < 1
        assert not path.is_symlink()
        assert process.stderr is not None
        assert process.stderr.read().startswith("SIMULATOR: mesh.solo, seed 1")


@pytest.mark.req("S23")
def test_unplug_and_return(tmp_path: Path) -> None:
    """Unplugged, the host's line hangs up and the path is gone; it returns under the same name, with the output OFF."""
    path = tmp_path / "mesh"
    with simulator("--pty", str(path), "--fill", "3 mL", "--control", "0") as (_, words):
        base = words[3]
        with opened(path) as line:
            ask(line, f"C,1,START,{RUN},600000", "A,1,START")
            post(base, "/inject", fault="unplug", ms=300)
            wait_until(lambda: not path.is_symlink())
            hung_up = select.poll()
            hung_up.register(line, select.POLLIN)
            assert hung_up.poll(PATIENCE_S * 1000)[0][1] & select.POLLHUP
        wait_until(path.is_symlink)
        with opened(path) as line:
            ask(line, "C,2,HELLO,00000000", "A,2,HELLO")
            ask(line, "C,3,STAT", f"A,3,STAT,OFF,{RUN}")


def test_the_control_interface(tmp_path: Path) -> None:
    """Fill, state, empty, power and faults work from the side, and a bad request gets one clear sentence."""
    truth = tmp_path / "truth.csv"
    arguments = ("--tcp", "127.0.0.1:0", "--control", "0", "--speed", "100", "--truth", str(truth), "--seed", "5")
    with simulator(*arguments) as (process, words):
        address, base = words[1], words[3]
        assert post(base, "/fill", nl=3_000_000) == {"cup_nl": 3_000_000}
        host, port = address.split(":")
        with socket.create_connection((host, int(port)), PATIENCE_S) as connection:
            line = connection.fileno()
            ask(line, f"C,1,START,{RUN},10000", "A,1,START")
            wait_until(lambda: get_state(base)["end"] == "MAXON")
            post(base, "/inject", fault="drop_reply")
            os.write(line, encode_line("C,2,STAT"))
            wait_until(lambda: get_state(base)["faults"] == {})
            ask(line, "C,2,STAT", f"A,2,STAT,OFF,{RUN},10000,MAXON")
        state = get_state(base)
        assert (state["on_ms"], state["seed"], state["serial"]) == (10_000, 5, "SIM-0001")
        assert state["emitted_nl"] == (10_000 - 2400) * int(str(state["rate_nl_s"])) // 1000
        drawn = 3_000_000 - int(str(state["emitted_nl"]))
        assert post(base, "/empty") == {"drawn_nl": drawn, "cup_nl": 0}
        assert post(base, "/power", on=False)["powered"] is False
        assert post(base, "/power", on=True)["boot"] == 2
        assert post(base, "/clear") == {"faults": {}}
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
        rows = truth.read_text(encoding="utf-8").splitlines()
        assert rows[0].startswith("t_s,emitted_nl,cup_nl,output,")
        assert [row.split(",")[3] for row in rows if ",SWEEP" in row] == ["SWEEP"]
        assert f",{state['emitted_nl']},0,OFF," in rows[-1]


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/fill", {"nl": 7_000_000}, "the cup cannot take 7000000 nL"),
        ("/fill", {"nl": "3 mL"}, "nl: expected a whole number"),
        ("/inject", {"fault": "fire"}, "there is no fault 'fire'"),
        ("/inject", {"fault": "late", "count": 0}, "count: expected a whole number from 1 on"),
        ("/power", {"on": 1}, "on: expected true or false"),
    ],
)
async def test_bad_control_requests_are_refused(
    make_device: Callable[..., Device], path: str, body: object, message: str
) -> None:
    """Each bad request is answered with 400 and what would be right."""
    transport = httpx.ASGITransport(control_app(make_device(), lambda: 0))
    async with httpx.AsyncClient(transport=transport, base_url="http://bench") as client:
        answer = await client.post(path, json=body)
    assert answer.status_code == 400
    assert message in answer.json()["error"]


def test_memory_survives_a_kill(tmp_path: Path) -> None:
    """Killed in mid-run and started again on the same file, the controller is OFF and remembers the run as cut."""
    path, state = tmp_path / "mesh", tmp_path / "state.json"
    arguments = ("--pty", str(path), "--fill", "3 mL", "--state", str(state))
    with simulator(*arguments) as (process, _), opened(path) as line:
        ask(line, f"C,1,START,{RUN},600000", "A,1,START")
        process.kill()
        process.wait(PATIENCE_S)
    assert path.is_symlink()
    with simulator(*arguments), opened(path) as line:
        assert ask(line, "C,1,LAST", "A,1,LAST").split("*")[0].split(",")[-4::3] == [RUN, "1"]
        ask(line, "C,2,STAT", "A,2,STAT,OFF,-,0,POWER,2")


def test_a_terminal_that_nobody_reads_blocks_nothing(tmp_path: Path) -> None:
    """A host that asks and never reads loses answers, and the simulator goes on."""
    path = tmp_path / "mesh"
    with simulator("--pty", str(path), "--control", "0") as (_, words), opened(path) as line:
        for number in range(1, 2000):
            while True:
                try:
                    os.write(line, encode_line(f"C,{number},STAT"))
                    break
                except BlockingIOError:
                    select.select([], [line], [], PATIENCE_S)
        assert get_state(words[3])["output"] == "OFF"
        fcntl.flock(line, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nobody else holds the line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give one of --pty PATH and --tcp HOST:PORT"),
        (("--pty", "a", "--tcp", "127.0.0.1:1"), "give one of --pty PATH and --tcp HOST:PORT"),
        (("--tcp", "127.0.0.1:0", "--speed", "2", "--clock", "c"), "--speed and --clock exclude each other"),
        (("--tcp", "0.0.0.0:0"), "listens on loopback only"),
        (("--tcp", "4001"), "write such as 127.0.0.1:4001"),
        (("--tcp", "127.0.0.1:0", "--serial", "A-1"), "a simulated device has a serial such as SIM-0001"),
        (("--tcp", "127.0.0.1:0", "--fill", "3"), "is not a volume"),
        (("--tcp", "127.0.0.1:0", "--fill", "9 mL"), "the cup cannot take 9000000 nL"),
        (("--tcp", "127.0.0.1:0", "--preset", "mesh.x"), "choose one of: mesh.solo"),
        (("--tcp", "127.0.0.1:0", "--clock", "/nowhere/clock"), "cannot read the clock file"),
        (("--pty", "/dev/ttyUSB9"), "does not stand where real devices are looked for"),
        (("--pty", "/nowhere/mesh"), "there is no folder /nowhere"),
        (("--pty", __file__), "something else is there"),
    ],
)
def test_wrong_options_end_with_one_clear_line(arguments: tuple[str, ...], message: str) -> None:
    """No bad option ends in a traceback, and nothing is opened."""
    result = CliRunner().invoke(sim, ["mesh", *arguments])
    assert result.exit_code in (1, 2)
    assert isinstance(result.exception, SystemExit)
    assert message in " ".join(result.output.split())


@pytest.mark.parametrize("option", ["--state", "--truth", "--injections"])
def test_a_file_that_cannot_be_written_is_a_wrong_call(tmp_path: Path, option: str) -> None:
    """A file in no folder, or a folder in its place: exit code 2 with option, path and cure, and never `ready`."""
    missing = tmp_path / "none" / "file"
    for path, cure in (
        (missing, f"there is no folder {missing.parent}; make it"),
        (tmp_path, "add the name of a file"),
    ):
        result = CliRunner().invoke(sim, ["mesh", "--tcp", "127.0.0.1:0", option, str(path)])
        assert result.exit_code == 2
        assert f"{option}: {path}: " in result.output
        assert cure in result.output
        assert "ready" not in result.output
    assert not missing.parent.exists()


def test_the_truth_ends_when_the_simulator_does(tmp_path: Path) -> None:
    """After SIGTERM a last row stands at the moment of the end, though nothing has changed since the first row."""
    truth = tmp_path / "truth.csv"
    arguments = ("--tcp", "127.0.0.1:0", "--control", "0", "--speed", "100", "--truth", str(truth))
    with simulator(*arguments) as (process, words):
        wait_until(lambda: len(truth.read_text(encoding="utf-8").splitlines()) == 2)
        first = truth.read_text(encoding="utf-8").splitlines()[1].split(",")
        wait_until(lambda: int(str(get_state(words[3])["t_ns"])) > 5 * 10**9 + 10**9 * float(first[0]))
        told_ns = int(str(get_state(words[3])["t_ns"]))
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
    rows = [row.split(",") for row in truth.read_text(encoding="utf-8").splitlines()[1:]]
    assert [row[1:4] for row in rows] == [first[1:4]] * 2
    assert float(rows[-1][0]) >= told_ns // 10**6 / 1000 > float(first[0])
