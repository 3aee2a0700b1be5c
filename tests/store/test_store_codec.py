"""The quick way to canonical JSON: the same values, bytes and refusals as the core's strict one, and really taken."""

import dataclasses
import datetime
import decimal
import enum
import json
import types
import uuid
from collections.abc import Callable
from typing import Any, NoReturn

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nebctl.core.ledger import canonical
from nebctl.core.ledger.encoding import FormatError
from nebctl.store import codec

NEAR_LIMIT = st.integers(canonical.LIMIT - 2, canonical.LIMIT + 2)
TEXT = st.text(max_size=8) | st.text(st.characters(max_codepoint=127), max_size=8)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | NEAR_LIMIT | NEAR_LIMIT.map(int.__neg__) | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(TEXT, PLAIN, max_size=6)
SPELLINGS: tuple[dict[str, Any], ...] = (
    {"separators": (",", ":"), "sort_keys": True, "ensure_ascii": False},
    {"separators": (",", ":"), "sort_keys": True},
    {"separators": (",", ":")},
    {},
)
PIECES = st.sampled_from(
    [b'"', b"{", b"}", b"[", b"]", b":", b",", b"\\u00e9", b"\\n", b"\x01", b"\x7f", b"-0", b"1e3"]
)


class Word(enum.StrEnum):
    """A text that is more than a text."""

    MESH = "mesh"


class Number(enum.IntEnum):
    """A number that is more than a number."""

    ONE = 1


@dataclasses.dataclass(frozen=True)
class Pair:
    """Something that msgspec would write and no record may hold."""

    a: int = 1


def outcome(work: Callable[[Any], object], value: object) -> tuple[str, str]:
    """Return what came of a call, told apart to the type: True is no 1."""
    try:
        return "gave", repr(work(value))
    except FormatError as error:
        return "refused", str(error)


@given(OBJECTS, st.sampled_from(SPELLINGS))
def test_every_spelling_is_read_as_the_core_reads_it(value: dict[str, Any], spelling: dict[str, Any]) -> None:
    """Canonical or not, with floats, great numbers, foreign keys: value and refusal are those of the strict reader."""
    data = json.dumps(value, **spelling).encode("utf-8", "surrogatepass")
    assert outcome(codec.decode, data) == outcome(canonical.decode, data)


@given(OBJECTS, st.data())
def test_damaged_bytes_are_read_as_the_core_reads_them(value: dict[str, Any], data: st.DataObject) -> None:
    """Bytes with a piece put in, changed or cut out end in the same value or the same refusal."""
    text = json.dumps(value, **SPELLINGS[0]).encode("utf-8", "surrogatepass")
    at = data.draw(st.integers(0, len(text)))
    changed = text[:at] + data.draw(PIECES | st.binary(max_size=3)) + text[at + data.draw(st.integers(0, 3)) :]
    assert outcome(codec.decode, changed) == outcome(canonical.decode, changed)


@given(st.binary(max_size=24))
@example(b"")
@example(b"[]")
@example(b'{"a":1,"a":1}')
@example(b'{"b":1,"a":1}')
@example(b'{"a":' + b"[" * 33 + b"]" * 33 + b"}")
@example(b"[" * 100_000)
@example(b'{"a":' + b"9" * 5000 + b"}")
@example(b'{"a":9007199254740991}')
@example(b'{"a":9007199254740992}')
@example(b'{"a":18446744073709551616}')
@example(b'{"a":"\xed\xa0\x80"}')
@example(b'{"a":1}{}')
@example(b'{"a":-0}')
@example(b'{"a":NaN}')
def test_any_bytes_are_read_as_the_core_reads_them(data: bytes) -> None:
    """What is no JSON at all is refused in the same words."""
    assert outcome(codec.decode, data) == outcome(canonical.decode, data)


@pytest.mark.parametrize("code", range(128))
def test_every_ascii_character_has_the_same_spelling(code: int) -> None:
    """Both writers give one text to each character, the control characters too."""
    value = {"a": chr(code), "b" + chr(code): 1}
    assert codec.encode(value) == canonical.encode(value)
    assert codec.decode(codec.encode(value)) == value


@given(OBJECTS)
def test_members_are_written_as_the_core_writes_them(value: dict[str, Any]) -> None:
    """The bytes are the canonical ones, and what has none is refused in the same words."""
    assert outcome(codec.encode, value) == outcome(canonical.encode, value)


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        float("nan"),
        b"bytes",
        bytearray(b"bytes"),
        (1, 2),
        {1, 2},
        {1: 2},
        datetime.datetime(2026, 2, 14, tzinfo=datetime.UTC),
        datetime.date(2026, 2, 14),
        decimal.Decimal("1.5"),
        uuid.UUID(int=0),
        Pair(),
        msgspec.UNSET,
        ...,
        Word.MESH,
        Number.ONE,
        types.MappingProxyType({"b": 1, "a": 2}),
        "\ud800",
        "\x85\u2028\U0001f600",
        canonical.LIMIT,
        [[[[1]]]],
    ],
    ids=repr,
)
def test_what_msgspec_alone_would_write_is_written_or_refused_as_by_the_core(value: object) -> None:
    """Floats, bytes, dates, tuples and their like, which that library writes, are not signed."""
    for members in ({"a": value}, {"a": [value]}, {"a": {"b": value}}):
        assert outcome(codec.encode, members) == outcome(canonical.encode, members)


def test_a_record_takes_the_quick_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Members like a record's are read and written without the strict reader and writer, whose time they would cost."""
    members = {
        "_sd": ["x"],
        "clk": {"src": "sim", "sync": True},
        "mono_ns": 1 << 52,
        "none": None,
        "typ": "dose",
        "v": 1,
    }
    data = canonical.encode(members)

    def too_slow(*_: object) -> NoReturn:
        raise AssertionError("the strict way was taken")

    monkeypatch.setattr(canonical, "decode", too_slow)
    monkeypatch.setattr(canonical, "encode", too_slow)
    assert codec.encode(members) == data
    assert codec.decode(data) == members
