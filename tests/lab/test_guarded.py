"""What a benchmark and the demonstration start ends with them, however they end."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nebctl_lab.bench_site import until
from nebctl_lab.browser import missing

MARK = "NEBCTL_GUARDED"
"""In the environment of the command, and so of every process that descends from it, whoever is its parent by then."""
UNIT = "nebctl_lab.bench.stop_unit"
needs_browser = pytest.mark.skipif(bool(missing()), reason=missing())
needs_mosquitto = pytest.mark.skipif(shutil.which("mosquitto") is None, reason="apt install mosquitto")


def running() -> dict[int, tuple[int, str]]:
    """Return the parent and the command line of every process that has not ended."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, parent, *_ = (path / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
            if state != "Z":
                found[int(path.name)] = int(parent), (path / "cmdline").read_text("utf-8", "replace")
    return found


def family(folder: Path, first: int) -> dict[int, str]:
    """Return the command lines of those below the first process, and of those that carry the folder's mark."""
    found, processes = {}, running()
    for pid, (parent, line) in processes.items():
        above = parent
        while above and above != first:
            above = processes.get(above, (0, ""))[0]
        if above == first or (pid != first and is_marked(pid, folder)):
            found[pid] = line
    return found


def is_marked(pid: int, folder: Path) -> bool:
    """Say whether a process was started with the folder's mark; a browser's own children hide theirs."""
    with contextlib.suppress(OSError):
        return f"{MARK}={folder}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return False


def started(folder: Path, *words: str) -> "subprocess.Popen[bytes]":
    """Start a command of nebctl whose processes can be found again, and whose temporary files lie in the folder."""
    # A shell that runs the tests in its background lets them ignore Ctrl-C, and what they start with them.
    command = ("env", "--default-signal=INT", sys.executable, "-m", "nebctl", *words)
    environment = os.environ | {MARK: str(folder), "TMPDIR": str(folder)}
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet, start_new_session=True)


def end(folder: Path, process: "subprocess.Popen[bytes]", seen: str, act: Callable[[dict[int, str]], None]) -> int:
    """Act once a process with `seen` in its command line runs; return the exit code when nothing at all is left."""
    until(lambda: any(seen in line for line in family(folder, process.pid).values()), seen, 60)
    before = family(folder, process.pid)
    act(before)
    code = process.wait(60)
    assert (before | family(folder, process.pid)).keys() & running().keys() == set()
    assert [path.name for path in folder.iterdir() if path.name != "data"] == []
    return code


@pytest.fixture
def place() -> Iterator[Path]:
    """Give a folder whose name is short: a browser's socket lies in one below it, and must not be longer than 107."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("words", "seen"),
    [
        (("bench", "stop", "--quick"), UNIT),
        pytest.param(("bench", "page", "--quick"), "--type=renderer", marks=needs_browser),
        pytest.param(("bench", "stream", "--quick"), "mosquitto", marks=needs_mosquitto),
        (("bench", "ledger", "--quick"), "multiprocessing"),
        (("demo", "--data", "data"), "pharmacy"),
    ],
    ids=["stop", "page", "stream", "ledger", "demo"],
)
def test_sigterm_ends_every_process(place: Path, words: tuple[str, ...], seen: str) -> None:
    """SIGTERM in the middle of the work leaves no unit, simulator, broker, browser or pool, and no temporary file."""
    words = tuple(str(place / "data") if word == "data" else word for word in words)
    with started(place, *words) as process:
        assert end(place, process, seen, lambda _: process.terminate()) == 128 + signal.SIGTERM


@pytest.mark.timeout(120)
def test_ctrl_c_ends_every_process(place: Path) -> None:
    """Ctrl-C, which goes to the whole group of the foreground, ends a benchmark with 130 and leaves nothing."""
    with started(place, "bench", "stop", "--quick") as process:
        code = end(place, process, UNIT, lambda _: os.killpg(process.pid, signal.SIGINT))
    assert code == 128 + signal.SIGINT


@pytest.mark.timeout(120)
def test_a_killed_benchmark_leaves_nothing(place: Path) -> None:
    """Where what measures is killed at once and can put nothing away, what it had started is ended all the same."""

    def kill(processes: dict[int, str]) -> None:
        (work,) = (pid for pid, line in processes.items() if "--quick" in line)
        os.kill(work, signal.SIGKILL)

    with started(place, "bench", "stop", "--quick") as process:
        assert end(place, process, UNIT, kill) == 128 + signal.SIGKILL
