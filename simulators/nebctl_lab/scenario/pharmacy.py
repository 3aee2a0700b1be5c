"""What happens at the pharmacy's desk in a scenario, through the same functions that its commands use."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from nebctl.core.kits import KitState
from nebctl.pharmacy import leases, moving, stock
from nebctl.pharmacy.faults import PharmacyFault
from nebctl.pharmacy.judging import note_not_done as note
from nebctl.pharmacy.setup import PIN_KEY
from nebctl.pins import load_pin_key
from nebctl_lab.demo.site import LOT, PHARMACISTS
from nebctl_lab.scenario.stage import Play

Given = Mapping[str, Any]

BY, SECOND = PHARMACISTS[0][0], PHARMACISTS[1][0]
EXPIRES = date(2026, 12, 31)
BECAUSE = "scenario"


def thaw(play: Play, given: Given) -> None:
    """Note that a kit was thawed now."""
    with play.site.books() as books:
        stock.thaw(books, given["kit"], BY)


def note_not_done(play: Play, given: Given) -> None:
    """Record that a dose was not given, and why."""
    with play.site.books() as books:
        note(books, given["subject"], given["day"], 1, given["reason"], "", play.operator())


def return_kit(play: Play, given: Given) -> None:
    """Take a kit back."""
    with play.site.books() as books:
        stock.change_kits(books, [given["kit"]], KitState.RETURNED, BY, BECAUSE)


def destroy_kit(play: Play, given: Given) -> None:
    """Write a kit off: nobody can be given it."""
    with play.site.books() as books:
        stock.change_kits(books, [given["kit"]], KitState.DESTROYED, BY, BECAUSE)


def dispense(play: Play, given: Given) -> None:
    """Dispense one kit to one dose; a kit that the pharmacy does not have yet is received and released first."""
    kit = given["kit"]
    with play.site.books() as books:
        try:
            stock.kit_of(books.db, kit)
        except PharmacyFault:
            stock.import_kits(books, [stock.NewKit(kit=kit, lot=LOT, expires=EXPIRES)], BY)
            stock.change_kits(books, [kit], KitState.RELEASED, BY, BECAUSE)
        wish = leases.Dispensing(subject=given["subject"], day=given["day"], dose=1, kits=(kit,), by=BY)
        leases.dispense(books, wish)


def move(play: Play, given: Given) -> None:
    """Let a subject's open doses go to another unit, by the code that two persons read where they were given back."""
    subject = given["subject"]
    code, key = play.codes.get(subject, ""), load_pin_key(play.site.root / "keys" / PIN_KEY)
    with play.site.books() as books:
        wish = moving.Move(
            subject=subject,
            unit=given["unit"],
            by=BY,
            reason=BECAUSE,
            code=code,
            readers=(BY, SECOND) if code else None,
            code_of=key.return_code,
        )
        moving.move(books, wish)
