"""What a device senses of its own drive, held against what it says: an output that contradicts itself (S26)."""

from dataclasses import dataclass, replace
from enum import Enum

from nebctl.core.device import DeviceReport, EndCause, Output

LASTS_MS = 500
"""A contradiction that has lasted so long is believed: current rises and falls a little after the output does."""
DRIVEN_UA = 8_000
"""A mesh that is given so much makes aerosol, whatever its controller says of it.

A tenth of the wet current of the reference mesh: what a dry one takes is a quarter. Planning figure.
"""
UNDRIVEN_UA = 2_000
"""A mesh that is given less makes none: a dry one takes ten times as much, an empty holder about this.

Source: fewer than 30 counts is dry, where wet is over 100, and next to nothing without a cup, of a public firmware
(https://github.com/dmchaledev/VibratingMeshNebulizerController, config.h).
"""


class Mismatch(Enum):
    """How word and drive contradict each other."""

    DRIVEN_WHILE_OFF = "it says OFF, and its mesh is driven"
    NOT_DRIVEN = "it says that it runs, and nothing drives its mesh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What the newest report contradicts itself in, None for nothing, and since when, in host monotonic nanoseconds."""

    kind: Mismatch | None = None
    since_ns: int = 0

    def lasting(self, at_ns: int) -> Mismatch | None:
        """Return the mismatch that has lasted long enough to be believed; None where there is none."""
        return self.kind if at_ns - self.since_ns >= LASTS_MS * 1_000_000 else None


AGREEING = Compared()


def compare(before: Compared, report: DeviceReport) -> Compared:
    """Return what a report contradicts itself in, and since when; a device that senses no current contradicts nothing.

    A sweep is no contradiction: it looks for the current that it has not found yet.
    """
    kind = _contradiction(report)
    return before if kind is before.kind and kind is not None else Compared(kind=kind, since_ns=report.at_ns)


def believed(report: DeviceReport, mismatch: Mismatch | None) -> DeviceReport:
    """Return the report as it is to be taken: a mesh that is driven is on, and in nobody's run, whatever is said."""
    if mismatch is not Mismatch.DRIVEN_WHILE_OFF:
        return report
    return replace(report, output=Output.RUNNING, end=EndCause.NONE, run=None)


def _contradiction(report: DeviceReport) -> Mismatch | None:
    if report.drive_ua is None or report.end is EndCause.CUT_OFF:  # an open contact stands between drive and mesh
        return None
    if report.output is Output.OFF and report.drive_ua >= DRIVEN_UA:
        return Mismatch.DRIVEN_WHILE_OFF
    undriven = report.output is Output.RUNNING and report.drive_ua < UNDRIVEN_UA
    return Mismatch.NOT_DRIVEN if undriven else None
