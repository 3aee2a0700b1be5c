"""What was ordered of an Alicat: kind, range, unit, firmware."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What was ordered: a controller or a meter, its full scale in L/min, its firmware, and whether it totals.

    `bare_t` is what the word `T` alone does: "tare" or "total". Two client libraries disagree; taring in mid-flow
    does the greater harm, so a host that sends it shall see that.
    """

    name: str = "MC-20SLPM-D"
    full_scale: float = 20.0
    flow_unit: str = "SLPM"
    controller: bool = True
    totalizer: bool = False
    firmware: str = "10v20.0-R24"
    bare_t: str = "tare"

    @property
    def version(self) -> tuple[int, int]:
        """The firmware's numbers, to compare."""
        major, _, minor = self.firmware.partition("v")
        return int(major), int(re.match(r"[0-9]*", minor)[0] or 0)  # type: ignore[index]  # it matches anything
