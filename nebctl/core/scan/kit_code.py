"""Is this the code of a kit? Every way in which it is not has its own sentence (S08, S09)."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from nebctl.core.guard import Refusal
from nebctl.core.scan.digits import is_checked
from nebctl.core.scan.message import LONGEST, Code, Element, Unread, is_separated

GTIN, LOT, EXPIRY, SERIAL, STUDY = "01", "10", "17", "21", "7240"
OTHERS = frozenset(("11", "240", "241", "250", "7003", "7241", "7242", *map(str, range(90, 100))))
"""What a kit's label may carry beside: production date, the maker's own numbers, media type and version."""
_NAMES: Mapping[str, str] = {LOT: "lot", SERIAL: "serial number"}
_AGAIN = "Scan it again. If that fails, set the kit aside and call the pharmacy."
_SCANNER = "Scan it again. If that fails, set the scanner up by its sheet."


@dataclass(frozen=True, slots=True, kw_only=True)
class KitCode:
    """What a kit's code says; `expires` None means that it has no expiry date."""

    gtin: str
    serial: str
    lot: str
    expires: date | None = None


def read_kit(code: Code, elements: tuple[Element, ...] | Unread, study: str) -> KitCode | Refusal:
    """Return what a scanned code says of a kit of this study (its registry number), or why it is no such code.

    `elements` are the fields that the content was taken apart into.
    """
    if refusal := _no_symbol(code) or _unread(elements):
        return refusal
    assert not isinstance(elements, Unread)
    if refusal := _not_whole(code, elements):
        return refusal
    said = {element.ai: element for element in elements}
    if not is_checked(said[GTIN].value, 14):
        return _no("code-check-digit", f"The number in this code does not agree with its check digit. {_AGAIN}")
    if STUDY in said and said[STUDY].value != study:
        seen = said[STUDY].value
        return _no("kit-other-study", f"This kit is of study {seen}, not of {study}. Set it aside, call the pharmacy.")
    expires = said[EXPIRY].day if EXPIRY in said else None
    return KitCode(gtin=said[GTIN].value, serial=said[SERIAL].value, lot=said[LOT].value, expires=expires)


def _no_symbol(code: Code) -> Refusal | None:
    """Refuse what was typed, what comes from a scanner that is not set up, and codes of another kind."""
    if not code.symbol:
        sentence = "A kit is scanned, never typed. If it was scanned, set the scanner up by its sheet."
        return _no("code-typed", sentence)
    if not code.is_gs1:
        return _no("code-not-gs1", "This is no GS1 code. Scan the kit's own code, beside its number.")
    if not code.content or len(code.content) > LONGEST:
        return _no("code-torn", f"The code was not read whole. {_AGAIN}")
    return None


def _unread(elements: tuple[Element, ...] | Unread) -> Refusal | None:
    if not isinstance(elements, Unread):
        return None
    if elements.ai == EXPIRY:
        return _no("code-date", f"The expiry date in this code is no date. {_AGAIN}")
    return _no("code-torn", f"The code was not read whole. {_AGAIN}")


def _not_whole(code: Code, elements: tuple[Element, ...]) -> Refusal | None:
    """Refuse a code that is not a kit's, that says a thing twice, or whose fields ran together."""
    count = Counter(element.ai for element in elements)
    if GTIN not in count:
        return _no("code-foreign", "This is not the code of a kit. Scan the kit's own code, beside its number.")
    if strange := sorted(count.keys() - OTHERS - {GTIN, LOT, EXPIRY, SERIAL, STUDY}):
        return _no("code-strange", f"This code has a field ({strange[0]}) that no kit has. {_AGAIN}")
    if twice := [ai for ai, times in count.items() if times > 1]:
        return _no("code-twice", f"This code has the field ({twice[0]}) twice. {_AGAIN}")
    for ai, name in _NAMES.items():
        if ai not in count:
            return _no("code-merged", f"This code has no {name}, or two of its fields ran together. {_SCANNER}")
    if not is_separated(code.content, elements):
        return _no("code-merged", f"Two fields of this code ran together. {_SCANNER}")
    return None


def _no(code: str, sentence: str) -> Refusal:
    return Refusal(code=code, sentence=sentence)
