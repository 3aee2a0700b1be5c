"""The closed set of units of a profile, and how each becomes one of the core's integers."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from fractions import Fraction


class Quantity(Enum):
    """What a unit measures; the value is the core's unit for it, in words."""

    NUMBER = "a number without a unit"
    SHARE = "percent"
    TIME = "milliseconds"
    CURRENT = "microamperes"
    VOLTAGE = "millivolts"
    FREQUENCY = "hertz"
    POWER = "microwatts"
    TEMPERATURE = "millidegrees Celsius"
    VOLUME = "nanolitres"
    FLOW = "mL/min under standard conditions"
    PRESSURE = "pascals, absolute"
    GAUGE = "pascals above the surroundings"


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit as a profile writes it: what it measures, and how many of the core's units it is."""

    quantity: Quantity
    factor: Decimal


UNITS: Mapping[str, Unit] = {
    name: Unit(quantity, Decimal(factor))
    for quantity, factors in {
        Quantity.NUMBER: {"1": "1"},
        Quantity.SHARE: {"%": "1"},
        Quantity.TIME: {"ms": "1", "s": "1000", "min": "60000"},
        Quantity.CURRENT: {"uA": "1", "mA": "1000", "A": "1000000"},
        Quantity.VOLTAGE: {"mV": "1", "V": "1000"},
        Quantity.FREQUENCY: {"Hz": "1", "kHz": "1000"},
        Quantity.POWER: {"mW": "1000", "W": "1000000"},
        Quantity.TEMPERATURE: {"degC": "1000"},
        Quantity.VOLUME: {"nL": "1", "uL": "1000", "mL": "1000000"},
        Quantity.FLOW: {"SCCM": "1", "SLPM": "1000"},
        Quantity.PRESSURE: {"PaA": "1", "hPaA": "100", "kPaA": "1000", "PSIA": "6894.757"},
        Quantity.GAUGE: {"PaG": "1", "kPaG": "1000", "PSIG": "6894.757"},
    }.items()
    for name, factor in factors.items()
}
"""Every unit that a profile may name.

Source: 1 psi = 6894.757 Pa, NIST Special Publication 811, appendix B.8; the others are decimal.
"""


def to_core(value: Decimal, unit: str) -> int:
    """Return a value in the core's integer unit, rounded to the nearest."""
    return round(Fraction(value) * Fraction(UNITS[unit].factor))


def from_core(value: int, unit: str, step: Decimal) -> Decimal:
    """Return an integer of the core's in `unit`, rounded towards zero to a multiple of `step`."""
    steps = int(Fraction(value) / (Fraction(UNITS[unit].factor) * Fraction(abs(step))))
    return steps * abs(step)
