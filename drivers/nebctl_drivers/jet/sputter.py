"""Whether a jet spits: its flow and pressure jump from one reading to the next once the liquid runs out."""

from dataclasses import dataclass, replace

from .profile import JetProfile

WHOLE_PPM = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sputter:
    """What the readings of one run have shown so far; times in ns, flow in sccm, pressure in Pa.

    `since_ns` is when the present sputter began, None while there is none, and `rough_ns` its last rough reading.
    `rough` counts its rough readings, `smooth` the calm ones since the last of them.
    """

    flow_sccm: int | None = None
    pressure_pa: int = 0
    since_ns: int | None = None
    rough_ns: int = 0
    rough: int = 0
    smooth: int = 0


def feel(sputter: Sputter, at_ns: int, flow_sccm: int, pressure_pa: int, profile: JetProfile) -> Sputter:
    """Return what one more reading of a running jet shows; the first one has nothing to differ from."""
    seen = replace(sputter, flow_sccm=flow_sccm, pressure_pa=pressure_pa)
    if sputter.flow_sccm is None:
        return seen
    limit = profile.rough_ppm
    if _differs(sputter.flow_sccm, flow_sccm, limit) or _differs(sputter.pressure_pa, pressure_pa, limit):
        since_ns = at_ns if sputter.since_ns is None else sputter.since_ns
        return replace(seen, since_ns=since_ns, rough_ns=at_ns, rough=sputter.rough + 1, smooth=0)
    if sputter.smooth + 1 >= profile.smooth_readings and at_ns - sputter.rough_ns >= profile.calm_ns:
        return replace(seen, since_ns=None, rough=0, smooth=0)
    return replace(seen, smooth=sputter.smooth + 1)


def interrupted(sputter: Sputter) -> Sputter:
    """Return the evidence after the gas was off: the next reading has nothing to differ from."""
    return replace(sputter, flow_sccm=None, pressure_pa=0)


def is_dry(sputter: Sputter, at_ns: int, profile: JetProfile) -> bool:
    """Return whether the sputter has lasted as long as a jet is driven on."""
    if sputter.since_ns is None or sputter.rough < profile.least_rough:
        return False
    return at_ns - sputter.since_ns >= profile.confirm_ns


def _differs(before: int, after: int, limit_ppm: int) -> bool:
    return abs(after - before) * WHOLE_PPM > max(before, after) * limit_ppm
