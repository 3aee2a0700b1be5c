"""Approvals: a named person's signature over one file's name and bytes."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebctl.core.ledger.approval import Approved, Refused, approval_text, check_approval, parse_approval
from nebctl.core.ledger.encoding import FormatError
from nebctl.core.ledger.envelope import parse_utc
from nebctl.core.ledger.note import ED25519, Vkey, assemble_note, key_id, sign_note, signature_line
from nebctl.keys import Ed25519Signer, verify

SIGNER = Ed25519Signer.from_seed(bytes(range(32)))
LIN = Vkey("dr-lin", ED25519, SIGNER.public)
OTHER = Vkey("dr-wu", ED25519, Ed25519Signer.from_seed(bytes(32)).public)
DATA = b'volume = "3 mL"\n'
AT = "2026-02-13T09:00:00.000Z"


EXPIRES = "2027-02-14T00:00:00.000Z"
NOW_NS = 1_795_345_900_000_000_000  # 2026-11-22


def approve(data: bytes = DATA, name: str = "study.toml", signer: str = "dr-lin", expires: str | None = EXPIRES) -> str:
    """Return an approval of some bytes under a name."""
    return sign_note(approval_text(name, hashlib.sha256(data).hexdigest(), AT, expires), signer, SIGNER)


def check(note: bytes | str, name: str, data: bytes, approvers: list[Vkey], now_ns: int = NOW_NS) -> Approved | Refused:
    """Check an approval, today where nothing else is said."""
    return check_approval(note, name, data, approvers, verify, now_ns=now_ns)


def test_the_text_has_one_form() -> None:
    """The signed text names the file, its SHA-256 and the time, and reads back as it was written."""
    digest = hashlib.sha256(DATA).hexdigest()
    text = approval_text("study.toml", digest, AT)
    assert text == f"nebctl/approval/v1\nstudy.toml\nsha256 {digest}\nat {AT}\n"
    approval = parse_approval(text)
    assert (approval.file, approval.sha256, approval.at, approval.expires) == ("study.toml", digest, AT, None)
    ends = approval_text("study.toml", digest, AT, EXPIRES)
    assert (ends, parse_approval(ends).expires) == (f"{text}expires {EXPIRES}\n", EXPIRES)


@pytest.mark.parametrize(
    ("name", "digest", "at"),
    [
        ("a/study.toml", "0" * 64, AT),
        ("", "0" * 64, AT),
        ("study.toml\nx", "0" * 64, AT),
        ("study.toml", "0" * 63, AT),
        ("study.toml", "A" * 64, AT),
        ("study.toml", "0" * 64, "2026-02-30T09:00:00.000Z"),
        ("study.toml", "0" * 64, "yesterday"),
    ],
)
def test_a_text_in_another_form_cannot_be_made(name: str, digest: str, at: str) -> None:
    """A path, a short digest or a time that does not exist makes no approval."""
    with pytest.raises(FormatError):
        approval_text(name, digest, at)


@pytest.mark.parametrize("expires", ["", "tomorrow", AT, "2026-02-13T08:59:59.999Z", f"{EXPIRES}\nat {AT}"])
def test_an_end_that_is_none_cannot_be_signed(expires: str) -> None:
    """An end is a time after the signing; nothing else can stand in its place."""
    with pytest.raises(FormatError):
        approval_text("study.toml", "0" * 64, AT, expires)


def test_the_approver_is_named() -> None:
    """An approval that holds names its approver and its time."""
    assert check(approve(), "study.toml", DATA, [OTHER, LIN]) == Approved("dr-lin", AT, EXPIRES)


def test_an_approval_without_an_end_holds_for_ever() -> None:
    """What was signed before approvals could end still holds, at any time."""
    text = f"nebctl/approval/v1\nstudy.toml\nsha256 {hashlib.sha256(DATA).hexdigest()}\nat {AT}\n"
    note = sign_note(text, "dr-lin", SIGNER)
    assert note == approve(expires=None)
    assert check(note, "study.toml", DATA, [LIN], now_ns=10**20) == Approved("dr-lin", AT)


@pytest.mark.req("S07")
@given(st.integers(-(10**18), 10**18))
def test_an_approval_holds_up_to_its_end(past_ns: int) -> None:
    """From the end on, to the nanosecond, the approval is refused with the time of its end, and before it is not."""
    checked = check(approve(), "study.toml", DATA, [LIN], now_ns=parse_utc(EXPIRES) + past_ns)
    if past_ns < 0:
        assert isinstance(checked, Approved)
    else:
        assert isinstance(checked, Refused)
        assert f"expired {EXPIRES}; approve the file again" in checked.reason


@pytest.mark.req("S07")
@pytest.mark.parametrize(
    ("note", "name", "data", "approvers", "reason"),
    [
        (approve(), "study.toml", DATA + b"\n", [LIN], "changed after its approval"),
        (approve(), "other.toml", DATA, [LIN], "for study.toml, not for other.toml"),
        (approve(), "study.toml", DATA, [OTHER], "no good signature by dr-wu"),
        (approve(), "study.toml", DATA, [], "no good signature by nobody"),
        (approve(signer="dr-wu"), "study.toml", DATA, [LIN, OTHER], "is signed by dr-wu"),
        (sign_note("hello\n", "dr-lin", SIGNER), "study.toml", DATA, [LIN], "is no approval"),
        ("", "study.toml", DATA, [LIN], "is no approval"),
        (b"\xff", "study.toml", DATA, [LIN], "is no approval"),
    ],
)
def test_an_approval_that_does_not_hold_says_why(
    note: str | bytes, name: str, data: bytes, approvers: list[Vkey], reason: str
) -> None:
    """Altered bytes, another name, an unknown approver and a note that is no approval each have their reason."""
    checked = check(note, name, data, approvers)
    assert isinstance(checked, Refused)
    assert reason in checked.reason


@pytest.mark.req("S07")
@given(at=st.integers(min_value=0, max_value=8 * len(DATA) - 1))
def test_any_flipped_bit_of_the_file_is_refused(at: int) -> None:
    """A file that differs from the approved one in one bit is refused."""
    changed = bytearray(DATA)
    changed[at // 8] ^= 1 << at % 8
    assert isinstance(check(approve(), "study.toml", bytes(changed), [LIN]), Refused)


@pytest.mark.req("S07")
@given(data=st.data())
def test_any_flipped_bit_of_the_approval_is_refused(data: st.DataObject) -> None:
    """An approval that differs from the signed one in one bit, its end's too, is refused."""
    note = bytearray(approve().encode())
    at = data.draw(st.integers(min_value=0, max_value=8 * len(note) - 1))
    note[at // 8] ^= 1 << at % 8
    assert isinstance(check(bytes(note), "study.toml", DATA, [LIN]), Refused)


def test_what_is_refused_is_said_in_full() -> None:
    """All who signed and all who may, both digests, and both times of an approval that ends before it begins."""
    note, digest = approve(), hashlib.sha256(DATA).hexdigest()
    lines = [signature_line(name, key_id(name, ED25519, SIGNER.public), bytes(64)) for name in ("dr-a", "dr-b")]
    unknown = check(assemble_note(approval_text("study.toml", digest, AT), lines), "study.toml", DATA, [LIN, OTHER])
    assert isinstance(unknown, Refused)
    assert unknown.reason == (
        "study.toml is signed by dr-a, dr-b, which is no good signature by dr-lin, dr-wu; ask an approver"
    )
    changed, now = check(note, "study.toml", b"x", [LIN]), hashlib.sha256(b"x").hexdigest()
    assert isinstance(changed, Refused)
    assert changed.reason == (
        f"study.toml was changed after its approval (SHA-256 {now[:12]}…, approved {digest[:12]}…)"
    )
    with pytest.raises(FormatError) as error:
        approval_text("study.toml", digest, EXPIRES, AT)
    assert str(error.value) == f"approval expires: saw {AT}, expected a time after its signing, {EXPIRES}"
