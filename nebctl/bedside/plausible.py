"""Volumes as persons give them: what cannot be is a slip, and is refused before anything is recorded of it."""

from nebctl.core.dose import Charge, Interval
from nebctl.core.events import ResidualGiven, ResidualRefused
from nebctl.core.guard import Refusal
from nebctl.core.units import Nanolitres, format_ml

MOST_CHARGED = 5
"""More than so many doses are never poured into a cup: our own bound against a slip, not a cup's size."""
MOST_ADDED = 10
"""So many doses are never added to a cup: our own bound against a slip of the decimal point, not a cup's size."""


def refuse_charge(charge: Charge, aliquot_nl: Nanolitres) -> Refusal | None:
    """Return why a charge is no aliquot, or why its interval says nothing; None for one that can be."""
    if charge.volume.low_nl * 5 < aliquot_nl:
        sentence = "The cup holds less than a fifth of the dose. Look at the number, or weigh the cup again."
        return Refusal(code="cup-too-empty", sentence=sentence)
    if charge.volume.low_nl > MOST_CHARGED * aliquot_nl:
        sentence = f"No cup takes {format_ml(charge.volume.best_nl, 2)} mL. Look at the number and give it again."
        return Refusal(code="charge-too-large", sentence=sentence)
    if not _says_something(charge.volume, aliquot_nl):
        sentence = "A volume has an interval, of at most half the dose. Weigh the cup again and give both ends."
        return Refusal(code="charge-interval", sentence=sentence)
    return None


def refuse_residual(
    told: ResidualGiven | ResidualRefused, charge: Charge | None, aliquot_nl: Nanolitres
) -> Refusal | None:
    """Return why what was left, or what came into the cup in mid-dose, cannot be; None where it can.

    How much was added may be known badly; what was left was measured, so its interval is one.
    """
    added = told.added
    if added is not None and added.best_nl == 0:
        sentence = "0 mL is nothing added. Give what was added, or leave it out."
        return Refusal(code="added-nothing", sentence=sentence)
    if added is not None and added.high_nl > MOST_ADDED * aliquot_nl:
        sentence = f"No cup takes {format_ml(added.high_nl, 2, 'up')} mL more. Look at the number and give it again."
        return Refusal(code="added-too-large", sentence=sentence)
    if not isinstance(told, ResidualGiven):
        return None
    left = told.residual.volume
    if charge is not None and left.low_nl > (most_nl := charge.volume.high_nl + (added.high_nl if added else 0)):
        most = format_ml(most_nl, 2, "up")
        sentence = f"That is more than was in the cup, {most} mL. Look at the number and give it again."
        return Refusal(code="residual-too-large", sentence=sentence)
    if not _says_something(left, aliquot_nl):
        sentence = "What is left has an interval, of at most half the dose. Measure it again and give both ends."
        return Refusal(code="residual-interval", sentence=sentence)
    return None


def _says_something(volume: Interval, aliquot_nl: Nanolitres) -> bool:
    return 0 < volume.high_nl - volume.low_nl <= aliquot_nl // 2
