"""The whole ledger checked from its raw records: what was done to it is found, and where."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nebctl.core.ledger import tree
from nebctl.core.ledger.chain import check_chain
from nebctl.core.ledger.check import Finding
from nebctl.core.ledger.keyring import KeyRing
from nebctl.core.ledger.records import Draft, SessionDay
from nebctl.core.ledger.rows import Row
from nebctl.keys import verify

S = "2026-11-22-7f3a9c"
T = "2026-11-23-7f3a9c"


def check(book: Any, rows: list[Any] | None = None, **given: Any) -> list[Finding]:
    """Return the findings on the book, or on other rows, head or receipts with its keys."""
    receipts = given.get("receipts", [book.receipt(5), book.receipt()])
    head = given.get("head", book.head())
    pharmacy = given.get("pharmacy", book.pharmacy)
    rows = book.rows if rows is None else rows
    return list(
        check_chain(
            (Row(*row) for row in rows), head, receipts, ring=KeyRing.of(book.vkey), pharmacy=pharmacy, verify=verify
        )
    )


def test_an_honest_ledger_has_no_finding(book: Any) -> None:
    """Records, head and receipts of an honest unit pass, with and without the pharmacy's key."""
    assert check(book) == []
    assert check(book, pharmacy=None) == []


def test_an_empty_ledger_has_no_finding(new_book: Callable[[], Any]) -> None:
    """Before the first record there is nothing to find, with a head of size 0 or without one."""
    book = new_book()
    assert check(book, head=None, receipts=[]) == []
    assert check(book, receipts=[book.receipt(0)]) == []


@pytest.mark.req("S34")
@pytest.mark.parametrize(
    ("harm", "seq", "what"),
    [
        (lambda rows: rows[:-1], None, "truncated"),
        (lambda rows: [], None, "truncated"),
        (lambda rows: rows[:4] + rows[5:], 5, "sequence"),
        (lambda rows: [*rows[:4], rows[5], rows[4], *rows[6:]], 5, "sequence"),
        (lambda rows: [*rows[:5], *rows[4:]], 4, "sequence"),
        (lambda rows: rows[1:], 1, "sequence"),
        (lambda rows: [*rows[:4], (2, *rows[4][1:]), *rows[5:]], 4, "epoch"),
        (lambda rows: [*rows[:4], (*rows[4][:2], rows[5][2], rows[4][3]), *rows[5:]], 4, "leaf"),
        (lambda rows: [*rows[:4], (*rows[4][:2], *rows[5][2:]), *rows[5:]], 4, "member seq"),
        (lambda rows: [*rows[:4], (*rows[4][:3], "é"), *rows[5:]], 4, "JWS"),
    ],
    ids=["truncate", "empty", "drop", "swap", "repeat", "behead", "epoch", "leaf", "replace", "garbage"],
)
def test_tampering_is_found_where_it_is(
    book: Any, harm: Callable[[list[Any]], list[Any]], seq: int | None, what: str
) -> None:
    """A drop, a swap, a repeat, a replacement or a truncation is the first finding, at its own place."""
    first = check(book, harm(book.rows))[0]
    assert (first.unit, first.epoch, first.seq, first.what) == ("neb-0001", 1, seq, what)
    assert "neb-0001" in first.sentence()


@pytest.mark.req("S34")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_any_byte_of_any_record_or_leaf(book: Any, data: st.DataObject) -> None:
    """One character of a record, or one bit of a leaf hash, changed anywhere is found at that record."""
    seq = data.draw(st.integers(0, 12))
    epoch, _, leaf, text = book.rows[seq]
    if data.draw(st.booleans()):
        leaf = (int.from_bytes(leaf, "big") ^ 1 << data.draw(st.integers(0, 255))).to_bytes(32, "big")
    else:
        at = data.draw(st.integers(0, len(text) - 1))
        other = data.draw(st.characters().filter(lambda character: character != text[at]))
        text = text[:at] + other + text[at + 1 :]
    rows = [*book.rows[:seq], (epoch, seq, leaf, text), *book.rows[seq + 1 :]]
    assert check(book, rows)[0].seq == seq


@pytest.mark.req("S34")
def test_truncation_is_found_by_the_head_alone(book: Any) -> None:
    """Without any receipt, missing last records still disagree with the signed head."""
    findings = check(book, book.rows[:-2], receipts=[])
    assert [finding.what for finding in findings] == ["head size"]
    assert [finding.what for finding in check(book, book.rows, head=None)] == ["head"]


@pytest.mark.req("S34")
def test_a_history_rewritten_with_the_units_own_key_is_found(book: Any, new_book: Callable[[], Any]) -> None:
    """A fork with good signatures throughout, and a head of its own, disagrees with the pharmacy's receipts."""
    fork = new_book()
    for number in range(13):
        fork.add(Draft(typ="clock", facts={"n": number}))
    assert check(fork) == []
    assert {finding.what for finding in check(fork, receipts=[book.receipt(5)])} == {"root"}
    assert {finding.what for finding in check(book, fork.rows)} == {"root", "head root"}


def test_one_cause_gives_one_finding(book: Any) -> None:
    """What follows only from a wrong record is not reported again at every record behind it."""
    rows = book.rows
    rows[4] = (*rows[4][:3], rows[4][3][:-2] + "AA")
    assert [finding.seq for finding in check(book, rows)] == [4]


def test_a_wrong_prev_is_found(new_book: Callable[[], Any]) -> None:
    """A record that does not name the root before it is found although its signature is good."""
    book = new_book()
    book.add(Draft(typ="clock"))
    book.add(Draft(typ="clock"), prev="A" * 43)
    findings = check(book, receipts=[])
    assert (findings[0].seq, findings[0].what) == (1, "prev")


def test_another_units_signature_is_found(book: Any, new_book: Callable[..., Any]) -> None:
    """Records, heads and receipts by another unit's key are findings of this one."""
    other = new_book(unit="neb-0002")
    other.add(Draft(typ="clock"))
    assert check(book, other.rows)[0].what == "kid"
    assert [finding.what for finding in check(book, head=other.head())] == ["head origin"]
    assert [finding.what for finding in check(book, receipts=[other.receipt()])] == ["receipt head origin"]
    assert [finding.what for finding in check(book, receipts=["x"])] == ["receipt note"]


def session_day(session: str) -> SessionDay:
    """Return the place of a session on its first day."""
    return SessionDay(session=session, day=1, tz="UTC", date_local=session[:10])


def close(book: Any, typ: str, session: str | None, **facts: Any) -> None:
    """Append a record of this type to the session."""
    book.add(Draft(typ=typ, facts=facts, session=None if session is None else session_day(session)))


def _overlap(book: Any) -> None:
    close(book, "start", T)
    book.give(S)


def _two_outcomes(book: Any) -> None:
    book.give(S)
    close(book, "dose", S)


def _no_start(book: Any) -> None:
    close(book, "dose", S)


def _restart(book: Any) -> None:
    book.give(S)
    close(book, "start", S)


def _no_session(book: Any) -> None:
    close(book, "start", None)


def _abort_after_dose(book: Any) -> None:
    book.give(S)
    close(book, "abort", S)


@pytest.mark.parametrize("write", [_overlap, _two_outcomes, _no_start, _restart, _no_session, _abort_after_dose])
def test_sessions_that_cannot_have_happened_are_found(
    new_book: Callable[[], Any], write: Callable[[Any], None]
) -> None:
    """Overlapping sessions, a second outcome, an outcome without a start and a start after the outcome are found."""
    book = new_book()
    write(book)
    findings = check(book, receipts=[])
    assert [finding.what for finding in findings if finding.what != "charge"] == ["session"]


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"start_seq": 5}, "start_seq"),
        ({"low_nl": -1}, "emitted volume"),
        ({"low_nl": 2_950_000}, "emitted volume"),
        ({"best_nl": 2_950_000}, "emitted volume"),
        ({"high_nl": 3_030_001}, "emitted volume"),
        ({"high_nl": 3_130_001, "added_nl": 100_000}, "emitted volume"),
        ({"added_nl": -1}, "added_nl"),
        ({"added_nl": True}, "added_nl"),
        ({"added_nl": "100000"}, "added_nl"),
        ({"high_nl": "3"}, "emitted volume"),
        ({"low_nl": True}, "emitted volume"),
        ({"charge": None}, "charge"),
        ({"charge": {"low_nl": 9, "best_nl": 1, "high_nl": 9_000_000}}, "charge"),
    ],
)
def test_volumes_that_cannot_be_are_found(new_book: Callable[[], Any], changed: dict[str, Any], what: str) -> None:
    """A dose has 0 <= low <= best <= high <= charge high, in whole nanolitres."""
    book = new_book()
    book.give(S, **changed)
    assert [(finding.seq, finding.what) for finding in check(book, receipts=[])] == [(1, what)]


def test_what_the_balance_saw_added_counts_as_loaded(new_book: Callable[[], Any]) -> None:
    """A dose whose cup was topped up may have emitted the charge's upper bound and what was added (S54)."""
    book = new_book()
    book.give(S, high_nl=3_130_000, added_nl=100_000)
    assert check(book, receipts=[]) == []


def test_open_and_aborted_sessions_are_no_finding(new_book: Callable[[], Any]) -> None:
    """A session under way, and one aborted with or without a start, are as they may be."""
    book = new_book()
    for session, typ in ((S, "abort"), (T, "start"), (T, "abort"), ("2026-11-24-000000", "start")):
        close(book, typ, session)
    assert check(book, receipts=[]) == []


def test_a_ledger_is_read_as_a_stream(book: Any) -> None:
    """Nothing is held back: the finding of a record comes before the next record is asked for."""
    asked: list[int] = []

    def rows() -> Any:
        for row in book.rows:
            asked.append(row[1])
            yield Row(*row[:2], tree.EMPTY_ROOT, row[3])

    chain = check_chain(rows(), None, [], ring=KeyRing.of(book.vkey), pharmacy=None, verify=verify)
    assert next(chain).seq == 0
    assert asked == [0]
