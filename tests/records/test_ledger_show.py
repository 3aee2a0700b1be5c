"""`nebctl ledger show`: times with their bounds, chosen private facts, unknown types, for people and machines."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from nebctl.cli.ledger import ledger as command
from nebctl.core.instant import ClockState, Instant
from nebctl.core.ledger import head, note
from nebctl.core.ledger.envelope import Stamp
from nebctl.core.ledger.note import Vkey
from nebctl.core.ledger.records import Draft, SessionDay
from nebctl.keys import Ed25519Signer, verify, write_public
from nebctl.store.ledger import UnitLedger

SITE = "sim.mexcovid.example"
SYNCED = ClockState(sync=True, source=532_226, max_error_us=20_000)
ALONE = ClockState(sync=False, source=532_224, max_error_us=16_000_000)
TEN_NS = 1_771_063_200 * 10**9
DAY = SessionDay(session="2026-02-14-7f3a9c", day=1, tz="UTC", date_local="2026-02-14")
START = Draft(typ="start", facts={"kit": "KIT-0401"}, private={"subject": "MEX-001", "operator": "RT-07"}, session=DAY)


def run(*args: object) -> Result:
    """Call `nebctl ledger` in this process."""
    return CliRunner().invoke(command, [str(arg) for arg in args])


def lines(*args: object) -> list[str]:
    """Return what `nebctl ledger show` prints."""
    done = run("show", *args)
    assert done.exit_code == 0, done.output
    return done.stdout.splitlines()


def at(seconds: int, boot: str, clock: ClockState, *, wrong_s: int = 0) -> Instant:
    """Return a moment so long after ten o'clock, as a clock shows it that is wrong by so much."""
    return Instant(mono_ns=seconds * 10**9, wall_ns=TEN_NS + (seconds + wrong_s) * 10**9, boot=boot, clock=clock)


@pytest.fixture
async def unit_db(tmp_path: Path) -> Path:
    """A unit's ledger of three boots: one that synchronised late, one that never did, and one that always was."""
    signer, pharmacy = Ed25519Signer.from_seed(b"u" * 32), Ed25519Signer.from_seed(b"p" * 32)
    counted = iter(range(10_000))
    ledger = await UnitLedger.open(
        tmp_path / "unit.db",
        site=SITE,
        unit="neb-0001",
        signer=signer,
        verify=verify,
        witness=Vkey(f"{SITE}/nebctl-pharmacy", note.COSIGNATURE, pharmacy.public),
        stamp=Stamp(unit="neb-0001", epoch=1, software="test", config_sha256="0" * 64, simulated=True),
        random=lambda count: hashlib.sha256(b"%d" % next(counted)).digest()[:count],
        at=at(0, "boot-a", ALONE, wrong_s=-(10**7)),
    )
    await ledger.append([START], at(60, "boot-a", ALONE, wrong_s=-(10**7)))
    await ledger.append([Draft(typ="clock", facts={"reason": "first-sync"})], at(120, "boot-a", SYNCED))
    await ledger.append([Draft(typ="boot", facts={"reason": "start"})], at(300, "boot-b", ALONE, wrong_s=-(10**7)))
    await ledger.append([Draft(typ="weather", facts={"sky": "clear"})], at(600, "boot-c", SYNCED))
    checkpoint = head.Checkpoint.parse(note.parse_note(ledger.head_note).text)
    line = head.cosign(checkpoint, TEN_NS // 10**9 + 601, f"{SITE}/nebctl-pharmacy", pharmacy)
    await ledger.take_receipt(ledger.head_note + line)
    await ledger.append([Draft(typ="boot", facts={"reason": "start"})], at(900, "boot-d", ALONE, wrong_s=10**7))
    await ledger.close()
    write_public(tmp_path / "trust", "neb-0001", Vkey(f"{SITE}/nebctl/neb-0001/1", note.ED25519, signer.public))
    write_public(tmp_path / "trust", "pharmacy", Vkey(f"{SITE}/nebctl-pharmacy", note.COSIGNATURE, pharmacy.public))
    return tmp_path / "unit.db"


async def test_each_line_has_the_recorded_time_and_what_is_known_of_the_true_one(unit_db: Path) -> None:
    """Synchronised: so many milliseconds; before the first synchronisation: corrected; never: between neighbours."""
    genesis, start, clock, lost, weather, last = lines(unit_db)
    assert "2025-10-21T16:14:20.000Z (not synchronised: 2026-02-14T10:00:59.950Z to 2026-02-14T10:01:00.051Z)" in start
    assert "2026-02-14T09:59:59.920Z to 2026-02-14T10:00:00.081Z" in genesis
    assert "2026-02-14T10:02:00.000Z ±21 ms" in clock
    assert "(not synchronised: 2026-02-14T10:01:59.980Z to 2026-02-14T10:10:00.021Z)" in lost
    assert "2026-02-14T10:10:00.000Z ±21 ms" in weather
    assert "(not synchronised: after 2026-02-14T10:09:59.980Z)" in last


async def test_a_program_gets_the_same_bounds(unit_db: Path) -> None:
    """One JSON object a line: record, disclosed and withheld facts, leaf, time; a bound that is not known is null."""
    objects = [json.loads(line) for line in lines(unit_db, "--json")]
    assert [each["record"]["seq"] for each in objects] == list(range(6))
    assert objects[5]["time"] == {"low": "2026-02-14T10:09:59.980Z", "high": None, "contradicted": False}
    assert (objects[1]["disclosed"], objects[1]["withheld"]) == ({"subject": "MEX-001", "operator": "RT-07"}, 0)


async def test_a_record_of_an_unknown_type_is_kept_verified_and_reported(unit_db: Path) -> None:
    """It is shown and marked, found by its type, and verified like any other."""
    (line,) = lines(unit_db, "--type", "weather")
    assert "weather (unknown type)" in line
    assert [json.loads(each)["known"] for each in lines(unit_db, "--json")] == [True, True, True, True, False, True]
    done = run("verify", unit_db, "--trust", unit_db.parent / "trust")
    assert (done.exit_code, "6 records" in done.stdout) == (0, True), done.output


async def test_only_the_chosen_private_facts_are_shown(unit_db: Path) -> None:
    """--disclose names what is shown; "none" shows nothing; the rest is counted, and filters still work by it."""
    (whole,) = lines(unit_db, "--type", "start")
    assert "subject=MEX-001" in whole
    (chosen,) = lines(unit_db, "--type", "start", "--disclose", "operator")
    assert ("operator=RT-07" in chosen, "MEX-001" in chosen) == (True, False)
    (bare,) = lines(unit_db, "--subject", "MEX-001", "--disclose", "none", "--json")
    assert (json.loads(bare)["disclosed"], json.loads(bare)["withheld"]) == ({}, 2)
    assert "MEX-001" not in bare


@pytest.mark.parametrize(("names", "count"), [(("subject",), 1), (("none",), 0), ((), 2)])
async def test_an_sd_jwt_holds_what_is_disclosed_and_no_more(unit_db: Path, names: tuple[str, ...], count: int) -> None:
    """By RFC 9901: parts closed by tildes, each disclosure's digest in `_sd`; read here without nebctl."""
    (text,) = lines(unit_db, "--type", "start", "--sd-jwt", *(word for name in names for word in ("--disclose", name)))
    jws, *disclosures, end = text.split("~")
    payload: dict[str, Any] = json.loads(base64.urlsafe_b64decode(jws.split(".")[1] + "=="))
    digests = [
        base64.urlsafe_b64encode(hashlib.sha256(each.encode()).digest()).decode().rstrip("=") for each in disclosures
    ]
    assert (end, len(disclosures)) == ("", count)
    assert set(digests) <= set(payload["_sd"])


async def test_json_and_sd_jwt_exclude_each_other(unit_db: Path) -> None:
    """Both at once is a wrong call."""
    assert run("show", unit_db, "--json", "--sd-jwt").exit_code == 2
