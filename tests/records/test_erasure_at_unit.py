"""A subject's private facts erased at a unit: its whole day played, the unit off, and its ledger verified after."""

import re
import shutil
import sqlite3
from base64 import urlsafe_b64decode
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from nebctl.bundle import Verified, verify_bundle
from nebctl.cli.ledger import ledger
from nebctl.clock import SystemClock
from nebctl.config import load_config
from nebctl.core.erasure import Erasure
from nebctl.core.operators import Operator
from nebctl.retention import NotErased, Terms, erase_at_unit
from nebctl_lab.scenario.player import Player
from nebctl_lab.scenario.shipped import open_scenario
from nebctl_lab.scenario.virtual import ScenarioSite, plan_of
from nebctl_lab.virtual import run_virtual

pytestmark = pytest.mark.timeout(200)
WISH = Erasure(subject="MEX-001", by="PH-01", second="PI-01", reason="retention has ended")
STAFF = (
    Operator(code="PH-01", name="Bo", roles=("pharmacist",)),
    Operator(code="PI-01", name="Di", roles=("investigator",)),
    Operator(code="RT-07", name="Ana", roles=("therapist",)),
)
TERMS = Terms(keep_until=date(2051, 12, 31), today=date(2052, 1, 1), staff=STAFF)


def with_a_played_unit(work: Callable[[Path, Path], Coroutine[Any, Any, None]]) -> None:
    """Play a dose that ends well, switch the unit off, and do something with its folder and the trust folder."""

    async def main() -> None:
        scenario = open_scenario("shift-change")
        async with ScenarioSite(plan_of(scenario, scenario.seed)) as site:
            await Player(scenario, site, scenario.seed).play()
            await site.advance(30)
            assert site.waiting() == 0
            await site.stop_unit()
            await work(site.hosts[site.named("")].folder, site.root / "trust")

    run_virtual(main())


def config(folder: Path) -> Any:
    """Return the unit's configuration."""
    loaded = load_config(folder / "unit.toml")
    assert not isinstance(loaded, tuple), loaded
    return loaded


def decoded(data: bytes) -> bytes:
    """Return what looks like base64url in a file, decoded at each of the four places where it may begin."""
    runs = re.findall(rb"[A-Za-z0-9_-]{24,}", data)
    return b"".join(urlsafe_b64decode(run[at : at + (len(run) - at) // 4 * 4]) for run in runs for at in range(4))


def everything(folder: Path) -> bytes:
    """Return every byte of the unit's database files."""
    return b"".join(file.read_bytes() for file in folder.glob("unit.db*"))


def run(*words: object) -> Any:
    """Call `nebctl ledger`."""
    return CliRunner().invoke(ledger, [str(word) for word in words])


def test_a_units_ledger_verifies_after_the_erasure_and_its_proofs_hold() -> None:
    """Nothing private is left in the file, verify finds nothing, a proof still proves, and show says erased."""

    async def work(folder: Path, trust: Path) -> None:
        db = folder / "unit.db"
        assert b"MEX-001" in decoded(db.read_bytes())
        (dose,) = run("show", db, "--type", "dose", "--sd-jwt").stdout.splitlines()
        count = await erase_at_unit(config(folder), WISH, TERMS, SystemClock())
        assert count > 5
        left = everything(folder)
        assert b"MEX-001" not in decoded(left) + left
        done = run("verify", db, "--trust", trust)
        assert done.exit_code == 0, done.output
        lines = run("show", db).stdout.splitlines()
        assert sum("erased (record" in line for line in lines) == count
        assert "access" in lines[-1]
        assert "operator=PH-01" in lines[-1]
        session = re.search(r"day 1 (\S+)", run("show", db, "--type", "dose").stdout)
        assert session is not None
        assert run("proof", "--db", db, "--dose", session[1], "-o", folder / "proof").exit_code == 0
        assert isinstance(verify_bundle(folder / "proof", trust), Verified)
        assert (folder / "proof" / "dose.jws").read_text() == dose.split("~")[0]

    with_a_played_unit(work)


def test_what_was_erased_without_a_record_that_says_so_is_found() -> None:
    """A deletion by hand, also one that names a record which says something else, is a finding."""

    async def work(folder: Path, trust: Path) -> None:
        db = sqlite3.connect(folder / "unit.db", isolation_level=None)
        (seq,) = db.execute("SELECT min(seq) FROM disclosure").fetchone()
        with pytest.raises(sqlite3.IntegrityError, match="disclosure_is_never_deleted"):
            db.execute("DELETE FROM disclosure WHERE seq = ?", (seq,))
        db.execute("INSERT INTO erased VALUES (1, ?, 1, 0)", (seq,))
        db.execute("DELETE FROM disclosure WHERE seq = ?", (seq,))
        db.close()
        done = run("verify", folder / "unit.db", "--trust", trust)
        assert (done.exit_code, f"seq {seq}: erasure" in done.stdout) == (1, True), done.stdout

    with_a_played_unit(work)


@pytest.mark.parametrize(
    ("wish", "terms", "said"),
    [
        ({"second": "PH-01"}, {}, "two different persons"),
        ({"second": "RT-07"}, {}, "RT-07 is no pharmacist or investigator"),
        ({"by": "XX-99"}, {}, "XX-99 is no pharmacist"),
        ({}, {"keep_until": None}, "keep_private_until"),
        ({}, {"today": date(2051, 12, 31)}, "kept until 2051-12-31, and today is 2051-12-31"),
        ({"subject": "MEX-009"}, {}, "check the pseudonym"),
    ],
)
def test_nothing_is_erased_at_a_unit_too_early_or_by_one_person(
    wish: dict[str, str], terms: dict[str, Any], said: str, played: Path
) -> None:
    """One person twice, a therapist, a stranger, no date, the last day of the date, an unknown subject: no change."""
    before = (played / "unit.db").read_bytes()

    async def ask() -> None:
        await erase_at_unit(config(played), replace(WISH, **wish), replace(TERMS, **terms), SystemClock())

    with pytest.raises(NotErased, match=said):
        run_virtual(ask())
    assert (played / "unit.db").read_bytes() == before


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of a unit's folder after a dose."""
    kept = tmp_path_factory.mktemp("kept")

    async def keep(folder: Path, _trust: Path) -> None:
        shutil.copytree(folder.parents[1], kept / "site", ignore=shutil.ignore_patterns("*.sock"))

    with_a_played_unit(keep)
    (path,) = (kept / "site").rglob("unit.toml")
    return path.parent


def test_the_command_asks_the_sites_own_rules_first(played: Path) -> None:
    """The rules that the unit works by name no date, so the command erases nothing and says what is missing."""
    done = run(
        "erase",
        "--config",
        played / "unit.toml",
        "--subject",
        "MEX-001",
        "--by",
        "PH-01",
        "--second",
        "PI-01",
        "--reason",
        "x",
    )
    assert (done.exit_code, "keep_private_until" in done.output) == (1, True), done.output
