"""What the pharmacy keeps, what it refuses, and that it does each thing once."""

import sqlite3
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nebctl import keys
from nebctl.core.ledger import head, note, tree
from nebctl.core.ledger.records import Draft
from nebctl.pharmacy.check import Reason, Refused
from nebctl.pharmacy.ingest import ClockBehind, Ingest
from nebctl.pharmacy.intake import Accepted, Duplicate, OutOfOrder
from nebctl.publish.topics import parse_record

NOTE = Draft(typ="boot", facts={"reason": "start"}, private={"place": "ward 3"})


def reason(taken: Any) -> Reason:
    """Return why it was refused; a refusal always says what was seen and expected."""
    assert isinstance(taken, Refused), taken
    assert taken.seen
    assert taken.expected
    return taken.reason


def test_a_record_in_order_is_kept_whole(pharmacy: Any, unit: Any) -> None:
    """An accepted record lies in `rec` and `disclosure` exactly as it was sent."""
    body = unit.write(NOTE)
    assert isinstance(pharmacy.take(body), Accepted)
    parts = parse_record(body)
    assert parts is not None
    assert pharmacy.rows("SELECT jws FROM rec") == [(parts.jws,)]
    assert pharmacy.rows("SELECT disc FROM disclosure") == [(parts.disclosures[0],)]


@pytest.mark.req("S40")
def test_a_repeated_record_counts_once(pharmacy: Any, unit: Any) -> None:
    """The same dose record sent three times is one record and one outcome."""
    body = unit.dose(1)
    assert isinstance(pharmacy.take(body), Accepted)
    assert [type(pharmacy.take(body)) for _ in range(2)] == [Duplicate, Duplicate]
    assert pharmacy.rows("SELECT count(*) FROM rec") == [(1,)]
    assert pharmacy.rows("SELECT count(*) FROM outcome") == [(1,)]


@pytest.mark.req("S40")
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.lists(st.integers(0, 7), min_size=1, max_size=60))
def test_any_order_of_arrival_gives_a_prefix_of_the_log(order: list[int], unit: Any, pharmacy: Any) -> None:
    """Whatever arrives, in whatever order and however often, what is kept is the log's beginning, once each."""
    fresh = type(unit)()
    bodies = [fresh.write(NOTE) for _ in range(8)]
    db = sqlite3.connect(":memory:", isolation_level=None)
    pharmacy.db.backup(db)
    ingest = Ingest(db, simulated=True, verify=keys.verify)
    kept = 0
    for i in order:
        taken = ingest.take("neb-0001", bodies[i], 10**18)
        assert type(taken) is (Duplicate if i < kept else Accepted if i == kept else OutOfOrder)
        kept += i == kept
    texts = [parse_record(body).jws for body in bodies[:kept]]  # type: ignore[union-attr]
    assert [row[0] for row in db.execute("SELECT jws FROM rec ORDER BY seq")] == texts
    db.close()


def test_a_gap_names_the_record_that_is_missing(pharmacy: Any, unit: Any) -> None:
    """Record 2 before records 0 and 1 is not kept, and the answer says that 0 is wanted."""
    bodies = [unit.boot() for _ in range(3)]
    taken = pharmacy.take(bodies[2])
    assert isinstance(taken, OutOfOrder)
    assert (taken.seq, taken.want) == (2, 0)
    assert pharmacy.rows("SELECT count(*) FROM rec") == [(0,)]


@pytest.mark.req("S34")
def test_every_flipped_bit_of_a_message_is_refused(pharmacy: Any, unit: Any) -> None:
    """No message that differs from the sent one in one bit is kept, wherever the bit lies."""
    body = bytearray(unit.write(NOTE))
    for at in range(len(body)):
        body[at] ^= 1 << (at % 8)
        assert isinstance(pharmacy.take(bytes(body)), Refused), at
        body[at] ^= 1 << (at % 8)
    assert isinstance(pharmacy.take(bytes(body)), Accepted)


@pytest.mark.parametrize("body", [b"", b"\n\n", b"a\nb", b"\xff\n\n", b"x.y.z\nline\n", b"x.y.z~\nline", b"~~\nline\n"])
def test_what_is_no_record_is_refused_as_such(pharmacy: Any, body: bytes) -> None:
    """Bytes that are not a record message are refused for their format."""
    assert reason(pharmacy.take(body)) is Reason.FORMAT


def test_a_stranger_is_refused(pharmacy: Any, unit: Any) -> None:
    """A unit that was never enrolled is refused, and leaves only one counter however many names it tries."""
    for name in ("neb-0666", "neb-0667"):
        stranger = replace(unit, unit=name, frontier=tree.Frontier())
        assert reason(pharmacy.take(stranger.boot(), unit=name)) is Reason.UNKNOWN
    assert pharmacy.rows("SELECT unit, reason, count FROM refusal") == [("", "unknown-unit", 2)]


def test_an_epoch_that_was_not_enrolled_is_refused(pharmacy: Any, unit: Any) -> None:
    """A known unit's record of another epoch is refused."""
    assert reason(pharmacy.take(replace(unit, epoch=2).boot())) is Reason.UNKNOWN


def test_a_record_on_another_units_topic_is_refused(pharmacy: Any, unit: Any) -> None:
    """A unit cannot write on another unit's topic."""
    other = replace(unit, unit="neb-0002")
    assert reason(pharmacy.take(other.boot())) is Reason.TOPIC


@pytest.mark.parametrize("pharmacy_simulated", [True, False])
def test_the_real_and_the_simulated_world_never_mix(pharmacy: Any, unit: Any, *, pharmacy_simulated: bool) -> None:
    """A live pharmacy refuses a simulated unit's record, and a simulated one a real unit's."""
    pharmacy.ingest = Ingest(pharmacy.db, simulated=pharmacy_simulated, verify=keys.verify)
    unit.simulated = not pharmacy_simulated
    assert reason(pharmacy.take(unit.boot())) is Reason.SIMULATED


def test_another_key_is_refused(pharmacy: Any, unit: Any) -> None:
    """A record signed by a key that was not enrolled for the unit is refused."""
    assert reason(pharmacy.take(replace(unit, seed=b"\x09" * 32).boot())) is Reason.KEY


def test_another_key_under_the_enrolled_key_id_is_refused(pharmacy: Any, unit: Any) -> None:
    """A record that names the enrolled key but was signed by another is refused."""
    vkey = unit.vkey
    forger = replace(unit, seed=b"\x09" * 32)
    forger.vkey = vkey
    assert reason(pharmacy.take(forger.boot())) is Reason.SIGNATURE


@pytest.mark.parametrize("change", [lambda d: (), lambda d: (*d, *d), lambda d: (d[0][::-1],)])
def test_missing_doubled_or_altered_disclosures_are_refused(pharmacy: Any, unit: Any, change: Any) -> None:
    """A record comes with every fact that it promises, each once and unaltered."""
    first, line, _ = unit.write(NOTE).decode().split("\n")
    jws, *disclosures = first[:-1].split("~")
    body = "\n".join(("~".join((jws, *change(tuple(disclosures)), "")), line, ""))
    assert reason(pharmacy.take(body.encode())) is Reason.DISCLOSURE


def test_a_record_of_another_history_is_refused_and_kept_as_evidence(pharmacy: Any, unit: Any) -> None:
    """A signed record whose `prev` is not the root kept here proves two histories; it is refused and filed."""
    clone = replace(unit)
    pharmacy.take(unit.boot())
    clone.write(Draft(typ="boot", facts={"reason": "other"}))
    body = clone.boot()
    assert reason(pharmacy.take(body)) is Reason.CHAIN
    assert pharmacy.rows("SELECT unit, reason, body FROM evidence") == [("neb-0001", "chain", body)]


def test_a_second_record_with_one_number_is_refused_and_kept_as_evidence(pharmacy: Any, unit: Any) -> None:
    """Two signed records with one number: the first stays, the second is filed once however often it comes."""
    clone = replace(unit)
    first = unit.boot()
    pharmacy.take(first)
    body = clone.write(Draft(typ="boot", facts={"reason": "other"}))
    assert [reason(pharmacy.take(body)) for _ in range(2)] == [Reason.FORK, Reason.FORK]
    assert pharmacy.rows("SELECT reason, body FROM evidence") == [("fork", body)]
    assert pharmacy.rows("SELECT count FROM refusal") == [(2,)]
    assert pharmacy.rows("SELECT jws FROM rec") == [(parse_record(first).jws,)]  # type: ignore[union-attr]


def test_a_head_over_another_tree_is_refused(pharmacy: Any, unit: Any) -> None:
    """A good record under a head line that was signed for another tree is refused."""
    first, second = unit.boot(), unit.boot()
    swapped = first.split(b"\n")[0] + b"\n" + second.split(b"\n")[1] + b"\n"
    assert reason(pharmacy.take(swapped)) is Reason.HEAD
    broken = first.split(b"\n")[0] + b"\nno line\n"
    assert reason(pharmacy.take(broken)) is Reason.HEAD


def test_a_receipt_verifies_and_covers_all_that_is_kept(pharmacy: Any, unit: Any) -> None:
    """The countersigned head carries the unit's line and the pharmacy's over the size and root kept here."""
    for _ in range(3):
        pharmacy.take(unit.boot())
    receipt = head.open_receipt(pharmacy.receipt(), unit.vkey, pharmacy.vkey, keys.verify)
    assert (receipt.checkpoint.size, receipt.checkpoint.root) == (3, unit.frontier.root())
    assert receipt.time_s == 1_771_063_200
    assert len(note.parse_note(pharmacy.receipt()).lines) == 2


def test_no_record_no_receipt(pharmacy: Any) -> None:
    """Before the first record there is nothing to countersign."""
    assert pharmacy.receipt() is None


def test_receipts_never_go_back_in_time(pharmacy: Any, unit: Any) -> None:
    """With the clock set back, no new receipt is given until it has caught up; the old one is still repeated."""
    pharmacy.take(unit.boot())
    first = pharmacy.receipt(20 * 10**9)
    assert pharmacy.receipt(10 * 10**9) == first
    pharmacy.take(unit.boot())
    assert pharmacy.receipt(10 * 10**9) == ClockBehind(now_s=10, last_s=20)
    assert pharmacy.receipt(20 * 10**9) != first


@pytest.mark.req("S34")
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE rec SET jws = 'x'",
        "DELETE FROM rec",
        "INSERT OR REPLACE INTO rec SELECT unit, ep, seq, leaf, 'x', got_at FROM rec",
        "INSERT INTO rec SELECT unit, ep, seq + 2, leaf, jws, got_at FROM rec",
    ],
)
def test_kept_records_cannot_be_changed(pharmacy: Any, unit: Any, statement: str) -> None:
    """No statement updates, deletes, replaces or leaves out a record."""
    pharmacy.take(unit.boot())
    before = pharmacy.rows("SELECT * FROM rec")
    with pytest.raises(sqlite3.IntegrityError):
        pharmacy.db.execute(statement)
    assert pharmacy.rows("SELECT * FROM rec") == before


def test_facts_of_a_wrong_type_never_stop_the_stream(pharmacy: Any, unit: Any) -> None:
    """A signed dose record with nonsense for facts is kept, as an uncertain outcome, and the next is kept too."""
    body = unit.dose(1, kit=["x"], end=7, high_nl="much", dose=None)
    assert isinstance(pharmacy.take(body), Accepted)
    assert pharmacy.rows("SELECT state, emitted FROM outcome") == [("uncertain", 1)]
    assert isinstance(pharmacy.take(unit.boot()), Accepted)
