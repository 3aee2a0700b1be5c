"""A whole unit on a disk that fills up, or whose writes fail: no start, and a running dose is stopped with an alarm."""

import contextlib
import errno
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nebctl_lab.bedside import Answer
from nebctl_lab.bench_site import Bench, BenchFault, until
from nebctl_lab.demo.site import THERAPIST

pytestmark = pytest.mark.timeout(60)
SMALL = "2m"


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Mount a file system of 2 MiB on a folder; where that is not allowed, the test cannot run."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "none", str(folder)]
    with contextlib.suppress(FileNotFoundError):
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            try:
                yield
            finally:
                subprocess.run(["umount", "--lazy", str(folder)], check=True)
            return
    pytest.skip("mounting a small file system needs root")


@pytest.fixture
def small(make_bench: Callable[..., Bench]) -> Iterator[Bench]:
    """A unit that is up, whose data lie on a disk of 2 MiB of their own."""
    bench = make_bench(subjects=2)
    bench.amend('data = "."', 'data = "small"')
    bench.folder /= "small"
    with small_disk(bench.folder), contextlib.closing(bench):
        bench.put_worklist()
        yield bench.start()


def fill(bench: Bench) -> Path:
    """Take all that is left of the disk, to the last byte, and return what must be deleted to have room again."""
    ballast = bench.folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (65536, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * size)
    with pytest.raises(OSError, match="No space") as full:
        (bench.folder / "one more").write_bytes(b"x" * 4096)
    assert full.value.errno == errno.ENOSPC
    return ballast


def refuse_writes(bench: Bench) -> None:
    """Let every write of the unit fail that would make a file longer than its write-ahead log is now."""
    longest = (bench.folder / "unit.db-wal").stat().st_size
    resource.prlimit(bench.unit.pid, resource.RLIMIT_FSIZE, (longest, longest))


def alarms(bench: Bench) -> set[str]:
    """Return the conditions that the page shows."""
    return {alarm["condition"] for alarm in bench.view()["alarms"]}


def stopped_with_alarm(bench: Bench) -> None:
    """Check that the output is off, by STOP, and that the alarm says why."""
    until(lambda: bench.truth()["output"] == "OFF", "the device is off")
    assert bench.truth()["end"] == "STOP"
    until(lambda: "records-fail" in alarms(bench), "the alarm is shown")


def no_start(bench: Bench) -> None:
    """Check that no dose can be begun, whoever tries."""
    on_ms = bench.truth()["on_ms"]
    # A unit that cannot write counts no wrong PIN, so nobody is let in; somebody let in before fails at the self-test.
    with contextlib.suppress(Answer):
        bench.api.post("/api/residual", operator=THERAPIST[0], refused="the disk is full")
    with contextlib.suppress(Answer):
        bench.api.post("/api/leave")
    bench.subject = bench.subjects[1]
    with pytest.raises((Answer, BenchFault), match=r"pin-uncounted|'records', 'good': False"):
        bench.begin()
    assert (bench.truth()["output"], bench.truth()["on_ms"]) == ("OFF", on_ms)


def closed(bench: Bench) -> dict[str, Any]:
    """Restart the unit and return the outcome that the log then has of the dose."""
    bench.unit.kill()
    bench.start_unit()
    (outcome,) = bench.records("dose")
    return outcome


@pytest.mark.req("S37")
def test_a_disk_that_fills_in_mid_dose_stops_it(small: Bench, nebctl: Callable[..., Any]) -> None:
    """Full in mid-dose: STOP, alarm, no start; with room and a restart the dose is UNCERTAIN and the log is whole."""
    small.begin(poured_nl=3_000_000)
    ballast = fill(small)
    stopped_with_alarm(small)
    emitted = small.emitted_nl()
    no_start(small)
    ballast.unlink()
    outcome = closed(small)
    assert (outcome["end"], outcome["verdict"]) == ("uncertain", "UNCERTAIN")
    assert outcome["low_nl"] <= emitted <= outcome["high_nl"]
    done = nebctl("ledger", "verify", small.folder / "unit.db", "--trust", small.site.trust)
    assert done.returncode == 0, done.stdout


@pytest.mark.req("S37")
def test_a_unit_on_a_full_disk_starts_no_dose(small: Bench) -> None:
    """Full before the start: the intent cannot be written, so the device is never switched on."""
    small.make_ready()
    fill(small)
    on_ms = small.truth()["on_ms"]
    auth = str(small.view()["review"]["auth"])
    with contextlib.suppress(Answer):  # whatever the answer is, the truth counts
        small.api.post("/api/start", auth=auth)
    until(lambda: "records-fail" in alarms(small), "the alarm is shown")
    assert (small.truth()["output"], small.truth()["on_ms"]) == ("OFF", on_ms)
    assert small.records("start", "dose") == []


@pytest.mark.req("S37")
def test_a_write_that_fails_in_mid_dose_stops_it(make_bench: Callable[..., Bench], nebctl: Callable[..., Any]) -> None:
    """A failed log write in mid-dose: STOP, alarm, no start; a restart finds the log whole and the dose UNCERTAIN."""
    bench = make_bench(subjects=2).start()
    bench.begin(poured_nl=3_000_000)
    refuse_writes(bench)
    stopped_with_alarm(bench)
    no_start(bench)
    outcome = closed(bench)
    assert (outcome["end"], outcome["verdict"]) == ("uncertain", "UNCERTAIN")
    done = nebctl("ledger", "verify", bench.folder / "unit.db", "--trust", bench.site.trust)
    assert done.returncode == 0, done.stdout
