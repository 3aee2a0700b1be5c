"""A CSV file of kits as it comes with a delivery: read strictly, every fault told with its line and field."""

import csv
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from nebctl.core.ledger.encoding import show
from nebctl.pharmacy.labels import why_bad
from nebctl.pharmacy.stock import LABEL, NewKit

COLUMNS = ("kit", "lot", "expires")
CODED = (*COLUMNS, "gtin", "serial")
"""With the maker's codes; without them the site prints its own labels."""


def read_kits(path: Path) -> tuple[NewKit | str, ...]:
    """Return the kits in the file's order; in the place of one that is faulty stands what is wrong with it.

    Raises: `OSError` where the file cannot be read, `UnicodeDecodeError` where it is no UTF-8.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        heads = next(rows, [])
        if tuple(heads) not in (COLUMNS, CODED):
            expected = f"{','.join(COLUMNS)} or {','.join(CODED)}"
            return (f"{path}:1: columns: {show(','.join(heads))}: expected {expected}",)
        kits = tuple(_read(path, rows.line_num, row, heads) for row in rows if row)
    return (*kits, *_twice(path, kits)) if kits else (f"{path}:2: kit: nothing: expected at least one kit",)


def _read(path: Path, line: int, row: list[str], heads: list[str]) -> NewKit | str:
    if len(row) != len(heads):
        return f"{path}:{line}: columns: {len(row)}: expected {len(heads)}, {','.join(heads)}"
    kit, lot, expires, gtin, serial = (*row, "", "")[: len(CODED)]
    for field, value in (("kit", kit), ("lot", lot)):
        if not LABEL.fullmatch(value):
            return f"{path}:{line}: {field}: {show(value)}: expected capitals, digits and hyphens, such as KIT-0401"
    if why := why_bad(kit, lot, gtin, serial):
        return f"{path}:{line}: {show(why)}"
    try:
        return NewKit(kit=kit, lot=lot, expires=date.fromisoformat(expires), gtin=gtin, serial=serial)
    except ValueError:
        return f"{path}:{line}: expires: {show(expires)}: expected a date such as 2026-12-31"


def _twice(path: Path, kits: tuple[NewKit | str, ...]) -> Iterator[str]:
    seen: set[str] = set()
    for each in kits:
        if isinstance(each, NewKit):
            if each.kit in seen:
                yield f"{path}: kit: {each.kit}: expected each kit once"
            seen.add(each.kit)
