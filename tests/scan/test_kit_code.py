"""A kit is taken only by a whole GS1 code of this study that names exactly one kit; each fault has its sentence."""

from datetime import date
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebctl.core.guard import Refusal
from nebctl.core.kits import KitState, KnownKit, LotState
from nebctl.core.scan.digits import check_digit
from nebctl.core.scan.kit_code import KitCode
from nebctl.core.scan.kit_match import find_kit
from nebctl.core.scan.label import content, kit_fields, own_gtin
from nebctl.core.scan.message import GS, shown, split
from nebctl.gs1 import kit_of

from .words import in_both_languages

STUDY = "NCT04276987"
OWN = own_gtin(STUDY)
EXPIRES = date(2026, 12, 31)
SYMBOLS = ("]d2", "]C1", "]Q3")
SIGNS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-./_%"
NUMBERS = st.text(SIGNS, min_size=1, max_size=20)
GTINS = st.from_regex(r"[0-9]{13}", fullmatch=True).map(lambda body: body + check_digit(body))
FIELDS = kit_fields(OWN, "KIT-0401", "EXO2020A", EXPIRES, STUDY)


def kit(gtin: str = OWN, serial: str = "KIT-0401", lot: str = "EXO2020A", expires: date = EXPIRES) -> KnownKit:
    """Return a kit as a worklist has it."""
    return KnownKit(
        kit=f"K-{serial}",
        lot=lot,
        lot_state=LotState.RELEASED,
        expires=expires,
        state=KitState.DISPENSED,
        since_ns=0,
        gtin=gtin,
        serial=serial,
    )


STOCK = (kit(), kit(serial="KIT-0402"), kit(serial="KIT-04"), kit(serial="KIT-0401", gtin="04012345678901"))


def which(raw: str, kits: tuple[KnownKit, ...] = STOCK) -> KnownKit | Refusal:
    """Return the kit that a scan names, or why none."""
    code = kit_of(raw, STUDY)
    return code if isinstance(code, Refusal) else find_kit(code, kits)


def refused(raw: str, kits: tuple[KnownKit, ...] = STOCK) -> str:
    """Return the code of the refusal."""
    answer = which(raw, kits)
    assert isinstance(answer, Refusal), answer
    assert in_both_languages(answer), answer
    return answer.code


@pytest.mark.req("S08")
@given(GTINS, NUMBERS, NUMBERS, st.dates(date(2020, 1, 1), date(2049, 12, 31)), st.sampled_from(SYMBOLS))
def test_every_label_is_read_back_as_what_was_printed(
    gtin: str, serial: str, lot: str, expires: date, symbol: str
) -> None:
    """Whatever numbers a kit has, its label is read in each of the three symbols as exactly those numbers."""
    raw = symbol + content(kit_fields(gtin, serial, lot, expires, STUDY))
    assert kit_of(raw, STUDY) == KitCode(gtin=gtin, serial=serial, lot=lot, expires=expires)


@pytest.mark.req("S08")
@pytest.mark.parametrize("ends", ["", GS], ids=["bare", "with a GS at both ends"])
def test_fields_may_stand_in_any_order(ends: str) -> None:
    """All 120 orders of the five fields name the same kit, also with separators that are not needed."""
    for order in permutations(FIELDS):
        assert which(f"]d2{ends}{content(order)}{ends}") == kit()


@pytest.mark.req("S09")
@given(NUMBERS, NUMBERS, st.permutations(FIELDS), st.data())
def test_a_code_that_lost_a_separator_is_no_other_kit(
    serial: str, lot: str, order: list[tuple[str, str]], data: st.DataObject
) -> None:
    """Drop any GS of any label: it is refused, for the two fields on its sides have run together."""
    fields = [(ai, {"21": serial, "10": lot}.get(ai, value)) for ai, value in order]
    text = content(fields)
    at = data.draw(st.sampled_from([place for place, sign in enumerate(text) if sign == GS]))
    assert isinstance(which(f"]d2{text[:at]}{text[at + 1 :]}", (kit(serial=serial, lot=lot),)), Refusal)


@pytest.mark.req("S09")
@given(st.permutations(FIELDS), st.data())
def test_a_separator_in_a_wrong_place_names_no_kit(order: list[tuple[str, str]], data: st.DataObject) -> None:
    """Move any GS to any other place: the scan is refused, or it still says the very same fields."""
    text = content(order)
    at = data.draw(st.sampled_from([place for place, sign in enumerate(text) if sign == GS]))
    without = text[:at] + text[at + 1 :]
    to = data.draw(st.integers(0, len(without)))
    answer = which(f"]d2{without[:to]}{GS}{without[to:]}")
    assert answer == kit() if to == at else isinstance(answer, Refusal)


@pytest.mark.req("S09")
@given(st.permutations(FIELDS), st.data())
def test_a_code_read_in_part_names_no_other_kit(order: list[tuple[str, str]], data: st.DataObject) -> None:
    """Cut a code anywhere, at either end: it is refused, unless all that is missing is what a label need not have."""
    text = content(order)
    start, end = sorted(data.draw(st.tuples(st.integers(0, len(text)), st.integers(0, len(text)))))
    answer = which(f"]d2{text[start:end]}", (kit(),))
    assert isinstance(answer, Refusal) or answer == kit()


@pytest.mark.req("S08")
@given(st.integers(0, 13), st.integers(1, 9))
def test_a_wrong_digit_is_found_by_the_check_digit(place: int, step: int) -> None:
    """Change any digit of the product number: the check digit tells, whatever biip makes of it."""
    digit = str((int(OWN[place]) + step) % 10)
    gtin = OWN[:place] + digit + OWN[place + 1 :]
    raw = "]d2" + content(kit_fields(gtin, "KIT-0401", "EXO2020A", EXPIRES, STUDY))
    assert refused(raw, (kit(gtin=gtin),)) == "code-check-digit"


@pytest.mark.req("S08")
@pytest.mark.parametrize("symbol", ["]d1", "]C0", "]e0", "]Q1", "]E0", "]A0", "]d6"])
def test_a_symbol_that_is_not_gs1_is_no_kit(symbol: str) -> None:
    """The same content in a plain DataMatrix, Code 128 or QR code is refused: nothing says what its fields are."""
    assert refused(symbol + content(FIELDS)) == "code-not-gs1"


@pytest.mark.req("S08")
@pytest.mark.parametrize("typed", ["KIT-0401", content(FIELDS), "(01)02000042769871(10)EXO2020A(21)KIT-0401", ""])
def test_what_has_no_symbology_identifier_counts_as_typed(typed: str) -> None:
    """A kit's number from a keyboard, or from a scanner that does not say what it read, is never a kit's scan."""
    assert refused(typed) == "code-typed"


@pytest.mark.req("S08")
@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("]d2", "code-torn"),
        ("]d2" + content(FIELDS)[:10], "code-torn"),
        ("]d2" + "9" * 300, "code-torn"),
        ("]d2" + content(FIELDS).replace("17261231", "17260229"), "code-date"),
        ("]d2" + content(FIELDS).replace("17261231", "17261331"), "code-date"),
        ("]d2" + content(FIELDS).replace(STUDY, "NCT00000000"), "kit-other-study"),
        ("]d28018400638133393110235", "code-foreign"),
        ("]d2" + content([*FIELDS, ("414", "4006381333931")]), "code-strange"),
        ("]d2" + content([*FIELDS, ("21", "KIT-0402")]), "code-twice"),
        ("]d2" + content(FIELDS[:3]), "code-merged"),
        ("]d2" + content([field for field in FIELDS if field[0] != "10"]), "code-merged"),
        ("]d2" + content(FIELDS).replace(OWN, "04006381333932"), "code-check-digit"),
        ("]d2" + content(FIELDS).replace(OWN, "04006381333931"), "kit-foreign"),
        ("]d2" + content(FIELDS).replace("KIT-0401", "KIT-0409"), "kit-serial"),
        ("]d2" + content(FIELDS).replace("EXO2020A", "EXO2020B"), "kit-lot"),
        ("]d2" + content(FIELDS).replace("261231", "270131"), "kit-expiry"),
    ],
)
def test_each_fault_of_a_code_has_its_own_reason(raw: str, code: str) -> None:
    """Torn, misdated, foreign, doubled, merged, of another study, product, serial, lot or expiry: each says so."""
    assert refused(raw) == code


@pytest.mark.req("S09")
def test_a_kit_is_never_guessed() -> None:
    """A list that says no codes, or two kits with one code, lets no scan through."""
    raw = "]d2" + content(FIELDS)
    assert refused(raw, (kit(gtin="", serial=""),)) == "kit-no-codes"
    assert refused(raw, (kit(), kit())) == "kit-ambiguous"


def test_a_day_of_00_is_the_last_of_its_month() -> None:
    """A label may leave the day open; it then means the month's last. Source: GS1 General Specifications, AI (17)."""
    assert which("]d2" + content(FIELDS).replace("261231", "261200")) == kit()


@given(st.text(max_size=60), st.sampled_from(("", *SYMBOLS, "]d1")))
def test_no_text_whatever_is_a_traceback(text: str, symbol: str) -> None:
    """Any bytes that a scanner may send come back as a refusal with a printable echo of at most a label's length."""
    assert isinstance(which(symbol + text), Refusal)
    assert shown(symbol + text).isprintable()


def test_own_numbers_are_in_the_range_for_use_inside_one_company() -> None:
    """The site's own product number begins with 02, has its check digit, and is another for another study."""
    assert (OWN, OWN[:2], len(OWN)) == ("02000042769871", "02", 14)
    assert own_gtin("NCT00000001") != OWN
    assert split("]d2x").symbol == "]d2"
