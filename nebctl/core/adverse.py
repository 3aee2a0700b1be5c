"""Adverse events as they are entered at a unit: in time, and within the study's follow-up."""

from dataclasses import dataclass
from datetime import date

from nebctl.core.guard import Refusal
from nebctl.core.ledger.records import Draft


@dataclass(frozen=True, slots=True, kw_only=True)
class AdverseEvent:
    """An adverse event; `onset` is its date at the site, the codes are of `core.codes`."""

    subject: str
    onset: date
    grade: str
    relation: str
    action: str
    text: str


def refuse(event: AdverseEvent, today: date, day1: date | None, follow_up_ends: date | None) -> Refusal | None:
    """Return why an event is not entered: its date lies ahead, before Day 1, or after the follow-up's last day.

    `day1` None: no Day 1 is known; `follow_up_ends` None: no end.
    """
    if event.onset > today:
        return Refusal(
            code="adverse-ahead", sentence="The date of the event lies ahead. Give today's or an earlier one."
        )
    if day1 is not None and event.onset < day1:
        sentence = f"Day 1 of {event.subject} is {day1}. Look at the date; report an earlier event to the sponsor."
        return Refusal(code="adverse-early", sentence=sentence)
    if follow_up_ends is not None and event.onset > follow_up_ends:
        sentence = f"The follow-up of {event.subject} ended {follow_up_ends}. Report the event to the sponsor."
        return Refusal(code="adverse-late", sentence=sentence)
    return None


def draft(event: AdverseEvent, operator: str) -> Draft:
    """Return the record of an event; all of it is private."""
    private = {
        "subject": event.subject,
        "onset": event.onset.isoformat(),
        "grade": event.grade,
        "relation": event.relation,
        "action": event.action,
        "text": event.text,
        "operator": operator,
    }
    return Draft(typ="adverse", private=private)
