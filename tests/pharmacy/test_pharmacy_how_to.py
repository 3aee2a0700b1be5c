"""The page about lots, kits and courses: its commands work as they stand, and its tables are those of the code."""

import re
import shlex
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from nebctl import keys
from nebctl.cli.pharmacy import pharmacy as command
from nebctl.clock import write_clock_file
from nebctl.core.kits import KIT_MOVES, LOT_MOVES, KitState, LotState
from nebctl.core.ledger.note import ED25519, Vkey
from nebctl.core.returned import Returned
from nebctl.pharmacy.setup import PIN_KEY, Plan, set_up
from nebctl.pins import load_pin_key

SITE = "sim.mexcovid.example"
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "lots-kits-and-courses.md").read_text("utf-8")
WEEK_LATER_NS = int(datetime(2026, 2, 21, 12, tzinfo=UTC).timestamp()) * 10**9
NO_SUCH_DOSE = "resolve"
"""The one command of the page that needs a dose in doubt: it is refused, in words."""


def commands() -> list[list[str]]:
    """Return the page's commands in order, each as its words behind `nebctl pharmacy`."""
    blocks = re.findall(r"^```\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [shlex.split(line)[2:] for line in lines if line.startswith("nebctl pharmacy ")]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a pharmacy a week after Day 1 with two units, as the working directory, with a delivery before it."""
    write_clock_file(tmp_path / "clock", mono_ns=10**9, wall_ns=WEEK_LATER_NS, scale_milli=1000)
    plan = Plan(
        site=SITE,
        sim=True,
        study="NCT04276987",
        mqtt="mqtt://127.0.0.1:1",
        clock=tmp_path / "clock",
        operators=[("RT-07", "Ana")],
        pharmacists=[("PH-01", "Bo"), ("PH-02", "Cy")],
        investigators=[("PI-01", "Di")],
    )
    set_up(tmp_path, tmp_path / "trust", plan)
    monkeypatch.chdir(tmp_path)
    for number, unit in enumerate(("neb-0001", "neb-0002")):
        signer = keys.Ed25519Signer.from_seed(bytes([number]) * 32)
        keys.write_public(tmp_path, unit, Vkey(f"{SITE}/nebctl/{unit}/1", ED25519, signer.public))
        assert run("enrol-unit", "--config", "pharmacy.toml", "--unit", unit, "--vkey", f"{unit}.vkey").exit_code == 0
    kits = "".join(f"KIT-040{n},EXO2020A,2026-12-31\n" for n in (1, 2))
    (tmp_path / "delivery.csv").write_text(f"kit,lot,expires\n{kits}", "utf-8")
    return tmp_path


def run(*words: str) -> Any:
    """Call `nebctl pharmacy`."""
    return CliRunner().invoke(command, list(words), input="WB-0001\nCARD-0001\n")


def test_every_command_of_the_page_works_as_it_stands(home: Path) -> None:
    """Typed one after the other, each command does what the page says; only a dose in doubt has to exist first.

    The code of doses that were given back is the one that this site's unit would show.
    """
    back = Returned(subject="MEX-001", sequence=5, last_day=1)
    code = load_pin_key(home / "keys" / PIN_KEY).return_code("neb-0001", back)
    for words in commands():
        done = run(*(code if word == "5-1-12345678" else word for word in words))
        assert done.exit_code == (words[0] == NO_SUCH_DOSE), f"{shlex.join(words)}: {done.output}"
        assert done.output.strip()


def test_every_topic_of_the_command_line_is_on_the_page() -> None:
    """No command about courses and stock is missing from the page."""
    told = {words[0] for words in commands()}
    elsewhere = {"init", "run", "enrol-unit", "audit", "revoke", "epoch", "export", "erase", "extra-dose"}
    assert told == set(command.commands) - elsewhere


@pytest.mark.parametrize(("states", "moves"), [(LotState, LOT_MOVES), (KitState, KIT_MOVES)], ids=["lots", "kits"])
def test_the_tables_of_the_page_are_those_of_the_code(states: type[Enum], moves: Mapping[Any, Any]) -> None:
    """Every row of the page's tables stands in the code, and the other way round."""
    heading = "a lot that is" if states is LotState else "a kit that is"
    table = PAGE.split(f"| {heading} | can become |\n|---|---|\n")[1].split("\n\n")[0]
    told = {}
    for names, can in re.findall(r"\| (.*?) \| (.*?) \|", table):
        for name in names.split(", "):
            told[states(name)] = {states(to) for to in can.split(", ")} if can != "nothing more" else set()
    assert told == {state: set(can) for state, can in moves.items()}
