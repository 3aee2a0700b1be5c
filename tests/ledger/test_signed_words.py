"""What is said of a signature that is missing, bad, or by another key than the one that must have signed."""

from collections.abc import Callable
from typing import Any

import pytest

from nebctl.core.ledger.check import check_record
from nebctl.core.ledger.encoding import FormatError, show
from nebctl.core.ledger.head import cosign, head_line, kid, open_head, open_receipt, verify_cosignature
from nebctl.core.ledger.note import Vkey, assemble_note
from nebctl.core.ledger.records import Draft
from nebctl.keys import verify

pytestmark = pytest.mark.req("S34")


def refused(read: Callable[[], object]) -> str:
    """Return why something is not believed."""
    with pytest.raises(FormatError) as error:
        read()
    return str(error.value)


def test_a_bad_signature_of_a_record_names_the_key(book: Any) -> None:
    """The key that must have signed stands in the sentence, by its name and id."""
    text, other = book.entries[4].jws, book.entries[5].jws
    changed = f"{text.rpartition('.')[0]}.{other.rpartition('.')[2]}"
    expected = f"a good one by {book.vkey.name} key {kid(book.vkey)}"
    assert refused(lambda: check_record(changed, (), book.vkey, verify)) == (
        f"signature: saw a bad signature, expected {expected}"
    )


@pytest.mark.parametrize(
    ("name", "value", "right"), [("unit", "neb-0002", "neb-0001"), ("ep", 2, 1), ("sim", False, True)]
)
def test_a_record_of_another_log_is_told_by_its_members(book: Any, name: str, value: Any, right: Any) -> None:
    """Unit, epoch and whether it is simulated are those of the key that signed."""
    entry = book.add(Draft(typ="clock"), **{name: value})
    expected = f"{right}, as the key {book.vkey.name} says"
    assert refused(lambda: check_record(entry.jws, (), book.vkey, verify)) == (
        f"member {name}: saw {value}, expected {expected}"
    )


def test_a_head_or_receipt_without_its_signatures_says_whose(book: Any) -> None:
    """A bad line of the unit's, another set of lines, and a bad line of the pharmacy's."""
    here, there = book.checkpoint(), book.checkpoint(5)
    unit, pharmacy = book.vkey, book.pharmacy
    bad = assemble_note(here.text(), [head_line(there, book.signer)])
    assert refused(lambda: open_head(bad, unit, verify)) == (
        f"head signature: saw no good signature, expected one by {unit.name} key {kid(unit)}"
    )
    both = [head_line(here, book.signer), cosign(here, 7, "x.example", book.witness)]
    other = assemble_note(here.text(), both)
    assert refused(lambda: open_receipt(other, unit, pharmacy, verify)) == (
        f"receipt: saw {show(f'lines by {unit.name}, x.example')}, expected lines by {unit.name}, {pharmacy.name}"
    )
    both[1] = cosign(there, 7, pharmacy.name, book.witness)
    stale = assemble_note(here.text(), both)
    assert refused(lambda: open_receipt(stale, unit, pharmacy, verify)) == (
        f"cosignature: saw no good signature, expected one by {pharmacy.name} key {kid(pharmacy)}"
    )


def test_the_first_second_of_the_calendar_can_be_countersigned(book: Any) -> None:
    """A countersignature of one second after 1970 is made and read."""
    checkpoint = book.checkpoint()
    line = cosign(checkpoint, 1, book.pharmacy.name, book.witness)
    assert verify_cosignature(checkpoint.text(), line, book.pharmacy, verify) == 1


def test_a_verifier_line_of_another_spelling_is_said_by_its_name() -> None:
    """The name that the line begins with stands in the sentence."""
    assert refused(lambda: Vkey.parse("a+00000000+!")) == "verifier key a: saw !, expected padded base64"
