"""The codes of a simulated site: what its wristbands, study cards, kits and cups say to a scanner."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from pathlib import Path

from nebctl.core.kits import KitState, KnownKit, LotState
from nebctl.core.orders import PlannedDose, Worklist
from nebctl.core.scan.label import content, kit_fields, own_gtin
from nebctl.core.scan.message import split
from nebctl.core.scan.subject import Identity
from nebctl.pharmacy.identities import Link
from nebctl.pins import PinKey, load_pin_key

STUDY = "NCT04276987"
LOT = "EXO2020A"
EXPIRY = date(2026, 12, 31)


def band(subject: str) -> str:
    """Return what a scanner reads from a subject's wristband, a Code 128."""
    return f"]C0WB{subject.replace('-', '')}"


def card(subject: str) -> str:
    """Return what a scanner reads from a subject's study card, a QR code."""
    return f"]Q1CARD/{subject}"


def kit_code(kit: str, lot: str = LOT, expires: date = EXPIRY) -> str:
    """Return what a scanner reads from a kit's label, a GS1 DataMatrix of the site's own."""
    return f"]d2{content(kit_fields(own_gtin(STUDY), kit, lot, expires, STUDY))}"


def cup_code(cup: str = "CUP-1") -> str:
    """Return what a scanner reads from a cup, a plain DataMatrix."""
    return f"]d1{cup}"


def scans(subject: str, kit: str, among: Iterable[KnownKit] = ()) -> dict[str, str]:
    """Return the three scans before a dose, as the bedside API takes them from a script.

    A kit that is `among` those of a list has the lot and expiry that stand there.
    """
    found = next((kit_code(each.kit, each.lot, each.expires) for each in among if each.kit == kit), kit_code(kit))
    return {"band": band(subject), "card": card(subject), "kit": found}


def link_of(subject: str, key: PinKey) -> Link:
    """Return what the pharmacy keeps of a subject's wristband and study card."""
    return Link(band=key.link(split(band(subject)).content), card=key.link(split(card(subject)).content))


def identities(subjects: Iterable[str], pin_key: Path) -> tuple[Identity, ...]:
    """Return what a worklist says of these subjects' wristbands and study cards."""
    key = load_pin_key(pin_key)
    links = {subject: link_of(subject, key) for subject in subjects}
    return tuple(Identity(subject=subject, band=link.band, card=link.card) for subject, link in links.items())


def coded(worklist: Worklist, pin_key: Path, *others: str) -> Worklist:
    """Return a worklist that was written by hand with the codes of its kits, and of its subjects and the `others`.

    A kit that is leased and does not stand among the kits is put there.
    """
    told = {kit.kit for kit in worklist.kits}
    leased = tuple(_leased(worklist, order.subject, dose) for order in worklist.orders for dose in order.doses)
    whole = (*worklist.kits, *(kit for kit in leased if kit.kit not in told))
    kits = tuple(replace(kit, gtin=own_gtin(STUDY), serial=kit.kit) for kit in whole)
    subjects = dict.fromkeys((*(order.subject for order in worklist.orders), *others))
    return replace(worklist, kits=kits, identities=identities(subjects, pin_key))


def _leased(worklist: Worklist, subject: str, dose: PlannedDose) -> KnownKit:
    return KnownKit(
        kit=dose.kit,
        lot=dose.lot,
        lot_state=LotState.RELEASED,
        expires=EXPIRY,
        state=KitState.DISPENSED,
        since_ns=worklist.issued_ns,
        subject=subject,
        day=dose.day,
    )
