"""The pages about scenarios: the vocabulary is the program's, and what they show can be played."""

import re
from pathlib import Path

import pytest

from nebctl_lab.scenario import vocabulary
from nebctl_lab.scenario.form import Scenario, load_scenario
from nebctl_lab.scenario.shipped import open_scenario, shipped_names
from nebctl_lab.scenario.virtual import play

DOCS = Path(__file__).resolve().parents[2] / "docs"
REFERENCE = (DOCS / "reference" / "scenario.md").read_text("utf-8")
HOW_TO = (DOCS / "how-to" / "write-a-scenario.md").read_text("utf-8")
TOML = re.compile(r"```toml\n(.*?)```", re.DOTALL)
ROW = re.compile(r"^\| `(.+?)` \| (.*) \|$", re.MULTILINE)


def test_the_reference_has_every_sentence_and_no_other() -> None:
    """The tables of sentences are the vocabulary, in its order, with its meanings."""
    forms = (*vocabulary.TIMES, *vocabulary.ACTIONS, *vocabulary.EXPECTATIONS)
    page = REFERENCE.partition("### Times")[2].partition("## Scenarios that come")[0]
    assert ROW.findall(page) == [(form.shown(), form.meaning) for form in forms]


def test_the_reference_lists_the_shipped_scenarios() -> None:
    """The table of scenarios has each with its title, its promises and what is not kept yet."""
    page = REFERENCE.partition("## Scenarios that come")[2]
    rows = []
    for name in shipped_names():
        scenario = open_scenario(name)
        not_yet = ", ".join(sorted({step.not_yet for step in scenario.steps if step.not_yet}))
        rows.append((name, f"{scenario.title} | {', '.join(scenario.promises)} | {not_yet}"))
    assert ROW.findall(page) == rows


def test_the_example_of_the_reference_can_be_played() -> None:
    """The file that the reference shows is read and goes as it says."""
    (text,) = TOML.findall(REFERENCE)
    scenario = load_scenario(text, "page.toml", "page")
    assert isinstance(scenario, Scenario), [str(fault) for fault in scenario]
    assert play(scenario).passed


@pytest.mark.timeout(60)
def test_the_how_to_tells_the_truth() -> None:
    """Its first file fails in the line that it shows; mended and continued as it says, the scenario passes."""
    first, rest, _ = TOML.findall(HOW_TO)
    wrong = load_scenario(first, "page.toml", "page")
    assert isinstance(wrong, Scenario)
    shown = [line for line in HOW_TO.splitlines() if re.match(r" +\d+\.\d+ s  ", line)]
    played = [line for line in play(wrong).text().splitlines() if line.split()[3:4] == ["3"]]
    assert [line.split()[3:] for line in shown] == [line.split()[3:] for line in played[1:]]
    mended = load_scenario(first.replace("refused self-test", "refused not-now") + rest, "page.toml", "page")
    assert isinstance(mended, Scenario), [str(fault) for fault in mended]
    report = play(mended)
    assert report.passed, report.text()
