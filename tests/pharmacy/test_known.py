"""What the pharmacy remembers of a unit is never older than its database."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from nebctl.core.ledger import head
from nebctl.pharmacy.check import Known, Reason, Refused
from nebctl.pharmacy.intake import Accepted
from nebctl.pharmacy.known import Knowledge

UNIT = "neb-0001"


@pytest.fixture
def knowledge(pharmacy: Any) -> Knowledge:
    """Return what the register that takes the records in knows."""
    found: Knowledge = pharmacy.ingest._knowledge
    return found


def known(knowledge: Knowledge) -> Known:
    """Return what is known of the unit, which is enrolled."""
    found = knowledge.of(UNIT, 1)
    assert isinstance(found, Known)
    return found


def elsewhere(path: Path, query: str, *values: Any) -> None:
    """Commit a change on a connection of its own, as another program does."""
    with sqlite3.connect(path) as other:
        other.execute(query, values)
    other.close()


REVOKE = "INSERT INTO revoked(unit, ep, kid, at, log_seq) VALUES (?, 1, ?, '2026-02-14T09:00:00.000Z', 1)"


def test_what_was_kept_is_remembered_as_it_stands_on_disk(pharmacy: Any, unit: Any, knowledge: Knowledge) -> None:
    """After each record the tree in memory is the one that is read anew, and nothing is read for the next record."""
    for _ in range(5):
        assert isinstance(pharmacy.take(unit.boot()), Accepted)
        assert known(knowledge) == known(Knowledge(pharmacy.db))
    seen: list[str] = []
    pharmacy.db.set_trace_callback(seen.append)
    known(knowledge)
    pharmacy.db.set_trace_callback(None)
    assert seen == ["PRAGMA data_version"]


def test_a_key_that_another_program_revokes_counts_no_more_at_once(pharmacy: Any, unit: Any, tmp_path: Path) -> None:
    """The first record after a revocation on another connection is refused, though the keys were known before."""
    assert isinstance(pharmacy.take(unit.boot()), Accepted)
    elsewhere(tmp_path / "pharmacy.db", REVOKE, UNIT, head.kid(unit.vkey))
    answer = pharmacy.take(unit.boot())
    assert isinstance(answer, Refused)
    assert answer.reason is Reason.REVOKED


def test_a_key_that_is_revoked_on_this_connection_counts_no_more_at_once(pharmacy: Any, unit: Any) -> None:
    """The same holds where the change comes from this very connection."""
    assert isinstance(pharmacy.take(unit.boot()), Accepted)
    pharmacy.db.execute(REVOKE, (UNIT, head.kid(unit.vkey)))
    answer = pharmacy.take(unit.boot())
    assert isinstance(answer, Refused)
    assert answer.reason is Reason.REVOKED


def test_a_change_between_reading_and_keeping_is_not_lost(
    pharmacy: Any, unit: Any, knowledge: Knowledge, tmp_path: Path
) -> None:
    """Where another program commits while records are judged, the growth that follows hides nothing of that."""
    pharmacy.take(unit.boot())
    before = known(knowledge)
    elsewhere(tmp_path / "pharmacy.db", REVOKE, UNIT, head.kid(unit.vkey))
    knowledge.note_growth(UNIT, 1, before.frontier)
    assert [each.kid for each in known(knowledge).keys.revoked] == [head.kid(unit.vkey)]


def test_what_was_rolled_back_is_not_remembered(pharmacy: Any, unit: Any, knowledge: Knowledge) -> None:
    """A commit that fails leaves the tree as it was before, and the record is kept when it comes again."""
    pharmacy.take(unit.boot())
    before, body = known(knowledge), unit.boot()
    pharmacy.db.execute("CREATE TEMP TRIGGER full BEFORE INSERT ON rec BEGIN SELECT RAISE(ABORT, 'full'); END")
    with pytest.raises(sqlite3.IntegrityError, match="full"):
        pharmacy.take(body)
    assert known(knowledge) == before
    pharmacy.db.execute("DROP TRIGGER full")
    assert isinstance(pharmacy.take(body), Accepted)


def test_a_stranger_is_asked_for_each_time(pharmacy: Any, knowledge: Knowledge) -> None:
    """An epoch that is not enrolled is never remembered as such: it may be enrolled the next moment."""
    assert isinstance(knowledge.of("neb-0099", 1), Refused)
    assert knowledge._found == {}
