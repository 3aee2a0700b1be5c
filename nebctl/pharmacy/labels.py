"""The codes of kits: what a delivery says, and labels of the site's own for kits that came without one (S08)."""

import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from nebctl.core.guard import Refusal
from nebctl.core.scan.digits import is_checked
from nebctl.core.scan.label import content, kit_fields, own_gtin, readable
from nebctl.gs1 import kit_of
from nebctl.pharmacy.faults import PharmacyFault

LONGEST = 20
"""Serial and lot numbers in a code. Source: GS1 General Specifications, AI (10) and (21)."""
SERIAL = re.compile(r'[!"%-?A-Z_a-z]{1,20}', re.ASCII)
"""The signs that a code may have. Source: GS1 General Specifications, figure 7.11-1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What stands on one kit's label, for people and for programs.

    `readable` is printed beside the code; `scanned` is what a scanner sends; `zint` is the input of a program that
    draws codes from bracketed fields; `zpl` draws the code on a label printer.
    """

    kit: str
    readable: str
    scanned: str
    zint: str
    zpl: str


def code_of(kit: str, gtin: str | None, serial: str | None, study: str) -> tuple[str, str]:
    """Return product and serial number of a kit; one that came without is of the site's own, numbered as the kit."""
    return gtin or own_gtin(study), serial or kit


def why_bad(kit: str, lot: str, gtin: str, serial: str) -> str | None:
    """Return why these cannot stand in a kit's code; None where they can. `gtin` and `serial` "" are the site's own."""
    if bool(gtin) != bool(serial):
        return "expected both gtin and serial as on the label, or neither"
    if gtin and not is_checked(gtin, 14):
        return f"gtin: {gtin}: expected 14 digits with the right check digit"
    if not SERIAL.fullmatch(serial or kit):
        return f"serial: {serial or kit}: expected 1 to {LONGEST} letters, digits or signs of a GS1 code"
    return None if len(lot) <= LONGEST else f"lot: {lot}: expected at most {LONGEST} characters, as a code has"


def refuse_twice(db: sqlite3.Connection, codes: Sequence[tuple[str, str]], study: str) -> None:
    """Check that no product and serial number is of two kits.

    Raises: `PharmacyFault` naming the serial number.
    """
    rows = db.execute("SELECT kit, gtin, serial FROM kit")
    known = {code_of(kit, gtin, serial, study) for kit, gtin, serial in rows}
    for code in codes:
        if code in known:
            seen = f"serial number {code[1]} of product {code[0]} twice"
            raise PharmacyFault(seen, "each code on one kit", "Nothing was imported; look at the two labels.")
        known.add(code)


def label_of(db: sqlite3.Connection, name: str, study: str) -> Label:
    """Return the label of a kit.

    Raises: `PharmacyFault` where the kit is unknown, or where its numbers fit in no code.
    """
    row = db.execute("SELECT kit, lot, expires, gtin, serial FROM kit WHERE kit = ?", (name,)).fetchone()
    if row is None:
        raise PharmacyFault(f"kit {name}", "a known kit", "Import it first: nebctl pharmacy kit import.")
    kit, lot, expires, gtin, serial = row
    fields = kit_fields(*code_of(kit, gtin, serial, study), lot, date.fromisoformat(expires), study)
    scanned = f"]d2{content(fields)}"
    if isinstance(refusal := kit_of(scanned, study), Refusal):
        advice = f"A unit would say: {refusal.sentence} Import it with a serial number of its own."
        raise PharmacyFault(f"kit {name}, lot {lot}", f"numbers of at most {LONGEST} signs", advice)
    bracketed = readable(fields, "[]")
    return Label(kit=kit, readable=readable(fields), scanned=scanned, zint=bracketed, zpl=_zpl(kit, fields))


def _zpl(kit: str, fields: tuple[tuple[str, str], ...]) -> str:
    """Return a label for a ZPL printer: the code as GS1 DataMatrix, its FNC1 written `_1`, and the kit's number.

    Source: ZPL II programming guide, ^BX, quality 200 with `_` as escape sign.
    """
    data = content([(ai, value.replace("_", "__")) for ai, value in fields], "_1")
    return f"^XA^FO40,40^BXN,6,200,,,,_^FD_1{data}^FS^FO220,60^A0N,40^FD{kit}^FS^XZ"
