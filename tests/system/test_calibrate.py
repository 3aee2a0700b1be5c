"""`nebctl calibrate` against the simulated mesh on its pseudo-terminal: runs, records, and what follows from them."""

import json
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nebctl_lab.bench_site import Bench, until

SALINE_NL = 500_000
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "calibrate-a-device.md").read_text("utf-8")


@contextmanager
def calibrating(bench: Bench, *options: object) -> Iterator["subprocess.Popen[str]"]:
    """Run the command on a bench whose unit is down, with pipes."""
    with started(bench, "calibrate", "--config", bench.config, "--operator", "RT-07", *options) as process:
        yield process


@contextmanager
def started(bench: Bench, *words: object) -> Iterator["subprocess.Popen[str]"]:
    """Run a command in the unit's folder, with pipes."""
    with subprocess.Popen(
        [sys.executable, "-m", "nebctl", *map(str, words)],
        cwd=bench.folder,
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


def told() -> list[list[str]]:
    """Return the words of the page's commands, in order."""
    blocks = re.findall(r"^```\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return [shlex.split(line)[1:] for block in blocks for line in block.splitlines() if line.startswith("nebctl ")]


def test_the_page_s_commands_do_what_it_says(idle: Bench) -> None:
    """The page's saline runs calibrate the unit and its chart shows them; the call for a jet is understood."""
    measure, jet, chart = told()
    (mesh,) = re.findall(r"`\[device\] (mesh = .+?)`", PAGE)
    idle.amend("[device]\n", f"[device]\n{mesh}\n")
    with started(idle, *measure) as process:
        for _ in range(3):
            fill(idle, process, SALINE_NL)
        out, err = process.communicate(timeout=40)
    assert process.returncode == 0, out + err
    assert idle.records("calibration")[-1]["mesh"] == "M-2231"
    place = idle.folder / Path(chart[2]).parent
    place.mkdir(parents=True)
    (place / "unit.db").symlink_to(idle.folder / "unit.db")
    with started(idle, *chart) as process:
        out, err = process.communicate(timeout=20)
    assert process.returncode == 0, out + err
    assert "<svg" in (idle.folder / "chart.svg").read_text("utf-8")
    (idle.folder / "jet.toml").write_text(idle.config.read_text("utf-8"), "utf-8")
    with started(idle, *jet) as process:
        _, err = process.communicate(input="", timeout=20)
    assert process.returncode == 1, "2 would be a wrong call"
    assert "Standard input has ended" in err
