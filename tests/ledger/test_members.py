"""The members of the envelope: the quick look at them never says more than the one that decides."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nebctl.core.ledger.encoding import FormatError
from nebctl.core.ledger.members import check_each, check_members, holds_quickly
from nebctl.core.ledger.records import SESSION_FIELDS

DIGESTS = ["A" * 43, "B" * 42 + "A"]
GOOD: dict[str, Any] = {
    "v": 1,
    "typ": "start",
    "unit": "neb-0001",
    "ep": 1,
    "seq": 7,
    "prev": "A" * 43,
    "boot": "b",
    "mono_ns": 0,
    "utc": "2026-02-14T10:00:00.000Z",
    "clk": {"sync": True, "src": "sim", "scale": 60},
    "sw": "nebctl 0.1.0",
    "cfg": "0" * 64,
    "sim": True,
    "salt": "A" * 22,
    "_sd": DIGESTS,
    "_sd_alg": "sha-256",
    "session": "2026-02-14-7f3a9c",
    "day": 1,
    "tz": "UTC",
    "date_local": "2026-02-14",
}
VALUES = (
    *(
        None,
        True,
        False,
        0,
        1,
        2,
        -1,
        2**53,
        "",
        "A",
        "1",
        "sim",
        "sha-256",
        "é",
        "x" * 256,
        [],
        {},
        [1],
        DIGESTS[::-1],
    ),
    *("2026-02-30T10:00:00.000Z", "1969-12-31T10:00:00.000Z", {"sync": 1, "src": "sim"}, {"sync": True}),
    *({"sync": True, "src": True}, {"sync": True, "src": 532226, "max_us": 1}, {"sync": True, "src": 1, "more": 1}),
)
_TWO = " ".join(DIGESTS)
SPACED: dict[str, tuple[Any, ...]] = {
    "prev": (10**42, f"{_TWO}", f"{'A' * 43} {'A' * 22}", f"{'A' * 43}\n", f" {'A' * 43}"),
    "salt": (f"{'A' * 22} {GOOD['utc']}", f"{'A' * 22} ", "1" * 22),
    "utc": (f"{GOOD['utc']} {'A' * 43}", f"{GOOD['utc']} ", f"{GOOD['utc']}\n", "A" * 43),
    "_sd": (
        [_TWO],
        [""],
        [],
        ["A" * 43, ""],
        ["", "A" * 43],
        [f"{'A' * 43}\n"],
        [f"{'A' * 43} "],
        "A" * 43,
        {"A" * 43: 1},
    ),
    "clk": ({"sync": True, "src": "sim", "max_us": True}, {"sync": True, "src": -1}, {"src": "sim", "scale": 1}),
}
"""What might pass for several members, or for another one, when they are looked at together as texts."""
NAMES = st.sampled_from(sorted(GOOD))


def decides(payload: dict[str, Any]) -> bool:
    """Return what the one that decides says."""
    try:
        check_each(payload)
    except FormatError:
        return False
    return True


@pytest.mark.req("S34")
@settings(max_examples=600, deadline=None)
@given(st.dictionaries(NAMES, st.sampled_from(VALUES), max_size=3), st.sets(NAMES, max_size=2))
def test_the_quick_look_says_what_decides(changes: dict[str, Any], gone: set[str]) -> None:
    """Whatever members are changed or missing, seen before or not, both say the same; True is never taken for 1."""
    payload = {name: value for name, value in {**GOOD, **changes}.items() if name not in gone}
    good = decides(payload)
    assert [holds_quickly(payload), holds_quickly(payload)] == [good, good]


@pytest.mark.req("S34")
@settings(max_examples=600, deadline=None)
@given(
    st.fixed_dictionaries({}, optional={name: st.sampled_from((*texts, GOOD[name])) for name, texts in SPACED.items()})
)
def test_no_text_passes_for_two(changes: dict[str, Any]) -> None:
    """Spaces, newlines, numbers and texts in each other's places are found by the quick look as by what decides."""
    payload = {**GOOD, **changes}
    assert holds_quickly(payload) == decides(payload)


@pytest.mark.parametrize("name", sorted(GOOD))
def test_the_member_that_is_wrong_is_named(name: str) -> None:
    """A member that is missing or no value it may have is named; a session's are all there or none."""
    with pytest.raises(FormatError, match=f"member {name}"):
        check_members({**GOOD, name: [1]})
    with pytest.raises(FormatError, match=f"member {name}"):
        check_members({key: value for key, value in GOOD.items() if key != name})


@pytest.mark.parametrize("more", [{}, {"max_us": 0}, {"scale": 0}, {"max_us": 16_000_000, "scale": 60}])
@pytest.mark.parametrize(
    "clock", [{"sync": True, "src": "sim"}, {"sync": False, "src": 0}, {"sync": True, "src": 532226}]
)
def test_a_clock_says_what_it_must_and_may(clock: dict[str, Any], more: dict[str, int]) -> None:
    """Synchronised or not and by what, perhaps how wrong and how fast; nothing else, no minus, no truth for a count."""
    whole = {**clock, **more}
    assert decides({**GOOD, "clk": whole})
    for name in whole:
        assert not decides({**GOOD, "clk": {key: value for key, value in whole.items() if key != name}}) or name in more
        assert not decides({**GOOD, "clk": {**whole, name: -1}})
        assert not decides({**GOOD, "clk": {**whole, name: None}})
        assert decides({**GOOD, "clk": {**whole, name: True}}) is (name == "sync")
    assert not decides({**GOOD, "clk": {**whole, "more": 1}})


def test_a_text_has_1_to_255_characters() -> None:
    """Neither an empty text nor a longer one stands in the envelope."""
    assert [decides({**GOOD, "boot": "x" * length}) for length in (0, 1, 255, 256)] == [False, True, True, False]


def test_a_record_of_no_session_needs_no_member_of_one() -> None:
    """Of the session's members a record has all or none."""
    alone = {name: value for name, value in GOOD.items() if name not in SESSION_FIELDS}
    assert decides(alone)
    assert not any(decides({**alone, name: GOOD[name]}) for name in SESSION_FIELDS)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"v": None}, "member v: saw nothing, expected the integer 1"),
        ({"v": 2}, "member v: saw 2, expected the integer 1"),
        ({"typ": "A"}, "member typ: saw A, expected a record type in lower case"),
        ({"salt": 7}, "member salt: saw 7, expected base64url of 16 bytes"),
        ({"tz": None}, "member tz: saw nothing, expected the name of a time zone"),
    ],
)
def test_a_member_that_is_wrong_or_missing_is_said(changed: dict[str, Any], sentence: str) -> None:
    """A person is told which member it is, what stands there and what it must be; None stands for a missing one."""
    payload = {name: value for name, value in (GOOD | changed).items() if value is not None}
    for check in (check_each, check_members):
        with pytest.raises(FormatError) as error:
            check(payload)
        assert str(error.value) == sentence
