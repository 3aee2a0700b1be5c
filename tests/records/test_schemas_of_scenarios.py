"""Every record that a unit and its pharmacy write on a ward's good and bad days is what its schema says."""

from typing import Any

import pytest

from nebctl.core.ledger.envelope import parse_entry
from nebctl.core.ledger.records import Entry
from nebctl_lab.scenario.player import Player
from nebctl_lab.scenario.shipped import open_scenario
from nebctl_lab.scenario.virtual import ScenarioSite, plan_of
from nebctl_lab.virtual import run_virtual

pytestmark = pytest.mark.timeout(200)
PLAYED = (
    "brown-out",
    "clock-steps",
    "power-cut",
    "premature-stop",
    "shift-change",
    "topped-up-on-balance",
    "unplug",
    "weak-compressor",
    "wrong-kit",
    "over-midnight",
)
SEEN = {
    *("genesis", "boot", "clock", "config", "order", "authorisation", "selftest", "charge", "start", "pause", "resume"),
    *("dose", "residual", "alarm", "refusal", "signature", "key", "enrolment", "lot"),
    *("kit",),
}


def play(name: str) -> list[Entry]:
    """Play a scenario and return every record of its units and of its pharmacy."""
    scenario = open_scenario(name)

    async def written() -> list[Entry]:
        async with ScenarioSite(plan_of(scenario, scenario.seed)) as site:
            report = await Player(scenario, site, scenario.seed).play()
            assert report.passed, report.text()
            texts = [text for unit in scenario.units for text in site.raw_records(unit.id)]
            return [parse_entry(*_split(text)) for text in (*texts, *site.pharmacy_records())]

    return run_virtual(written())


def _split(text: str) -> tuple[str, tuple[str, ...]]:
    jws, *disclosures = text.split("~")
    return jws, tuple(disclosures)


@pytest.fixture(scope="module")
def written() -> dict[str, list[Entry]]:
    """Return the records of each scenario."""
    return {name: play(name) for name in PLAYED}


@pytest.mark.parametrize("name", PLAYED)
def test_every_record_of_a_scenario_is_what_its_schema_says(
    name: str, written: dict[str, list[Entry]], schemas: Any
) -> None:
    """No record that the system writes has a member, a value or a private fact that its schema does not name."""
    assert [fault for entry in written[name] for fault in schemas.of_entry(entry)] == []


def test_the_scenarios_write_the_records_of_the_daily_work(written: dict[str, list[Entry]]) -> None:
    """The played scenarios leave records of so many types that the test above proves something."""
    assert {str(entry.payload["typ"]) for entries in written.values() for entry in entries} >= SEEN
