"""`nebctl conform` as a process: over a pseudo-terminal, with commands of the shell, and what a wrong call says."""

import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from nebctl.cli import main
from nebctl_drivers.conform.rules import RULES
from nebctl_drivers.conform.shell import shell_act
from nebctl_drivers.conform.verdicts import Need

ROOT = Path(__file__).parents[2]
NEBCTL = (sys.executable, "-m", "nebctl")
PATIENCE_S = 50


@contextmanager
def simulator(path: Path) -> Iterator[str]:
    """Run a simulated controller with a full cup behind a pseudo-terminal, and yield its control URL."""
    command = [*NEBCTL, "sim", "mesh", "--pty", str(path), "--control", "0", "--fill", "3 mL"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[3]
        finally:
            process.kill()


def post(url: str, *bodies: tuple[str, dict[str, object]]) -> str:
    """Return a shell command line that posts to the simulator's control, without any tool that may be absent."""
    calls = "; ".join(
        f"u.urlopen('{url}{path}', b'{json.dumps(body)}').read()".replace('"', '\\"') for path, body in bodies
    )
    return f'{sys.executable} -c "import urllib.request as u; {calls}"'


def output_of(url: str) -> str:
    """Return the simulated output's true state."""
    with urllib.request.urlopen(f"{url}/state", timeout=10) as answer:
        return str(json.load(answer)["output"])


def test_the_simulator_conforms_over_a_pseudo_terminal(tmp_path: Path) -> None:
    """The whole of it, as a maker types it: exit code 0, every rule passed, and the same in JUnit."""
    path, junit = tmp_path / "mesh", tmp_path / "conform.xml"
    with simulator(path) as url:
        commands = (
            *("--power-cmd", post(url, ("/power", {"on": False}), ("/power", {"on": True}))),
            *("--reset-cmd", post(url, ("/inject", {"fault": "brownout"}))),
            *("--dry-cmd", post(url, ("/empty", {}))),
        )
        call = [*NEBCTL, "conform", str(path), "--load", "dummy", "--junit", str(junit), *commands]
        done = subprocess.run(call, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        assert output_of(url) == "OFF"
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(" PASSED ") == len(RULES)
    assert done.stdout.splitlines()[-1].startswith("CONFORMS")
    assert done.stderr == ""  # progress is for a terminal
    suite = ET.parse(junit).getroot()
    assert (suite.get("failures"), suite.get("skipped"), suite.get("errors")) == ("0", "0", "0")


def interrupted(path: Path, url: str, ending: signal.Signals) -> tuple[int, str, str]:
    """Send `ending` to an examination whose output is ON, and return its exit code and what it said on both streams."""
    call = [*NEBCTL, "conform", str(path), "--load", "dummy", "--only", "W44"]  # a rule that beats all the while
    with subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 20
        while output_of(url) == "OFF":
            assert time.monotonic() < deadline, "the run did not begin"
            time.sleep(0.01)
        process.send_signal(ending)
        told, said = process.communicate(timeout=20)
    return process.returncode, told, said


@pytest.fixture
def not_ignored() -> Iterator[None]:
    """Let children hear Ctrl-C, also where the tests run in the background and a shell has them ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("not_ignored")
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_examination_leaves_the_output_off(tmp_path: Path, ending: signal.Signals) -> None:
    """Ctrl-C or SIGTERM in mid-run: STOP goes out, the output is OFF, and there is no traceback.

    Where the rule had ended before the signal came, its verdict is on the screen, and another examination begins.
    """
    path = tmp_path / "mesh"
    with simulator(path) as url:
        for _ in range(10):
            code, told, said = interrupted(path, url, ending)
            assert output_of(url) == "OFF"
            with urllib.request.urlopen(f"{url}/state", timeout=10) as answer:
                assert json.load(answer)["end"] == "STOP"
            if " W44 " not in f" {told} ":
                break
    assert code == 130, told + said
    assert said == "interrupted\n"


def test_a_single_rule_is_told_alone(tmp_path: Path) -> None:
    """With --only just those rules are printed, and the last line says that nothing is proven."""
    path = tmp_path / "mesh"
    with simulator(path):
        call = [*NEBCTL, "conform", str(path), "--only", "W01,W16"]
        done = subprocess.run(call, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    first, second, last = done.stdout.splitlines()
    assert done.returncode == 1
    assert first.startswith("W01  PASSED")
    assert second.startswith("W16  PASSED")
    assert last.startswith("NOT PROVEN: with a rule not tested nothing is said to conform. 63 rules: 2 passed")


def test_json_without_a_load(tmp_path: Path) -> None:
    """--json prints one object and nothing else; the exit code is 1 because rules were not tested."""
    path = tmp_path / "mesh"
    with simulator(path):
        call = [*NEBCTL, "conform", str(path), "--json", "--skip", "W14=shared machine"]
        done = subprocess.run(call, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    told = json.loads(done.stdout)
    assert done.returncode == 1
    assert (told["conforms"], told["load"], told["counts"]["FAILED"]) == (False, None, 0)
    needy = sum(bool(rule.needs) for rule in RULES)
    assert told["counts"]["NOT TESTED"] == needy + 1
    assert "START" not in "".join(passage["text"] for rule in told["rules"] for passage in rule["exchange"])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["/dev/no-such-port"], "/dev/no-such-port"),
        (["ftp://nowhere"], "ftp://nowhere"),
        (["ftp://nowhere"], "Correct the URL."),
        (["/dev/no-such-port"], "Plug the device in or correct URL."),
        (["/dev/x", "--only", "W99"], "there is no rule 'W99'; they are W01 to W63"),
        (["/dev/x", "--only", ","], "--only: got no rule"),
        (["/dev/x", "--skip", "W01"], "--skip: got 'W01', write such as"),
        (["/dev/x", "--skip", "W01= "], "--skip: got 'W01= '"),
        (["/dev/x", "--skip", "W77=why"], "there is no rule 'W77'"),
        (["/dev/x", "--load", "dry"], "'dry' is not one of 'wet', 'dummy'"),
        ([], "Missing argument 'URL'"),
    ],
)
def test_a_wrong_call_is_told(words: list[str], told: str) -> None:
    """A wrong call ends with code 2 and a sentence that names what was wrong."""
    done = CliRunner().invoke(main, ["conform", *words])
    assert done.exit_code == 2, done.output
    assert told in done.output


def test_a_port_that_is_no_controller_is_a_finding(tmp_path: Path) -> None:
    """A TCP port where nobody says anything is a finding (1), with what was heard, and no wrong call."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        done = CliRunner().invoke(main, ["conform", url])
    assert done.exit_code == 1, done.output
    assert "TROUBLE: nobody answered HELLO and STAT: saw silence" in done.output
    assert done.output.splitlines()[-1].startswith("DOES NOT CONFORM. 63 rules: 0 passed, 0 failed, 63 not tested")


async def test_commands_of_the_shell() -> None:
    """A command line runs in the shell as it stands; one that fails says how, and none is None."""
    assert shell_act("--power-cmd", None) is None
    good, bad = shell_act("--power-cmd", "true && exit 0"), shell_act("--reset-cmd", "echo 'no relay' >&2; exit 3")
    assert good is not None
    assert bad is not None
    assert await good() is None
    assert await bad() == "--reset-cmd: \"echo 'no relay' >&2; exit 3\" ended with 3 (no relay)"


def test_the_page_lists_the_rules_as_they_are() -> None:
    """Section 10 of the page has each rule with its title, section and needs, in the order of the numbers."""
    letters = {Need.LOAD: "L", Need.RESTART: "R", Need.POWER: "P", Need.DRY: "D"}
    page = (ROOT / "docs" / "wire-protocol.md").read_text("utf-8")
    rows = re.findall(r"^\| (W[0-9]{2}) \| (.*?) \| ([0-9]+) \|(.*?)\|$", page, re.MULTILINE)
    wanted = [
        (rule.id, rule.title, rule.section, ", ".join(letters[need] for need in rule.needs))
        for rule in sorted(RULES, key=lambda rule: rule.id)
    ]
    assert [(*row[:3], row[3].strip()) for row in rows] == wanted
