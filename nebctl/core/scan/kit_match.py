"""Which kit is this? Product, serial number and lot must be those of exactly one kit that the pharmacy knows (S09)."""

from collections.abc import Iterable

from nebctl.core.guard import Refusal
from nebctl.core.kits import KnownKit
from nebctl.core.scan.kit_code import KitCode

_ASIDE = "Set this kit aside and call the pharmacy."


def find_kit(code: KitCode, kits: Iterable[KnownKit]) -> KnownKit | Refusal:
    """Return the one kit whose product, serial number and lot the code names, or why there is none.

    What state the kit is in, and whose it is, is asked later.
    """
    coded = [kit for kit in kits if kit.gtin and kit.serial]
    if not coded:
        return _no("kit-no-codes", "The pharmacy's list says no kit's code. Call the pharmacy for a new list.")
    product = [kit for kit in coded if kit.gtin == code.gtin]
    if not product:
        return _no("kit-foreign", f"Product {code.gtin} is not of this study. {_ASIDE}")
    found = [kit for kit in product if kit.serial == code.serial]
    if not found:
        return _no("kit-serial", f"The pharmacy knows no kit with serial number {code.serial}. {_ASIDE}")
    if len(found) > 1:
        return _no("kit-ambiguous", f"More than one kit has serial number {code.serial}. {_ASIDE}")
    return _differs(code, found[0]) or found[0]


def _differs(code: KitCode, kit: KnownKit) -> Refusal | None:
    if code.lot != kit.lot:
        return _no("kit-lot", f"The code says lot {code.lot}, the pharmacy says {kit.lot}. {_ASIDE}")
    if code.expires is not None and code.expires != kit.expires:
        said = f"The code says that the kit expires on {code.expires}, the pharmacy says {kit.expires}."
        return _no("kit-expiry", f"{said} {_ASIDE}")
    return None


def _no(code: str, sentence: str) -> Refusal:
    return Refusal(code=code, sentence=sentence)
