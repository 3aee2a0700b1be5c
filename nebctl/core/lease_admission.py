"""Whether a lease lets a dose start: not without a list, not by an older one, not once it was given back (S50)."""

from nebctl.core.guard import Refusal
from nebctl.core.history import UnitHistory
from nebctl.core.instant import Instant
from nebctl.core.leases import PlannedDose, Worklist
from nebctl.core.returned import is_returned


def never_sent() -> Refusal:
    """Return why nothing starts where no list was ever taken."""
    sentence = "The pharmacy has sent no list of doses to this unit. Call the pharmacy."
    return Refusal(code="no-worklist", sentence=sentence)


def only_older(sent: int, newest: int) -> Refusal:
    """Return why nothing starts where the newest list is lost, and the pharmacy has sent an older one."""
    sentence = f"The pharmacy sent list {sent}, and this unit has had list {newest} already. Call the pharmacy."
    return Refusal(code="list-older", sentence=sentence)


def overtaken(subject: str, planned: PlannedDose, worklist: Worklist, history: UnitHistory) -> Refusal | None:
    """Refuse a lease that is not the newest one that this unit knows of, and one that it has given back."""
    if is_returned(history.returned, subject, planned.sequence):
        sentence = f"The doses of {subject} were given back at this unit. Use the other unit or call the pharmacy."
        return Refusal(code="lease-returned", sentence=sentence)
    if (subject, planned.day, planned.dose) not in worklist.overtaken:
        return None
    sentence = "The pharmacy's list has an older lease of this dose than this unit has seen. Call the pharmacy."
    return Refusal(code="lease-overtaken", sentence=sentence)


def over(planned: PlannedDose, now: Instant) -> Refusal | None:
    """Refuse a lease that has ended; its end binds a unit that nobody hears."""
    if now.wall_ns < planned.not_after_ns:
        return None
    sentence = "The pharmacy's lease for this dose has ended. Call the pharmacy."
    return Refusal(code="lease-ended", sentence=sentence)
