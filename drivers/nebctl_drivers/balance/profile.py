"""The numbers of the profile `mt-sics`, in the form the driver needs."""

from dataclasses import dataclass

from nebctl_drivers.profiles import Table, read_profile
from nebctl_drivers.timing import Timing

PROFILE = "mt-sics"


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceProfile:
    """What the driver takes for granted of a balance.

    `stable_s` is how long it may take to come to rest, asked every `poll_s`; two weights in a row agree where they are
    at most `agree_steps` steps of the last digit apart.
    """

    answer_s: float
    stable_s: float
    poll_s: float
    agree_steps: int

    def timing(self, baud: int | None) -> Timing:
        """Return the bus's timing; `baud` None for a TCP stream, where the wire's own time does not count."""
        return Timing(answer_s=self.answer_s, baud=baud)


def read_balance_profile(table: Table | None = None) -> BalanceProfile:
    """Return the installed profile, or the one of `table`.

    Raises: `KeyError` where the table is not of this form.
    """
    whole = table if table is not None else read_profile(PROFILE)
    weighing = whole["weighing"]
    return BalanceProfile(
        answer_s=whole["bus"]["answer_ms"] / 1000,
        stable_s=weighing["stable_ms"] / 1000,
        poll_s=weighing["poll_ms"] / 1000,
        agree_steps=weighing["agree_steps"],
    )
