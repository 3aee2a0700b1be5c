"""Numbered deviations in a site's rules."""

import pytest

from nebctl.core.regimen import SiteRules
from nebctl_protocols import load_site_rules

FORMAT = 'format = "nebctl-site-rules/1"\n[deviations]\n'
TEXT = "DEV-001 jet nebulizers emit about half of the prescribed volume"


def test_a_numbered_deviation_is_taken_whole() -> None:
    """Number and reason become the rule that jet doses name; without it there is none."""
    assert load_site_rules(f'{FORMAT}jet_under = "{TEXT}"\n', "site.toml") == SiteRules(jet_under=TEXT)
    assert load_site_rules(FORMAT, "site.toml") == SiteRules(jet_under=None)


def test_what_a_site_accepts_of_devices_is_numbered_too() -> None:
    """A device without S22 or without S24 is accepted by a deviation of its own; one is not the other."""
    rules = load_site_rules(f'{FORMAT}host_loss = "{TEXT}"\n', "site.toml")
    assert isinstance(rules, SiteRules)
    assert (rules.acceptance("S22"), rules.acceptance("S24")) == (TEXT, None)
    rules = load_site_rules(f'{FORMAT}host_max_on = "{TEXT}"\n', "site.toml")
    assert isinstance(rules, SiteRules)
    assert (rules.acceptance("S22"), rules.acceptance("S24")) == (None, TEXT)


@pytest.mark.parametrize("value", ['"yes"', "true", '"DEV-001"', '"DEV- why"', '"dev-1 why"', '""', "1"])
def test_a_deviation_without_number_or_reason_is_refused(value: str) -> None:
    """Each fault names the field, the value and what would be right."""
    faults = load_site_rules(f"{FORMAT}jet_under = {value}\n", "site.toml")
    assert isinstance(faults, tuple)
    [fault] = faults
    assert fault.field == "deviations.jet_under"
    assert "DEV-001" in str(fault)


def test_another_deviation_is_not_known() -> None:
    """A key that the rules do not have is a fault, as everywhere."""
    faults = load_site_rules(f'{FORMAT}mesh_over = "{TEXT}"\n', "site.toml")
    assert isinstance(faults, tuple)
    assert [fault.field for fault in faults] == ["deviations.mesh_over"]
