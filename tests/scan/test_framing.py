"""Codes come out of a scanner's bytes whole or not at all, and key events become the characters that were meant."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebctl.core.scan.framing import PAUSE_NS, Framing, Half, expire, feed
from nebctl_drivers.scanner.keys import LAYOUTS, Keyboard
from nebctl_lab.codes import kit_code

KIT = kit_code("KIT-0401")
SHIFT, CTRL, ALT, ALT_GR = 42, 29, 56, 100


def codes(*pieces: tuple[bytes, int]) -> list[str | Half]:
    """Return what comes of pieces of bytes, each with its time in nanoseconds."""
    framing, found = Framing(), []
    for data, at_ns in pieces:
        framing, ended = feed(framing, data, at_ns)
        found += ended
    return found


@given(st.lists(st.integers(0, len(KIT)), max_size=6), st.sampled_from(["\r", "\n", "\r\n"]))
def test_a_code_may_come_in_pieces(cuts: list[int], end: str) -> None:
    """However the wire cuts it, and whichever Enter ends it, a code is that code, separators included."""
    data = f"{KIT}{end}".encode()
    edges = [0, *sorted(cuts), len(data)]
    assert codes(*((data[a:b], 0) for a, b in pairwise(edges))) == [KIT]


@pytest.mark.req("S09")
def test_a_code_that_was_broken_off_is_no_code() -> None:
    """What pauses in mid-code is given up, alone or when the next code comes; the next one is whole."""
    half = KIT[:20].encode()
    assert codes((half, 0), (f"{KIT}\r".encode(), PAUSE_NS)) == [Half(20), KIT]
    assert expire(feed(Framing(), half, 0)[0], PAUSE_NS) == (Framing(), (Half(20),))
    assert expire(feed(Framing(), half, 0)[0], PAUSE_NS - 1)[1] == ()


def test_what_is_far_too_long_is_no_code() -> None:
    """A stream without an Enter, or with a late one, is told as such and kept no longer."""
    assert codes((b"x" * 500, 0)) == [Half(500)]
    assert codes((b"x" * 500 + b"\r", 0)) == [Half(500)]
    assert codes((b"\r\n\r\n", 0)) == []


@given(st.binary(max_size=600))
def test_no_bytes_are_a_traceback(data: bytes) -> None:
    """Whatever a line brings, what comes out is a text or a half."""
    assert all(isinstance(found, str | Half) for found in codes((data, 0)))


def press(text: str, layout: str) -> list[tuple[int, int]]:
    """Return the key events by which a scanner types a text on a keyboard of this layout; GS as Ctrl and a bracket."""
    signs = LAYOUTS[layout].signs()
    bare = {sign: key for key, (sign, _) in signs.items()}
    shifted = {sign: key for key, (_, sign) in signs.items()}
    third = {sign: bare[plain] for plain, sign in LAYOUTS[layout].alt_gr.items()}
    events: list[tuple[int, int]] = []
    for sign in text:
        held, key = (CTRL, bare[LAYOUTS[layout].bracket]) if sign == "\x1d" else (0, 0)
        if not key:
            ways = ((0, bare), (SHIFT, shifted), (ALT_GR, third))
            held, key = next((held, keys[sign]) for held, keys in ways if sign in keys)
        down = [(held, 1)] if held else []
        events += [*down, (key, 1), (key, 0), *((code, 0) for code, _ in down)]
    return [*events, (28, 1), (28, 0)]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("text", [KIT, "]C0WB-0401/7_x", "]Q1CARD/MEX-001"])
def test_a_keyboard_says_what_the_scanner_meant(layout: str, text: str) -> None:
    """On each layout, with Shift, AltGr and Ctrl, what was typed is the code and an Enter."""
    assert "".join(Keyboard(LAYOUTS[layout]).typed(press(text, layout))) == f"{text}\r"


@pytest.mark.parametrize(
    "keys", [[(66, 1)], [(ALT, 1), (82, 1), (80, 1), (73, 1), (ALT, 0)], [(CTRL, 1), (27, 1), (CTRL, 0)]]
)
def test_a_separator_comes_in_three_ways(keys: list[tuple[int, int]]) -> None:
    """F8, Alt+029 on the number pad, and Ctrl+] are each the separator of fields."""
    assert list(Keyboard(LAYOUTS["us"]).typed(keys)) == ["\x1d"]


def test_a_wrong_layout_is_no_other_kit() -> None:
    """A code that is typed for one layout and read by another is no kit of any list: its first sign is wrong."""
    read = "".join(Keyboard(LAYOUTS["de"]).typed(press(KIT, "us")))
    assert not read.startswith("]")
