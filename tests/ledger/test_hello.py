"""Hello and its answer: fresh by the nonce, signed by a key that never countersigns, and compared with the own log."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebctl.core.ledger import head
from nebctl.core.ledger.encoding import FormatError, b64, show
from nebctl.core.ledger.head import Checkpoint
from nebctl.core.ledger.hello import HEAD, Answer, Hello, Parted, compare
from nebctl.core.ledger.note import COSIGNATURE, ED25519, Vkey, assemble_note, key_id, sign_note, signature_line
from nebctl.keys import Ed25519Signer, verify

ORIGIN = "sim.mexcovid.example/nebctl/neb-0001/1"
SIGNER = Ed25519Signer.from_seed(bytes(range(32)))
ORDERS = Vkey("sim.mexcovid.example/nebctl-pharmacy/orders", ED25519, SIGNER.public)
NONCE = "00112233445566778899aabbccddeeff"
ROOTS = [hashlib.sha256(b"%d" % size).digest() for size in range(12)]
KEPT = Checkpoint(ORIGIN, 9, ROOTS[9])
NOTE = Answer(nonce=NONCE, kept=KEPT).note(ORDERS.name, SIGNER)


def test_a_hello_comes_back_as_it_was_said() -> None:
    """A hello has one form, with and without the wish for records."""
    for want in (None, 0, 7):
        hello = Hello(nonce=NONCE, epoch=1, size=7, root=ROOTS[7], want=want)
        assert Hello.parse(hello.body()) == hello
    assert Hello(nonce=NONCE, epoch=1, size=0, root=ROOTS[0]).body().startswith(b'{"ep":1,"nonce":"0011')


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"ep":1', b'"ep":0'),
        (b'"ep":1', b'"ep":true'),
        (b'"ep":1', b'"ep":"1"'),
        (b'"ep":1,', b""),
        (b'"ep":1', b'"ep": 1'),
        (b'"size":7', b'"size":-1'),
        (b'"size":7', b'"size":7,"want":-1'),
        (b'"size":7', b'"size":7,"word":1'),
        (NONCE.encode(), NONCE[:-2].encode()),
        (NONCE.encode(), NONCE.upper().encode()),
        (b'"root":"', b'"root":"A'),
        (b"{", b"\xff"),
    ],
)
def test_a_hello_in_another_form_is_refused(old: bytes, new: bytes) -> None:
    """A missing, foreign or malformed member is refused."""
    body = Hello(nonce=NONCE, epoch=1, size=7, root=ROOTS[7]).body()
    assert old in body
    with pytest.raises(FormatError):
        Hello.parse(body.replace(old, new, 1))


def test_an_answer_says_what_is_kept() -> None:
    """An answer is a signed note of five lines, and reads back as it was given."""
    assert NOTE.split("\n")[:5] == ["nebctl/hello/v1", ORIGIN, NONCE, "9", KEPT.text().split("\n")[2]]
    assert Answer.open(NOTE, ORDERS, verify) == Answer(nonce=NONCE, kept=KEPT)


@given(st.integers(0, 8 * len(NOTE.encode()) - 1))
def test_any_flipped_bit_of_an_answer_is_refused(at: int) -> None:
    """An answer that differs in one bit from the signed one is refused."""
    note = bytearray(NOTE.encode())
    note[at // 8] ^= 1 << at % 8
    with pytest.raises((FormatError, UnicodeDecodeError)):
        Answer.open(note.decode(), ORDERS, verify)


def test_the_countersigning_key_answers_nothing() -> None:
    """A countersignature is no answer, though the same private key made it: its key type says another use."""
    witness = Vkey(ORDERS.name, COSIGNATURE, SIGNER.public)
    with pytest.raises(FormatError, match="a good one by"):
        Answer.open(NOTE, witness, verify)
    cosigned = assemble_note(KEPT.text(), [head.cosign(KEPT, 1_795_346_000, ORDERS.name, SIGNER)])
    with pytest.raises(FormatError, match="a good one by"):
        Answer.open(cosigned, ORDERS, verify)


def own(size: int, epoch: int = 1) -> Checkpoint:
    """Return how the unit's own tree stands."""
    return Checkpoint(ORIGIN[:-1] + str(epoch), size, ROOTS[size])


@pytest.mark.parametrize(
    ("kept", "mine", "expected"),
    [
        (KEPT, own(9), None),
        (KEPT, own(11), None),
        (own(0), own(3), None),
        (KEPT, own(8), Parted.ROLLBACK),
        (own(0, epoch=2), own(8), Parted.ROLLBACK),
        (Checkpoint(ORIGIN, 9, ROOTS[8]), own(9), Parted.FORK),
        (Checkpoint(ORIGIN, 9, ROOTS[8]), own(11), Parted.FORK),
    ],
)
def test_a_log_that_does_not_continue_what_is_kept_has_parted(
    kept: Checkpoint, mine: Checkpoint, expected: Parted | None
) -> None:
    """Fewer records, or an older epoch, are a rollback; another root at the same size is a fork."""
    assert compare(kept, mine, ROOTS.__getitem__) is expected


@pytest.mark.parametrize("origin", ["sim.mexcovid.example/nebctl/neb-0002/1", "sim.x.example/nebctl/neb-0001/1"])
def test_an_answer_about_another_log_is_refused(origin: str) -> None:
    """Neither another unit's nor another site's answer is compared, nor one about an epoch that is over."""
    for kept, mine in ((Checkpoint(origin, 9, ROOTS[9]), own(9)), (KEPT, own(9, epoch=2))):
        with pytest.raises(FormatError, match="answer origin"):
            compare(kept, mine, ROOTS.__getitem__)


def test_an_answer_must_name_a_log(book: Any) -> None:
    """An answer whose second line is no origin is refused although it is signed."""
    note = Answer(nonce=NONCE, kept=Checkpoint("somewhere", 1, ROOTS[1])).note(ORDERS.name, SIGNER)
    with pytest.raises(FormatError, match="origin"):
        Answer.open(note, ORDERS, verify)


BODY = Hello(nonce=NONCE, epoch=1, size=7, root=ROOTS[7]).body()
SHORT = "A" * 43


def answer(text: str) -> str:
    """Return a note of the pharmacy's over a text of another form."""
    return sign_note(text, ORDERS.name, SIGNER)


@pytest.mark.parametrize(
    ("read", "sentence"),
    [
        (
            lambda: Hello.parse(BODY.replace(NONCE.encode(), b"00")),
            "nonce: saw 00, expected 32 lower-case hex digits",
        ),
        (lambda: Hello.parse(BODY.replace(b'"ep":1', b'"ep":0')), "hello ep: saw 0, expected a whole number from 1"),
        (
            lambda: Hello.parse(BODY.replace(b'"size":7', b'"size":-1')),
            "hello size: saw -1, expected a whole number from 0",
        ),
        (
            lambda: Hello.parse(BODY.replace(b64(ROOTS[7]).encode(), SHORT.encode())),
            f"hello root: saw {SHORT}, expected padded base64",
        ),
        (
            lambda: compare(KEPT, Checkpoint(ORIGIN.replace("0001", "0002"), 9, ROOTS[9]), ROOTS.__getitem__),
            f"answer origin: saw {ORIGIN}, expected {ORIGIN.replace('0001', '0002')}",
        ),
        (
            lambda: Answer.open(answer(f"{HEAD}\n{ORIGIN}\n"), ORDERS, verify),
            f"answer: saw {show(f'{HEAD}{chr(10)}{ORIGIN}{chr(10)}')}, expected {HEAD}, origin, nonce, size, root",
        ),
        (
            lambda: Answer.open(answer(f"{HEAD}\n{ORIGIN}\n{NONCE}\n09\n{b64(ROOTS[9])}\n"), ORDERS, verify),
            "answer size: saw 09, expected a decimal number without sign or leading zero",
        ),
        (
            lambda: Answer.open(answer(f"{HEAD}\n{ORIGIN}\n{NONCE}\n9\n{SHORT}\n"), ORDERS, verify),
            f"answer root: saw {SHORT}, expected padded base64",
        ),
    ],
)
def test_what_is_no_hello_or_answer_is_said(read: Callable[[], object], sentence: str) -> None:
    """A person is told which member or line it is, what stands there and what would be right."""
    with pytest.raises(FormatError) as error:
        read()
    assert str(error.value) == sentence


@pytest.mark.parametrize(
    "text",
    [
        f"{HEAD}\n{ORIGIN}\n{NONCE}\n9\n{b64(ROOTS[9])}\nmore\n",
        f"nebctl/hello/v2\n{ORIGIN}\n{NONCE}\n9\n{b64(ROOTS[9])}\n",
        f"{HEAD}\n{ORIGIN}\n{NONCE}\n9\n{b64(ROOTS[9])}\n\n",
    ],
)
def test_an_answer_has_exactly_its_five_lines(text: str) -> None:
    """Another first line, one line more or a blank one is no answer, though the pharmacy signed it."""
    with pytest.raises(FormatError, match=r"^answer: saw"):
        Answer.open(answer(text), ORDERS, verify)


def test_who_signed_a_refused_answer_is_said() -> None:
    """The names of all lines stand in the sentence, and the name that was expected."""
    lines = [signature_line(name, key_id(name, ED25519, SIGNER.public), bytes(64)) for name in ("a", "b")]
    with pytest.raises(FormatError) as error:
        Answer.open(assemble_note(f"{HEAD}\n", lines), ORDERS, verify)
    assert str(error.value) == f"answer signature: saw lines by a, b, expected a good one by {ORDERS.name}"


def test_a_log_of_nothing_says_hello() -> None:
    """A unit without a record has size 0 and the root of nothing."""
    empty = Hello(nonce=NONCE, epoch=1, size=0, root=ROOTS[0], want=0)
    assert Hello.parse(empty.body()) == empty
