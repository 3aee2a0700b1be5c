"""`nebctl ledger` for people and scripts: exit codes, one line, and a proof that verifies."""

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from nebctl.bundle import Verified, VerifiedGrowth, verify_bundle, verify_growth
from nebctl.cli.ledger import ledger as command
from nebctl.store import schema

FIRST, SECOND = "2026-02-14-7f3a9c", "2026-02-15-0a0b0c"


def run(*args: object) -> Result:
    """Call `nebctl ledger` in this process."""
    return CliRunner().invoke(command, [str(arg) for arg in args])


@pytest.fixture
def copy(finished: Any, tmp_path: Path) -> Path:
    """A copy of the finished unit's database."""
    return Path(shutil.copy(finished.path, tmp_path / "unit.db"))


def test_verify_says_one_line_and_the_keys_it_relied_on(finished: Any) -> None:
    """Exit 0 prints counts and root in one line; fingerprints go beside it."""
    result = run("verify", finished.path, "--trust", finished.trust)
    assert result.exit_code == 0, result.output
    assert result.stdout.count("\n") == 1
    assert result.stdout.startswith("VERIFIED 1 unit, 6 records, 1 head, 2 receipts; neb-0001/1 root ")
    for vkey in (finished.unit_vkey, finished.pharmacy_vkey):
        assert f"by key {vkey.name} sha256 {vkey.fingerprint()}" in result.stderr


@pytest.mark.req("S34")
def test_verify_names_the_first_finding_by_unit_epoch_and_sequence(finished: Any, copy: Path) -> None:
    """Exit 1 prints one finding; --all prints each, --json as a list."""
    db = sqlite3.connect(copy)
    for name in schema.triggers():
        db.execute(f"DROP TRIGGER {name}")
    db.execute("UPDATE log SET leaf = zeroblob(32) WHERE seq IN (2, 4)")
    for sql in schema.triggers().values():
        db.execute(sql)
    db.commit()
    db.close()
    result = run("verify", copy, "--trust", finished.trust)
    assert result.exit_code == 1
    assert result.stdout.startswith("unit neb-0001 epoch 1 seq 2: leaf: saw 0000")
    assert result.stdout.count("\n") == 1
    every = run("verify", copy, "--trust", finished.trust, "--all")
    assert ["seq 2" in line or "seq 4" in line for line in every.stdout.splitlines()] == [True, True]
    listed = json.loads(run("verify", copy, "--trust", finished.trust, "--all", "--json").stdout)
    assert (listed["verified"], listed["findings"]) == (False, every.stdout.splitlines())


def test_verify_json_names_the_logs(finished: Any) -> None:
    """A script gets counts, root and key of each log."""
    listed = json.loads(run("verify", finished.path, "--trust", finished.trust, "--json").stdout)
    assert listed["verified"]
    (log,) = listed["logs"]
    assert (log["unit"], log["epoch"], log["records"], log["receipts"], log["traces"]) == ("neb-0001", 1, 6, 2, 2)


def test_wrong_calls_exit_2_and_damaged_files_exit_1(finished: Any, tmp_path: Path) -> None:
    """A missing file or key is the caller's mistake; a file that is no ledger is a finding. Neither is a traceback."""
    assert run("verify", tmp_path / "none.db", "--trust", finished.trust).exit_code == 2
    empty = tmp_path / "empty"
    empty.mkdir()
    without_keys = run("verify", finished.path, "--trust", empty)
    assert (without_keys.exit_code, "pharmacy.vkey" in without_keys.output) == (2, True)
    junk = tmp_path / "junk.db"
    junk.write_text("hello")
    for args in (("verify", junk, "--trust", finished.trust), ("show", junk)):
        result = run(*args)
        assert (result.exit_code, "junk.db" in result.stdout, result.stdout.count("\n")) == (1, True, 1)


def test_a_units_key_does_not_pass_for_the_pharmacys(finished: Any, tmp_path: Path) -> None:
    """The pharmacy's key must be a countersigning key."""
    for suffix in (".pem", ".vkey"):
        shutil.copy(finished.trust / f"neb-0001{suffix}", tmp_path / f"pharmacy{suffix}")
    result = run("verify", finished.path, "--trust", tmp_path)
    assert (result.exit_code, "key type 0x01" in result.output) == (2, True)


def test_show_prints_a_line_a_record_and_filters(finished: Any) -> None:
    """Every record is shown; type, session, day and subject narrow it down."""
    assert run("show", finished.path).stdout.count("\n") == 6
    (dose,) = run("show", finished.path, "--type", "dose", "--session", SECOND).stdout.splitlines()
    for part in ("neb-0001/1      5", "dose", f"day 1 {SECOND}", "2.900 to 3.000 mL", "WITHIN", "subject=MEX-001"):
        assert part in dose
    assert run("show", finished.path, "--subject", "MEX-001").stdout.count("\n") == 4
    assert run("show", finished.path, "--subject", "MEX-002").stdout == ""
    assert run("show", finished.path, "--day", 2).stdout == ""
    records = [json.loads(line) for line in run("show", finished.path, "--json").stdout.splitlines()]
    assert [each["record"]["seq"] for each in records] == list(range(6))
    assert records[3]["disclosed"] == {"text": "97 %"}


@pytest.mark.parametrize("disclose", [(), ("subject",), ("subject", "operator")])
def test_proof_writes_a_bundle_that_verifies(finished: Any, tmp_path: Path, disclose: tuple[str, ...]) -> None:
    """The proof of a receipted dose verifies, shows the chosen facts alone, and stands under the newest receipt."""
    out = tmp_path / "proof"
    options = [part for name in disclose for part in ("--disclose", name)]
    result = run("proof", "--db", finished.path, "--dose", FIRST, "-o", out, *options)
    assert result.exit_code == 0, result.output
    verified = verify_bundle(out, finished.trust)
    assert isinstance(verified, Verified)
    assert set(verified.checked.revealed) == set(disclose)
    assert verified.checked.entry.payload["session"] == FIRST
    assert verified.checked.receipt.checkpoint.size == 4


def test_proof_works_from_any_place_where_the_unit_keeps_its_database(
    finished: Any, copy: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without --db it reads unit.db of the current folder, or what NEBCTL_DB names; where there is none it says so."""
    arguments = ["proof", "--dose", FIRST, "-o", str(copy.parent / "proof")]
    monkeypatch.chdir(copy.parent)
    assert run(*arguments).exit_code == 0
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    missing = run(*arguments)
    assert (missing.exit_code, "unit.db" in missing.output) == (2, True)
    monkeypatch.setenv("NEBCTL_DB", str(copy))
    assert run(*arguments).exit_code == 0


def test_proof_says_why_there_is_none(finished: Any, tmp_path: Path) -> None:
    """No receipt yet is exit 1; an unknown dose or fact is the caller's mistake, with what there is."""
    waiting = run("proof", "--db", finished.path, "--dose", SECOND, "-o", tmp_path / "p")
    assert (waiting.exit_code, "not yet receipted" in waiting.stdout) == (1, True)
    unknown = run("proof", "--db", finished.path, "--dose", "2026-02-14-000000", "-o", tmp_path / "p")
    assert (unknown.exit_code, "0 dose records" in unknown.output) == (2, True)
    no_fact = run("proof", "--db", finished.path, "--dose", FIRST, "-o", tmp_path / "p", "--disclose", "name")
    assert (no_fact.exit_code, "operator, subject" in no_fact.output) == (2, True)
    assert not (tmp_path / "p").exists()


def test_a_tampered_log_gives_no_proof(finished: Any, copy: Path, tmp_path: Path) -> None:
    """Leaves that do not lead to the countersigned root end in a finding, not in a proof that fails elsewhere."""
    db = sqlite3.connect(copy)
    db.execute("DROP TRIGGER log_is_never_changed")
    db.execute("UPDATE log SET leaf = zeroblob(32) WHERE seq = 0")
    db.commit()
    db.close()
    result = run("proof", "--db", copy, "--dose", FIRST, "-o", tmp_path / "p")
    assert (result.exit_code, "countersigned root" in result.stdout) == (1, True)
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize("name", ["verify", "show", "proof"])
def test_help_has_an_example(name: str) -> None:
    """Each command's help shows a call."""
    assert "Example: nebctl ledger" in run(name, "--help").output


def test_proof_of_growth_leads_from_one_receipt_to_another(finished: Any, tmp_path: Path) -> None:
    """With --since a bundle shows that the log only grew, from a receipt's size or from a head in a file."""
    out = tmp_path / "grown"
    assert run("proof", "--db", finished.path, "--since", 3, "-o", out).exit_code == 0
    first = verify_growth(out, finished.trust)
    assert isinstance(first, VerifiedGrowth)
    assert (first.grown.old.checkpoint.size, first.grown.new.checkpoint.size) == (3, 4)
    dose = tmp_path / "dose"
    assert run("proof", "--db", finished.path, "--dose", FIRST, "-o", dose).exit_code == 0
    held = {"receipt": out / "old.checkpoint", "dose": dose / "dose.tlog-proof", "grown": out / "new.tlog-consistency"}
    for name, size in {"receipt": 3, "dose": 4, "grown": 4}.items():
        again = tmp_path / f"again-{name}"
        assert run("proof", "--db", finished.path, "--since", held[name], "-o", again).exit_code == 0
        result = verify_growth(again, finished.trust)
        assert isinstance(result, VerifiedGrowth)
        assert result.grown.old.checkpoint.size == size


def test_proof_of_growth_says_why_there_is_none(finished: Any, tmp_path: Path) -> None:
    """A size without a receipt and both kinds at once are wrong calls; heads in the wrong order are a finding."""
    out = ("-o", tmp_path / "p")
    unknown = run("proof", "--db", finished.path, "--since", 2, *out)
    assert (unknown.exit_code, "no receipt of size 2, there is 3, 4" in unknown.output) == (2, True)
    assert run("proof", "--db", finished.path, "--since", 3, "--dose", FIRST, *out).exit_code == 2
    assert run("proof", "--db", finished.path, "--since", tmp_path / "none", *out).exit_code == 2
    swapped = run("proof", "--db", finished.path, "--since", 4, "--until", 3, *out)
    assert (swapped.exit_code, "saw 4, then 3" in swapped.stdout) == (1, True)
    assert not (tmp_path / "p").exists()
