"""Every dose of a subject is shown, by all units and epochs, and whatever could hide one is a gap."""

import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from nebctl import keys
from nebctl.cli.pharmacy import pharmacy as command
from nebctl.core.ledger.records import Draft, SessionDay
from nebctl.pharmacy.check import Reason
from nebctl.pharmacy.enrolment import enrol_unit
from nebctl.pharmacy.subject_audit import Shown, audit_subject
from nebctl.store.reader import LedgerFile

NOW_NS = 1_771_063_200_000_000_000
VOLUMES = {"low_nl": 2_871_400, "best_nl": 2_900_000, "high_nl": 2_930_100}


class Site:
    """Units that send what they write to one pharmacy."""

    def __init__(self, pharmacy: Any, make_unit: Any, folder: Path) -> None:
        self.pharmacy = pharmacy
        self.path = folder / "pharmacy.db"
        self.trust = folder / "trust"
        self.make_unit = make_unit
        keys.write_public(self.trust, "pharmacy", pharmacy.vkey)

    def unit(self, name: str, epoch: int = 1) -> Any:
        """Return an enrolled unit that has written its first record."""
        unit = self.make_unit(unit=name, epoch=epoch, seed=f"{name}{epoch}".ljust(32).encode())
        if (name, epoch) == ("neb-0001", 1):
            unit = self.make_unit()
        else:
            enrol_unit(self.pharmacy.db, unit.site, name, unit.vkey, NOW_NS)
        keys.write_public(self.trust, f"{name}.{epoch}", unit.vkey)
        self.send(unit, Draft(typ="genesis"))
        return unit

    def send(self, unit: Any, draft: Draft) -> int:
        """Write a record, have it taken, and return its place."""
        taken = self.pharmacy.take(unit.write(draft), unit.unit)
        return int(taken.seq)

    def start(self, unit: Any, session: str, subject: str) -> int:
        """Begin a session."""
        return self.send(
            unit, Draft(typ="start", private={"subject": subject, "operator": "RT-07"}, session=day(session))
        )

    def give(self, unit: Any, session: str, subject: str) -> int:
        """Give a whole dose and return the place of its outcome."""
        seq = self.start(unit, session, subject)
        facts = {**VOLUMES, "charge": {**VOLUMES}, "start_seq": seq, "end": "complete", "verdict": "WITHIN"}
        return self.send(unit, Draft(typ="dose", facts=facts, private={"subject": subject}, session=day(session)))

    def audit(self, subject: str = "MEX-007", *more: str) -> Result:
        """Call the command."""
        arguments = ["audit", "--db", str(self.path), "--trust", str(self.trust), "--subject", subject, *more]
        return CliRunner().invoke(command, arguments)

    def tamper(self, *statements: str) -> None:
        """Change the database behind the guards' back."""
        db = self.pharmacy.db
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            db.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            assert db.execute(statement).rowcount


def day(session: str) -> SessionDay:
    """Return the place of a session on its first day."""
    return SessionDay(session=session, day=1, tz="UTC", date_local=session[:10])


@pytest.fixture
def site(pharmacy: Any, unit: Any, tmp_path: Path) -> Site:
    """Two units, one of them in its second epoch; MEX-007 was given three doses, one of them cut short."""
    site = Site(pharmacy, type(unit), tmp_path)
    first, second = site.unit("neb-0001"), site.unit("neb-0002")
    site.give(first, "2026-02-14-000001", "MEX-007")
    site.give(first, "2026-02-14-000002", "MEX-001")
    outcome = site.give(second, "2026-02-15-000003", "MEX-007")
    site.send(second, Draft(typ="correction", facts={"ref_seq": outcome}, private={"text": "weighed again"}))
    third = site.unit("neb-0002", epoch=2)
    site.start(third, "2026-02-16-000004", "MEX-007")
    site.send(third, Draft(typ="abort", session=day("2026-02-16-000004")))
    return site


def test_all_doses_of_all_units_and_epochs_are_shown(site: Site) -> None:
    """Three of four starts are the subject's, each with its outcome and its correction; nothing is missing."""
    said = site.audit()
    assert said.exit_code == 0, said.output
    assert "Subject MEX-007: 3 of 4 starts" in said.stdout
    assert "Starts in 3 logs of 2 units: 4 opened, 0 erased, 0 missing" in said.stdout
    assert "2.87 to 2.94" in said.stdout
    facts = json.loads(site.audit("MEX-007", "--json").stdout)
    assert facts["complete"]
    told = [(each["unit"], each["epoch"], each["outcome"], each["corrections"]) for each in facts["sessions"]]
    assert told == [("neb-0001", 1, "complete", []), ("neb-0002", 1, "complete", [3]), ("neb-0002", 2, "aborted", [])]
    assert facts["starts"] == {"opened": 4, "erased": 0, "missing": 0}


@pytest.mark.req("S35")
@pytest.mark.parametrize("meaning", ["I read it.", 7, None])
def test_a_signature_of_another_meaning_is_reported(site: Site, meaning: Any) -> None:
    """A record that an older unit signed with words that no page shows is taken in, named, and hides no dose."""
    unit = site.unit("neb-0003")
    facts = {"ref_seq": 0} if meaning is None else {"ref_seq": 0, "meaning": meaning}
    seq = site.send(unit, Draft(typ="signature", facts=facts, private={"operator": "RT-07"}))
    said = site.audit()
    assert (said.exit_code, "Subject MEX-007: 3 of 4 starts" in said.stdout) == (1, True)
    seen = "none" if meaning is None else str(meaning)
    assert f"neb-0003 epoch 1 seq {seq}: meaning: saw {seen}, expected one of the meanings" in said.output


def test_a_subject_without_a_dose_has_none_for_certain(site: Site) -> None:
    """That nothing was given is an answer too, as long as every start is opened."""
    said = site.audit("MEX-999")
    assert (said.exit_code, "Subject MEX-999: 0 of 4 starts" in said.stdout) == (0, True)


@pytest.mark.parametrize(
    ("statements", "gap"),
    [
        (("DELETE FROM disclosure WHERE unit = 'neb-0001' AND seq = 3",), "epoch 1 seq 3: a start whose subject is"),
        (("DELETE FROM rec WHERE unit = 'neb-0001' AND seq = 3",), "epoch 1 seq 3: the next record is 4"),
        (("DELETE FROM rec WHERE unit = 'neb-0001' AND seq = 2",), "session 2026-02-14-000001 has no outcome"),
        (
            tuple(f"DELETE FROM {name} WHERE unit = 'neb-0002' AND ep = 1" for name in ("rec", "tip", "disclosure")),
            "unit neb-0002 epoch 1: no record is kept, though epoch 2 began",
        ),
        (("UPDATE rec SET jws = replace(jws, 'a', 'b') WHERE unit = 'neb-0002' AND seq = 0",), "JWS header"),
    ],
    ids=["fact", "start", "outcome", "epoch", "altered"],
)
def test_what_could_hide_a_dose_is_a_gap(site: Site, statements: tuple[str, ...], gap: str) -> None:
    """A fact, a start, an outcome or an epoch that is gone, and a record that was altered, are named; exit code 1."""
    site.tamper(*statements)
    said = site.audit("MEX-007")
    assert said.exit_code == 1, said.output
    assert gap in said.output
    assert "COMPLETE: every" not in said.output


@pytest.mark.parametrize(
    ("subject", "private", "gap"),
    [
        ("MEX-007", {"subject": "MEX-007", "operator": "RT-07"}, "a signed start of this subject was refused (fork)"),
        ("MEX-007", {"operator": "RT-07"}, "a signed start that may be this subject's was refused (fork)"),
        ("MEX-001", {"subject": "MEX-007", "operator": "RT-07"}, ""),
    ],
    ids=["its own", "unsaid", "another's"],
)
def test_a_start_in_a_parted_history_is_a_gap(site: Site, subject: str, private: dict[str, str], gap: str) -> None:
    """A second record at one place is refused, yet its dose may have been given: the audit names it."""
    unit = site.unit("neb-0004")
    clone = replace(unit)
    site.send(unit, Draft(typ="boot", facts={"reason": "power"}))
    draft = Draft(typ="start", private=private, session=day("2026-02-18-00000b"))
    assert site.pharmacy.take(clone.write(draft), "neb-0004").reason is Reason.FORK
    said = site.audit(subject)
    assert said.exit_code == (1 if gap else 0), said.output
    assert (f"GAP unit neb-0004 epoch 1 seq 1: {gap}" in said.stdout) is bool(gap)


def test_a_refused_record_that_tells_of_no_dose_is_no_gap(site: Site) -> None:
    """Evidence of a boot is shown with the unit; it hides no dose."""
    unit = site.unit("neb-0004")
    clone = replace(unit)
    site.send(unit, Draft(typ="boot", facts={"reason": "power"}))
    assert site.pharmacy.take(clone.write(Draft(typ="boot", facts={"reason": "other"})), "neb-0004").reason
    assert site.audit().exit_code == 0


def test_evidence_that_cannot_be_read_is_a_gap(site: Site) -> None:
    """What stands among the evidence and is no record may be anybody's."""
    site.tamper("INSERT INTO evidence VALUES ('neb-0001', 'fork', x'00', '2026-02-18T00:00:00.000Z')")
    said = site.audit()
    assert (said.exit_code, "a signed record that may be this subject's was refused" in said.stdout) == (1, True)


def test_an_erased_fact_is_counted_as_such(site: Site) -> None:
    """A start that is noted as erased is no gap here; without a signed record that says so, the check before is one."""
    gone = "DELETE FROM disclosure WHERE unit = 'neb-0001' AND seq = 3"
    site.tamper(gone, "INSERT INTO erased (unit, ep, seq, log_seq) VALUES ('neb-0001', 1, 3, 0)")
    with LedgerFile.open(site.path) as file:
        found = audit_subject(file, "MEX-001")
    assert (found.count(Shown.ERASED), found.count(Shown.MISSING), found.gaps) == (1, 0, [])
    said = site.audit("MEX-001")
    assert (said.exit_code, "1 erased, 0 missing" in said.stdout, "seq 3: erasure" in said.stdout) == (1, True, True)


def test_a_session_under_way_has_no_outcome_yet(site: Site, unit: Any) -> None:
    """The last session of a unit may be running: it is shown as such, and is no gap."""
    late = site.unit("neb-0003")
    site.start(late, "2026-02-17-000009", "MEX-007")
    said = site.audit()
    assert (said.exit_code, "none yet" in said.stdout) == (0, True), said.output
    site.start(late, "2026-02-17-00000a", "MEX-001")
    said = site.audit()
    assert (said.exit_code, "session 2026-02-17-000009 has no outcome though another began" in said.stdout) == (1, True)


def test_wrong_calls_are_told_apart(site: Site, tmp_path: Path) -> None:
    """Neither or both of --config and --db is a wrong call, and so is a trust folder that is not there."""
    assert CliRunner().invoke(command, ["audit", "--trust", str(site.trust), "--subject", "MEX-007"]).exit_code == 2
    site.trust = tmp_path / "none"
    assert site.audit().exit_code == 2
    db = sqlite3.connect(tmp_path / "foreign.db")
    db.execute("CREATE TABLE t(x)")
    db.close()
    site.path, site.trust = tmp_path / "foreign.db", tmp_path / "trust"
    said = site.audit()
    assert (said.exit_code, "a database without records" in said.output) == (1, True)
