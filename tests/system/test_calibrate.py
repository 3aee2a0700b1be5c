"""`nebctl calibrate` against the simulated mesh on its pseudo-terminal: runs, records, and what follows from them."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from nebctl_lab.bench_site import Bench, until

SALINE_NL = 500_000


@contextmanager
def calibrating(bench: Bench, *options: object) -> Iterator["subprocess.Popen[str]"]:
    """Run the command on a bench whose unit is down, with pipes."""
    command = [sys.executable, "-m", "nebctl", "calibrate", "--config", bench.config, "--operator", "RT-07", *options]
    with subprocess.Popen(
        list(map(str, command)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def fill(bench: Bench, process: "subprocess.Popen[str]", nl: int) -> None:
    """Do what the next prompt asks for."""
    assert process.stderr is not None
    assert process.stdin is not None
    assert "0.9 % saline" in process.stderr.readline()
    bench.device.post("/empty")
    bench.device.post("/fill", nl=nl)
    process.stdin.write("\n")
    process.stdin.flush()


@pytest.fixture
def idle(make_bench: Callable[..., Bench]) -> Bench:
    """A simulated mesh with a unit that does not run, in brisk time."""
    bench = make_bench()
    bench.simulator.start()
    bench.pace(60)
    return bench


@pytest.mark.req("S13")
@pytest.mark.req("S54")
def test_a_calibration_is_signed_and_the_next_dose_counts_on_it(idle: Bench, nebctl) -> None:
    """Two runs give a rate near the truth; each start's intent is on disk before it; the unit then tells of it."""
    with calibrating(idle, "--runs", 2, "--json") as process:
        for _ in range(2):
            fill(idle, process, SALINE_NL)
        out, err = process.communicate(timeout=40)
    assert process.returncode == 0, err
    told = json.loads(out)
    true_nl_s = idle.device.get("/state")["rate_nl_s"]
    assert told["accepted"]
    assert abs(told["rate_nl_per_s"] - true_nl_s) < 0.15 * true_nl_s
    records = idle.records("calibration")
    assert [record["step"] for record in records] == ["begun", "begun", "ended"]
    assert [run["begun_seq"] for run in records[-1]["runs"]] == [record["seq"] for record in records[:2]]
    assert {record["operator"] for record in records} == {"RT-07"}
    idle.start_unit()
    idle.begin()
    note = next(line["note"] for line in idle.records("selftest")[-1]["checks"] if line["name"] == "calibration")
    assert note == f"calibration: 0 days old, record {told['seq']}"
    idle.unit.kill()
    chart = nebctl("calibrate", "chart", idle.config, "--json")
    assert json.loads(chart.stdout)["points"][0]["seq"] == told["seq"]


def test_a_cup_that_was_hardly_filled_gives_no_calibration(idle: Bench) -> None:
    """20 uL are dry after seconds: exit 1 with the reason, and the record says that it was not accepted."""
    with calibrating(idle, "--runs", 2) as process:
        fill(idle, process, 20_000)
        out, _ = process.communicate(timeout=40)
    assert process.returncode == 1
    assert "not accepted (too-short)" in out
    assert [(record["step"], record.get("accepted")) for record in idle.records("calibration")] == [
        ("begun", None),
        ("ended", False),
    ]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_broken_off_leaves_the_device_off_and_a_record(idle: Bench, number: signal.Signals) -> None:
    """Ctrl-C and SIGTERM stop the output at once; what was begun has its end in the ledger."""
    idle.pace(1)
    with calibrating(idle) as process:
        fill(idle, process, SALINE_NL)
        until(lambda: idle.device.get("/state")["output"] == "RUN", "the device runs")
        process.send_signal(number)
        process.communicate(timeout=20)
    assert process.returncode == 130
    assert idle.device.get("/state")["output"] == "OFF"
    assert idle.records("calibration")[-1]["finding"] == "stopped"


def test_a_script_that_ends_before_enter_starts_nothing(idle: Bench) -> None:
    """Standard input that has ended is no Enter: nothing runs, exit 1, one sentence."""
    with calibrating(idle) as process:
        _, err = process.communicate(input="", timeout=20)
    assert process.returncode == 1
    assert "Standard input has ended" in err
    assert "Traceback" not in err
    assert idle.records("calibration") == []


def test_a_unit_at_work_is_not_calibrated(bench: Bench) -> None:
    """The ledger has one writer: while the unit runs, the command says so and touches nothing."""
    with calibrating(bench) as process:
        _, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert len(err.splitlines()) <= 3
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "--config"),
        (("--config", "CONFIG", "--f", "0.6"), "--f-source"),
        (("--config", "CONFIG", "--runs", "0"), "runs"),
    ],
)
def test_wrong_calls_name_the_option(idle: Bench, nebctl, options: tuple[str, ...], said: str) -> None:
    """Exit 2, and the option that is wrong or missing."""
    done = nebctl("calibrate", *(str(idle.config) if each == "CONFIG" else each for each in options))
    assert done.returncode == 2
    assert said in done.stderr
