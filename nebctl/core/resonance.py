"""Whether the mesh that is driven is the one that was driven before: its resonance, while it is wet (S54)."""

from dataclasses import dataclass, replace

from nebctl.core.device import DeviceReport, Output

STEP_PPM = 6_000
"""So far from where it was, a resonance is another mesh's, or another place of the mesh in its holder.

A wet mesh drifts by some 300 Hz of 128 kHz in a whole run, and a controller that looks again after a pause may take a
place 200 to 500 Hz beside the last one, for it looks in steps of these sizes: 4 000 ppm at most. Meshes of one type
differ by 1.5 kHz (1 sigma): seven pairs in ten are further apart than this. Planning figures, not tried on hardware.
Source: https://github.com/dmchaledev/VibratingMeshNebulizerController (config.h); the spread is that of
docs/reference/simulator-physics.md.
"""
LASTS_MS = 2_000
WET_PERCENT = 80
"""A mesh that takes less than this of its wet current dries, is half out of the liquid, or looks for its resonance: it
says nothing, for a mesh without its load is a kilohertz higher."""
FOLLOWS = 20
"""A reading moves what is known by so small a part, and so follows warming, cooling and a battery that falls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resonance:
    """What is known of the driven mesh: its wet resonance in Hz and current in microamperes, 0 before it was heard.

    `since_ns` is since when it has been elsewhere, None while it is not; `there_hz` is where. `steps` counts the steps.
    """

    hz: int = 0
    ua: int = 0
    since_ns: int | None = None
    there_hz: int = 0
    steps: int = 0


UNHEARD = Resonance()


def listen(before: Resonance, report: DeviceReport) -> Resonance:
    """Return what is known after one report; a device that does not tell current and frequency says nothing."""
    hz, ua = report.drive_hz, report.drive_ua
    if report.output is not Output.RUNNING or not hz or not ua or report.dry or report.fault is not None:
        return _nowhere_else(before)
    if not before.hz:
        return replace(before, hz=hz, ua=ua)
    if ua * 100 < before.ua * WET_PERCENT:
        return _nowhere_else(before)
    if not _apart(hz, before.hz):
        followed = replace(
            before, hz=before.hz + (hz - before.hz) // FOLLOWS, ua=before.ua + (ua - before.ua) // FOLLOWS
        )
        return _nowhere_else(followed)
    if before.since_ns is None or _apart(hz, before.there_hz):
        return replace(before, since_ns=report.at_ns, there_hz=hz)
    if report.at_ns - before.since_ns < LASTS_MS * 1_000_000:
        return before
    return Resonance(hz=hz, ua=ua, steps=before.steps + 1)


def _apart(one_hz: int, other_hz: int) -> bool:
    return abs(one_hz - other_hz) * 1_000_000 > STEP_PPM * other_hz


def _nowhere_else(known: Resonance) -> Resonance:
    return known if known.since_ns is None else replace(known, since_ns=None, there_hz=0)
