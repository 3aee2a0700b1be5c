"""What was put in the cup and what was left in it, as intervals; never an exact 3 mL."""

from dataclasses import dataclass
from enum import Enum

from nebctl.core.units import Nanolitres


class Method(Enum):
    """How a volume was found."""

    DECLARED = "declared"
    WEIGHED = "weighed"
    DRAWN = "drawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A volume in nanolitres with its 95 % interval: 0 <= low <= best <= high.

    Raises: `ValueError` where the three are out of order.
    """

    low_nl: Nanolitres
    best_nl: Nanolitres
    high_nl: Nanolitres

    def __post_init__(self) -> None:
        if not 0 <= self.low_nl <= self.best_nl <= self.high_nl:
            raise ValueError(
                f"interval {self.low_nl}, {self.best_nl}, {self.high_nl} nL: expected 0 <= low <= best <= high"
            )

    def overlaps(self, other: "Interval") -> bool:
        """Return whether a volume could lie in both intervals."""
        return self.low_nl <= other.high_nl and other.low_nl <= self.high_nl

    def as_json(self) -> dict[str, int]:
        """Return the members that records carry."""
        return {"low_nl": self.low_nl, "best_nl": self.best_nl, "high_nl": self.high_nl}


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What was poured into the cup; `vial_emptied` is what the operator said of the vial."""

    volume: Interval
    method: Method
    vial_emptied: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Residual:
    """What was left in the cup after the dose, as drawn or weighed."""

    volume: Interval
    method: Method


def balance(charge: Charge, residual: Residual) -> Interval:
    """Return what left the cup by the volume balance: charge less residual, never below nothing.

    The two intervals are taken as independent bounds, so the result holds at least as often as either of them alone.
    """
    high = max(0, charge.volume.high_nl - residual.volume.low_nl)
    low = max(0, charge.volume.low_nl - residual.volume.high_nl)
    best = max(0, charge.volume.best_nl - residual.volume.best_nl)
    return Interval(low_nl=low, best_nl=best, high_nl=high)
