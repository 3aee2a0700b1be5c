"""The grammar of sessions: what order of records a ledger may hold, whoever signed them."""

from collections.abc import Mapping
from typing import NamedTuple

from nebctl.core.ledger.encoding import FormatError
from nebctl.core.ledger.records import Entry, Json
from nebctl.core.meanings import EXPECTED, MEANINGS

READS = frozenset(("start", "dose", "abort"))
"""The types of record that the grammar looks at; others pass."""


class SessionEvent(NamedTuple):
    """What a record says of its session's course; `start_seq` is the start that a dose names, as it names it."""

    seq: int
    typ: str
    session: str
    start_seq: Json


def read_event(seq: int, payload: Mapping[str, Json]) -> SessionEvent | None:
    """Return what a record at a place says of its session's course; None for records of no session and of other types.

    Raises: `FormatError` where a record of such a type names no session.
    """
    typ = payload["typ"]
    if typ not in READS:
        return None
    session = payload.get("session")
    if not isinstance(session, str):
        raise FormatError("session", "none", f"a session on a {typ} record")
    return SessionEvent(seq, str(typ), session, payload.get("start_seq"))


class SessionGrammar:
    """Reads records in order and refuses the first fact of each that cannot have happened.

    It remembers the open session, if any, and which sessions have their outcome.
    """

    def __init__(self) -> None:
        self._open: tuple[str, int] | None = None
        self._closed: set[str] = set()

    def take(self, entry: Entry) -> None:
        """Read the next record; records of no session and of other types pass.

        Raises: `FormatError` where a start overlaps another session, an outcome has no start or comes twice, or the
        volumes of a dose are not 0 <= low <= best <= high <= charge high.
        """
        event = read_event(entry.seq, entry.payload)
        if event is None:
            return
        self.take_event(event)
        if event.typ == "dose":
            check_volumes(entry.payload)

    def take_event(self, event: SessionEvent) -> None:
        """Read the next event of a session.

        Raises: `FormatError` where a start overlaps another session, or an outcome has no start or comes twice.
        """
        before = self._open
        if event.typ == "start":
            self._take_start(event.session, event.seq, before)
            return
        second = event.session in self._closed
        self._closed.add(event.session)
        if before is not None and before[0] == event.session:
            self._open = None
        if second:
            raise FormatError("session", f"another outcome of {event.session}", "one outcome a session")
        if event.typ == "dose":
            _check_start(event, before)

    def _take_start(self, session: str, seq: int, before: tuple[str, int] | None) -> None:
        self._open = (session, seq)
        if session in self._closed:
            raise FormatError("session", f"a start of {session} after its outcome", "a start before the outcome")
        if before is not None:
            raise FormatError("session", f"a start of {session}", f"the outcome of {before[0]}, started at {before[1]}")


def _check_start(event: SessionEvent, before: tuple[str, int] | None) -> None:
    if before is None or before[0] != event.session:
        raise FormatError("session", f"an outcome of {event.session} without a start", "its start before it")
    if event.start_seq != before[1]:
        raise FormatError("start_seq", event.start_seq, str(before[1]))


def check_volumes(payload: Mapping[str, Json]) -> None:
    """Check that a dose record's volumes, in nanolitres, are 0 <= low <= best <= high <= all that was loaded (S54).

    That is the charge's upper bound and the most that was added in mid-dose.
    Raises: `FormatError` naming the interval that is not.
    """
    charge = payload.get("charge")
    charged = _interval(charge if isinstance(charge, dict) else {}, "charge")
    emitted = _interval(payload, "emitted volume")
    added = payload.get("added_nl", 0)
    if not isinstance(added, int) or isinstance(added, bool) or added < 0:
        raise FormatError("added_nl", added, "nanolitres, 0 or more")
    if emitted[2] > charged[2] + added:
        more = f" and the {added} nL added" if added else ""
        raise FormatError("emitted volume", f"high {emitted[2]} nL", f"at most the charge's {charged[2]} nL{more}")


def check_meaning(payload: Mapping[str, Json]) -> None:
    """Check that a signature's meaning is one that a page offers (S35).

    Raises: `FormatError` where it is another, or missing.
    """
    meaning = payload.get("meaning")
    if meaning not in MEANINGS:
        raise FormatError("meaning", "none" if meaning is None else meaning, EXPECTED)


def _interval(members: Mapping[str, Json], where: str) -> tuple[int, int, int]:
    low, best, high = (members.get(name) for name in ("low_nl", "best_nl", "high_nl"))
    if not (_is_volume(low) and _is_volume(best) and _is_volume(high)):
        raise FormatError(where, f"{low}, {best}, {high}", "low_nl, best_nl, high_nl as integers")
    assert isinstance(low, int) and isinstance(best, int) and isinstance(high, int)  # noqa: PT018
    if not 0 <= low <= best <= high:
        raise FormatError(where, f"{low}, {best}, {high} nL", "0 <= low <= best <= high")
    return low, best, high


def _is_volume(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
