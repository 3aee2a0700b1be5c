"""The cut-off of any nebulizer: what each kind of it does, and how a contact is tried before it is relied on."""

from dataclasses import replace
from typing import Any, Protocol

from nebctl.core.device import Certainty, CommandFailed
from nebctl_drivers.part import Part
from nebctl_drivers.timing import Permit, Reply

from .registers import RelayReading

TRIAL = "ffffffff"
"""The run of a trial: no dose has it, because a dose's number is drawn, and nothing is on in it."""


class CutOff(Part, Protocol):
    """A contact in what a nebulizer lives on, gas or power, that opens by itself when nobody feeds it.

    `driver` names its driver, for the records.
    """

    @property
    def driver(self) -> str:
        """Return the name of its driver."""
        ...

    @property
    def max_on_in_device(self) -> bool:
        """Return whether it opens by itself at the maximum on-time that it was given (S24), without the host."""
        ...

    async def read(self) -> RelayReading | CommandFailed:
        """Read the contact, and what it knows of its run."""
        ...

    async def feed(self, number: int, permit: Permit | None) -> CommandFailed | None:
        """Feed the watchdog; `number` tells one feeding from the next."""
        ...

    async def arm(self, run: str, max_on_ms: int, permit: Permit | None) -> CommandFailed | None:
        """Name the run (8 hex digits) and its maximum on-time, once."""
        ...

    async def set_closed(self, *, closed: bool, permit: Permit | None) -> CommandFailed | None:
        """Close or open the contact, once; closing may include a trial of the cut-off, so nothing may be on before."""
        ...

    async def trip(self, permit: Permit | None) -> CommandFailed | None:
        """Let it open by itself once, in about 2 s, while nothing is on; None means that it did, in its time.

        It belongs to the run `TRIAL` afterwards, or to none.
        """
        ...

    def parse_stop(self, replies: tuple[Reply[Any], ...]) -> RelayReading | str:
        """Return what the answers to the reads of `stop_part` say, or what is wrong with them."""
        ...


async def try_contact(cutoff: CutOff, permit: Permit | None) -> CommandFailed | None:
    """Close and open the contact while nothing is on, each read back: one that sticks is found before a start (S22)."""
    for closed in (True, False):
        failure = await cutoff.set_closed(closed=closed, permit=permit if closed else None)
        if failure is not None:
            return failure if closed else replace(failure, certainty=Certainty.UNKNOWN)
        relay = await cutoff.read()
        if isinstance(relay, CommandFailed):
            return doubt_contact(f"{relay.seen} in the relay's test", "a read-back")
        if relay.closed is not closed:
            word = "closed" if closed else "open"
            return doubt_contact(f"a relay that is not {word} when it was told to be", f"the relay {word}")
    return None


def doubt_contact(seen: str, expected: str) -> CommandFailed:
    """Return that a contact is not as it was told to be."""
    return CommandFailed(
        command="START",
        certainty=Certainty.UNKNOWN,
        seen=seen,
        expected=expected,
        advice="The output may be on: stop it.",
    )
