"""What this unit does not know of doses that were given: why nothing starts meanwhile, and what a person says to it."""

from nebctl.core.alarms import PARTED
from nebctl.core.guard import Refusal
from nebctl.core.limits import RUN_UNKNOWN, Passing
from nebctl.runner import Runner

_PARTED = Refusal(
    code="records-parted",
    sentence="This unit's records and the pharmacy's are not the same. Use another unit. Call the engineer.",
)


def refuse_gaps(runner: Runner) -> Refusal | None:
    """Return why nothing may start while doses may have been given that this unit does not know; None: no gap shows."""
    if not PARTED.isdisjoint(runner.alarms):
        return _PARTED
    asked = runner.memory.asked
    if asked is None:
        return None
    remembers = f"Nebulizer {asked.device} remembers run {asked.run}; this unit's log does not."
    return Refusal(code=RUN_UNKNOWN, sentence=f"{remembers} Call the pharmacy first.")


async def take_word(runner: Runner, passing: Passing | None, subject: str, kit: str) -> Passing | None:
    """Record a person's word on the run in question, which is asked about no more; return what the dose may still pass.

    The word is about one run and no dose: it stands whatever else is against this one, and lifts nothing of it, not
    even the same question about another run.
    """
    if passing is None or passing.limit != RUN_UNKNOWN:
        return passing
    await runner.memory.look()  # its incident comes first, also right after the dose in which the device was heard
    asked = runner.memory.asked
    if asked is not None and asked.incident is None:  # a disk that did not take the incident takes no answer to it
        await runner.note(passing.of_run(asked.device, asked.run, subject, kit))
    return None
