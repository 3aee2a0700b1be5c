"""What a scanner that poses as a keyboard types, told from its key events by the layout that it was set to."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

GS = "\x1d"
SHIFT, CTRL, ALT, ALT_GR = "shift", "ctrl", "alt", "altgr"
_MODIFIERS: Mapping[int, str] = {42: SHIFT, 54: SHIFT, 29: CTRL, 97: CTRL, 56: ALT, 100: ALT_GR}
_ROWS = ((2, 12), (16, 12), (30, 12), (44, 10))
_NUMPAD: Mapping[int, str] = {82: "0", 79: "1", 80: "2", 81: "3", 75: "4", 76: "5", 77: "6", 71: "7", 72: "8", 73: "9"}
ENTER, KEYPAD_ENTER, SPACE, F8 = 28, 96, 57, 66
"""Codes of the kernel's input-event-codes.h."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The four rows of a keyboard from the digits down: plain, with Shift, and what AltGr gives by its plain sign.

    `bracket` is the key that gives GS with Ctrl: a terminal's Ctrl+].
    """

    plain: tuple[str, str, str, str]
    shift: tuple[str, str, str, str]
    alt_gr: Mapping[str, str] = field(default_factory=dict)
    bracket: str = "]"
    extra: Mapping[int, tuple[str, str]] = field(default_factory=dict)

    def signs(self) -> dict[int, tuple[str, str]]:
        """Return plain and shifted sign of each key."""
        keys: dict[int, tuple[str, str]] = {SPACE: (" ", " "), **self.extra}
        for (first, _), plain, shift in zip(_ROWS, self.plain, self.shift, strict=True):
            keys |= {first + place: pair for place, pair in enumerate(zip(plain, shift, strict=True))}
        return keys


LAYOUTS: Mapping[str, Layout] = {
    "us": Layout(
        plain=("1234567890-=", "qwertyuiop[]", "asdfghjkl;'`", "zxcvbnm,./"),
        shift=("!@#$%^&*()_+", "QWERTYUIOP{}", 'ASDFGHJKL:"~', "ZXCVBNM<>?"),
        extra={43: ("\\", "|")},
    ),
    "de": Layout(
        plain=("1234567890ß´", "qwertzuiopü+", "asdfghjklöä^", "yxcvbnm,.-"),
        shift=('!"§$%&/()=?`', "QWERTZUIOPÜ*", "ASDFGHJKLÖÄ°", "YXCVBNM;:_"),
        alt_gr={"7": "{", "8": "[", "9": "]", "0": "}", "ß": "\\", "q": "@", "+": "~", "<": "|"},
        bracket="+",
        extra={43: ("#", "'"), 86: ("<", ">")},
    ),
}
"""Source: the layouts us and de of xkeyboard-config."""


class Keyboard:
    """Follows key events; whatever is held when a code begins is what the scanner holds."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._signs = layout.signs()
        self._held: set[str] = set()
        self._number = ""

    def typed(self, events: Iterable[tuple[int, int]]) -> Iterator[str]:
        """Yield the characters of key events, each a key's code and 1 for down, 0 for up, 2 for a repeat."""
        for code, value in events:
            if code in _MODIFIERS:
                yield from self._modifier(_MODIFIERS[code], value)
            elif value == 1:
                yield from self._down(code)

    def _modifier(self, name: str, value: int) -> Iterator[str]:
        if value:
            self._held.add(name)
            return
        self._held.discard(name)
        if name == ALT and self._number:  # Alt+029 on the keys of the number pad
            number, self._number = int(self._number), ""
            yield chr(number) if number < 128 else "\ufffd"

    def _down(self, code: int) -> Iterator[str]:
        if ALT in self._held and code in _NUMPAD:
            self._number += _NUMPAD[code]
        elif code in (ENTER, KEYPAD_ENTER):
            yield "\r"
        elif code == F8:
            yield GS
        elif code in _NUMPAD:
            yield _NUMPAD[code]
        elif code in self._signs:
            yield self._sign(*self._signs[code])

    def _sign(self, plain: str, shift: str) -> str:
        if CTRL in self._held and ALT not in self._held:
            return GS if plain == self._layout.bracket else "\ufffd"
        if ALT_GR in self._held or {CTRL, ALT} <= self._held:
            return self._layout.alt_gr.get(plain, "\ufffd")
        return shift if SHIFT in self._held else plain
