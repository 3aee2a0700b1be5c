"""Which private facts of a subject are erased, when they may be, and the record that says so."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from nebctl.core.ledger import disclosure
from nebctl.core.ledger.records import Draft, Entry, Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """The wish of two persons to erase a subject's private facts; `reason` is kept as a private fact of its own."""

    subject: str
    by: str
    second: str
    reason: str


def not_yet(keep_until: date | None, today: date) -> str | None:
    """Return why nothing may be erased today; None: it may. `keep_until` is the last day on which facts are kept."""
    if keep_until is None:
        return "the site's rules name no date until which private facts are kept (keep_private_until)"
    return f"private facts are kept until {keep_until}, and today is {today}" if today <= keep_until else None


def records_of(subject: str, entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Return the records beside which something private of a subject stands: those that name it, and their sessions'.

    `entries` may come from any number of logs, each with the disclosures that are kept of it.
    """
    kept = [entry for entry in entries if entry.disclosures]
    named = [entry for entry in kept if _names(subject, disclosure.check(entry.payload, entry.disclosures))]
    sessions = {entry.payload["session"] for entry in named if "session" in entry.payload}
    places = {_place(entry) for entry in named}
    return tuple(entry for entry in kept if _place(entry) in places or entry.payload.get("session") in sessions)


def erasure_record(wish: Erasure, records: Sequence[Entry], keep_until: date) -> Draft:
    """Return the record that the private facts beside these records were erased; it does not name the subject."""
    by_log: Mapping[tuple[str, int], list[Json]] = defaultdict(list)
    for unit, epoch, seq in sorted(map(_place, records)):
        by_log[unit, epoch].append(seq)
    listed: list[Json] = [{"unit": unit, "ep": epoch, "seqs": seqs} for (unit, epoch), seqs in by_log.items()]
    facts: dict[str, Json] = {"event": "erased", "records": listed, "keep_until": keep_until.isoformat()}
    return Draft(typ="access", facts=facts, private={"operator": wish.by, "second": wish.second, "text": wish.reason})


def names(access: Mapping[str, Json], unit: str, epoch: int, seq: int) -> bool:
    """Return whether an `access` record says that what stood beside a record was erased."""
    listed = access.get("records")
    if access.get("typ") != "access" or access.get("event") != "erased" or not isinstance(listed, list):
        return False
    for each in listed:
        if isinstance(each, dict) and (each.get("unit"), each.get("ep")) == (unit, epoch):
            seqs = each.get("seqs")
            if isinstance(seqs, list) and seq in seqs:
                return True
    return False


def _names(subject: str, revealed: Mapping[str, Json]) -> bool:
    """Return whether private facts name a subject, also those of a record that another one carries."""
    carried = revealed.get("disclosures")
    texts = [each for each in carried if isinstance(each, str)] if isinstance(carried, list) else []
    return revealed.get("subject") == subject or any(
        disclosure.reveal(each)[1:] == ("subject", subject) for each in texts
    )


def _place(entry: Entry) -> tuple[str, int, int]:
    return str(entry.payload["unit"]), entry.epoch, entry.seq
