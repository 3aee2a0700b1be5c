"""What the readers of the ledger say of what they refuse: where it is, what was seen, what would be right."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from nebctl.core.ledger import (
    approval,
    canonical,
    consistency,
    disclosure,
    encoding,
    envelope,
    grammar,
    head,
    hello,
    jws,
    note,
    proof,
    shown,
)
from nebctl.core.ledger.encoding import FormatError, b64, b64url
from nebctl.core.ledger.head import Checkpoint, Origin
from nebctl.core.ledger.note import ED25519, Vkey
from nebctl.core.meanings import EXPECTED, MEANINGS
from nebctl.keys import Ed25519Signer

SIGNER = Ed25519Signer.from_seed(bytes(range(32)))
ROOT = b64(bytes(32))
LOOSE = '{"a":1,"b": "%s"}' % ("x" * 30)
DEEP = b'{"a":' * 70 + b"1" + b"}" * 70
LOADED = {"charge": {"low_nl": 1, "best_nl": 2, "high_nl": 3}, "low_nl": 1, "best_nl": 2, "high_nl": 3}


def nested(levels: int) -> Any:
    """Return a list so deep."""
    return 1 if levels == 0 else [nested(levels - 1)]


SAID: list[tuple[Callable[[], object], str]] = [
    (lambda: canonical.decode(b"[1]"), "JSON: saw [1], expected an object"),
    (lambda: canonical.decode(b'{"a": 1}'), "JSON character 5: saw  1}, expected canonical '1}'"),
    (lambda: canonical.decode(b'{"b":1,"a":2,"a":3}'), "JSON: saw a, expected each key once"),
    (lambda: canonical.decode(b'{"a":1.5}'), "JSON: saw 1.5, expected an integer; floats have no single spelling"),
    (
        lambda: canonical.decode(b'{"a":9007199254740992}'),
        "a: saw 9007199254740992, expected an integer with |n| < 2^53",
    ),
    (
        lambda: canonical.decode(LOOSE.encode()),
        f"JSON character 11: saw {LOOSE[11:27]}, expected canonical {LOOSE.replace(' ', '')[11:27]!r}",
    ),
    (lambda: canonical.decode_value(b"[" * 100_000), "JSON: saw deeper nesting, expected at most 32 levels"),
    (
        lambda: canonical.decode(b'{"a":' + b"9" * 5000 + b"}"),
        "JSON: saw an integer without end, expected an integer with |n| < 2^53",
    ),
    (lambda: canonical.decode(b'{"a":'), "JSON character 5: saw '', expected Expecting value"),
    (lambda: canonical.decode(b'{"a":"\xff\xfe"}'), "JSON byte 6: saw b'\\xff\\xfe\"}', expected UTF-8"),
    (lambda: canonical.decode(DEEP), "a: saw deeper nesting, expected at most 32 levels"),
    (lambda: canonical.encode(nested(70)), "JSON: saw deeper nesting, expected at most 32 levels"),
    (lambda: canonical.encode({"a": "\ud800"}), "JSON: saw a lone surrogate, expected text that UTF-8 can carry"),
    (lambda: canonical.encode({"é": 1}), "JSON: saw \\xe9, expected a key of ASCII text"),
    (
        lambda: canonical.encode({"a": 1.5}),
        "a: saw 1.5, expected null, true, false, an integer, text, a list or an object",
    ),
    (lambda: canonical.encode({"a": 2**53}), "a: saw 9007199254740992, expected an integer with |n| < 2^53"),
    (
        lambda: disclosure.reveal(b64url(b'["!","a",1]')),
        "disclosure salt: saw !, expected unpadded base64url",
    ),
    (
        lambda: disclosure.check({}, [disclosure.disclose(bytes(16), "a", 1)]),
        f"disclosure a: saw {disclosure.digest(disclosure.disclose(bytes(16), 'a', 1))}, "
        "expected a digest that stands in the record's _sd",
    ),
    (lambda: note.sign_note("x" * 20, "a", SIGNER), f"note: saw {'x' * 16}, expected a text that ends with a newline"),
    (lambda: disclosure.reveal(b64url(b'{"a":1}')), "disclosure: saw {'a': 1}, expected [salt, name, value]"),
    (
        lambda: disclosure.reveal(b64url(b'["AAAAAAAAAAAAAAAAAAAAAA",1,2]')),
        "disclosure: saw ['AAAAAAAAAAAAAAAAAAAAAA', 1, 2], expected [salt, name, value]",
    ),
    (lambda: disclosure.disclose(b"short", "name", 1), "salt: saw 5 bytes, expected 16 bytes"),
    (
        lambda: disclosure.disclose(bytes(16), "_sd", 1),
        "disclosure name: saw _sd, expected a name that SD-JWT does not reserve",
    ),
    (
        lambda: disclosure.check({"_sd": []}, [disclosure.disclose(bytes(16), "text", "x")]),
        "disclosure text: saw kSHOOE7CH5lD5xsmfaYmx6E9DaGd6I_lhTjJdjfLqs8, "
        "expected a digest that stands in the record's _sd",
    ),
    (
        lambda: disclosure.check(
            {
                "_sd": sorted(
                    [
                        disclosure.digest(disclosure.disclose(bytes(16), "text", "x")),
                        disclosure.digest(disclosure.disclose(bytes(16), "text", "y")),
                    ]
                )
            },
            [disclosure.disclose(bytes(16), "text", "x"), disclosure.disclose(bytes(16), "text", "y")],
        ),
        "disclosure text: saw the name twice, expected each fact once",
    ),
    (lambda: encoding.unb64url("A="), "base64url: saw A=, expected unpadded base64url"),
    (lambda: encoding.unb64url("A"), "base64url: saw A, expected unpadded base64url"),
    (lambda: encoding.unb64url("AR"), "base64url: saw AR, expected the one spelling AQ"),
    (lambda: encoding.unb64("A"), "base64: saw A, expected padded base64"),
    (lambda: encoding.unb64("AR=="), "base64: saw AR==, expected the one spelling AQ=="),
    (lambda: encoding.unhash64("AAAA", "root"), "root: saw 3 bytes, expected 32 bytes"),
    (lambda: encoding.undecimal("01", "size"), "size: saw 01, expected a decimal number without sign or leading zero"),
    (
        lambda: encoding.undecimal("x" * 70, "size"),
        "size: saw xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx..., "
        "expected a decimal number without sign or leading zero",
    ),
    (lambda: envelope.utc_text(-1), "utc: saw -1, expected a moment after 1970"),
    (lambda: envelope.utc_text(10**21), "utc: saw 1000000000000000000000, expected a year up to 9999"),
    (
        lambda: envelope.parse_utc("2026-11-22"),
        "utc: saw 2026-11-22, expected a UTC time such as 2026-11-22T11:11:40.123Z",
    ),
    (
        lambda: envelope.parse_utc("2026-13-22T11:11:40.123Z"),
        "utc: saw 2026-13-22T11:11:40.123Z, expected a UTC time such as 2026-11-22T11:11:40.123Z",
    ),
    (lambda: Origin("UPPER", "neb-0001", 1), "site: saw UPPER, expected a domain name in lower case"),
    (
        lambda: Origin("site.example", "Neb", 1),
        "unit: saw Neb, expected lower-case letters, digits and hyphens, such as neb-0001",
    ),
    (lambda: Origin("site.example", "neb-0001", 0), "epoch: saw 0, expected 1 or more"),
    (lambda: Origin.parse("site/nebctl"), "origin: saw site/nebctl, expected <site>/nebctl/<unit>/<epoch>"),
    (
        lambda: Origin.parse("site.example/nebctl/neb-0001/x"),
        "epoch: saw x, expected a decimal number without sign or leading zero",
    ),
    (lambda: Checkpoint.parse("a\nb"), "checkpoint: saw 'a\\nb', expected three lines: origin, size, root"),
    (
        lambda: head.cosign(Checkpoint("o", 1, bytes(32)), -1, "w", SIGNER),
        "countersignature time: saw -1, expected Unix seconds after 1970 and before the year 10000",
    ),
    (lambda: jws.header_bytes("XYZ"), "kid: saw XYZ, expected 8 lower-case hex digits"),
    (lambda: jws.parse("approval.b"), "JWS: saw 2 parts, expected header.payload.signature"),
    (lambda: jws.parse("!!!.e30.AA"), "JWS header: saw !!!, expected unpadded base64url"),
    (
        lambda: jws.parse("e30.e30." + b64url(bytes(64))),
        'JWS header: saw b\'{}\', expected {"alg":"Ed25519","kid":"00000000","typ":"nebctl-dose+jws"}',
    ),
    (
        lambda: jws.parse(b64url(jws.header_bytes("0" * 8)) + ".e30.AAAA"),
        "JWS signature: saw 3 bytes, expected 64 bytes",
    ),
    (lambda: Vkey("a b", ED25519, bytes(32)), "key name: saw a b, expected 1 to 255 characters without space or +"),
    (lambda: Vkey("a", 2, bytes(32)), "key a: saw type 0x02, expected type 0x01 or 0x04"),
    (lambda: Vkey("a", ED25519, bytes(31)), "key a: saw 31 bytes, expected 32 bytes"),
    (lambda: Vkey.parse("a+b"), "verifier key: saw a+b, expected name+key ID+base64"),
    (lambda: Vkey.parse("a+00000000+"), "verifier key a: saw no bytes, expected a type byte and 32 bytes"),
    (
        lambda: Vkey.parse("a+00000000+" + b64(bytes([1]) + bytes(32))),
        "verifier key a: saw 00000000, expected key ID a5269a0a",
    ),
    (lambda: note.parse_signature_line("x y z"), "signature line: saw x y z, expected — name base64"),
    (
        lambda: note.parse_signature_line("\u2014 key AAAA"),
        "signature line of key: saw 3 bytes, expected a key ID and a signature",
    ),
    (
        lambda: note.parse_note("text"),
        "note: saw text, expected text, a blank line, signature lines, each with its newline",
    ),
    (
        lambda: note.parse_note("t\n\n" + "\u2014 key AAAAAAA=\n" * 200),
        "note: saw 200 signature lines, expected at most 100",
    ),
    (lambda: note.parse_note(b"\xff"), "note: saw b'\\xff', expected UTF-8 text"),
    (lambda: note.parse_note("a\tb\n\nx"), "note: saw '\\t', expected no control character but newline"),
    (lambda: note.parse_note("x" * 2_000_000), "note: saw 2000000 bytes, expected at most 1000000"),
    (
        lambda: note.sign_note("no newline", "key", SIGNER),
        "note: saw no newline, expected a text that ends with a newline",
    ),
    (lambda: proof.parse_proof("x"), "proof: saw no blank line, expected a blank line before the checkpoint"),
    (lambda: proof.parse_proof("x\n\ny"), "proof line 1: saw x, expected c2sp.org/tlog-proof@v1"),
    (
        lambda: proof.parse_proof(proof.FIRST_LINE + "\nindx 1\n\ny"),
        "proof line 2: saw indx 1, expected index and a number",
    ),
    (lambda: proof.parse_proof(proof.FIRST_LINE + "\n\ny"), "proof line 2: saw nothing, expected index and a number"),
    (
        lambda: proof.parse_proof(proof.FIRST_LINE + "\nindex 1\n" + (ROOT + "\n") * 70 + "\ny"),
        "proof: saw 70 hashes, expected at most 63",
    ),
    (
        lambda: consistency.parse_consistency("x"),
        "consistency: saw no blank line, expected a blank line before the checkpoint",
    ),
    (lambda: consistency.parse_consistency("x\n\ny"), "consistency line 1: saw x, expected old and a number"),
    (
        lambda: consistency.parse_consistency("old 1\n" + (ROOT + "\n") * 140 + "\ny"),
        "consistency: saw 140 hashes, expected at most 64",
    ),
    (lambda: shown.check_shown({"_sd": ["a"]}, (1,)), "disclosure: saw 1, expected a text"),
    (lambda: shown.check_shown({"_sd": ["a"]}, ()), "disclosures: saw 0, expected 1, as the record promises"),
    (lambda: shown.check_shown({}, ("x",)), "disclosure: saw x, expected unpadded base64url"),
    (lambda: grammar.read_event(3, {"typ": "start"}), "session: saw none, expected a session on a start record"),
    (
        lambda: grammar.check_volumes(
            {"charge": {"low_nl": 1, "best_nl": 2, "high_nl": 3}, "low_nl": 1, "best_nl": 2, "high_nl": 4}
        ),
        "emitted volume: saw high 4 nL, expected at most the charge's 3 nL",
    ),
    (
        lambda: grammar.check_volumes(
            {
                "charge": {"low_nl": 1, "best_nl": 2, "high_nl": 3},
                "low_nl": 1,
                "best_nl": 2,
                "high_nl": 9,
                "added_nl": 5,
            }
        ),
        "emitted volume: saw high 9 nL, expected at most the charge's 3 nL and the 5 nL added",
    ),
    (
        lambda: grammar.check_volumes(
            {
                "charge": {"low_nl": 1, "best_nl": 2, "high_nl": 3},
                "low_nl": 1,
                "best_nl": 2,
                "high_nl": 3,
                "added_nl": -1,
            }
        ),
        "added_nl: saw -1, expected nanolitres, 0 or more",
    ),
    (
        lambda: grammar.check_volumes({"charge": 3, "low_nl": 1, "best_nl": 2, "high_nl": 3}),
        "charge: saw None, None, None, expected low_nl, best_nl, high_nl as integers",
    ),
    (
        lambda: grammar.check_volumes(
            {"charge": {"low_nl": 1, "best_nl": 2, "high_nl": 3}, "low_nl": 5, "best_nl": 2, "high_nl": 3}
        ),
        "emitted volume: saw 5, 2, 3 nL, expected 0 <= low <= best <= high",
    ),
    (lambda: grammar.check_meaning({"meaning": "read"}), f"meaning: saw read, expected {EXPECTED}"),
    (lambda: grammar.check_meaning({}), f"meaning: saw none, expected {EXPECTED}"),
    (
        lambda: approval.parse_approval("nothing"),
        "approval: saw nothing, expected the lines nebctl/approval/v1, base file name, sha256 64 hex, at UTC, "
        "perhaps expires UTC",
    ),
    (
        lambda: hello.Hello.parse(b'{"nonce":"00"}'),
        "hello: saw ['nonce'], expected nonce, ep, size, root, perhaps want",
    ),
]


@pytest.mark.req("S34")
@pytest.mark.parametrize(("read", "sentence"), SAID, ids=[str(number) for number in range(len(SAID))])
def test_what_is_refused_is_said(read: Callable[[], object], sentence: str) -> None:
    """A person is told which line or member it is, what stands there and what would be right."""
    with pytest.raises(FormatError) as error:
        read()
    assert str(error.value) == sentence


STARTED, LATER = grammar.SessionEvent(4, "start", "S", None), grammar.SessionEvent(5, "start", "T", None)
ENDED = grammar.SessionEvent(6, "dose", "S", 4)


@pytest.mark.req("S34")
@pytest.mark.parametrize(
    ("events", "sentence"),
    [
        ((STARTED, LATER), "session: saw a start of T, expected the outcome of S, started at 4"),
        ((STARTED, ENDED, STARTED), "session: saw a start of S after its outcome, expected a start before the outcome"),
        ((STARTED, ENDED, ENDED), "session: saw another outcome of S, expected one outcome a session"),
        ((ENDED,), "session: saw an outcome of S without a start, expected its start before it"),
        ((STARTED, ENDED._replace(start_seq=3)), "start_seq: saw 3, expected 4"),
    ],
)
def test_a_course_that_cannot_have_happened_is_said(events: tuple[Any, ...], sentence: str) -> None:
    """The last event is the one that is refused; the sentence says what the log would need before it."""
    read = grammar.SessionGrammar()
    for event in events[:-1]:
        read.take_event(event)
    with pytest.raises(FormatError) as error:
        read.take_event(events[-1])
    assert str(error.value) == sentence


def test_records_are_read_as_a_course(book: Any) -> None:
    """Record for record the log is a course; a dose without its start, or beyond its charge, is refused."""
    read = grammar.SessionGrammar()
    for entry in book.entries:
        read.take(entry)
    with pytest.raises(FormatError, match=r"^session: saw another outcome of 2026-11-24-7f3a9c"):
        read.take(book.entries[8])
    with pytest.raises(FormatError, match=r"^session: saw an outcome of 2026-11-21-7f3a9c without a start"):
        grammar.SessionGrammar().take(book.entries[2])
    read = grammar.SessionGrammar()
    start, dose = book.entries[1], book.entries[2]
    read.take(start)
    with pytest.raises(FormatError, match=r"^emitted volume: saw high 9000000 nL"):
        read.take(replace(dose, payload={**dose.payload, "high_nl": 9_000_000}))


@pytest.mark.req("S35")
def test_a_signature_in_a_log_means_what_a_page_offers(book: Any) -> None:
    """Each meaning that is offered passes."""
    for meaning in MEANINGS:
        grammar.check_meaning({"meaning": meaning})


def test_the_most_that_may_be_is_taken() -> None:
    """The longest paths, the deepest nesting, the largest number, the first and the last moment all read well."""
    path = f"{ROOT}\n" * proof.MAX_PATH
    assert len(proof.parse_proof(f"{proof.FIRST_LINE}\nindex 1\n{path}\nnote").path) == proof.MAX_PATH
    path = f"{ROOT}\n" * consistency.MAX_PATH
    assert len(consistency.parse_consistency(f"old 1\n{path}\nnote").path) == consistency.MAX_PATH
    assert canonical.encode(nested(31))
    assert canonical.decode(b'{"a":9007199254740991}') == {"a": 2**53 - 1}
    assert envelope.utc_text(0) == "1970-01-01T00:00:00.000Z"
    assert envelope.utc_text(253_402_300_799_999_000_000) == "9999-12-31T23:59:59.999Z"
    assert encoding.show("x" * 60) == "x" * 60
    assert encoding.show("x" * 61) == "x" * 57 + "..."
    shown.check_shown({"_sd": None}, ())
    for volume in (0, 3):
        emitted = dict.fromkeys(("low_nl", "best_nl", "high_nl"), volume)
        assert grammar.check_volumes({**LOADED, **emitted}) is None
        assert grammar.check_volumes({"charge": emitted, **emitted}) is None
    assert grammar.check_volumes({**LOADED, "high_nl": 8, "added_nl": 5}) is None
