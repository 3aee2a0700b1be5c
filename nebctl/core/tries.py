"""Wrong PINs in a row, and how long the next one has to wait; time is an argument."""

from dataclasses import dataclass

from nebctl.core.instant import Instant

FREE_MISSES = 2
"""A gloved finger slips: so many misses cost no wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tries:
    """Misses since the last right PIN, and when the newest was, on the monotonic clock of `boot`."""

    missed: int = 0
    mono_ns: int = 0
    boot: str = ""


NONE = Tries()


def missed_again(tries: Tries, now: Instant) -> Tries:
    """Return the count after one more miss."""
    return Tries(missed=tries.missed + 1, mono_ns=now.mono_ns, boot=now.boot)


def begun_anew(tries: Tries, now: Instant) -> Tries:
    """Return the count as a restart takes it over: the misses stay, and a wait begins anew, for time is not known."""
    return tries if tries.boot == now.boot else Tries(missed=tries.missed, mono_ns=now.mono_ns, boot=now.boot)


def wait_ns(tries: Tries, now: Instant, first_ns: int) -> int:
    """Return how long to wait before the next try, 0 for not at all: the first wait doubles with each further miss."""
    if tries.missed <= FREE_MISSES:
        return 0
    whole_ns = int(first_ns * 2 ** (tries.missed - FREE_MISSES - 1))
    return max(0, tries.mono_ns + whole_ns - now.mono_ns)


def is_locked(tries: Tries, most: int) -> bool:
    """Return whether so many misses lock the badge until the pharmacy gives it a new PIN."""
    return tries.missed >= most
