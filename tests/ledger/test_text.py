"""Encodings, canonical JSON, JWS and disclosures: one value has one text, and every other text is refused."""

import base64
import json
import pickle
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from joserfc import jws as jose
from joserfc.jwk import OKPKey

from nebctl.core.ledger import canonical, disclosure, jws
from nebctl.core.ledger.encoding import FormatError, b64, b64url, show, unb64, unb64url, undecimal
from nebctl.keys import Ed25519Signer, verify

SIGNER = Ed25519Signer.from_seed(bytes(range(32)))
KID = "2da68af4"
ASCII = st.text(st.characters(max_codepoint=126), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-canonical.LIMIT + 1, canonical.LIMIT - 1) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ASCII, inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(ASCII, VALUES, max_size=5)


@given(st.binary(max_size=80))
def test_base64_round_trips(data: bytes) -> None:
    """Every value comes back from both spellings, and base64url has no padding."""
    assert unb64url(b64url(data)) == data
    assert unb64(b64(data)) == data
    assert "=" not in b64url(data)


@given(st.text(st.sampled_from("AQgw-_+/=\n é"), max_size=8))
def test_base64_has_one_text_a_value(text: str) -> None:
    """What is accepted is exactly what would be written."""
    for decode, encode in ((unb64url, b64url), (unb64, b64)):
        try:
            assert encode(decode(text)) == text
        except FormatError as error:
            assert error.expected  # noqa: PT017


@pytest.mark.parametrize("text", ["AR", "AA==", "A", "AA\n", "A A", "AA=", "Aé", "++"])
def test_loose_base64url_is_refused(text: str) -> None:
    """Unused bits, padding, white space and the other alphabet are refused."""
    with pytest.raises(FormatError):
        unb64url(text)


@pytest.mark.parametrize("text", ["", "00", "01", "-1", "+1", "1 ", "٣", "1_0", "1" * 20])
def test_loose_numbers_are_refused(text: str) -> None:
    """A count has one spelling."""
    with pytest.raises(FormatError):
        undecimal(text, "size")


def test_a_format_error_is_printable_and_travels() -> None:
    """An error shows where, what was seen and what was expected in plain ASCII, and survives pickling."""
    error = FormatError("size", "\x1b[31m" + "x" * 99, "a number")
    assert str(error).isascii()
    assert str(error).isprintable()
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert show("MEX-001") == "MEX-001"


@given(OBJECTS)
def test_canonical_json_round_trips(value: dict[str, Any]) -> None:
    """Every allowed value comes back, and any JSON reader reads the same."""
    data = canonical.encode(value)
    assert canonical.decode(data) == value == json.loads(data)


@given(OBJECTS, st.data())
def test_canonical_json_has_one_text_a_value(value: dict[str, Any], data: st.DataObject) -> None:
    """Changed bytes are refused, or are themselves the one text of another value."""
    text = canonical.encode(value)
    at, byte = data.draw(st.integers(0, len(text))), data.draw(st.binary(max_size=2))
    changed = text[:at] + byte + text[at + data.draw(st.integers(0, 2)) :]
    assume(changed != text)
    try:
        other = canonical.decode(changed)
    except FormatError:
        return
    assert canonical.encode(other) == changed


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"a":1}',
        b'{"a":1.0}',
        b'{"a":1e3}',
        b'{"a":-0}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"b":1,"a":2}',
        b'{"a": 1}',
        b'{"a":1}\n',
        b' {"a":1}',
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":"\\u0041"}',
        b'{"a":"\\/"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\xff"}',
        b'{"\xc3\xa9":1}',
        b'{"a":9007199254740992}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":' + b"[" * 40 + b"]" * 40 + b"}",
        b"[" * 100_000,
        b"[]",
        b"1",
        b"",
        b'{"a":1}{}',
    ],
)
def test_other_json_is_refused(data: bytes) -> None:
    """Floats, duplicates, other spellings, bad text, great numbers, depth and what is no object are refused."""
    with pytest.raises(FormatError):
        canonical.decode(data)


@given(st.lists(st.integers(-(10**20), 10**20) | st.integers(canonical.LIMIT - 2, canonical.LIMIT + 2), max_size=4))
def test_no_large_integer_passes_for_a_small_one(numbers: list[int]) -> None:
    """Wherever one stands, the bytes say that they must be looked at; sixteen digits from an 8 on need no look."""
    data = json.dumps({"a": numbers, "b": "1234567890123456"}, separators=(",", ":")).encode()
    if any(abs(number) >= canonical.LIMIT for number in numbers):
        assert canonical.may_need_walk(data)
    elif all(abs(number) < 9 * 10**15 for number in numbers):
        assert not canonical.may_need_walk(data)


@pytest.mark.parametrize(
    ("data", "walk"),
    [
        (b"8" * 16, False),
        (b"9" * 16, True),
        (b"8" * 17, True),
        (b"8" * 18, True),
        (b"8" * 40, True),
        (b"90" * 8, True),
        (b"8" * 16 + b",9" + b"0" * 15, True),
        (b"8" * 16 + b"," + b"8" * 16, False),
        (b"8" * 16 + b"," + b"8" * 17, True),
        (b"9" * 15 + b"," + b"9" * 15, False),
        (b'"\xc3\xa9"', True),
        (b"[" * 32, False),
        (b"[" * 33, True),
        (b"{" * 33, True),
        (b"[{" * 16, False),
        (b"[{" * 16 + b"[", True),
    ],
)
def test_what_must_be_walked_shows_in_its_bytes(data: bytes, walk: bool) -> None:
    """The first long run of digits does not hide the next, and depth counts over both brackets."""
    assert canonical.may_need_walk(data) is walk


@pytest.mark.parametrize("value", [1.0, float("nan"), b"x", (1,), {1: 2}, {"é": 1}, 1 << 53, -(1 << 53), "\ud800", {1}])
def test_what_has_no_canonical_text_is_not_written(value: object) -> None:
    """Values that two readers might read differently are never signed."""
    with pytest.raises(FormatError):
        canonical.encode({"a": value})


def test_a_foreign_library_verifies_a_record() -> None:
    """joserfc accepts a record's signature and reads the same payload."""
    payload: dict[str, Any] = {"v": 1, "text": "dosis única", "n": -5}
    text = jws.sign(payload, SIGNER, KID)
    public: dict[str, str | list[str]] = {"kty": "OKP", "crv": "Ed25519", "x": b64url(SIGNER.public)}
    seen = jose.deserialize_compact(text, OKPKey.import_key(public), algorithms=["Ed25519"])
    assert json.loads(seen.payload) == payload
    assert seen.headers() == {"alg": "Ed25519", "kid": KID, "typ": "nebctl-dose+jws"}


def test_a_record_comes_apart_as_it_was_put_together() -> None:
    """Key ID, payload, signed bytes and signature come back from the text."""
    text = jws.sign({"b": 1, "a": "x"}, SIGNER, KID)
    parsed = jws.parse(text)
    assert (parsed.kid, parsed.payload_bytes) == (KID, b'{"a":"x","b":1}')
    assert verify(SIGNER.public, parsed.signing_input, parsed.signature)
    assert jws.assemble(parsed.signing_input, parsed.signature) == text
    assert text.startswith(b64url(jws.header_bytes(KID)) + ".")


@given(st.data())
def test_no_changed_record_has_a_good_signature(data: st.DataObject) -> None:
    """Any one character changed, dropped or added is refused, or leaves a bad signature."""
    text = jws.sign({"a": 1}, SIGNER, KID)
    at = data.draw(st.integers(0, len(text) - 1))
    changed = text[:at] + data.draw(st.text(max_size=2)) + text[at + data.draw(st.integers(0, 1)) :]
    assume(changed != text)
    try:
        parsed = jws.parse(changed)
    except FormatError:
        return
    assert not verify(SIGNER.public, parsed.signing_input, parsed.signature)


@pytest.mark.parametrize(
    "header",
    [
        b'{"alg":"EdDSA","kid":"2da68af4","typ":"nebctl-dose+jws"}',
        b'{"alg":"none","kid":"2da68af4","typ":"nebctl-dose+jws"}',
        b'{"alg":"Ed25519","kid":"2DA68AF4","typ":"nebctl-dose+jws"}',
        b'{"alg":"Ed25519","typ":"nebctl-dose+jws","kid":"2da68af4"}',
        b'{"alg":"Ed25519","kid":"2da68af4","typ":"nebctl-dose+jws"}\n',
        b'{"alg":"Ed25519","crit":["x"],"kid":"2da68af4","typ":"nebctl-dose+jws"}',
        b"{}",
    ],
)
def test_only_the_one_header_is_read(header: bytes) -> None:
    """Another algorithm, order, case or member in the header is refused before anything is verified."""
    text = f"{b64url(header)}.{b64url(b'{}')}.{b64url(bytes(64))}"
    with pytest.raises(FormatError, match="header"):
        jws.parse(text)


@pytest.mark.parametrize("kid", ["", "2DA68AF4", "2da68af", "2da68af4\n", "2da68afg"])
def test_a_header_names_a_key_by_eight_hex_digits(kid: str) -> None:
    """A malformed key ID is never written."""
    with pytest.raises(FormatError):
        jws.header_bytes(kid)


@given(st.binary(min_size=16, max_size=16), st.text(st.characters(codec="ascii"), min_size=1, max_size=9), VALUES)
def test_a_disclosure_reveals_what_was_disclosed(salt: bytes, name: str, value: Any) -> None:
    """Salt, name and value come back, and only the promised digest lets them."""
    assume(name not in {"_sd", "_sd_alg", "..."})
    text = disclosure.disclose(salt, name, value)
    assert disclosure.reveal(text) == (b64url(salt), name, value)
    payload: dict[str, Any] = {"_sd": [disclosure.digest(text)], "_sd_alg": "sha-256"}
    assert disclosure.check(payload, [text]) == {name: value}
    with pytest.raises(FormatError):
        disclosure.check({"_sd": []}, [text])


def test_the_digest_is_the_one_of_the_standard() -> None:
    """The digest covers the base64url text. Source: RFC 9901, section 4.2.3, the "family_name" example."""
    text = "WyI2cU1RdlJMNWhhaiIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0"
    assert base64.urlsafe_b64decode(text + "=").startswith(b'["6qMQvRL5haj"')
    assert disclosure.digest(text) == "uutlBuYeMDyjLLTpf6Jxi7yNkEF35jdyWMn9U7b_RYY"


@pytest.mark.parametrize(
    "array",
    ["[]", '["AAAAAAAAAAAAAAAAAAAAAA","a"]', '["AA","a",1]', '[1,"a",1]', '["AAAAAAAAAAAAAAAAAAAAAA", "a",1]', "{}"],
)
def test_other_disclosures_are_refused(array: str) -> None:
    """A disclosure is [salt of 16 bytes, name, value] in its one spelling."""
    with pytest.raises(FormatError):
        disclosure.reveal(b64url(array.encode()))


@pytest.mark.parametrize("name", ["", "_sd", "_sd_alg", "..."])
def test_reserved_names_are_not_disclosed(name: str) -> None:
    """Names that SD-JWT uses itself stand for no fact."""
    with pytest.raises(FormatError):
        disclosure.disclose(bytes(16), name, 1)


def test_a_fact_is_disclosed_once() -> None:
    """Two disclosures of one name, or a name that is public already, are refused."""
    one, two = disclosure.disclose(bytes(16), "subject", "A"), disclosure.disclose(bytes(16), "subject", "B")
    payload: dict[str, Any] = {"_sd": sorted(map(disclosure.digest, (one, two)))}
    for public, shown in ((payload, [one, two]), (payload | {"subject": "C"}, [one])):
        with pytest.raises(FormatError, match="subject"):
            disclosure.check(public, shown)
