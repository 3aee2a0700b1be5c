"""Sentences with gaps: a form such as `unplug[ for {duration}]`, and the strict reading of a text by such forms."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any

from nebctl.core.faults import FieldError, readable, suggest
from nebctl.core.units import UnitError, parse_duration, parse_volume

_GAP = re.compile(r"\{(\w+)(?::(\w+))?\}")
_CODE = re.compile(r"[a-z0-9][a-z0-9-]*")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_NUMBER = re.compile(r"[0-9]{1,6}")

Reader = Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Form:
    """One sentence that a scenario may have: its name in the program, its text with gaps, and what it means.

    In `text`, `{kind}` or `{name:kind}` is a gap, and what stands in square brackets may be left out.
    """

    name: str
    text: str
    meaning: str

    def shown(self) -> str:
        """Return the form as its reader writes it: gaps in capitals."""
        return _GAP.sub(lambda gap: gap[1].replace("_", "-").upper(), self.text)

    def gaps(self) -> Mapping[str, str]:
        """Return the gaps' names and their kinds."""
        return {gap[1]: gap[2] or gap[1] for gap in _GAP.finditer(self.text)}


@dataclass(frozen=True, slots=True)
class Sentence:
    """A text as it was read: the form's name, what stood in its gaps (None where left out), and the text itself."""

    name: str
    given: Mapping[str, Any]
    text: str


@cache
def _pattern(text: str) -> re.Pattern[str]:
    parts, at = [], 0
    for gap in _GAP.finditer(text):
        parts.append(_fixed(text[at : gap.start()]))
        parts.append(f"(?P<{gap[1]}>.+?)")
        at = gap.end()
    return re.compile("".join((*parts, _fixed(text[at:]))))


def _fixed(text: str) -> str:
    """Return fixed words as a pattern; square brackets become a part that may be absent."""
    return re.escape(text).replace(r"\[", "(?:").replace(r"\]", ")?")


def read_sentence(text: object, forms: Iterable[Form], kinds: Mapping[str, Reader]) -> Sentence:
    """Read a sentence by the first of the forms that fits it.

    Raises: `FieldError` naming the gap that holds a wrong value, or else the sentences that there are.
    """
    if not isinstance(text, str):
        raise FieldError("a sentence is a text", 'write it in quotes, such as "unplug for 3 s"')
    known, wrong = tuple(forms), None
    for form in known:
        match = _pattern(form.text).fullmatch(text)
        if match is None:
            continue
        try:
            return Sentence(form.name, _fill(form, match, kinds), text)
        except FieldError as fault:  # a longer form may still fit: the last part of a text may be another gap's
            wrong = wrong or fault
    raise wrong or FieldError("this sentence is not known here", _advise(text, known))


def _fill(form: Form, match: re.Match[str], kinds: Mapping[str, Reader]) -> dict[str, Any]:
    given = match.groupdict()
    return {
        name: None if given[name] is None else _read_gap(name, given[name], kinds[kind])
        for name, kind in form.gaps().items()
    }


def _read_gap(name: str, text: str, reader: Reader) -> Any:
    try:
        return reader(text)
    except UnitError as error:
        problem = f"{name} {readable(text)!r}: expected {error.expected}"
        raise FieldError(problem, error.advice.removesuffix(".")) from None
    except FieldError as fault:
        raise FieldError(f"{name} {readable(text)!r}: {fault.problem}", fault.right) from None


def _advise(text: str, known: tuple[Form, ...]) -> str:
    """Return the forms that begin with the same word; where none does, all first words."""
    first = text.partition(" ")[0]
    alike = [form.shown() for form in known if form.text.split("[")[0].split(" ")[0] == first]
    if alike:
        return f"write {'; or '.join(alike)}"
    return suggest(first, dict.fromkeys(form.text.split("[")[0].split(" ")[0] for form in known))


def one_of(names: Iterable[str], what: str) -> Reader:
    """Return a reader that takes these names and no other."""
    known = tuple(names)

    def read(text: str) -> str:
        if text not in known:
            raise FieldError(f"there is no such {what}", f"write one of {', '.join(known)}")
        return text

    return read


def member_of(kind: type[Enum], what: str) -> Reader:
    """Return a reader that takes the values of an enumeration."""
    return one_of((str(item.value) for item in kind), what)


def some_of(names: Iterable[str], what: str) -> Reader:
    """Return a reader of one name or several with `or` between them, as a tuple."""
    single = one_of(names, what)
    return lambda text: tuple(single(part) for part in text.split(" or "))


def read_code(text: str) -> str:
    """Read a code in small letters, such as `kit-opened`.

    Raises: `FieldError` for anything else.
    """
    if not _CODE.fullmatch(text):
        raise FieldError("this is no code", "write small letters, digits and hyphens, such as kit-opened")
    return text


def read_name(text: str) -> str:
    """Read a name without spaces, such as `MEX-001`.

    Raises: `FieldError` for anything else.
    """
    if not _NAME.fullmatch(text):
        raise FieldError("this is no name", "write letters, digits, dots and hyphens, such as MEX-001")
    return text


def read_number(text: str) -> int:
    """Read a whole number up to 999,999.

    Raises: `FieldError` for anything else.
    """
    if not _NUMBER.fullmatch(text):
        raise FieldError("this is no whole number", "write digits, such as 2")
    return int(text)


def read_words(text: str) -> str:
    """Read any words of one line."""
    return text


BASIC: Mapping[str, Reader] = {
    "volume": parse_volume,
    "duration": parse_duration,
    "number": read_number,
    "code": read_code,
    "name": read_name,
    "words": read_words,
}
"""The kinds of gap that need no other part of nebctl to be read."""
