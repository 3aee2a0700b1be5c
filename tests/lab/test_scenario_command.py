"""`nebctl sim run`: names, files, reports and exit codes."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from nebctl.cli import main
from nebctl_lab.scenario.shipped import shipped_names

pytestmark = pytest.mark.timeout(60)
OWN = """format = "nebctl-scenario/1"
title = "A scan"
about = "Nothing else."
[[unit]]
id = "neb-0001"
device = "mesh"
subjects = ["MEX-001"]
[[step]]
do = "scan"
expect = "state authorised"
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A short scenario in a file of its own."""
    path = tmp_path / "own.toml"
    path.write_text(OWN, "utf-8")
    return path


def call(*words: object) -> Result:
    """Call `nebctl sim run`."""
    return CliRunner().invoke(main, ["sim", "run", *map(str, words)])


def test_the_list_has_every_scenario_with_its_title() -> None:
    """--list prints one line a scenario and plays none."""
    done = call("--list")
    assert done.exit_code == 0
    assert [line.split()[0] for line in done.output.splitlines()] == list(shipped_names())
    assert "The power fails at 1.4 mL" in done.output


def test_a_scenario_that_passes_exits_0(own: Path) -> None:
    """A person gets the timeline, ended by its outcome in one line."""
    done = call(own)
    assert done.exit_code == 0
    assert "state authorised  ok" in done.output
    assert done.output.splitlines()[-1].startswith("passed: ")


def test_a_scenario_that_fails_exits_1(own: Path) -> None:
    """One expectation that does not hold is exit code 1, also where another scenario passed."""
    wrong = own.with_name("wrong.toml")
    wrong.write_text(OWN.replace("state authorised", "state running"), "utf-8")
    done = call(own, wrong)
    assert done.exit_code == 1
    assert "FAILED: saw state authorised" in done.output


def test_json_is_one_object_a_scenario_and_nothing_else(own: Path) -> None:
    """--json can be read line by line; --seed is told back, and the ledger's heads stand in it."""
    done = call(own, own, "--json", "--seed", "7")
    first, second = map(json.loads, done.output.splitlines())
    assert first == second
    assert (first["scenario"], first["seed"], first["passed"]) == ("own", 7, True)
    assert first["heads"]["neb-0001"]
    assert {"ms", "clock", "kind", "text", "result", "seen"} <= set(first["timeline"][0])


def test_junit_goes_to_its_file(own: Path, tmp_path: Path) -> None:
    """--junit writes a report beside what is printed; a path that cannot be written is a wrong call."""
    assert call(own, "--junit", tmp_path / "report.xml").exit_code == 0
    (suite,) = ElementTree.parse(tmp_path / "report.xml").getroot()
    assert (suite.get("name"), suite.get("failures")) == ("own", "0")
    done = call(own, "--junit", tmp_path / "none" / "report.xml")
    assert (done.exit_code, "No such file" in done.output) == (2, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name a scenario"),
        (["unplugg"], "did you mean unplug?"),
        (["/nowhere/a.toml"], "give the path of a scenario file"),
        (["unplug", "--seed", "-1"], "--seed"),
    ],
)
def test_a_wrong_call_exits_2(words: list[str], said: str) -> None:
    """What cannot be played is exit code 2, with the reason, and nothing is played."""
    done = call(*words)
    assert done.exit_code == 2
    assert said in done.output


def test_a_wrong_file_exits_2_with_all_its_faults(own: Path) -> None:
    """The faults of a file come each on its line, with file, line, key, value and what would be right."""
    own.write_text(OWN.replace('"scan"', '"dance"').replace("state authorised", "state dancing"), "utf-8")
    done = call(own)
    assert done.exit_code == 2
    assert f"{own}:9: step[1].do[1]: this sentence is not known here" in done.output
    assert f"{own}:10: step[1].expect[1]: states 'dancing'" in done.output


def test_a_second_process_sees_the_same(own: Path) -> None:
    """Two processes, with different hash seeds of the interpreter, print the same bytes."""
    command = [sys.executable, "-m", "nebctl", "sim", "run", str(own), "--json"]
    seen = [
        subprocess.run(command, capture_output=True, check=True, timeout=40, env={"PYTHONHASHSEED": seed}).stdout
        for seed in ("1", "2")
    ]
    assert seen[0] == seen[1]
    assert seen[0].count(b"\n") == 1


def test_other_simulators_do_not_load_the_lab() -> None:
    """`nebctl sim --help` and a device's help import neither the scenarios nor a store."""
    script = (
        "import sys; from nebctl.cli import main\n"
        "for words in (['sim', '--help'], ['sim', 'mesh', '--help']): main(words, standalone_mode=False)\n"
        "print([name for name in sys.modules if name.startswith(('nebctl_lab', 'nebctl.store', 'aiomqtt'))])"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=20).stdout
    assert "Play a scenario" in said
    assert said.endswith("[]\n")
