"""Files that no honest editor writes: each is one readable line of fault, never a traceback."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nebctl.cli.protocol import protocol
from nebctl_protocols import Fault, load, load_site_rules

SITE = 'format = "nebctl-site-rules/1"\n'
STUDY = 'format = "nebctl-study-protocol/1"\n'
DEEP = [
    "a = " + "[" * 100_000,
    "a = " + "{b=" * 3_000,
    "a = " + "[" * 60 + "]" * 60,
    ".".join("a" * 3_000) + " = 1",
    f"[{'.'.join('a' * 3_000)}]",
]


def check(tmp_path: Path, text: str, *options: str) -> Result:
    """Return what `nebctl protocol check` says of a text."""
    path = tmp_path / "site.toml"
    path.write_text(text, "utf-8")
    return CliRunner().invoke(protocol, ["check", str(path), *options])


def faults(text: str) -> tuple[Fault, ...]:
    """Return what is wrong with a text."""
    loaded = load(text, "site.toml")
    assert isinstance(loaded, tuple)
    return loaded


@pytest.mark.parametrize("key", ['"2.0*10E8 vesicles"', '"max_on.x"', '""', '"."', '"a\\nb"'])
def test_a_quoted_key_with_a_dot_is_a_key_that_is_not_known(key: str) -> None:
    """An unknown key is one fault that shows it as it is written, whatever stands between its quotes."""
    (fault,) = faults(f"{SITE}{key} = 1\n")
    assert (fault.line, fault.field, fault.problem) == (2, key, "this key is not known here")


def test_an_unknown_key_does_not_hide_a_contradiction() -> None:
    """The rules are still checked together where a key looks like the path of one of them."""
    found = load_site_rules(f'{SITE}"max_on.x" = 1\nmax_on = "2 h"\n', "site.toml")
    assert isinstance(found, tuple)
    assert [fault.field for fault in found] == ['"max_on.x"', "max_on"]


@pytest.mark.parametrize("head", ["", SITE, STUDY], ids=["bare", "site", "study"])
@pytest.mark.parametrize("deep", DEEP, ids=["arrays", "tables", "shallower", "dotted", "header"])
def test_nesting_without_end_is_one_fault(head: str, deep: str) -> None:
    """However a file nests, it is one fault at the line that nests."""
    (fault,) = faults(f"{head}{deep}\n")
    assert (fault.line, fault.problem) == (head.count("\n") + 1, "nested too deeply")


def test_brackets_inside_a_text_are_no_nesting() -> None:
    """A text of many brackets is a value like another, and its own fault."""
    found = faults(f"{SITE}max_on = '''\n{'[' * 5_000}\n'''\n")
    assert [fault.line for fault in found] != []
    assert all(len(str(fault)) < 1_000 for fault in found)


@pytest.mark.parametrize("number", ["1" * 5_000, "0x" + "f" * 5_000], ids=["decimal", "hexadecimal"])
def test_a_number_without_end_is_one_fault(number: str) -> None:
    """A number that Python will not write in digits is named without them."""
    (fault,) = faults(f"{SITE}max_on = {number}\n")
    assert fault.line == 2
    assert len(str(fault)) < 400


@pytest.mark.parametrize(
    "text",
    ['"\\u001b[2J\\n\\u202e" = "\\u0007\\r"\n', 'max_on = "\\u001b]0;x\\u0007\\n\\u0085"\n', "max_on = \x1b[31m\n"],
    ids=["key", "value", "raw"],
)
def test_control_characters_are_shown_escaped(tmp_path: Path, text: str) -> None:
    """What would move a terminal's cursor is printed as its escape, on one line a fault."""
    result = check(tmp_path, SITE + text)
    assert result.exit_code == 1
    assert "\\x1b" in result.stderr
    assert all(line.isprintable() for line in result.stderr.split("\n"))
    assert result.stderr.startswith("site.toml:2: ")


def test_a_fault_line_is_cut_to_a_readable_length(tmp_path: Path) -> None:
    """Neither a long key nor a long value nor a line that is no TOML makes a long line."""
    for text in (f'"{"k" * 50_000}" = 1', f'max_on = "{"v" * 50_000}"', "w" * 50_000, f"max_on = {'v' * 50_000}"):
        result = check(tmp_path, f"{SITE}{text}\n")
        assert result.exit_code == 1
        assert max(map(len, result.stderr.splitlines())) < 1_000


def test_json_carries_what_the_file_holds(tmp_path: Path) -> None:
    """To a script the same faults come as JSON that parses."""
    found = json.loads(check(tmp_path, f'{SITE}"a\\u001b.b" = 1\n', "--json").stdout)
    assert (found["ok"], len(found["faults"])) == (False, 1)
