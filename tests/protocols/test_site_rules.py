"""Site rules: their defaults, and what the loader says of files that are wrong."""

import re
from datetime import time
from pathlib import Path

import pytest

from nebctl.core.regimen import SiteRules
from nebctl.core.units import NS_PER_H, NS_PER_MIN
from nebctl_protocols import Fault, StudyProtocol, default_site_rules, load, load_site_rules, read_backs

FORMAT = 'format = "nebctl-site-rules/1"\n'


def faults(text: str) -> tuple[Fault, ...]:
    """Return what the loader finds wrong with a text."""
    loaded = load_site_rules(text, "site.toml")
    assert isinstance(loaded, tuple), "the text was taken as good"
    return loaded


def test_the_file_that_states_every_default_says_what_the_code_does() -> None:
    """The site rules that come with nebctl are the defaults, and so is a file without any rule."""
    assert load_site_rules(default_site_rules(), "site.toml") == SiteRules()
    assert load_site_rules(FORMAT, "site.toml") == SiteRules()


def test_the_documented_defaults_are_the_defaults() -> None:
    """Each default in the reference page's table, set as a rule, leaves the rules as they are by default."""
    page = Path(__file__).parents[2].joinpath("docs", "reference", "study-protocol.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", page, flags=re.MULTILINE))
    assert len(rows) == 17
    text = "".join(f'{rule} = "{default}"\n' for rule, default in rows.items())
    assert load_site_rules(FORMAT + text, "site.toml") == SiteRules()


def test_every_rule_can_be_set() -> None:
    """Each rule of a file replaces its default, with its unit."""
    text = FORMAT + (
        'completeness_low = "95 %"\ncompleteness_high = "102.5 %"\nmin_interval = "18 h"\n'
        'window_start = 08:00:00\nwindow_end = 20:30:00\nin_use = "4 h"\nin_use_margin = "200 %"\n'
        'authorisation = "5 min"\nmax_on = "15 min"\nsoft_on = "120 %"\nmax_session = "25 min"\n'
        'max_pause = "90 s"\nresidual_wait = "1 h"\nmax_unreceipted = "2 h"\n'
        'soft = ["outside-window", "too-soon"]\nmax_unsigned = "2 h"\n'
        'idle_lock = "5 min"\npin_wait = "30 s"\npin_misses = 5\n'
        'audio_pause = "90 s"\nescalate = "3 min"\nlockout_cycles = 4\nlockout_window = "15 min"\n'
    )
    assert load_site_rules(text, "site.toml") == SiteRules(
        completeness_low_ppm=950_000,
        completeness_high_ppm=1_025_000,
        min_interval_ns=18 * NS_PER_H,
        window_start=time(8),
        window_end=time(20, 30),
        in_use_ns=4 * NS_PER_H,
        in_use_margin_ppm=2_000_000,
        authorisation_ns=5 * NS_PER_MIN,
        max_on_ns=15 * NS_PER_MIN,
        soft_on_ppm=1_200_000,
        max_session_ns=25 * NS_PER_MIN,
        max_pause_ns=90 * 10**9,
        residual_wait_ns=NS_PER_H,
        max_unreceipted_ns=2 * NS_PER_H,
        soft=("outside-window", "too-soon"),
        max_unsigned_ns=2 * NS_PER_H,
        idle_lock_ns=5 * NS_PER_MIN,
        pin_wait_ns=30 * 10**9,
        pin_misses=5,
        audio_pause_ns=90 * 10**9,
        escalate_ns=3 * NS_PER_MIN,
        lockout_cycles=4,
        lockout_window_ns=15 * NS_PER_MIN,
    )


@pytest.mark.req("S06")
@pytest.mark.parametrize(
    ("line", "field", "problem", "right"),
    [
        ('min_interval = "20"', "min_interval", "expected a duration", "it has no unit"),
        ("min_interval = 20", "min_interval", "a quantity is a text", "write a number and its unit"),
        ('min_interval = "0 h"', "min_interval", "above zero", "with its unit"),
        ('in_use = "4h"', "in_use", "expected a duration", 'write "4 h"'),
        ('completeness_low = "0.9"', "completeness_low", "expected a fraction", "no unit"),
        ("completeness_low = 0.9", "completeness_low", "a quantity is a text", "unit"),
        ('completeness_low = "101 %"', "completeness_low", "no dose as prescribed", "at most 100 %"),
        ('completeness_high = "99 %"', "completeness_high", "would be too much", "at least 100 %"),
        ("window_start = 08:00:00", "window_start", "a start and an end", "or neither"),
        ('audio_pause = "121 s"', "audio_pause", "silent for so long", "at most"),
        ("lockout_cycles = 1", "lockout_cycles", "no number of cycles", "from 2 to 10"),
        ("window_end = 08:00:00", "window_end", "a start and an end", "or neither"),
        ('window_start = "08:00"', "window_start", "no time of day", "08:00:00"),
        ('max_on = "31 min"', "max_on", "longer than max_session", "at most max_session"),
        ('min_intervall = "20 h"', "min_intervall", "not known here", "did you mean min_interval?"),
        ('soft = ["day-limit"]', "soft", "cannot be soft", "too-soon, outside-window"),
        ('soft = "too-soon"', "soft", "cannot be soft", "too-soon, outside-window"),
        ("pin_misses = 2", "pin_misses", "no number of wrong PINs", "3 to 20"),
        ("pin_misses = true", "pin_misses", "no number of wrong PINs", "3 to 20"),
        ('volume = "3 mL"', "volume", "not known here", "write one of"),
    ],
)
def test_a_wrong_rule_is_refused_with_what_would_be_right(line: str, field: str, problem: str, right: str) -> None:
    """Each wrong rule is one fault on its line."""
    [fault] = faults(FORMAT + line)
    assert (fault.line, fault.field) == (2, field)
    assert problem in fault.problem
    assert right in fault.right


def test_a_window_ends_after_it_starts() -> None:
    """A window that ends before it starts is refused."""
    [fault] = faults(FORMAT + "window_start = 20:00:00\nwindow_end = 08:00:00\n")
    assert (fault.field, fault.line) == ("window_start", 2)


def test_rules_that_contradict_each_other_are_named_beside_other_faults() -> None:
    """A rule that cannot be read does not hide a contradiction between the others."""
    found = faults(FORMAT + 'in_use = "4h"\ncompleteness_low = "110 %"\nmax_on = "2 h"\n')
    assert [fault.field for fault in found] == ["in_use", "completeness_low", "max_on"]


def test_a_file_is_read_as_what_its_format_says() -> None:
    """A file that names the site rules' format is read as site rules, any other as a study protocol."""
    rules = load(default_site_rules(), "site.toml")
    assert isinstance(rules, SiteRules)
    assert read_backs(rules) == (("the completeness limits of a dose", "90 % to 105 %"),)
    other = load('format = "nebctl-site-rules/2"\n', "site.toml")
    assert not isinstance(other, SiteRules | StudyProtocol)
