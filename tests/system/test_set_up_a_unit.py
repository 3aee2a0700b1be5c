"""The page about setting up a unit: typed in order, its commands lead from an empty folder to a good configuration."""

import re
import shlex
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nebctl.cli import main
from nebctl.keys import load_trust
from nebctl.study import load_approvers, load_study
from nebctl_protocols import builtin, default_site_rules, load, read_backs

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "set-up-a-unit.md").read_text("utf-8")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SITE = "sim.mexcovid.example"
INIT = f'pharmacy init . --site {SITE} --sim --operator RT-07 "A" --pharmacist PH-01 "B" --pharmacist PH-02 "C"'
HERE = {
    '"/var/lib/nebctl"': '"data"\nsimulated = true',
    '"credential:ledger.key"': '"neb-0001.key"',
    '"/etc/nebctl/trust"': '"trust"',
    '"credential:pin.key"': '"keys/pin.key"',
}


def simulated(text: str) -> str:
    """Return a text of the page for the simulated site."""
    return text.replace("mexcovid.example", SITE)


def commands() -> list[list[str]]:
    """Return the page's commands in order, up to the check of the configuration, as words behind `nebctl`."""
    blocks = [text for kind, text in BLOCK.findall(simulated(PAGE)) if not kind]
    lines = [shlex.split(line)[1:] for block in blocks for line in block.splitlines()]
    return lines[: lines.index(["config", "check", "unit.toml"]) + 1]


def unit_toml() -> str:
    """Return the page's unit.toml with the paths of one folder."""
    (text,) = (text for kind, text in BLOCK.findall(simulated(PAGE)) if kind == "toml")
    for there, here in HERE.items():
        assert there in text
        text = text.replace(there, here)
    return text


def call(words: list[str]) -> Result:
    """Call nebctl; who approves types what the file says."""
    answers = "".join(
        f"{answer}\n"
        for text in (builtin("NCT04276987"), default_site_rules())
        if words[:2] == ["protocol", "approve"] and (words[2] == "site-rules.toml") == (text == default_site_rules())
        for _, answer in read_backs(load(text, "file"))  # type: ignore[arg-type]  # what comes with nebctl is good
    )
    return CliRunner().invoke(main, words, input=answers)


@pytest.fixture
def set_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder in which a pharmacy was made and every command of the page was typed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "unit.toml").write_text(unit_toml(), "utf-8")
    for words in (shlex.split(INIT), *commands()):
        done = call(words)
        assert done.exit_code == 0, f"nebctl {shlex.join(words)}: {done.output}"
    return tmp_path


def test_the_page_leads_to_a_good_configuration(set_up: Path) -> None:
    """Every command succeeds as it stands, and what they leave is a trust folder and an approved study."""
    trust = set_up / "trust"
    assert load_trust(trust, "neb-0001").name == f"{SITE}/nebctl/neb-0001/1"
    (approver,) = load_approvers(trust / "approvers.vkey")
    study = load_study(set_up / "NCT04276987.toml", None, set_up / "site-rules.toml", (approver,), time.time_ns())
    assert study.rules_text == default_site_rules()


def test_the_page_names_every_file_of_the_trust_folder(set_up: Path) -> None:
    """Each file in the page's table is there once the commands were typed."""
    table = PAGE.split("| file | whose key |\n")[1].split("\n\n")[0]
    named = re.findall(r"`([\w.-]+\.(?:pem|vkey))`", table)
    assert [name for name in named if not (set_up / "trust" / name).exists()] == []
    assert len(named) >= 4


def test_an_approver_is_added_once_and_never_replaced(set_up: Path) -> None:
    """The same key again changes nothing; another key under the same name is refused, and a second name is added."""
    again = ["keys", "publish", "approver.key", "--name", f"{SITE}/approver", "--trust", "trust", "--approver"]
    assert call(again).exit_code == 0
    assert call(["keys", "create", "other.key"]).exit_code == 0
    refused = call(["other.key" if word == "approver.key" else word for word in again])
    assert (refused.exit_code, "another key named" in refused.output) == (2, True)
    assert call(["keys", "publish", "other.key", "--name", "dr-lin", "--trust", "trust", "--approver"]).exit_code == 0
    assert [key.name for key in load_approvers(set_up / "trust" / "approvers.vkey")] == [f"{SITE}/approver", "dr-lin"]


def test_a_copy_never_overwrites(set_up: Path) -> None:
    """A study protocol that a site has changed is not replaced by the one that comes with nebctl."""
    (set_up / "site-rules.toml").write_text("changed", "utf-8")
    refused = call(["protocol", "copy", "site-rules"])
    assert (refused.exit_code, "nothing is overwritten" in refused.output) == (2, True)
    assert (set_up / "site-rules.toml").read_text("utf-8") == "changed"
    unknown = call(["protocol", "copy", "NCT00000000"])
    assert (unknown.exit_code, "NCT04276987" in unknown.output) == (2, True)


def test_a_pharmacy_without_a_database_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything was entered, `pharmacy show` says that there is no database yet and what to run."""
    monkeypatch.chdir(tmp_path)
    assert call(shlex.split(INIT)).exit_code == 0
    done = call(["pharmacy", "show", "--config", "pharmacy.toml", "--subject", "MEX-001"])
    assert done.exit_code == 1
    assert "no database" in done.output
    assert "nebctl pharmacy enrol-unit" in done.output
