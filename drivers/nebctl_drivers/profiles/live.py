"""Whether a profile may drive a real device, and how its wire is timed there."""

from nebctl.core.device import Certainty, CommandFailed

from .points import MOST_WIRE_MS, wire_ms
from .profile import Profile

LEAST_GAP_MS = 1.75
GAP_CHARS = 3.5
CHAR_BITS = 11
"""The silence between two RTU frames: 3.5 characters of 11 bits, above 19200 baud 1.75 ms.

Source: Modbus over Serial Line V1.02, 2.5.1.1.
"""


def refuse_live(profile: Profile, *, simulated: bool) -> CommandFailed | None:
    """Return why this profile must not drive a real device; `simulated` says that the unit drives simulated ones only.

    A profile without a golden frame for each read and each write is unverified, and an example is of no device.
    """
    if simulated or (not profile.unproven and profile.verified != "example"):
        return None
    if profile.verified == "example":
        seen, advice = "an example, of a device that does not exist", "Write a profile from your maker's manual."
    else:
        seen = f"no golden frame for {', '.join(profile.unproven)}"
        advice = "Add [[golden]] frames from the maker's manual, or from the device itself."
    return CommandFailed(
        command=f"use the profile {profile.id}",
        certainty=Certainty.NOT_DONE,
        seen=seen,
        expected="a verified profile on a unit that is not simulated",
        advice=advice,
    )


def refuse_slow(profile: Profile, baudrate: int) -> CommandFailed | None:
    """Return why the profile's reads take too long at the port's own baud rate; None where they do not."""
    slow = [b.name for b in profile.blocks.values() if wire_ms(b, baudrate, profile.serial.char_bits) > MOST_WIRE_MS]
    if not slow:
        return None
    return CommandFailed(
        command=f"use the profile {profile.id}",
        certainty=Certainty.NOT_DONE,
        seen=f"{baudrate} baud, at which reading {', '.join(slow)} takes more than {MOST_WIRE_MS} ms",
        expected="reads that a STOP can wait for",
        advice="Raise the baud rate of device and port, or make the blocks smaller.",
    )


def gap_s(profile: Profile, baudrate: int) -> float:
    """Return the silence that the bus keeps between frames, in seconds."""
    if profile.bus.gap_ms is not None:
        return profile.bus.gap_ms / 1000
    return max(GAP_CHARS * CHAR_BITS / baudrate, LEAST_GAP_MS / 1000)
