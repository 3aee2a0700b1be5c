"""A record as `nebctl ledger show` prints it: a line for a person, an object for a program, or an SD-JWT."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from nebctl.core.ledger import disclosure
from nebctl.core.ledger.corrected import Span
from nebctl.core.ledger.encoding import show
from nebctl.core.ledger.envelope import utc_text
from nebctl.core.ledger.records import PHARMACY_TYPES, TYPES, Entry, Json
from nebctl.store.prove import read, reveal
from nebctl.store.reader import LedgerFile, LogName, Place
from nebctl.store.times import spans_of

_SAID = (
    *("end", "verdict", "condition", "code", "reason", "kind", "event", "state", "meaning", "method", "version"),
    *("moment", "to", "withdrawn", "kit"),
)
_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A record with what is shown of its private facts, and when it was made.

    `erased_by` is the place of the record that says that they were erased; None: they were not.
    """

    log: LogName
    entry: Entry
    private: Mapping[str, Json]
    span: Span
    erased_by: Place | None = None

    @property
    def place(self) -> str:
        """Return what binds records of one subject: their session, or the record alone."""
        session = self.entry.payload.get("session")
        return (
            session if isinstance(session, str) else f"{self.entry.payload['unit']}/{self.entry.epoch}/{self.entry.seq}"
        )

    def only(self, names: frozenset[str] | None) -> "Shown":
        """Return the record with these private facts alone; None means all that are kept."""
        if names is None:
            return self
        kept = tuple(each for each in self.entry.disclosures if disclosure.reveal(each)[1] in names)
        private = {name: value for name, value in self.private.items() if name in names}
        return replace(self, entry=replace(self.entry, disclosures=kept), private=private)

    @property
    def known(self) -> bool:
        """Return whether this version knows the record's type."""
        return self.entry.payload["typ"] in TYPES | PHARMACY_TYPES

    @property
    def withheld(self) -> int:
        """Return how many of the record's private facts are not shown."""
        promised = self.entry.payload["_sd"]
        return (len(promised) if isinstance(promised, list) else 0) - len(self.entry.disclosures)


def read_shown(file: LedgerFile) -> Iterator[Shown]:
    """Yield every record of a database, log by log.

    Raises: `StoreFault` or `FormatError` naming what cannot be read.
    """
    spans = {log: iter(of_log) for log, of_log in spans_of(file).items()}
    erased = {log: file.erased(log) for log in spans}
    for log, entry in read(file):
        by = erased[log].get(entry.seq)
        yield Shown(log=log, entry=entry, private=reveal(entry), span=next(spans[log]), erased_by=by)


def as_object(shown: Shown) -> dict[str, Json]:
    """Return a record for a program; the bounds of its time are null where none is known."""
    low, high = shown.span.low_ns, shown.span.high_ns
    time: dict[str, Json] = {
        "low": None if low is None else utc_text(low),
        "high": None if high is None else utc_text(_up(high)),
        "contradicted": shown.span.contradicted,
    }
    return {
        "record": {**shown.entry.payload},
        "disclosed": {**shown.private},
        "withheld": shown.withheld,
        "erased": shown.erased_by is not None,
        "leaf": shown.entry.leaf.hex(),
        "time": time,
        "known": shown.known,
    }


def sd_jwt(shown: Shown) -> str:
    """Return a record with what is disclosed of it. Source: RFC 9901, section 4: each part is followed by a tilde."""
    return "".join(f"{part}~" for part in (shown.entry.jws, *shown.entry.disclosures))


def line(shown: Shown) -> str:
    """Return a record for a person."""
    payload, entry = shown.entry.payload, shown.entry
    day = f"day {payload['day']} {payload['session']}" if "session" in payload else ""
    kind = f"{show(payload['typ']):<13}" if shown.known else f"{show(payload['typ'])} (unknown type)"
    said = [show(payload[name]) for name in _SAID if payload.get(name) not in (None, "")]
    facts = [day, _volume(payload.get("low_nl"), payload.get("high_nl")), *said]
    named = [f"{show(name)}={show(value)}" for name, value in shown.private.items()]
    if shown.erased_by is not None:
        named.append(f"erased (record {shown.erased_by[1]})")
    where = f"{shown.log.unit}/{shown.log.epoch} {entry.seq:>6}"
    return "  ".join(filter(None, (where, _time(shown), kind, *facts, *named)))


def _time(shown: Shown) -> str:
    """Return the recorded time, how far the clock could be trusted, and the corrected time where that differs."""
    clock, recorded, span = shown.entry.payload["clk"], str(shown.entry.payload["utc"]), shown.span
    sync = isinstance(clock, dict) and clock["sync"] is True
    if sync and not span.contradicted and span.low_ns is not None and span.high_ns is not None:
        half_ms = -(-(span.high_ns - span.low_ns) // (2 * _NS_PER_MS))
        return f"{recorded} ±{half_ms} ms"
    doubt = "clock contradicted" if span.contradicted else "not synchronised"
    return f"{recorded} ({doubt}: {_bounds(span)})"


def _bounds(span: Span) -> str:
    low, high = span.low_ns, span.high_ns
    if low is None:
        return "no bound" if high is None else f"before {utc_text(_up(high))}"
    return f"after {utc_text(low)}" if high is None else f"{utc_text(low)} to {utc_text(_up(high))}"


def _up(at_ns: int) -> int:
    """Return a time rounded up to the millisecond, so that no text is narrower than the bound."""
    return -(-at_ns // _NS_PER_MS) * _NS_PER_MS


def _volume(low: Json, high: Json) -> str:
    """Return an interval in mL, rounded outwards to three decimals; empty where a bound is missing."""
    if not (isinstance(low, int) and isinstance(high, int)):
        return ""
    low_ul, high_ul = low // 1000, -(-high // 1000)
    return f"{low_ul // 1000}.{low_ul % 1000:03d} to {high_ul // 1000}.{high_ul % 1000:03d} mL"
