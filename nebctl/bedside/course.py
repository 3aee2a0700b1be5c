"""A subject's course and the day's doses, from the pharmacy's list and the unit's own records."""

from collections.abc import Iterable, Iterator
from datetime import date
from itertools import takewhile

from nebctl.core.admission import known_day1
from nebctl.core.calendar import study_day
from nebctl.core.history import GivenDose, UnitHistory
from nebctl.core.ledger.envelope import utc_text
from nebctl.core.ledger.records import Json
from nebctl.core.orders import Order, Worklist
from nebctl.core.regimen import Regimen
from nebctl.core.returned import is_returned


def course(order: Order, history: UnitHistory, regimen: Regimen) -> list[Json]:
    """Return each planned dose of the course with what came of it; volumes in nanolitres, None where not known here.

    A dose of this unit shows its own record, one of another unit what the pharmacy's list says; an "open" one is under
    way.
    """
    return [_planned(day, dose, order, history) for day, dose in regimen.planned_doses()]


def due(worklist: Worklist | None, history: UnitHistory, regimen: Regimen, today: date) -> list[Json]:
    """Return the doses of today that this unit holds or has given, given ones with the time of their start.

    `kit` is None for a dose that the pharmacy's list no longer holds, because it was given. One that was given back is
    held by another unit, or soon will be.
    """
    if worklist is None:
        return []
    return [
        {
            "subject": order.subject,
            "day": day,
            "days": regimen.days[-1],
            "kit": kit,
            "state": _state(day, dose, order, history),
            "started": _started(day, dose, order, history),
        }
        for order in worklist.orders
        for day, dose, kit in _of_today(order, history, regimen, today)
        if kit is None or not _given_back(order, kit, history)
    ]


def _given_back(order: Order, kit: str, history: UnitHistory) -> bool:
    return any(dose.kit == kit and is_returned(history.returned, order.subject, dose.sequence) for dose in order.doses)


def prefixes(codes: Iterable[str]) -> list[Json]:
    """Return what the codes begin with before their first digit, so that a person types the digits alone."""
    return list(dict.fromkeys("".join(takewhile(lambda sign: not sign.isdigit(), code)) for code in codes))


def prefixes_of(worklist: Worklist | None) -> dict[str, Json]:
    """Return the beginnings of operator, subject and kit codes on the pharmacy's list."""
    if worklist is None:
        return {"operator": [], "subject": [], "kit": []}
    return {
        "operator": prefixes(person.code for person in worklist.operators),
        "subject": prefixes(order.subject for order in worklist.orders),
        "kit": prefixes(dose.kit for order in worklist.orders for dose in order.doses),
    }


def _of_today(
    order: Order, history: UnitHistory, regimen: Regimen, today: date
) -> Iterator[tuple[int, int, str | None]]:
    for day, dose in regimen.planned_doses():
        held = next((planned.kit for planned in order.doses if (planned.day, planned.dose) == (day, dose)), None)
        known = held is not None or _own(day, dose, order, history) is not None
        if known and day == study_day(min(known_day1(order, history) or today, today), today):
            yield day, dose, held


def _planned(day: int, dose: int, order: Order, history: UnitHistory) -> Json:
    own = _own(day, dose, order, history)
    known = own if own is not None and own.best_nl is not None else None
    return {
        "day": day,
        "dose": dose,
        "state": _state(day, dose, order, history),
        "low_nl": known.low_nl if known else None,
        "best_nl": known.best_nl if known else None,
        "high_nl": known.high_nl if known else None,
    }


def _own(day: int, dose: int, order: Order, history: UnitHistory) -> GivenDose | None:
    return next((given for given in history.doses_of(order.subject) if (given.day, given.dose) == (day, dose)), None)


def _state(day: int, dose: int, order: Order, history: UnitHistory) -> str:
    own = _own(day, dose, order, history)
    if own is not None:
        return own.end
    item = next((item for item in order.history if (item.day, item.dose) == (day, dose)), None)
    return item.state.value if item else "planned"


def _started(day: int, dose: int, order: Order, history: UnitHistory) -> str | None:
    own = _own(day, dose, order, history)
    return utc_text(own.started_wall_ns) if own else None
