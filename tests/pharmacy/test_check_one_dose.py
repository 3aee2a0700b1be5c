"""The page on checking one dose: each of its commands works as it stands, on a unit's and a pharmacy's database."""

import asyncio
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from nebctl.cli import main
from nebctl.core.ledger import head, note
from nebctl.core.ledger.envelope import Stamp
from nebctl.core.ledger.note import Vkey
from nebctl.core.ledger.records import Draft, SessionDay
from nebctl.keys import Ed25519Signer, verify, write_public
from nebctl.pharmacy import tables
from nebctl.pharmacy.enrolment import enrol_unit
from nebctl.pharmacy.ingest import Ingest
from nebctl.publish.topics import format_record
from nebctl.store.ledger import UnitLedger

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "how-to" / "check-one-dose.md").read_text("utf-8")
SITE, UNIT, DOSE = "sim.mexcovid.example", "neb-0001", "2026-02-14-7f3a9c"
NOW_NS = 1_771_063_200_000_000_000


def commands() -> list[list[str]]:
    """Return the page's commands in order, as their words."""
    blocks = re.findall(r"^```\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.splitlines()]


@pytest.fixture
def home(tmp_path: Path, unit: Any, db: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a unit's database, the pharmacy's, and the trusted keys."""
    asyncio.run(_fill(tmp_path, unit, db))
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "verify-dose.sh", tmp_path / "scripts")
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def _fill(folder: Path, unit: Any, db: Any) -> None:
    pharmacy = Ed25519Signer.from_seed(b"p" * 32)
    witness = Vkey(f"{SITE}/nebctl-pharmacy", note.COSIGNATURE, pharmacy.public)
    signer = Ed25519Signer.from_seed(b"u" * 32)
    vkey = Vkey(head.origin(SITE, UNIT, 1), note.ED25519, signer.public)
    write_public(folder / "trust", UNIT, vkey)
    write_public(folder / "trust", "pharmacy", witness)
    ledger = await UnitLedger.open(
        path=folder / "unit.db",
        site=SITE,
        unit=UNIT,
        signer=signer,
        verify=verify,
        witness=witness,
        stamp=Stamp(unit=UNIT, epoch=1, software="test", config_sha256="0" * 64, simulated=True),
        random=lambda count: unit.salt()[:count],
        at=unit_instant(),
    )
    day = SessionDay(session=DOSE, day=1, tz="UTC", date_local=DOSE[:10])
    private: dict[str, Any] = {"subject": "MEX-001", "operator": "RT-07"}
    volume = {"low_nl": 2_900_000, "best_nl": 2_950_000, "high_nl": 3_000_000}
    facts = {**volume, "charge": {**volume}, "start_seq": 1, "end": "complete", "verdict": "WITHIN"}
    await ledger.append([Draft(typ="start", private=private, session=day)], unit_instant())
    await ledger.append([Draft(typ="dose", facts=facts, private=private, session=day)], unit_instant())
    tables.prepare(db)
    enrol_unit(db, SITE, UNIT, vkey, NOW_NS)
    ingest = Ingest(db, simulated=True, verify=verify)
    for waiting in await ledger.unreceipted():
        ingest.take(UNIT, format_record(waiting.jws, waiting.disclosures, waiting.head_line), NOW_NS)
    await ledger.take_receipt(str(ingest.countersign(UNIT, witness.name, pharmacy, NOW_NS)))
    await ledger.close()


def unit_instant() -> Any:
    """Return a moment of a simulated clock."""
    from nebctl.core.instant import ClockState, Instant

    return Instant(mono_ns=1, wall_ns=NOW_NS, boot="boot", clock=ClockState(sync=True, source="sim", scale=60))


@pytest.mark.usefixtures("home")
def test_every_command_of_the_page_works_as_it_stands() -> None:
    """Typed one after the other, each command proves or shows what the page says."""
    told = commands()
    assert len(told) == 7
    for words in told:
        if words[0] == "nebctl":
            done = CliRunner().invoke(main, words[1:])
            assert done.exit_code == 0, (words, done.output)
            said = done.stdout
        else:
            ran = subprocess.run(words, capture_output=True, text=True, check=False, timeout=20)
            assert ran.returncode == 0, (words, ran)
            said = ran.stdout
        assert said.strip()
        if "verify" in words[1] or "verify-dose" in words[0]:
            assert said.startswith("PROVEN")


def test_the_pages_reasons_are_those_of_the_vectors() -> None:
    """Every error word of the vectors stands in the page on proofs, so that a refusal can be looked up."""
    import json

    page = (ROOT / "docs" / "reference" / "proofs.md").read_text("utf-8")
    vectors = json.loads((ROOT / "docs" / "ledger-vectors.json").read_text("utf-8"))
    words = {case["error"] for name in ("records", "notes", "bundles") for case in vectors[name] if case["error"]}
    general = {"member": "member NAME", "disclosure subject": "disclosure NAME", "proof line": "proof line N"}
    for word in sorted(words - {"dose"}):
        shown = next((text for start, text in general.items() if word.startswith(start)), word)
        assert f"`{shown}" in page, word
