"""What stands in the code of a kit's label, and the number of a product for a site that has none of its own (S08)."""

from collections.abc import Iterable
from datetime import date

from nebctl.core.scan.digits import check_digit
from nebctl.core.scan.kit_code import EXPIRY, GTIN, LOT, SERIAL, STUDY
from nebctl.core.scan.message import GS

Fields = tuple[tuple[str, str], ...]
_FIXED = frozenset((GTIN, EXPIRY))


def own_gtin(study: str) -> str:
    """Return the product number that a site without GS1 numbers gives to the kits of a study (its registry number).

    It is made of the study's digits and lies in the range for use inside one company or region, so that no maker in
    the world has it. Source: GS1 General Specifications, section 2.1.11, prefixes 20 to 29.
    """
    digits = "".join(sign for sign in study if sign.isascii() and sign.isdigit())[-10:]
    body = f"020{digits:0>10}"
    return body + check_digit(body)


def kit_fields(gtin: str, serial: str, lot: str, expires: date, study: str) -> Fields:
    """Return the fields of a kit's label in their order: those of fixed length first, so that few need a GS."""
    return ((GTIN, gtin), (EXPIRY, f"{expires:%y%m%d}"), (LOT, lot), (SERIAL, serial), (STUDY, study))


def content(fields: Iterable[tuple[str, str]], separator: str = GS) -> str:
    """Return the fields as the content of a code, with a separator behind each of variable length but the last."""
    listed = tuple(fields)
    ends = ["" if ai in _FIXED else separator for ai, _ in listed[:-1]]
    return "".join(ai + value + end for (ai, value), end in zip(listed, [*ends, ""], strict=True))


def readable(fields: Iterable[tuple[str, str]], brackets: str = "()") -> str:
    """Return the fields as people read them, and as programs that draw codes take them."""
    return "".join(f"{brackets[0]}{ai}{brackets[1]}{value}" for ai, value in fields)
