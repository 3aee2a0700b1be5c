"""`nebctl operators`: the page's commands as they stand, what reaches the units, and what is refused."""

import json
import re
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from nebctl import keys
from nebctl.cli import main
from nebctl.clock import write_clock_file
from nebctl.core.ledger.note import ED25519, Vkey
from nebctl.core.operators import Operator, refuse
from nebctl.core.orders import Worklist, parse_worklist
from nebctl.pharmacy import log
from nebctl.pharmacy.config import PharmacyConfig, read_config
from nebctl.pharmacy.database import beside
from nebctl.pharmacy.orders import Desk, renew_worklists
from nebctl.pharmacy.setup import Plan, orders_name, set_up
from nebctl.pins import Checked, load_pin_key
from nebctl.store.prove import read
from nebctl.store.reader import LedgerFile

SITE = "sim.mexcovid.example"
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "operators.md").read_text("utf-8")
NOW = datetime(2026, 2, 14, 15, tzinfo=UTC)
NOW_NS = int(NOW.timestamp()) * 10**9
PIN = "730519"


def run(*words: str, typed: str | None = None) -> Result:
    """Call `nebctl` with these words."""
    return CliRunner().invoke(main, list(words), input=typed)


def operators(command: str, *words: str, typed: str | None = None) -> Result:
    """Call `nebctl operators` on the pharmacy of the working directory."""
    return run("operators", command, "--config", "pharmacy.toml", *words, typed=typed)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a simulated pharmacy with one unit, on Day 1, at which nobody but its founders may act."""
    write_clock_file(tmp_path / "clock", mono_ns=10**9, wall_ns=NOW_NS, scale_milli=1000)
    plan = Plan(
        site=SITE,
        sim=True,
        study="NCT04276987",
        mqtt="mqtt://127.0.0.1:1",
        clock=tmp_path / "clock",
        operators=[],
        pharmacists=[("PH-01", "Bo"), ("PH-02", "Cy")],
        investigators=[("PI-01", "Di")],
    )
    set_up(tmp_path, tmp_path / "trust", plan)
    monkeypatch.chdir(tmp_path)
    signer = keys.Ed25519Signer.from_seed(b"\x01" * 32)
    keys.write_public(tmp_path, "neb-0001", Vkey(f"{SITE}/nebctl/neb-0001/1", ED25519, signer.public))
    enrolled = run(
        "pharmacy", "enrol-unit", "--config", "pharmacy.toml", "--unit", "neb-0001", "--vkey", "neb-0001.vkey"
    )
    assert enrolled.exit_code == 0
    return tmp_path


def commands() -> list[list[str]]:
    """Return the page's commands in order, each as its words behind `nebctl`."""
    blocks = re.findall(r"^```\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("nebctl ")]


def listed(home: Path) -> dict[str, Operator]:
    """Return the operators of the worklist that the unit gets now, by code."""
    config = read_config(home / "pharmacy.toml")
    assert isinstance(config, PharmacyConfig)
    signer = keys.load_signer(home / "keys" / "orders.key")
    name = orders_name(SITE)
    desk = Desk(site=SITE, study="NCT04276987", operators=config.staff(), key_name=name, signer=signer)
    with beside(config.database) as db:
        note = renew_worklists(db, desk, NOW_NS)["neb-0001"]
    worklist = parse_worklist(note, Vkey(name, ED25519, signer.public), SITE, "neb-0001", keys.verify)
    assert isinstance(worklist, Worklist)
    return {person.code: person for person in worklist.operators}


def begin(*, until: str = "2026-12-31") -> None:
    """Let RT-09 be a trained therapist with a PIN."""
    assert operators("add", "--code", "RT-09", "--name", "D. Vega", "--by", "PH-01").exit_code == 0
    dates = ("--from", "2026-02-14", "--to", until, "--trained", "2026-02-10")
    assert operators("delegate", "--code", "RT-09", "--role", "therapist", *dates, "--by", "PI-01").exit_code == 0
    done = operators("pin", "--code", "RT-09", "--by", "PH-01", typed=f"{PIN}\n{PIN}\n")
    assert done.exit_code == 0, done.output


def test_every_command_of_the_page_works_as_it_stands() -> None:
    """Typed one after the other, each command of the page does what it says, with the PIN typed twice."""
    found = [words for words in commands() if words[0] == "operators"]  # a dose needs a subject, and has its own tests
    assert len(found) == 7
    for words in found:
        done = run(*words, typed=f"{PIN}\n{PIN}\n")
        assert done.exit_code == 0, f"{shlex.join(words)}: {done.output}"
        assert PIN not in done.output


@pytest.mark.req("S01")
def test_what_was_delegated_reaches_the_unit(home: Path) -> None:
    """The next worklist has role, dates, training and a verifier that only the site's key makes a check of a PIN."""
    begin()
    person = listed(home)["RT-09"]
    assert refuse(person, NOW.date(), "therapist") is None
    key = load_pin_key(home / "keys" / "pin.key")
    assert key.check("RT-09", PIN, person.pin, simulated=True) is Checked.GOOD
    assert key.check("RT-09", "730518", person.pin, simulated=True) is Checked.WRONG
    assert key.check("RT-08", PIN, person.pin, simulated=True) is Checked.WRONG
    assert key.check("RT-09", PIN, person.pin) is Checked.NOT_USABLE  # too cheap for a live unit


@pytest.mark.req("S01")
def test_a_suspension_reaches_the_unit_and_the_pharmacy_s_own_desk(home: Path) -> None:
    """A suspended person, also one whom the configuration names, is refused at the unit and by the pharmacy."""
    begin()
    assert operators("suspend", "--code", "RT-09", "--reason", "badge lost", "--by", "PH-01").exit_code == 0
    assert operators("suspend", "--code", "PH-02", "--reason", "left", "--by", "PI-01").exit_code == 0
    people = listed(home)
    codes = [found.code for code in ("RT-09", "PH-02") if (found := refuse(people[code], NOW.date()))]
    assert codes == ["operator-suspended"] * 2
    refused = operators("suspend", "--code", "RT-09", "--reason", "again", "--by", "PH-02")
    assert refused.exit_code == 1
    assert "PH-02 is suspended" in refused.output
    assert operators("reinstate", "--code", "RT-09", "--reason", "found", "--by", "PI-01").exit_code == 0
    assert refuse(listed(home)["RT-09"], NOW.date(), "therapist") is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "--code", "RT09", "--name", "X", "--by", "PH-01"), "letters, a hyphen and digits"),
        (("add", "--code", "RT-10", "--name", " ", "--by", "PH-01"), "the printed name"),
        (("add", "--code", "RT-10", "--name", "X", "--badge", "801234567890123453", "--by", "PH-01"), "check digit"),
        (("add", "--code", "RT-09", "--name", "X", "--by", "PH-01"), "RT-09 has"),
        (("add", "--code", "RT-10", "--name", "X", "--by", "RT-09"), "pharmacist"),
        (("suspend", "--code", "RT-99", "--reason", "x", "--by", "PH-01"), "nebctl operators list"),
        (("reinstate", "--code", "RT-09", "--reason", "x", "--by", "PI-01"), "not suspended"),
    ],
)
def test_a_wrong_change_is_refused_in_words(words: tuple[str, ...], said: str) -> None:
    """Each malformed, doubled or unallowed change ends with exit code 1, one sentence, and nothing changed."""
    begin()
    before = operators("list", "--json").output
    done = operators(*words)
    assert done.exit_code == 1
    assert said in done.output
    assert operators("list", "--json").output == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"--role": "king"}, "one of therapist"),
        ({"--to": "2026-02-13"}, "an end on or after"),
        ({"--trained": "2026-02-15"}, "Train first"),
        ({"--by": "PH-01"}, "investigator"),
        ({"--code": "PI-01"}, "Nobody delegates to herself"),
        ({"--code": "RT-99"}, "a known person"),
    ],
)
def test_a_wrong_delegation_is_refused_in_words(change: dict[str, str], said: str) -> None:
    """A role that there is not, dates out of order, a training to come, and a person who may not delegate."""
    begin()
    given = {
        "--code": "RT-09",
        "--role": "therapist",
        "--from": "2026-02-14",
        "--trained": "2026-02-10",
        "--by": "PI-01",
    }
    done = operators("delegate", *(word for pair in {**given, **change}.items() for word in pair))
    assert done.exit_code == 1
    assert said in done.output


@pytest.mark.parametrize("typed", ["12345\n", "123456\n", "777777\n", "73051a\n", f"{PIN}\n730518\n"])
def test_a_pin_that_is_none_is_not_set(home: Path, typed: str) -> None:
    """A short, sequential, repeated or lettered PIN, and two that differ, change nothing and are not echoed."""
    assert operators("add", "--code", "RT-09", "--name", "D. Vega", "--by", "PH-01").exit_code == 0
    done = operators("pin", "--code", "RT-09", "--by", "PH-01", typed=typed)
    assert done.exit_code == 1
    assert typed.split(maxsplit=1)[0] not in done.output.replace("such as 123456", "")
    assert listed(home)["RT-09"].pin == ""


def test_the_log_tells_who_did_what_and_holds_no_pin(home: Path, schemas: Any) -> None:
    """Every change is a signed event of its schema; neither a PIN nor its verifier stands in log or tables' dump."""
    begin()
    with LedgerFile.open(log.beside(home / "pharmacy.db")) as file:
        entries = [entry for _, entry in read(file) if entry.payload["typ"] == "operator"]
    assert [entry.payload["event"] for entry in entries] == ["added", "delegated", "pin-set"]
    for entry in entries:
        assert schemas.of_entry(entry) == []
    assert not any(PIN in entry.jws or "argon2" in entry.jws for entry in entries)
    assert PIN.encode() not in (home / "pharmacy.db").read_bytes()


def test_show_says_by_its_exit_code_whether_a_person_may_act() -> None:
    """`show` is 0 for a person in force, 1 for one whose delegation has ended; both print every line as JSON."""
    begin(until="2026-02-14")
    done = operators("show", "--code", "RT-09", "--json")
    assert (done.exit_code, json.loads(done.output)["roles_today"]) == (0, ["therapist"])
    write_clock_file(Path("clock"), mono_ns=10**9, wall_ns=NOW_NS + 86_400 * 10**9, scale_milli=1000)
    done = operators("show", "--code", "RT-09")
    assert done.exit_code == 1
    assert "until 2026-02-14" in done.output
