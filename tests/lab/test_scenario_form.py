"""The scenario file: what it may say, and how it is told what is wrong with it."""

from pathlib import Path

import pytest

from nebctl.core.units import NS_PER_MIN
from nebctl_lab.scenario.form import Scenario, load_scenario
from nebctl_lab.scenario.shipped import ScenarioFault, open_scenario, shipped_names
from nebctl_lab.scenario.stage import kits_of
from nebctl_lab.scenario.vocabulary import ACTIONS, EXPECTATIONS, KINDS, TIMES
from nebctl_lab.scenario.words import Form, read_sentence

HEAD = """format = "nebctl-scenario/1"
title = "A cable"
about = "It comes out."
[[unit]]
id = "neb-0001"
device = "mesh"
subjects = ["MEX-001", "MEX-002"]
"""
STEP = '[[step]]\ndo = "begin a dose"\n'


def read(text: str) -> Scenario:
    """Read a scenario that must be right."""
    scenario = load_scenario(text, "a.toml", "a")
    assert isinstance(scenario, Scenario), [str(fault) for fault in scenario]
    return scenario


def faults(text: str) -> list[str]:
    """Read a scenario that must be wrong, and return its faults as a person sees them."""
    found = load_scenario(text, "a.toml", "a")
    assert isinstance(found, tuple)
    return [str(fault) for fault in found]


def test_a_whole_file_is_read() -> None:
    """Times, durations, sentences and defaults of a file arrive as values, and each step knows its line."""
    text = (
        HEAD + STEP + '[[step]]\nat = "90 s after START"\ndo = ["unplug for 3 s"]\nexpect = "state lost or residual"\n'
    )
    scenario = read(f'{text}within = "2 s"\n[[step]]\nwhen = "emitted at least 1.4 mL"\n')
    first, second, third = scenario.steps
    assert scenario.units[0].preset == "mesh.solo"
    assert (first.line, first.at, first.within_ns) == (8, None, 0)
    assert second.at is not None
    assert (second.line, second.at.name, second.at.given["duration"]) == (10, "after_start", 90 * 10**9)
    assert second.do[0].given == {"duration": 3 * 10**9}
    assert second.expect[0].given == {"states": ("lost", "residual")}
    assert second.within_ns == 2 * 10**9
    assert (third.when[0].given, third.within_ns) == ({"volume": 1_400_000}, 30 * NS_PER_MIN)
    assert kits_of(scenario, "MEX-002")[:2] == ("KIT-0501", "KIT-0502")


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ('[[step]]\ndo = "unplug for 3 parsecs"\n', "a.toml:9: step[1].do[1]: duration '3 parsecs'"),
        ('[[step]]\ndo = "unplug for 3"\n', "a number, one space and a unit"),
        ('[[step]]\ndo = "inject lat"\n', "there is no fault 'lat'"),
        ('[[step]]\ndo = "inject late:mss=3"\n', "mss"),
        ('[[step]]\ndo = "inject kinked_tube"\n', "a mesh cannot have this fault"),
        ('[[step]]\ndo = "dance"\n', "this sentence is not known here"),
        ('[[step]]\ndo = "press STOPP"\n', "write press PAUSE because REASON; or press STOP"),
        ("[[step]]\ndo = []\n", "an empty list says nothing"),
        ("[[step]]\ndo = 3\n", "a sentence is a text"),
        ('[[step]]\nexpect = "verdict UNCERTAN"\n', "write one of WITHIN, UNDER, OVER, UNCERTAIN"),
        ('[[step]]\nexpect = "alarm link"\n', "link-lost"),
        ('[[step]]\nexpect = "state lost or found"\n', "there is no such state of a session"),
        ('[[step]]\nexpect = "2 doze records"\n', "there is no such record type"),
        ('[[step]]\nexpect = "refused kit-opened"\n', "nothing is done here that could be refused"),
        ('[[step]]\nat = "tomorrow"\ndo = "press STOP"\n', "a.toml:9: step[1].at"),
        ('[[step]]\nat = "day 2 25:00"\ndo = "press STOP"\n', "hours and minutes"),
        ('[[step]]\nat = "3 s"\nafter = "3 s"\ndo = "press STOP"\n', "this has at and after"),
        ('[[step]]\nwithin = "3 s"\ndo = "press STOP"\n', "nothing is waited for"),
        ('[[step]]\nnote = "hm"\n', "this step does nothing"),
        ('[[step]]\nnot_yet = "S54"\ndo = "press STOP"\n', "write expect beside it"),
        ('[[step]]\nnot_yet = "S99"\nexpect = "no alarm"\n', "S01 to S55"),
        ('[[step]]\nunit = "neb-2"\ndo = "press STOP"\n', "write one of neb-0001"),
        ('[[step]]\nexpct = "no alarm"\n', "did you mean expect?"),
        ("", "write step = [[step]] with do or expect"),
    ],
)
def test_a_wrong_line_is_named(lines: str, fault: str) -> None:
    """One wrong line is one fault, with file, line, key and value, and what would be right."""
    (found,) = faults(HEAD + lines)
    assert fault in found
    assert found.startswith("a.toml:")


def test_every_fault_is_told_at_once() -> None:
    """All faults of a file come together, in the order of their lines."""
    found = faults(HEAD + '[[step]]\nat = "x"\ndo = ["dance", "sing"]\nexpect = "verdict NO"\n')
    assert [fault.split(": ")[1] for fault in found] == [
        "step[1].at",
        "step[1].do[1]",
        "step[1].do[2]",
        "step[1].expect[1]",
    ]


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('"mesh"', '"mash"', "expected 'mesh' or 'jet'"),
        ('"mesh"', '"mesh"\npreset = "mesh.sol"', "choose one of: mesh.solo"),
        ('"mesh"', '"mesh"\npreset = "mesh.solo+wet"', "there is no switch 'wet'"),
        ('"nebctl-scenario/1"', '"nebctl-scenario/2"', "nebctl-scenario/1"),
        ('"mesh"', '"jet"\ncalibrated = true', "leave it out, or write a mesh"),
        ('"mesh"', '"mesh"\ncalibrated = "yes"', "calibrated"),
        ("[[unit]]", "begins = 2026-02-14T09:00:00Z\n[[unit]]", "without quotes"),
        ("[[unit]]", 'promises = ["S56"]\n[[unit]]', "there is no such promise"),
        ('title = "A cable"\n', "", "title: this is missing"),
        ("[[unit]]", "[[unit]\n", "TOML"),
    ],
)
def test_a_wrong_head_is_named(old: str, new: str, fault: str) -> None:
    """What stands before the steps is held to its form in the same way."""
    assert any(fault in found for found in faults((HEAD + STEP).replace(old, new, 1)))


def test_a_temperature_is_for_a_mesh() -> None:
    """Only the plant of a mesh knows how warm the liquid is; elsewhere the sentence is refused."""
    text = HEAD + '[[step]]\ndo = "pour 3 mL at 4 °C"\n'
    assert read(text).steps[0].do[0].given == {"volume": 3_000_000, "temperature": 40}
    assert "knows no temperature" in faults(text.replace('"mesh"', '"jet"'))[0]
    assert "write 0 to 99 degrees Celsius" in faults(text.replace("4 °C", "4 K"))[0]


def example(form: Form, *, whole: bool) -> str:
    """Return a sentence of a form, with or without the parts that may be left out."""
    words = {
        "volume": "3 mL",
        "duration": "3 s",
        "number": "2",
        "code": "kit-opened",
        "name": "MEX-001",
        "words": "a cough",
        "states": "running or paused",
        "verdict": "WITHIN",
        "end": "complete",
        "alarm": "link-lost",
        "deviation": "underdose",
        "record": "dose",
        "outcome": "complete",
        "reason": "subject-declined",
        "method": "declared",
        "output": "off",
        "way": "back",
        "fault": "late:ms=350,count=3",
        "temperature": "4 °C",
        "clock": "09:00",
    }
    text, parts = form.text, form.text.split("[")
    if not whole:
        text = parts[0] + "".join(part.partition("]")[2] for part in parts[1:])
    for name, kind in form.gaps().items():
        text = text.replace(f"{{{name}:{kind}}}", words[kind]).replace(f"{{{kind}}}", words[kind])
    return text.replace("[", "").replace("]", "")


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("forms", [ACTIONS, EXPECTATIONS, TIMES])
def test_every_sentence_is_read_as_itself(forms: tuple[Form, ...], whole: bool) -> None:
    """Each form of the vocabulary reads its own example, with and without what may be left out; no other does."""
    for form in forms:
        text = example(form, whole=whole)
        assert read_sentence(text, forms, KINDS).name == form.name, text


def test_scenarios_come_by_name_and_by_path(tmp_path: Path) -> None:
    """A name is a scenario that comes with nebctl, a path is a file, and a wrong name brings the right one."""
    assert open_scenario("unplug").name == "unplug"
    path = tmp_path / "own.toml"
    path.write_text(HEAD + STEP, "utf-8")
    assert open_scenario(str(path)).name == "own"
    with pytest.raises(ScenarioFault, match=r"did you mean unplug\?"):
        open_scenario("unplugg")
    with pytest.raises(ScenarioFault, match="No such file"):
        open_scenario(str(tmp_path / "none.toml"))
    path.write_bytes(b"\xff")
    with pytest.raises(ScenarioFault, match="byte 0 is no UTF-8"):
        open_scenario(str(path))


def test_every_shipped_scenario_names_its_promises() -> None:
    """Whoever reads a scenario finds the promises that it holds nebctl to."""
    scenarios = [open_scenario(name) for name in shipped_names()]
    assert len(scenarios) >= 21
    assert [scenario.name for scenario in scenarios if not scenario.promises] == []
    missing = [s.name for s in scenarios for step in s.steps if step.not_yet and step.not_yet not in s.promises]
    assert missing == []
