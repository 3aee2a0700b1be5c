"""May a dose be begun from this kit, by what the pharmacy knows of it? Each reason has its own sentence."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

from nebctl.core.guard import Refusal
from nebctl.core.instant import NS_PER_S, Instant
from nebctl.core.kits import GIVABLE, KitState, KnownKit, LotState

_OTHER = "Take another kit and scan it."
_SENTENCES: Mapping[KitState, tuple[str, str]] = {
    KitState.RECEIVED: ("kit-quarantined", "This kit is not released yet. Call the pharmacy."),
    KitState.QUARANTINED: ("kit-quarantined", "This kit is in quarantine. Set it aside and call the pharmacy."),
    KitState.RELEASED: ("kit-not-dispensed", "The pharmacy has given this kit to no subject yet. Call the pharmacy."),
    KitState.OPENED: ("kit-opened", f"This kit was opened {{when}}. {_OTHER}"),
    KitState.USED: ("kit-used", f"This kit was used up {{when}}. {_OTHER}"),
    KitState.PARTIAL: ("kit-used", f"This kit was used in part {{when}}. {_OTHER}"),
    KitState.RETURNED: ("kit-returned", f"This kit was returned {{when}}. {_OTHER}"),
    KitState.DAMAGED: ("kit-damaged", f"This kit was reported damaged {{when}}. {_OTHER}"),
    KitState.LOST: ("kit-lost", "This kit was reported lost {when}. Set it aside and call the pharmacy."),
    KitState.DESTROYED: ("kit-destroyed", "This kit was recorded as destroyed {when}. Call the pharmacy."),
}


def refuse_kit(kit: KnownKit, today: date, local_minute: int, now: Instant, *, charged: bool = False) -> Refusal | None:
    """Return why no dose may be begun from the kit today; None where nothing speaks against it.

    `today` and `local_minute` are the site's calendar and the minutes since its midnight at `now`. `charged` says that
    the very dose in question has opened it.
    """
    if refusal := held_back(kit):
        return refusal
    if kit.state not in GIVABLE and not (charged and kit.state is KitState.OPENED):
        code, sentence = _SENTENCES[kit.state]
        return Refusal(code=code, sentence=sentence.format(when=when(kit.since_ns, today, local_minute, now)))
    if kit.expires < today:
        return Refusal(code="kit-expired", sentence=f"This kit expired on {_day(kit.expires)}. {_OTHER}")
    return None


def held_back(kit: KnownKit) -> Refusal | None:
    """Return why nothing may be given from any kit of this lot; None where it is released."""
    if kit.lot_state is LotState.RECALLED:
        sentence = f"Lot {kit.lot} was recalled. Set this kit aside and call the pharmacy."
        return Refusal(code="kit-recalled", sentence=sentence)
    if kit.lot_state is LotState.QUARANTINED:
        sentence = f"Lot {kit.lot} is in quarantine. Set this kit aside and call the pharmacy."
        return Refusal(code="kit-quarantined", sentence=sentence)
    return None


def local_time(at_ns: int, today: date, local_minute: int, now: Instant) -> datetime:
    """Return a moment as the site's clock showed it.

    The site's distance from UTC is taken from `now` itself, so that no time zone is needed here.
    """
    here = datetime.combine(today, time(), UTC) + timedelta(minutes=local_minute)
    away_min = (int(here.timestamp()) // 60) - now.wall_ns // (60 * NS_PER_S)
    return datetime.fromtimestamp(at_ns // NS_PER_S, UTC) + timedelta(minutes=away_min)


def when(at_ns: int, today: date, local_minute: int, now: Instant) -> str:
    """Return a moment in words, such as `on 14 Feb at 09:12`."""
    moment = local_time(at_ns, today, local_minute, now)
    return f"on {_day(moment.date())} at {moment:%H:%M}"


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _day(day: date) -> str:
    return f"{day.day} {_MONTHS[day.month - 1]}"
