"""What a finding says of a log: the unit, the epoch, the place, what was seen there and what would be right."""

from collections.abc import Sequence
from typing import Any

import pytest

from nebctl.core.ledger import tree
from nebctl.core.ledger.chain import Chain, check_chain
from nebctl.core.ledger.check import Finding
from nebctl.core.ledger.consistency import ConsistencyProof, Grown, check_consistency, format_consistency
from nebctl.core.ledger.encoding import FormatError, b64, b64url, show
from nebctl.core.ledger.head import MAX_TIME_S, Checkpoint, cosign, head_line, kid, verify_cosignature
from nebctl.core.ledger.keyring import KeyRing
from nebctl.core.ledger.note import assemble_note, signature_line
from nebctl.core.ledger.proof import FIRST_LINE, MAX_PATH, DoseProof, ProofChecked, check_proof, parse_proof
from nebctl.core.ledger.records import Draft
from nebctl.core.ledger.rows import Row
from nebctl.core.ledger.stretch import Authority, check_stretch
from nebctl.core.meanings import MEANINGS
from nebctl.keys import verify

EMPTY, OTHER = b64(tree.EMPTY_ROOT), b64(bytes(32))
pytestmark = pytest.mark.req("S34")


def said(book: Any, rows: Sequence[Any] | None = None, **given: Any) -> list[str]:
    """Return the findings on a book's rows as sentences, without the unit and epoch that each begins with."""
    found = check_chain(
        (Row(*row) for row in (book.rows if rows is None else rows)),
        given.get("head", book.head()),
        given.get("receipts", [book.receipt()]),
        ring=KeyRing.of(book.vkey),
        pharmacy=given.get("pharmacy", book.pharmacy),
        verify=verify,
    )
    sentences = [each.sentence() for each in found]
    assert all(each.startswith("unit neb-0001 epoch 1") for each in sentences)
    return [each.removeprefix("unit neb-0001 epoch 1").removeprefix(": ").removeprefix(" ") for each in sentences]


def receipt(book: Any, size: int, root: bytes) -> str:
    """Return a head of this size and root that both keys signed."""
    checkpoint = Checkpoint(book.vkey.name, size, root)
    cosigned = cosign(checkpoint, 1_795_346_000, book.pharmacy.name, book.witness)
    return assemble_note(checkpoint.text(), [head_line(checkpoint, book.signer), cosigned])


def test_a_finding_leaves_out_what_is_not_known() -> None:
    """Where no epoch or no record is at fault, the sentence names none."""
    known = Finding(unit="neb-0001", epoch=2, seq=0, what="leaf", seen="a", expected="b")
    assert known.sentence() == "unit neb-0001 epoch 2 seq 0: leaf: saw a, expected b"
    unknown = Finding(unit="neb-0001", epoch=0, seq=None, what="log", seen="a", expected="b")
    assert unknown.sentence() == "unit neb-0001: log: saw a, expected b"


def test_a_lost_end_is_said_by_each_receipt_and_the_head(book: Any) -> None:
    """Each receipt over more records than there are is one finding, and so is the head's size."""
    receipts = [book.receipt(13), book.receipt(12), book.receipt(11)]
    assert said(book, book.rows[:11], receipts=receipts) == [
        "truncated: saw 11 records, expected 12, as a receipt says",
        "truncated: saw 11 records, expected 13, as a receipt says",
        "head size: saw 11 records, expected 13, as the head says",
    ]


def test_a_missing_head_is_said(book: Any) -> None:
    """Records without a signed head over them are a finding, and no records without a head are none."""
    assert said(book, head=None) == ["head: saw none, expected a signed head of size 13"]
    assert said(book, [], head=None, receipts=[]) == []


def test_two_receipts_over_one_size_are_both_held_against_the_log(book: Any) -> None:
    """Of two roots that were countersigned for one size, the one that is not the log's is found in either order."""
    honest, forged = book.receipt(5), receipt(book, 5, bytes(32))
    own = b64(book.checkpoint(5).root)
    line = f"seq 4: root: saw {own} at size 5, expected {OTHER}, as a receipt says"
    for receipts in ([honest, forged], [forged, honest]):
        assert said(book, receipts=receipts) == [line]


def test_a_receipt_over_nothing_has_the_empty_root(book: Any) -> None:
    """A countersigned root of an empty log is the hash of nothing, or it is a finding."""
    assert said(book, receipts=[receipt(book, 0, tree.EMPTY_ROOT)]) == []
    line = f"root: saw {EMPTY} at size 0, expected {OTHER}, as a receipt says"
    assert said(book, receipts=[receipt(book, 0, bytes(32))]) == [line]


def test_a_head_over_another_tree_is_said(book: Any) -> None:
    """A head of the right size but another root is one finding with both roots."""
    forged = Checkpoint(book.vkey.name, 13, bytes(32))
    head = assemble_note(forged.text(), [head_line(forged, book.signer)])
    own = b64(book.checkpoint().root)
    assert said(book, head=head) == [f"head root: saw {own}, expected {OTHER}, as the head says"]


def test_a_receipt_by_nobody_is_said(book: Any, new_book: Any) -> None:
    """A receipt that is no note, or another unit's, is named with what stands in it."""
    other = new_book(unit="neb-0002")
    other.add(Draft(typ="clock"))
    foreign, garbage = said(book, receipts=[other.receipt(), "x"])
    assert foreign == f"receipt head origin: saw {other.vkey.name}, expected {book.vkey.name}"
    assert garbage.startswith("receipt note: saw x, expected ")


def test_a_receipt_is_no_receipt_without_the_pharmacys_line(book: Any) -> None:
    """A bare head passes as a receipt only where no pharmacy's key is given."""
    assert said(book, receipts=[book.head()], pharmacy=None) == []
    assert said(book, receipts=[book.head()]) != []


def test_sessions_are_not_judged_behind_a_wrong_record(book: Any) -> None:
    """A start that was lost with a wrong record makes its outcome no second finding; the receipts neither."""
    rows = book.rows
    rows[3] = (*rows[3][:3], rows[3][3][:-2] + "AA")
    lines = said(book, rows)
    assert len(lines) == 1
    assert lines[0].startswith("seq 3: ")
    assert said(book, rows, receipts=[book.receipt(3), book.receipt(5), book.receipt()]) == lines


def test_what_stands_beside_the_records_is_counted(book: Any) -> None:
    """Over all stretches: disclosures, and records that wait in the outbox."""
    beside = zip(book.rows, book.entries, strict=True)
    rows = [Row(*row, disclosures=each.disclosures, waiting="x\n") for row, each in beside]
    by = Authority(ring=KeyRing.of(book.vkey), verify=verify)
    chain = Chain(by, book.pharmacy)
    for stretch in chain.stretches(rows, most=5):
        list(chain.take(check_stretch(stretch, by)))
    assert (chain.disclosures, chain.waiting, chain.next_seq) == (8, 13, 13)


def outbox(book: Any, receipted: int, waiting: dict[int, str | None]) -> list[tuple[int | None, str, str, str, bool]]:
    """Return what is found of an outbox in which these records wait under these lines; the rest as it should be."""
    lines = [head_line(book.checkpoint(seq + 1), book.signer) for seq in range(13)]
    kept = {seq: lines[seq] if seq >= receipted else None for seq in range(13)} | waiting
    rows = [Row(*row, waiting=kept[row[1]]) for row in book.rows]
    by = Authority(ring=KeyRing.of(book.vkey), verify=verify)
    (stretch,) = Chain(by, book.pharmacy).stretches(rows, receipted=receipted)
    remarks = check_stretch(stretch, by).remarks
    return [(f.seq, f.what, f.seen, f.expected, follows) for f, follows in remarks]


def test_an_outbox_holds_what_is_not_receipted_and_nothing_else(book: Any) -> None:
    """From the first record that no receipt covers on, each waits under its own head's line, newline and all."""
    assert outbox(book, 5, {}) == []
    line = head_line(book.checkpoint(6), book.signer)
    expected = f"the signature of {book.vkey.name} at this size"
    assert outbox(book, 5, {5: None}) == [(5, "outbox", "nothing waiting", "the record, receipted are only 5", False)]
    assert outbox(book, 5, {4: line}) == [
        (4, "outbox", "a record that waits", "nothing, 5 records are receipted", False)
    ]
    for wrong in (line[:-1], line + line, head_line(book.checkpoint(7), book.signer)):
        assert outbox(book, 5, {5: wrong}) == [(5, "outbox head line", show(wrong), expected, True)]
    assert [each[:2] for each in outbox(book, 5, {5: "x\n"})] == [(5, "signature line")]
    assert [each[0] for each in outbox(book, 5, {5: f"{line[:-1]}\r\n"})] == [5]


def proven(book: Any, entry: Any, proof: str | None = None, **changed: Any) -> Any:
    """Check the proof of a record."""
    return check_proof(
        changed.get("jws", entry.jws),
        changed.get("disclosures", entry.disclosures),
        book.proof(entry.seq) if proof is None else proof,
        unit=KeyRing.of(book.vkey),
        pharmacy=book.pharmacy,
        verify=verify,
    )


def test_a_proof_gives_the_record_and_what_it_reveals(book: Any) -> None:
    """The entry, the private facts that were shown and the receipt come with it; fewer facts may be shown."""
    entry = book.entries[4]
    checked = proven(book, entry)
    assert isinstance(checked, ProofChecked)
    assert checked.entry.jws == entry.jws
    assert checked.revealed == {"subject": "MEX-001", "operator": "RT-07"}
    assert checked.receipt.checkpoint == book.checkpoint()
    some = proven(book, entry, disclosures=entry.disclosures[:1]).revealed
    assert len(some) == 1
    assert some.items() <= checked.revealed.items()


def test_a_proof_that_fails_says_where(book: Any, new_book: Any) -> None:
    """Another place, another path, another record and another kind of record are told by unit, epoch and place."""
    entry = book.entries[4]
    good = book.proof(4)
    root = b64(book.checkpoint().root)
    path = good.split("\n")[2]
    for wrong, sentence in (
        (good.replace("index 4", "index 5"), "seq 4: proof index: saw 5, expected 4, the record's seq"),
        (
            good.replace(path, OTHER, 1),
            f"seq 4: inclusion path: saw another root, expected {root} at size 13",
        ),
    ):
        (found,) = proven(book, entry, wrong)
        assert found.sentence() == f"unit neb-0001 epoch 1 {sentence}"
    (found,) = proven(book, book.entries[3])
    assert found.sentence() == "unit neb-0001 epoch 1 seq 3: member typ: saw start, expected dose"
    (found,) = proven(book, entry, jws="x")
    assert (found.unit, found.epoch, found.seq) == ("neb-0001", 1, None)


@pytest.mark.parametrize("name", ["session", "end", "verdict"])
def test_a_dose_without_its_words_is_not_proven(new_book: Any, name: str) -> None:
    """Session, end and verdict are texts, or nothing is proven by the record."""
    book = new_book()
    if name == "session":
        entry = book.add(Draft(typ="dose"))
        seen = "None"
    else:
        entry = book.give("2026-11-21-7f3a9c", **{name: 7})
        seen = "7"
    (found,) = proven(book, entry)
    assert found.sentence() == f"unit neb-0001 epoch 1 seq {entry.seq}: member {name}: saw {seen}, expected text"


@pytest.mark.parametrize("place", ["4", -1, None])
def test_a_record_that_claims_no_place_is_not_proven(new_book: Any, place: Any) -> None:
    """A place that is no number from 0 on chooses the first key, and then the record is refused by its members."""
    book = new_book()
    entry = book.add(Draft(typ="clock"), seq=place)
    (found,) = proven(book, entry, "")
    assert found.what == "member seq"
    assert found.seq is None


def test_a_proof_of_another_key_names_both(book: Any, new_book: Any) -> None:
    """A record by another unit's key is told by both keys' ids."""
    other = new_book(unit="neb-0002")
    entry = other.give("2026-11-21-7f3a9c")
    (found,) = proven(book, entry, other.proof(1))
    assert (found.what, found.seen) == ("kid", kid(other.vkey))
    assert found.expected == f"{kid(book.vkey)}, the key of {book.vkey.name}"


def grown(book: Any, old_note: str, text: str) -> Any:
    """Check the proof that a log grew."""
    return check_consistency(old_note, text, unit=KeyRing.of(book.vkey), pharmacy=book.pharmacy, verify=verify)


def test_a_log_that_did_not_grow_says_why(book: Any, new_book: Any) -> None:
    """Another old size, a log that shrank, other roots and a head by nobody are told by unit and epoch."""
    path = tree.consistency_path(book.leaves, 5)
    good = format_consistency(ConsistencyProof(old_size=5, path=path, new_note=book.receipt()))
    proven = grown(book, book.receipt(5), good)
    assert isinstance(proven, Grown)
    assert (proven.old.checkpoint, proven.new.checkpoint) == (book.checkpoint(5), book.checkpoint())
    shrunk = format_consistency(ConsistencyProof(old_size=13, path=(), new_note=book.receipt(5)))
    roots = f"{b64(book.checkpoint(5).root)} at size 5 and {b64(book.checkpoint().root)} at size 13"
    other = new_book(unit="neb-0002")
    foreign = good.partition("\n\n")[0] + "\n\n" + other.receipt()
    for old, text, sentence in (
        (5, good.replace("old 5", "old 6"), "consistency old size: saw 6, expected 5, as the old head says"),
        (13, shrunk, "head sizes: saw 13, then 5, expected a log that only grows"),
        (5, good.replace(b64(path[0]), OTHER), f"consistency path: saw other roots, expected {roots}"),
        (5, foreign, f"new head origin: saw {other.vkey.name}, expected {book.vkey.name}"),
    ):
        (found,) = grown(book, book.receipt(old), text)
        assert found.sentence() == f"unit neb-0001 epoch 1: {sentence}"


def test_a_proof_of_the_only_record_needs_no_path(new_book: Any) -> None:
    """In a log of one record the root is its leaf; a path has at most as many hashes as a tree has levels."""
    assert parse_proof(f"{FIRST_LINE}\nindex 0\n\nnote") == DoseProof(index=0, path=(), checkpoint_note="note")
    path = f"{OTHER}\n" * (MAX_PATH + 1)
    with pytest.raises(FormatError, match=r"^proof: saw 64 hashes, expected at most 63$"):
        parse_proof(f"{FIRST_LINE}\nindex 0\n{path}\nnote")


def test_what_follows_from_a_record_by_another_key_is_not_said_again(new_book: Any) -> None:
    """Behind it the log goes on honestly, and differs from every receipt and head: that is no second finding."""
    honest, forged = new_book(), new_book()
    for number in range(6):
        honest.add(Draft(typ="clock"))
        own = forged.signer
        if number == 3:
            forged.signer = forged.witness
        forged.add(Draft(typ="clock"))
        forged.signer = own
    receipts = [honest.receipt(2), honest.receipt(5), honest.receipt()]
    lines = said(forged, receipts=receipts, head=honest.head())
    assert [line.split(":")[0] for line in lines] == ["seq 3"]


def test_what_does_not_follow_is_said_for_each_record(new_book: Any) -> None:
    """A wrong leaf hides neither an impossible dose behind it nor a signature of another meaning."""
    book = new_book()
    book.add(Draft(typ="clock"))
    book.give("2026-11-21-7f3a9c", high_nl=9_000_000)
    book.add(Draft(typ="signature", facts={"ref_seq": 2, "meaning": "read"}))
    book.add(Draft(typ="signature", facts={"ref_seq": 2, "meaning": MEANINGS[0]}))
    wrong = ["seq 2: emitted volume", "seq 3: meaning"]
    assert [line.partition(": saw")[0] for line in said(book)] == wrong
    rows = [(*book.rows[0][:2], bytes(32), book.rows[0][3]), *book.rows[1:]]
    assert [line.partition(": saw")[0] for line in said(book, rows)] == ["seq 0: leaf", *wrong]


def test_what_was_done_to_a_row_is_said(book: Any) -> None:
    """Another epoch, a row that is gone, a record of another place, another leaf, a text that is none: both sides."""
    rows = book.rows
    epoch, seq, leaf, text = rows[4]
    for wrong, sentence in (
        ((2, seq, leaf, text), "seq 4: epoch: saw 2, expected 1"),
        ((epoch, 7, leaf, text), "seq 7: sequence: saw 7, expected 4"),
        ((epoch, seq, *rows[5][2:]), "seq 4: member seq: saw 5, expected 4, its place"),
        ((epoch, seq, bytes(32), text), f"seq 4: leaf: saw {show(bytes(32).hex())}, expected {leaf.hex()}"),
        ((epoch, seq, leaf, "\ud800"), "seq 4: JWS: saw 1 parts, expected header.payload.signature"),
    ):
        assert said(book, [*rows[:4], wrong, *rows[5:]])[0] == sentence


def test_a_record_that_names_another_tree_is_said(new_book: Any) -> None:
    """The root that it names stands beside the one before it."""
    book = new_book()
    book.add(Draft(typ="clock"))
    root = b64url(tree.root_of(book.leaves))
    book.add(Draft(typ="clock"), prev="A" * 43)
    assert said(book, receipts=[])[0] == f"seq 1: prev: saw {'A' * 43}, expected {root}, the root before it"


def test_a_private_fact_that_does_not_belong_is_said_at_its_record(book: Any) -> None:
    """A fact of another record, or one that is missing, is a finding at the record beside which it stands."""
    by = Authority(ring=KeyRing.of(book.vkey), verify=verify)
    for beside in ((), book.entries[2].disclosures):
        kept = [beside if each.seq == 4 else each.disclosures for each in book.entries]
        rows = [Row(*row, disclosures=kept[row[1]]) for row in book.rows]
        (stretch,) = Chain(by, book.pharmacy).stretches(rows)
        ((found, follows),) = check_stretch(stretch, by).remarks
        assert (found.seq, found.what.split()[0].rstrip("s"), follows) == (4, "disclosure", False)


def test_a_log_of_nothing_has_no_place_taken(book: Any) -> None:
    """Before the first stretch the next place is 0."""
    assert Chain(Authority(ring=KeyRing.of(book.vkey), verify=verify), book.pharmacy).next_seq == 0


@pytest.mark.parametrize(("time_s", "good"), [(0, False), (1, True), (MAX_TIME_S - 1, True), (MAX_TIME_S, False)])
def test_a_countersignature_is_of_a_time_that_a_calendar_shows(book: Any, time_s: int, good: bool) -> None:
    """Whoever signed it: from the first second of 1970 to the last of 9999, and no other."""
    text = book.checkpoint().text()
    message = f"cosignature/v1\ntime {time_s}\n{text}".encode()
    line = signature_line(
        book.pharmacy.name, book.pharmacy.key_id, time_s.to_bytes(8, "big") + book.witness.sign(message)
    )
    assert verify_cosignature(text, line, book.pharmacy, verify) == (time_s if good else None)
