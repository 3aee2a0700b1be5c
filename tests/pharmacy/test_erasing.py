"""A subject's private facts erased at the pharmacy: who may, when, what is gone, and that everything still verifies."""

import base64
import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from nebctl import keys
from nebctl.cli.ledger import ledger
from nebctl.core.erasure import Erasure
from nebctl.core.ledger.note import ED25519, Vkey
from nebctl.pharmacy import log
from nebctl.pharmacy.books import Books, Rulebook
from nebctl.pharmacy.cut import entries_of, newest_cut
from nebctl.pharmacy.erasing import erase
from nebctl.pharmacy.export import TYPES, table
from nebctl.pharmacy.faults import PharmacyFault
from nebctl.pharmacy.judging import overdue, raise_overdue
from nebctl.pharmacy.show import course_of

WISH = Erasure(subject="MEX-001", by="PH-01", second="PI-01", reason="retention has ended")
KEPT = date(2026, 3, 1)
DAYS_LATER = 24 * 20


def after(pharmacy: Any, *, keep_until: date | None = KEPT, hours: int = DAYS_LATER) -> Books:
    """Return the books of a later day under rules that name a retention date."""
    books: Books = pharmacy.at(hours)
    rules = replace(books.book.rules, keep_private_until=keep_until)
    return replace(books, book=Rulebook(regimen=books.book.regimen, follow_up=books.book.follow_up, rules=rules))


def path(pharmacy: Any) -> Path:
    """Return where the units' records lie."""
    return Path(pharmacy.books.log.path).with_name("pharmacy.db")


@pytest.fixture
def ended(pharmacy: Any, unit: Any) -> Any:
    """Return a pharmacy after the courses of MEX-001, two of whose doses were given, and of MEX-002."""
    pharmacy.take(unit.dose(1))
    pharmacy.take(unit.dose(2, end="stopped"))
    late = pharmacy.at(24 * 6)
    raise_overdue(late, overdue(late))
    pharmacy.take(unit.dose(5, subject="MEX-002"))
    pharmacy.receipt()
    return pharmacy


def verified(pharmacy: Any, tmp_path: Path) -> list[Result]:
    """Verify both databases by trusted keys."""
    trust, unit_signer = tmp_path / "trust", keys.Ed25519Signer.from_seed(b"\x01" * 32)
    keys.write_public(trust, "neb-0001", Vkey("sim.mexcovid.example/nebctl/neb-0001/1", ED25519, unit_signer.public))
    own = Vkey(f"sim.mexcovid.example/nebctl/{log.UNIT}/1", ED25519, pharmacy.books.log.signer.public)
    keys.write_public(trust, log.UNIT, own)
    keys.write_public(trust, "pharmacy", pharmacy.vkey)
    files = (path(pharmacy), pharmacy.books.log.path)
    return [CliRunner().invoke(ledger, ["verify", str(file), "--trust", str(trust), "--all"]) for file in files]


def test_after_it_all_records_verify_and_nothing_private_of_the_subject_is_left(ended: Any, tmp_path: Path) -> None:
    """Records, heads and receipts are the same and verify; the pseudonym is in no table, no page and no free space."""
    before = ended.rows("SELECT jws FROM rec"), ended.rows("SELECT * FROM witness")
    size, findings = len(log.entries(ended.books.log.path)), verified(ended, tmp_path)[0].stdout
    assert "disclosure" not in findings, "the doses of this test have no charge, and that alone is found"
    assert erase(after(ended), path(ended), WISH) > 10
    assert (ended.rows("SELECT jws FROM rec"), ended.rows("SELECT * FROM witness")) == before
    assert len(log.entries(ended.books.log.path)) == size + 1
    units, own = verified(ended, tmp_path)
    assert (units.stdout, own.exit_code) == (findings, 0), own.output
    for file in (path(ended), Path(ended.books.log.path)):
        data = file.read_bytes()
        assert b"MEX-001" not in data
        assert b"MEX-001" not in b"".join(_decoded(data)), file
    assert b'"MEX-002"' in b"".join(_decoded(path(ended).read_bytes())), "the test would see a subject if one were left"


def _decoded(data: bytes) -> list[bytes]:
    """Return what looks like base64url in a file, decoded at each of the four places where it may begin."""
    runs = re.findall(rb"[A-Za-z0-9_-]{24,}", data)
    return [base64.urlsafe_b64decode(run[at : at + (len(run) - at) // 4 * 4]) for run in runs for at in range(4)]


def test_the_record_names_records_and_persons_and_not_the_subject(ended: Any, schemas: Any) -> None:
    """Which records, by which two persons, for which reason; the pseudonym stands nowhere in it."""
    erase(after(ended), path(ended), WISH)
    [said] = ended.said("access")
    assert (said["event"], said["keep_until"]) == ("erased", "2026-03-01")
    assert {each["unit"]: each["seqs"] for each in said["records"]}["neb-0001"] == [0, 1]
    assert (said["operator"], said["second"], said["text"]) == ("PH-01", "PI-01", "retention has ended")
    assert "MEX-001" not in str(said)
    own = [entry for entry in log.entries(ended.books.log.path) if entry.payload["typ"] == "access"]
    assert [fault for entry in own for fault in schemas.of_entry(entry)] == []


def test_show_says_erased_and_another_subject_is_untouched(ended: Any) -> None:
    """The erased records are shown as such, with the record that says so; MEX-002 stands as before."""
    erase(after(ended), path(ended), WISH)
    [access] = [entry for entry in log.entries(ended.books.log.path) if entry.payload["typ"] == "access"]
    first, second, other = CliRunner().invoke(ledger, ["show", str(path(ended))]).stdout.splitlines()
    assert f"erased (record {access.seq})" in first
    assert f"erased (record {access.seq})" in second
    assert "subject=MEX-002" in other
    assert course_of(ended.db, "MEX-001", log.entries(ended.books.log.path)) is None
    cut = newest_cut(path(ended))
    rows = table(cut, entries_of(path(ended), cut, TYPES))
    assert [(row["subject"], row["high_nl"]) for row in rows if "high_nl" in row] == [
        ("", 3_000_000),
        ("", 3_000_000),
        ("MEX-002", 3_000_000),
    ]


@pytest.mark.parametrize(
    ("changed", "rules", "said"),
    [
        ({"second": "PH-01"}, {}, "two different persons"),
        ({"second": "RT-07"}, {}, "pharmacist or investigator"),
        ({}, {"keep_until": None}, "keep_private_until"),
        ({}, {"keep_until": date(2026, 3, 6)}, "kept until 2026-03-06, and today is 2026-03-06"),
        ({"subject": "MEX-009"}, {}, "Check the pseudonym"),
    ],
)
def test_nothing_is_erased_too_early_or_by_one_person(
    changed: dict[str, str], rules: dict[str, Any], said: str, ended: Any
) -> None:
    """One person twice, a therapist, no date, the last day of the date, an unknown subject: a sentence, no change."""
    before = ended.rows("SELECT * FROM disclosure"), len(log.entries(ended.books.log.path))
    with pytest.raises(PharmacyFault, match=said):
        erase(after(ended, **rules), path(ended), replace(WISH, **changed))
    assert (ended.rows("SELECT * FROM disclosure"), len(log.entries(ended.books.log.path))) == before


def test_a_course_that_has_not_ended_is_not_erased(pharmacy: Any, unit: Any) -> None:
    """A subject with an open dose keeps its facts: the next dose needs them."""
    pharmacy.take(unit.dose(1))
    with pytest.raises(PharmacyFault, match="open doses"):
        erase(after(pharmacy), path(pharmacy), WISH)


def test_a_disclosure_that_is_gone_without_a_record_is_a_finding(ended: Any, tmp_path: Path) -> None:
    """Only an erasure that a record tells of passes verification; a deletion by hand does not."""
    ended.db.execute("DELETE FROM disclosure WHERE seq = 0")
    done = verified(ended, tmp_path)[0]
    assert (done.exit_code, "disclosures" in done.stdout) == (1, True)
