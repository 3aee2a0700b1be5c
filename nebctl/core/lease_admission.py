"""Whether a lease lets a dose start: not without a list, not by an older one, not once it was given back (S50)."""

from datetime import datetime

from nebctl.core.authorisation import Authorisation
from nebctl.core.guard import Refusal
from nebctl.core.history import UnitHistory
from nebctl.core.instant import Instant
from nebctl.core.kit_admission import refuse_kit
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


def expired() -> Refusal:
    """Return why nothing starts by a list that is too old."""
    sentence = "The pharmacy's list of doses has expired. Call the pharmacy for a new one."
    return Refusal(code="worklist-expired", sentence=sentence)


def elsewhere(unit: str) -> Refusal:
    """Return why a dose that another unit holds does not start here."""
    sentence = f"Today's dose is held by unit {unit}. Use that unit or call the pharmacy."
    return Refusal(code="held-elsewhere", sentence=sentence)


def not_open(kit: str) -> Refusal:
    """Return why nothing starts from a kit whose dose the pharmacy does not hold open."""
    return Refusal(code="no-lease", sentence=f"The pharmacy holds no dose open for kit {kit}. Call the pharmacy.")


def taken_back(
    auth: Authorisation, worklist: Worklist, history: UnitHistory, local: datetime, now: Instant
) -> Refusal | None:
    """Refuse a dose that was authorised by an earlier list, or a younger one, than would admit it now (S10, S50).

    `local` is the site's date and time at `now`. What the dose itself has done to its kit does not speak against it.
    """
    if now.wall_ns >= worklist.expires_ns:
        return expired()
    kit = worklist.kit(auth.kit)
    if kit is not None:
        minute = local.hour * 60 + local.minute
        if refusal := refuse_kit(kit, local.date(), minute, now, charged=True):
            return refusal
        if kit.held_by:
            return elsewhere(kit.held_by)
    order = worklist.order_of(auth.subject)
    doses = order.doses if order else ()
    planned = next((dose for dose in doses if (dose.kit, dose.dose) == (auth.kit, auth.dose)), None)
    return not_open(auth.kit) if planned is None else overtaken(auth.subject, planned, worklist, history)
