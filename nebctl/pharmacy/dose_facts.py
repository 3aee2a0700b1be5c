"""What a dose record says of volumes and verdict, typed; and the limits that the unit's own log prescribes for it."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from nebctl.core.dose.charge import Interval
from nebctl.core.ledger import jws
from nebctl.core.ledger.encoding import FormatError, unb64url
from nebctl.core.ledger.records import Json
from nebctl.core.units import format_ml
from nebctl.core.verify import Limits
from nebctl_protocols import load_protocol, load_site_rules


class Place(NamedTuple):
    """Where a record is kept, in the order of the tables' columns."""

    unit: str
    epoch: int
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DoseFacts:
    """What the verdict on a dose rests on, as its record says it; volumes are nanolitres."""

    emitted: Interval
    limits: Limits
    verdict: str


def read_facts(payload: Mapping[str, Json]) -> DoseFacts:
    """Return a dose record's facts.

    Raises: `FormatError` naming the member that is missing or of another kind.
    """
    limits = table_of(payload, "limits")
    return DoseFacts(
        emitted=interval_of(payload, "emitted volume"),
        limits=Limits(lower_nl=count_of(limits, "lower_nl"), upper_nl=count_of(limits, "upper_nl")),
        verdict=text_of(payload, "verdict"),
    )


def prescribed(config: Mapping[str, Json], planned_nl: int) -> Limits:
    """Return the limits of a dose of this volume by the study protocol and site rules that a `config` record embeds.

    Of a study protocol with several arms those with this volume count; they all have the same limits.
    Raises: `FormatError` where a text is faulty or no arm prescribes the volume.
    """
    protocol = load_protocol(text_of(config, "protocol"), "the unit's study protocol")
    rules = load_site_rules(text_of(config, "site"), "the unit's site rules")
    if isinstance(protocol, tuple):
        raise FormatError("member protocol", str(protocol[0]), "a study protocol without faults")
    if isinstance(rules, tuple):
        raise FormatError("member site", str(rules[0]), "site rules without faults")
    arms = [regimen for regimen in protocol.arms.values() if regimen.volume_nl == planned_nl]
    if not arms:
        volumes = ", ".join(sorted({format_ml(arm.volume_nl) for arm in protocol.arms.values()}))
        raise FormatError("planned volume", f"{format_ml(planned_nl)} mL", f"{volumes} mL, as {protocol.study} says")
    return Limits(lower_nl=rules.lower_nl(arms[0]), upper_nl=rules.upper_nl(arms[0]))


def config_before(db: sqlite3.Connection, place: Place) -> tuple[int, bytes, str] | None:
    """Return sequence, stored leaf and text of the unit's last `config` record before a place; None where none is.

    Nothing of it is verified.
    """
    query = "SELECT seq, leaf, jws FROM rec WHERE unit = ? AND ep = ? AND seq < ? ORDER BY seq DESC"
    for seq, leaf, text in db.execute(query, place):
        if says_type(text, "config"):
            return int(seq), bytes(leaf), str(text)
    return None


def says_type(jws_text: str, *types: str) -> bool:
    """Return whether a record's text says that it is of one of these types; a text that is no record never does.

    It looks before it reads: a log has thousands of records, and few of any one type.
    """
    try:
        payload = unb64url(jws_text.split(".")[1])
        return any(b'"typ":"%s"' % typ.encode() in payload for typ in types) and (
            jws.parse(jws_text).payload.get("typ") in types
        )
    except (FormatError, IndexError):
        return False


def interval_of(facts: Mapping[str, Json], where: str) -> Interval:
    """Return an interval as records carry it.

    Raises: `FormatError` where it is none.
    """
    low, best, high = (count_of(facts, name) for name in ("low_nl", "best_nl", "high_nl"))
    try:
        return Interval(low_nl=low, best_nl=best, high_nl=high)
    except ValueError:
        raise FormatError(where, f"{low}, {best}, {high} nL", "0 <= low <= best <= high") from None


def table_of(facts: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    """Return a member that is an object.

    Raises: `FormatError` where it is not.
    """
    value = facts.get(name)
    if not isinstance(value, dict):
        raise FormatError(f"member {name}", value, "an object")
    return value


def text_of(facts: Mapping[str, Json], name: str) -> str:
    """Return a member that is text.

    Raises: `FormatError` where it is not.
    """
    value = facts.get(name)
    if not isinstance(value, str):
        raise FormatError(f"member {name}", value, "text")
    return value


def count_of(facts: Mapping[str, Json], name: str) -> int:
    """Return a member that is a whole number.

    Raises: `FormatError` where it is not.
    """
    value = facts.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise FormatError(f"member {name}", value, "a whole number")
    return value


def span(low_nl: int, high_nl: int) -> str:
    """Return an interval as a person reads it, in millilitres and never narrower than it is."""
    return f"{format_ml(low_nl, rounding='down')} to {format_ml(high_nl, rounding='up')} mL"
