"""Keys, notes, heads, receipts and the envelope: each read strictly, each bound to its key and its place."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebctl.core.instant import ClockState, Instant
from nebctl.core.ledger import envelope, head, jws, note
from nebctl.core.ledger.encoding import FormatError, b64, b64url
from nebctl.core.ledger.records import ENVELOPE, SESSION_FIELDS, Draft, SessionDay
from nebctl.keys import Ed25519Signer, verify

SIGNER = Ed25519Signer.from_seed(bytes(range(32)))
OTHER = Ed25519Signer.from_seed(bytes(32))
NAME = "sim.site.example/nebctl/neb-0001/1"
UNIT = note.Vkey(NAME, note.ED25519, SIGNER.public)
WITNESS = note.Vkey("sim.site.example/nebctl-pharmacy", note.COSIGNATURE, OTHER.public)
HEAD = head.Checkpoint(NAME, 7, bytes(range(32)))
AT = Instant(
    mono_ns=5, wall_ns=1_795_345_900_123_999_999, boot="b", clock=ClockState(sync=True, source=532226, max_error_us=900)
)
STAMP = envelope.Stamp(unit="neb-0001", epoch=1, software="nebctl 0", config_sha256="0" * 64, simulated=True)
DAY = SessionDay(session="2026-11-22-7f3a9c", day=1, tz="America/Mexico_City", date_local="2026-11-22")


def entry_text(**changed: Any) -> str:
    """Return a signed record with members replaced, or dropped where the value is `...`."""
    payload, _ = envelope.build(Draft(typ="clock", session=DAY), 3, bytes(32), AT, STAMP, bytes(16), ())
    kept = {name: value for name, value in (payload | changed).items() if value is not ...}
    return jws.sign(kept, SIGNER, head.kid(UNIT))


def receipt_of(*lines: str, checkpoint: head.Checkpoint = HEAD) -> str:
    """Return a note over the checkpoint with these signature lines."""
    return note.assemble_note(checkpoint.text(), lines)


def test_a_key_name_and_id_are_those_of_signed_notes() -> None:
    """The Go checksum database's published key parses, and its key ID is derived from name, type and key.

    Source: golang.org/x/mod/sumdb, the key of sum.golang.org.
    """
    text = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
    vkey = note.Vkey.parse(text)
    assert (vkey.name, vkey.type, vkey.key_id.hex(), vkey.text()) == ("sum.golang.org", 1, "033de0ae", text)
    assert len(vkey.fingerprint()) == 64


@pytest.mark.parametrize(
    "text",
    [
        UNIT.text() + "\n",
        UNIT.text().replace("+", " ", 1),
        UNIT.text().replace(UNIT.key_id.hex(), "00000000"),
        UNIT.text().replace(UNIT.key_id.hex(), UNIT.key_id.hex().upper()),
        f"n+00000000+{b64(bytes((2,)) + SIGNER.public)}",
        f"n+00000000+{b64(bytes((1,)) + SIGNER.public[:31])}",
        "n+00000000+",
        "n",
        f"a b{UNIT.text()}",
    ],
)
def test_other_verifier_keys_are_refused(text: str) -> None:
    """A verifier line with another ID, type, length or spelling is refused."""
    with pytest.raises(FormatError):
        note.Vkey.parse(text)


def test_a_signed_note_is_verified_by_its_key_alone() -> None:
    """A note carries its text back, and only its own key and its own text verify."""
    text = "nebctl/approval/v1\n\nblank lines may stand in a text\n"
    signed = note.parse_note(note.sign_note(text, NAME, SIGNER))
    assert signed.text == text
    assert note.verify_note(signed, UNIT, verify)
    assert not note.verify_note(signed, note.Vkey(NAME, note.ED25519, OTHER.public), verify)
    assert not note.verify_note(signed, note.Vkey("other", note.ED25519, SIGNER.public), verify)
    assert not note.verify_note(note.SignedNote(text + "x\n", signed.lines), UNIT, verify)
    assert not note.verify_note(note.SignedNote(text, signed.lines * 2), UNIT, verify)
    with pytest.raises(FormatError):
        note.sign_note("no newline", NAME, SIGNER)


@given(st.data())
def test_no_changed_note_verifies(data: st.DataObject) -> None:
    """Any one character changed, dropped or added makes a note malformed or its signature bad."""
    whole = note.sign_note("a\nb\n", NAME, SIGNER)
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = whole[:at] + data.draw(st.text(max_size=1)) + whole[at + 1 :]
    if changed == whole:
        return
    try:
        parsed = note.parse_note(changed)
    except FormatError:
        return
    assert not note.verify_note(parsed, UNIT, verify)


LINE = note.signature_line(NAME, UNIT.key_id, bytes(64))


@pytest.mark.parametrize(
    "whole",
    [
        "",
        "text\n",
        "text\n\n",
        f"text{LINE}",
        f"text\n\n{LINE[:-1]}",
        f"text\n\n{LINE}\n",
        f"text\n\n{LINE}x\n",
        f"text\r\n\n{LINE}",
        f"te\0xt\n\n{LINE}",
        f"text\n\n-{LINE[1:]}",
        f"text\n\n{LINE.replace(' ', '  ', 1)}",
        f"text\n\n{LINE.replace(NAME, 'a+b')}",
        f"text\n\n{chr(0x2014)} {NAME} AAAA\n",
        "text\n\n" + LINE * 101,
        b"\xff\n\n" + LINE.encode(),
        "x" * 1_000_001,
    ],
)
def test_other_notes_are_refused(whole: str | bytes) -> None:
    """A note has text, blank line and signature lines, ends with a newline, and holds no control character."""
    with pytest.raises(FormatError):
        note.parse_note(whole)


@pytest.mark.parametrize(
    "text",
    [
        f"{NAME}\n07\n{b64(bytes(32))}\n",
        f"{NAME}\n7\n{b64(bytes(31))}\n",
        f"{NAME}\n7\n{b64(bytes(32))}",
        f"{NAME}\n7\n{b64(bytes(32))}\nextension\n",
        f"\n7\n{b64(bytes(32))}\n",
    ],
)
def test_other_checkpoints_are_refused(text: str) -> None:
    """A checkpoint is origin, size and root, without extension lines."""
    with pytest.raises(FormatError):
        head.Checkpoint.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "site/nebctl/neb-0001",
        "site/nebctl/neb-0001/0",
        "site/nebctl/neb-0001/01",
        "site/x/neb-0001/1",
        "Site/nebctl/neb-0001/1",
        "site/nebctl/../1",
        "/nebctl/a/1",
        "s.-/nebctl/a/1",
        "site/nebctl/NEB/1",
        "site/nebctl/a/1/",
    ],
)
def test_other_origins_are_refused(text: str) -> None:
    """An origin is site, unit and epoch, each in its one spelling."""
    with pytest.raises(FormatError):
        head.Origin.parse(text)


def test_an_origin_admits_a_simulation() -> None:
    """Only a site whose name begins with the label `sim` is simulated."""
    assert head.Origin.parse(NAME).simulated
    assert not head.Origin("simulab.example", "neb-0001", 1).simulated
    assert head.origin("sim.site.example", "neb-0001", 1) == NAME


def test_a_head_is_signed_by_its_origin() -> None:
    """A head verifies for its key, and for no other root, size, origin or key."""
    line = head.head_line(HEAD, SIGNER)
    assert head.verify_head_line(HEAD, line, UNIT, verify)
    assert head.open_head(receipt_of(line), UNIT, verify) == HEAD
    for other in (
        head.Checkpoint(NAME, 8, HEAD.root),
        head.Checkpoint(NAME, 7, bytes(32)),
        head.Checkpoint("x", 7, HEAD.root),
    ):
        assert not head.verify_head_line(other, line, UNIT, verify)
        with pytest.raises(FormatError):
            head.open_head(receipt_of(line, checkpoint=other), UNIT, verify)
    with pytest.raises(FormatError, match="origin"):
        head.open_head(receipt_of(line), note.Vkey("x", note.ED25519, SIGNER.public), verify)


def test_a_countersignature_covers_head_and_time() -> None:
    """The witness's line gives back its time, and fails for another time, head, key or key type."""
    line = head.cosign(HEAD, 1_795_345_900, WITNESS.name, OTHER)
    assert head.verify_cosignature(HEAD.text(), line, WITNESS, verify) == 1_795_345_900
    parsed = note.parse_signature_line(line)
    later = note.signature_line(parsed.name, parsed.key_id, (1_795_345_901).to_bytes(8, "big") + parsed.signature[8:])
    assert head.verify_cosignature(HEAD.text(), later, WITNESS, verify) is None
    assert head.verify_cosignature(head.Checkpoint(NAME, 8, HEAD.root).text(), line, WITNESS, verify) is None
    for key in (note.Vkey(WITNESS.name, note.ED25519, OTHER.public), note.Vkey("x", note.COSIGNATURE, OTHER.public)):
        assert head.verify_cosignature(HEAD.text(), line, key, verify) is None
    for time_s in (0, head.MAX_TIME_S):
        with pytest.raises(FormatError):
            head.cosign(HEAD, time_s, WITNESS.name, OTHER)


def test_a_receipt_has_exactly_two_lines() -> None:
    """The unit's line, then the pharmacy's: one missing, twice, swapped or of a third is refused."""
    mine, theirs = head.head_line(HEAD, SIGNER), head.cosign(HEAD, 9, WITNESS.name, OTHER)
    third = note.signature_line("third", b"0000", bytes(64))
    opened = head.open_receipt(receipt_of(mine, theirs), UNIT, WITNESS, verify)
    assert opened == head.Receipt(HEAD, 9)
    for lines in (
        (mine,),
        (theirs,),
        (theirs, mine),
        (mine, theirs, third),
        (mine, theirs, theirs),
        (mine, mine, theirs),
    ):
        with pytest.raises(FormatError):
            head.open_receipt(receipt_of(*lines), UNIT, WITNESS, verify)
    forged = head.cosign(HEAD, 9, WITNESS.name, SIGNER)
    with pytest.raises(FormatError, match="cosignature"):
        head.open_receipt(receipt_of(mine, forged), UNIT, WITNESS, verify)


def test_the_envelope_carries_what_every_record_carries() -> None:
    """A draft gets all members of the envelope, its session, its facts, and a digest for each private fact."""
    draft = Draft(
        typ="charge", facts={"kit": "KIT-0401"}, private={"subject": "MEX-001", "operator": "RT-07"}, session=DAY
    )
    payload, disclosures = envelope.build(draft, 3, bytes(32), AT, STAMP, b"s" * 16, (b"1" * 16, b"2" * 16))
    assert payload.keys() == ENVELOPE | SESSION_FIELDS | {"kit"}
    assert payload["utc"] == "2026-11-22T11:11:40.123Z"
    assert payload["clk"] == {"sync": True, "src": 532226, "max_us": 900}
    assert payload["prev"] == b64url(bytes(32))
    assert len(disclosures) == 2
    assert "MEX-001" not in str(payload)
    entry = envelope.parse_entry(jws.sign(payload, SIGNER, "00000000"), disclosures)
    assert (entry.epoch, entry.seq, entry.payload, entry.disclosures) == (1, 3, payload, disclosures)


@pytest.mark.parametrize(
    ("facts", "private"), [({"seq": 1}, {}), ({}, {"salt": 1}), ({"session": "x"}, {}), ({"kit": 1}, {"kit": 2})]
)
def test_a_fact_never_takes_the_place_of_another(facts: dict[str, Any], private: dict[str, Any]) -> None:
    """A fact named like a member of the envelope, or public and private at once, is refused."""
    with pytest.raises(FormatError, match="fact"):
        envelope.build(
            Draft(typ="chart", facts=facts, private=private),
            0,
            bytes(32),
            AT,
            STAMP,
            bytes(16),
            [bytes(16)] * len(private),
        )


def test_each_private_fact_has_its_salt() -> None:
    """As many salts as private facts, or nothing is built."""
    with pytest.raises(FormatError, match="salts"):
        envelope.build(Draft(typ="chart", private={"a": 1}), 0, bytes(32), AT, STAMP, bytes(16), ())


def test_an_unknown_type_is_kept() -> None:
    """A record of a type that this version does not know is read like any other."""
    assert envelope.parse_entry(entry_text(typ="transfer")).payload["typ"] == "transfer"


@pytest.mark.parametrize("name", sorted(ENVELOPE))
def test_every_member_of_the_envelope_is_needed(name: str) -> None:
    """A record without one of them is refused by that name."""
    with pytest.raises(FormatError, match=f"member {name}: saw nothing"):
        envelope.parse_entry(entry_text(**{name: ...}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("v", 2),
        ("v", True),
        ("typ", "Dose"),
        ("unit", "../x"),
        ("ep", 0),
        ("ep", True),
        ("seq", -1),
        ("seq", "3"),
        ("prev", b64url(bytes(31))),
        ("prev", "!"),
        ("boot", ""),
        ("mono_ns", -1),
        ("utc", "2026-11-22T11:11:40Z"),
        ("utc", "2026-02-30T11:11:40.123Z"),
        ("utc", 5),
        ("clk", {"sync": True}),
        ("clk", {"sync": 1, "src": "sim"}),
        ("clk", {"sync": True, "src": "gps"}),
        ("clk", {"sync": True, "src": "sim", "drift": 1}),
        ("clk", {"sync": True, "src": "sim", "max_us": -1}),
        ("clk", []),
        ("sw", 1),
        ("cfg", "AB" * 32),
        ("sim", 1),
        ("salt", b64url(bytes(15))),
        ("_sd", "x"),
        ("_sd", [1]),
        ("_sd", [b64url(b"b" * 32), b64url(b"a" * 32)]),
        ("_sd", [b64url(b"b" * 32)] * 2),
        ("_sd_alg", "sha-512"),
        ("day", None),
        ("date_local", "22.11.2026"),
        ("tz", ""),
    ],
)
def test_a_member_that_is_not_what_it_must_be_is_refused(name: str, value: Any) -> None:
    """The refusal names the member."""
    with pytest.raises(FormatError, match=f"member {name}: "):
        envelope.parse_entry(entry_text(**{name: value}))


def test_session_members_stand_together() -> None:
    """A record has all four session members or none."""
    with pytest.raises(FormatError, match="member day: saw nothing"):
        envelope.parse_entry(entry_text(day=...))
    envelope.parse_entry(entry_text(**dict.fromkeys(SESSION_FIELDS, ...)))


@given(st.integers(0, 253_402_300_799_999))
def test_utc_text_round_trips(milliseconds: int) -> None:
    """Every millisecond up to the year 9999 has one text, and a finer time is rounded down to it."""
    text = envelope.utc_text(milliseconds * 1_000_000 + 999_999)
    assert envelope.parse_utc(text) == milliseconds * 1_000_000


@pytest.mark.parametrize("wall_ns", [-1, 253_402_300_800 * 10**9, 10**40])
def test_a_time_without_text_is_refused(wall_ns: int) -> None:
    """Times before 1970 or after 9999 are refused."""
    with pytest.raises(FormatError, match="utc"):
        envelope.utc_text(wall_ns)


def test_a_count_too_great_for_the_ledger_is_refused() -> None:
    """Monotonic time of 2^53 ns, 104 days, has no canonical text; the record is refused and not rounded."""
    late = Instant(mono_ns=1 << 53, wall_ns=0, boot="b", clock=AT.clock)
    payload, _ = envelope.build(Draft(typ="clock"), 0, bytes(32), late, STAMP, bytes(16), ())
    with pytest.raises(FormatError, match="mono_ns"):
        jws.sign(payload, SIGNER, "00000000")
