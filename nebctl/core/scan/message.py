"""A code as the scanner handed it over: what kind of symbol it was, and what it says."""

import re
from dataclasses import dataclass
from datetime import date

GS = "\x1d"
"""What a scanner sends for FNC1, the end of a field of variable length. Source: GS1 General Specifications, 7.8."""
GS1_SYMBOLS = frozenset(("]d2", "]C1", "]Q3"))
"""GS1 DataMatrix, GS1-128 and GS1 QR. Source: ISO/IEC 15424, AIM symbology identifiers."""
LONGEST = 200
"""More than any label has: a text beyond it is no code, and is not looked at."""
_RAW = re.compile(r"(\][A-Za-z][0-9A-Za-z])?(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """What was scanned: the symbology identifier, "" where the scanner sent none, and the content behind it."""

    symbol: str
    content: str

    @property
    def is_gs1(self) -> bool:
        """Return whether the symbol is one whose content is made of GS1 fields."""
        return self.symbol in GS1_SYMBOLS


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """One GS1 field: its application identifier and value; `variable` says that it needs a GS behind it.

    `day` is the value as a date where the field is one, None where it is not.
    """

    ai: str
    value: str
    variable: bool
    day: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """The content is no row of GS1 fields; `ai` is the field that does not hold together, "" where none is known."""

    ai: str


def split(raw: str) -> Code:
    """Return the parts of what a scanner sent."""
    match = _RAW.fullmatch(raw)
    assert match is not None
    return Code(symbol=match[1] or "", content=match[2])


def is_separated(content: str, elements: tuple[Element, ...]) -> bool:
    """Return whether each field of variable length but the last has its GS, so that no two can have run together.

    A GS that is not needed, behind a field of fixed length or at either end, is no fault.
    """
    rest = iter(elements)
    for token in filter(None, content.split(GS)):
        said, variable = "", False
        while len(said) < len(token):
            element = next(rest, None)
            if element is None or variable:
                return False
            said, variable = said + element.ai + element.value, element.variable
        if said != token:
            return False
    return next(rest, None) is None


def shown(raw: str) -> str:
    """Return what was scanned as one printable line: GS as the sign for it, other controls as a question mark."""
    text = raw[:LONGEST].replace(GS, "\u241d")
    return "".join(sign if sign.isprintable() else "?" for sign in text)
