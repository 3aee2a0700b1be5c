"""The export: one row for each attempt at a dose and each ordered dose without one, made from signed records alone."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from nebctl.core.dose.charge import Interval
from nebctl.core.ledger import corrected, disclosure
from nebctl.core.ledger.encoding import FormatError
from nebctl.core.ledger.envelope import utc_text
from nebctl.core.ledger.records import Entry, Json
from nebctl.core.verify import Limits, judge
from nebctl.pharmacy.cut import Cut
from nebctl.pharmacy.dictionary import COLUMNS
from nebctl.pharmacy.dose_facts import prescribed

Cell: TypeAlias = str | int
Row: TypeAlias = dict[str, Cell]

TYPES = frozenset(
    (
        *("boot", "clock", "config", "charge", "start", "dose", "abort", "residual", "signature"),
        *("enrolment", "order", "missed", "notdone", "correction"),
    )
)
"""The records that a table is made from; those of boots, clocks and configurations bound times and limits."""
_ENDS = frozenset(("complete", "partial", "stopped", "uncertain"))
_VOLUME = ("low_nl", "best_nl", "high_nl")


class Slot(NamedTuple):
    """An ordered dose."""

    subject: str
    day: int
    dose: int


_Place: TypeAlias = tuple[str, int, int]
_Facts: TypeAlias = Mapping[str, Json]


@dataclass(slots=True)
class _Session:
    """The records of one attempt, by type; `pauses`, signatures and what else repeats is counted."""

    records: dict[str, Entry] = field(default_factory=dict)
    signatures: dict[int, int] = field(default_factory=lambda: defaultdict(int))


@dataclass(slots=True)
class _Gathered:
    """What the records of a cut say, before they are put in rows."""

    ordered: dict[Slot, dict[str, str]] = field(default_factory=dict)
    sessions: dict[tuple[str, int, str], _Session] = field(default_factory=lambda: defaultdict(_Session))
    said: list[Entry] = field(default_factory=list)
    corrections: dict[_Place, Entry] = field(default_factory=dict)
    limits: dict[_Place, Limits] = field(default_factory=dict)
    spans: dict[_Place, corrected.Span] = field(default_factory=dict)


def table(cut: Cut, entries: Iterable[Entry]) -> list[Row]:
    """Return the rows of a cut, in the order of subject, day, dose and start; `entries` come log by log.

    Raises: `FormatError` where a record does not say what a row needs.
    """
    gathered = _gather(list(entries))
    rows = [*_attempts(gathered), *_said(gathered)]
    ended = {_slot_of(row) for row in rows if row["end"] != "aborted"}
    rows += [_open(slot, lease) for slot, lease in gathered.ordered.items() if slot not in ended]
    for row in rows:
        row |= {"cut": cut.digest(), "site": cut.site}
    return sorted(rows, key=_order)


def csv_text(rows: Iterable[Row]) -> str:
    """Return rows as CSV with a heading. Source: RFC 4180, but with one line feed at the end of a line."""
    out = io.StringIO()
    writer = csv.DictWriter(out, [column.name for column in COLUMNS], restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _order(row: Row) -> tuple[str, int, int, str, str, int]:
    place = (str(row.get("started", "")), str(row["unit"]), _whole(row.get("seq", 0)))
    return str(row["subject"]), _whole(row["day"]), _whole(row["dose"]), *place


def _slot_of(row: Row) -> Slot:
    return Slot(str(row["subject"]), _whole(row["day"]), _whole(row["dose"]))


def _whole(cell: Cell) -> int:
    return cell if isinstance(cell, int) else 0


# From records to what they say.


def _gather(entries: list[Entry]) -> _Gathered:
    gathered = _Gathered()
    for (unit, epoch), of_log in _by_log(entries).items():
        spans = corrected.correct([corrected.read(entry.payload) for entry in of_log])
        gathered.spans |= {(unit, epoch, entry.seq): span for entry, span in zip(of_log, spans, strict=True)}
        config: _Facts | None = None
        for entry in of_log:
            config = entry.payload if entry.payload["typ"] == "config" else config
            _take(gathered, entry, config)
    return gathered


def _by_log(entries: list[Entry]) -> dict[tuple[str, int], list[Entry]]:
    found: dict[tuple[str, int], list[Entry]] = defaultdict(list)
    for entry in entries:
        found[str(entry.payload["unit"]), entry.epoch].append(entry)
    return found


def _take(gathered: _Gathered, entry: Entry, config: _Facts | None) -> None:
    match str(entry.payload["typ"]):
        case "enrolment":
            _take_enrolment(gathered, entry)
        case "order":
            _take_order(gathered, entry)
        case "missed" | "notdone":
            gathered.said.append(entry)
        case "correction":
            gathered.corrections[_ref(entry)] = entry
        case typ if isinstance(session := entry.payload.get("session"), str):
            _take_session(gathered, entry, typ, session, config)


def _take_session(gathered: _Gathered, entry: Entry, typ: str, session: str, config: _Facts | None) -> None:
    attempt = gathered.sessions[str(entry.payload["unit"]), entry.epoch, session]
    if typ == "signature":
        attempt.signatures[_count(entry.payload, "ref_seq")] += 1
    else:
        attempt.records[typ] = entry
    if typ == "dose":
        gathered.limits[_place(entry)] = _limits(entry, config)


def _limits(entry: Entry, config: _Facts | None) -> Limits:
    """Return the limits by the study protocol and site rules in the unit's own log; without any, the recorded ones."""
    if config is not None and "planned_nl" in entry.payload:
        return prescribed(config, _count(entry.payload, "planned_nl"))
    recorded = entry.payload.get("limits")
    facts = recorded if isinstance(recorded, dict) else {}
    return Limits(lower_nl=_count(facts, "lower_nl"), upper_nl=_count(facts, "upper_nl"))


def _take_enrolment(gathered: _Gathered, entry: Entry) -> None:
    subject, planned = _private(entry).get("subject", ""), entry.payload.get("planned")
    for each in planned if isinstance(planned, list) and subject else ():
        if isinstance(each, dict):
            slot = Slot(subject, _count(each, "day"), _count(each, "dose"))
            gathered.ordered[slot] = {"unit": _text(entry.payload, "for_unit")}


def _take_order(gathered: _Gathered, entry: Entry) -> None:
    facts, subject = entry.payload, _private(entry).get("subject", "")
    if facts.get("event") == "dispensed" and subject:
        slot = Slot(subject, _count(facts, "for_day"), _count(facts, "dose"))
        leased = {"unit": _text(facts, "for_unit"), "kit": _text(facts, "kit"), "lot": _text(facts, "lot")}
        gathered.ordered[slot] = leased
    if facts.get("event") == "lease-moved":
        for slot, lease in gathered.ordered.items():
            if slot.subject == subject and slot.day >= _count(facts, "from_day"):
                gathered.ordered[slot] = {**lease, "unit": _text(facts, "to_unit")}


# From what they say to rows.


def _attempts(gathered: _Gathered) -> Iterator[Row]:
    for attempt in gathered.sessions.values():
        for typ in ("dose", "abort"):
            if (outcome := attempt.records.get(typ)) is not None:
                given = _given(gathered, attempt, outcome) if typ == "dose" else {}
                yield {**_recorded(gathered, outcome), **_prepared(attempt), "end": _end(outcome), **given}


def _end(outcome: Entry) -> str:
    """Return how an attempt ended; a word that is not known, or a doubt beside it, is never exported as certain."""
    if outcome.payload["typ"] == "abort":
        return "aborted"
    word = str(outcome.payload.get("end"))
    return word if word in _ENDS and not outcome.payload.get("doubts") else "uncertain"


def _recorded(gathered: _Gathered, outcome: Entry) -> Row:
    """Return what every outcome says, whoever recorded it."""
    p, span = outcome.payload, gathered.spans[_place(outcome)]
    clock = p["clk"]
    return {
        "subject": _private(outcome).get("subject", ""),
        "day": _count(p, "day"),
        "dose": _count(p, "dose"),
        "date": _text(p, "date_local"),
        "zone": _text(p, "tz"),
        "session": _text(p, "session"),
        **_texts(p, kit="kit", lot="lot", software="sw", config="cfg", unit="unit"),
        "simulated": _yes(p["sim"]),
        "recorded": _text(p, "utc"),
        "clock_sync": _yes(isinstance(clock, dict) and clock["sync"] is True),
        "time_low": "" if span.low_ns is None else utc_text(span.low_ns),
        "time_high": "" if span.high_ns is None else utc_text(span.high_ns),
        "epoch": outcome.epoch,
        "seq": outcome.seq,
        "leaf": outcome.leaf.hex(),
    }


def _prepared(attempt: _Session) -> Row:
    """Return what was recorded before the outcome: the charge, and who answered on the port."""
    row: Row = {}
    if (charge := attempt.records.get("charge")) is not None:
        p = charge.payload
        row |= _texts(p, charge_method="method", mesh="cup", interface="interface")
        row |= {**_volume(p, "charge_"), "vial_emptied": _yes(p.get("vial_emptied"))}
    if (start := attempt.records.get("start")) is not None:
        device = start.payload.get("device")
        names = ("maker", "model", "serial", "firmware", "protocol")
        row |= _texts(device if isinstance(device, dict) else {}, **{f"device_{name}": name for name in names})
        row |= _numbers(start.payload, "planned_nl", "content")
    return row


def _given(gathered: _Gathered, attempt: _Session, outcome: Entry) -> Row:
    p, place = outcome.payload, _place(outcome)
    limits, emitted = gathered.limits[place], _interval(p)
    charge, residual = p.get("charge"), p.get("residual")
    return {
        "verdict": judge(emitted, limits).value,
        "verdict_recorded": _text(p, "verdict"),
        "lower_nl": limits.lower_nl,
        "upper_nl": limits.upper_nl,
        **_volume(p),
        **(_volume(charge, "charge_") if isinstance(charge, dict) else {}),
        **(_volume(residual, "residual_") if isinstance(residual, dict) else {}),
        "residual_method": _residual_method(attempt),
        **_settled(gathered.corrections.get(place)),
        **{name: _joined(p.get(name)) for name in ("witnesses", "doubts", "deviations")},
        **_numbers(p, "planned_nl", "added_nl", "pauses", "on_ms", "calibration"),
        **_texts(
            p, *("stopped_by", "started", "ended", "model", "calibration", "estimator", "site_deviation", "trace")
        ),
        **_texts(p, device_serial="device"),
        "signatures": attempt.signatures[outcome.seq],
    }


def _residual_method(attempt: _Session) -> str:
    found = attempt.records.get("residual")
    if found is None:
        return ""
    return "refused" if found.payload.get("refused") is True else str(found.payload.get("method", ""))


def _settled(correction: Entry | None) -> Row:
    if correction is None or "verdict" not in correction.payload:
        return {}
    p = correction.payload
    return {
        "settled_end": _text(p, "end"),
        "settled_low_nl": _count(p, "low_nl"),
        "settled_high_nl": _count(p, "high_nl"),
        "settled_verdict": _text(p, "verdict"),
        "settled_seq": correction.seq,
    }


def _said(gathered: _Gathered) -> Iterator[Row]:
    """Yield what the pharmacy said of doses without a session, unless it withdrew it or a dose record tells of it."""
    told = {
        Slot(_private(outcome).get("subject", ""), _count(outcome.payload, "day"), _count(outcome.payload, "dose"))
        for attempt in gathered.sessions.values()
        if (outcome := attempt.records.get("dose")) is not None
    }
    for entry in gathered.said:
        row = {**_recorded(gathered, entry), "unit": _text(entry.payload, "for_unit"), "end": str(entry.payload["typ"])}
        if _place(entry) not in gathered.corrections and _slot_of(row) not in told:
            yield {**gathered.ordered.get(_slot_of(row), {}), **row}


def _open(slot: Slot, lease: Mapping[str, str]) -> Row:
    return {**slot._asdict(), **lease, "end": "open"}


# One member at a time.


def _place(entry: Entry) -> _Place:
    return str(entry.payload["unit"]), entry.epoch, entry.seq


def _ref(entry: Entry) -> _Place:
    ref = entry.payload.get("ref")
    facts = ref if isinstance(ref, dict) else {}
    return _text(facts, "unit"), _count(facts, "ep"), _count(facts, "seq")


def _private(entry: Entry) -> dict[str, str]:
    revealed = disclosure.check(entry.payload, entry.disclosures)
    return {name: value for name, value in revealed.items() if isinstance(value, str)}


def _interval(facts: _Facts) -> Interval:
    low, best, high = (_count(facts, name) for name in _VOLUME)
    return Interval(low_nl=low, best_nl=best, high_nl=high)


def _volume(facts: _Facts, prefix: str = "") -> Row:
    return {f"{prefix}{name}": _count(facts, name) for name in _VOLUME}


def _numbers(facts: _Facts, *names: str) -> Row:
    values = {name: facts.get(name) for name in names}
    return {name: value for name, value in values.items() if isinstance(value, int)}


def _texts(facts: _Facts, *names: str, **renamed: str) -> Row:
    """Return members that are text, as columns of the same or another name; what is no text is left out."""
    wanted = {**{name: name for name in names}, **renamed}
    values = {column: facts.get(name) for column, name in wanted.items()}
    return {column: value for column, value in values.items() if isinstance(value, str)}


def _joined(value: Json) -> str:
    return "; ".join(map(str, value)) if isinstance(value, list) else ""


def _yes(value: Json) -> str:
    return "" if value is None else "yes" if value is True else "no"


def _text(facts: _Facts, name: str) -> str:
    value = facts.get(name)
    if not isinstance(value, str):
        raise FormatError(f"member {name}", value, "text")
    return value


def _count(facts: _Facts, name: str) -> int:
    value = facts.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise FormatError(f"member {name}", value, "a whole number")
    return value
