"""The members that every record carries, written one way and read strictly."""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from nebctl.core.instant import NS_PER_MS, ClockState, Instant
from nebctl.core.ledger import disclosure, jws, tree
from nebctl.core.ledger.encoding import FormatError, b64url
from nebctl.core.ledger.head import UNIT
from nebctl.core.ledger.records import ENVELOPE, SESSION_FIELDS, VERSION, Draft, Entry, Json

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UTC = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z", re.ASCII)
_HEX64 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_BYTES_16 = re.compile(r"[A-Za-z0-9_-]{21}[AQgw]", re.ASCII)
_BYTES_32 = re.compile(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]", re.ASCII)
"""base64url in its one spelling: the last letter's spare bits are 0. Source: RFC 4648, section 3.5."""
_TYPE = re.compile(r"[a-z][a-z0-9-]{0,31}", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What every record of one running unit has in common; `config_sha256` is 64 hex digits, `epoch` at least 1."""

    unit: str
    epoch: int
    software: str
    config_sha256: str
    simulated: bool


def build(
    draft: Draft,
    seq: int,
    prev_root: bytes,
    at: Instant,
    stamp: Stamp,
    salt: bytes,
    disclosure_salts: Sequence[bytes],
) -> tuple[dict[str, Json], tuple[str, ...]]:
    """Return the payload of a draft at its place in the tree, and its disclosures.

    `prev_root` is the root of the tree before the record; `salt` and each of `disclosure_salts`, one a private fact,
    are 16 random bytes.
    Raises: `FormatError` where a fact takes the name of another member, or a member is not what it must be.
    """
    _check_names(draft)
    if len(disclosure_salts) != len(draft.private):
        raise FormatError(draft.typ, f"{len(disclosure_salts)} salts", f"{len(draft.private)}, one a private fact")
    disclosures = tuple(
        disclosure.disclose(each, name, value)
        for each, (name, value) in zip(disclosure_salts, draft.private.items(), strict=True)
    )
    payload: dict[str, Json] = {
        **draft.facts,
        **_place(draft, seq, prev_root, stamp),
        **_time(at),
        "salt": b64url(salt),
        "_sd": [*sorted(map(disclosure.digest, disclosures))],
        "_sd_alg": disclosure.ALGORITHM,
    }
    check_members(payload)
    return payload, disclosures


def parse_entry(jws_text: str, disclosures: Sequence[str] = ()) -> Entry:
    """Read a record's text and the disclosures shown with it; the signature is not checked.

    A record of an unknown type is kept as it is.
    Raises: `FormatError` where the text, a member of the envelope or a disclosure is not what it must be.
    """
    return read_entry(jws.parse(jws_text), jws_text, disclosures)


def read_entry(parsed: jws.Jws, jws_text: str, disclosures: Sequence[str]) -> Entry:
    """Read a record whose text is taken apart already; as `parse_entry` otherwise."""
    check_members(parsed.payload)
    disclosure.check(parsed.payload, disclosures)
    return entry_of(parsed, jws_text, disclosures)


def entry_of(parsed: jws.Jws, jws_text: str, disclosures: Sequence[str]) -> Entry:
    """Return the entry of a record whose members and disclosures were checked."""
    payload = parsed.payload
    return Entry(
        epoch=_integer(payload, "ep"),
        seq=_integer(payload, "seq"),
        jws=jws_text,
        leaf=tree.leaf_hash(jws_text.encode("ascii")),
        payload=payload,
        disclosures=tuple(disclosures),
    )


def utc_text(wall_ns: int) -> str:
    """Return Unix time in nanoseconds as UTC text, rounded down to the millisecond.

    Raises: `FormatError` before 1970 or after 9999.
    """
    try:
        moment = _EPOCH + timedelta(milliseconds=wall_ns // NS_PER_MS)
    except OverflowError:
        raise FormatError("utc", wall_ns, "a year up to 9999") from None
    if wall_ns < 0:
        raise FormatError("utc", wall_ns, "a moment after 1970")
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def parse_utc(text: str) -> int:
    """Return Unix time in nanoseconds of UTC text such as 2026-11-22T11:11:40.123Z.

    Raises: `FormatError` where it is written otherwise or does not exist.
    """
    expected = "a UTC time such as 2026-11-22T11:11:40.123Z"
    if not _UTC.fullmatch(text):
        raise FormatError("utc", text, expected)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise FormatError("utc", text, expected) from None
    milliseconds = (moment - _EPOCH) // timedelta(milliseconds=1)
    if milliseconds < 0 or utc_text(milliseconds * NS_PER_MS) != text:
        raise FormatError("utc", text, expected)
    return milliseconds * NS_PER_MS


def check_members(payload: Mapping[str, Json]) -> None:
    """Check that every member of the envelope is there and what it must be; of the session's members all or none.

    Raises: `FormatError` naming the first member that is not.
    """
    in_session = not SESSION_FIELDS.isdisjoint(payload)
    for name, (expected, holds) in (*_MEMBERS.items(), *(_SESSION_MEMBERS.items() if in_session else ())):
        if name not in payload:
            raise FormatError(f"member {name}", "nothing", expected)
        if not holds(payload[name]):
            raise FormatError(f"member {name}", payload[name], expected)


def _check_names(draft: Draft) -> None:
    reserved = ENVELOPE | SESSION_FIELDS
    for name in (*draft.facts, *draft.private):
        if name in reserved or (name in draft.facts and name in draft.private):
            raise FormatError(f"{draft.typ} fact", name, "a name that no other member of the record has")


def _place(draft: Draft, seq: int, prev_root: bytes, stamp: Stamp) -> dict[str, Json]:
    place: dict[str, Json] = {
        "v": VERSION,
        "typ": draft.typ,
        "unit": stamp.unit,
        "ep": stamp.epoch,
        "seq": seq,
        "prev": b64url(prev_root),
        "sw": stamp.software,
        "cfg": stamp.config_sha256,
        "sim": stamp.simulated,
    }
    if (day := draft.session) is not None:
        place |= {"session": day.session, "day": day.day, "tz": day.tz, "date_local": day.date_local}
    return place


def _time(at: Instant) -> dict[str, Json]:
    return {"boot": at.boot, "mono_ns": at.mono_ns, "utc": utc_text(at.wall_ns), "clk": _clock(at.clock)}


def _clock(state: ClockState) -> dict[str, Json]:
    clock: dict[str, Json] = {"sync": state.sync, "src": state.source}
    if state.max_error_us is not None:
        clock["max_us"] = state.max_error_us
    if state.scale is not None:
        clock["scale"] = state.scale
    return clock


def _integer(payload: Mapping[str, Json], name: str) -> int:
    value = payload[name]
    assert isinstance(value, int)
    return value


def _is_count(value: Json, least: int = 0) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_utc(value: Json) -> bool:
    """Return whether `parse_utc` would read it: with the form given, only the date itself may be wrong or too early."""
    if not isinstance(value, str) or value < "1970" or not _UTC.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_clock(value: Json) -> bool:
    if not isinstance(value, dict) or not {"sync", "src"} <= value.keys() <= {"sync", "src", "max_us", "scale"}:
        return False
    source_known = value["src"] == "sim" or _is_count(value["src"])
    bounds = [value[name] for name in ("max_us", "scale") if name in value]
    return isinstance(value["sync"], bool) and source_known and all(map(_is_count, bounds))


def _is_digests(value: Json) -> bool:
    if not isinstance(value, list) or not all(map(_is_hash, value)):
        return False
    texts = [str(each) for each in value]
    return all(map(operator.lt, texts, texts[1:]))


def _matches(pattern: re.Pattern[str]) -> Callable[[Json], bool]:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_text(value: Json) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 255


_is_hash = _matches(_BYTES_32)
_MEMBERS: Mapping[str, tuple[str, Callable[[Json], bool]]] = {
    "v": (f"the integer {VERSION}", lambda value: value is not True and value == VERSION),
    "typ": ("a record type in lower case", _matches(_TYPE)),
    "unit": ("a unit such as neb-0001", _matches(UNIT)),
    "ep": ("an integer of 1 or more", lambda value: _is_count(value, 1)),
    "seq": ("an integer of 0 or more", _is_count),
    "prev": ("base64url of 32 bytes", _is_hash),
    "boot": ("text", _is_text),
    "mono_ns": ("an integer of 0 or more", _is_count),
    "utc": ("a UTC time such as 2026-11-22T11:11:40.123Z", _is_utc),
    "clk": ("an object of sync, src and perhaps max_us, scale", _is_clock),
    "sw": ("text", _is_text),
    "cfg": ("64 hex digits", _matches(_HEX64)),
    "sim": ("true or false", lambda value: isinstance(value, bool)),
    "salt": ("base64url of 16 bytes", _matches(_BYTES_16)),
    "_sd": ("a sorted list of digests", _is_digests),
    "_sd_alg": ("sha-256", lambda value: value == disclosure.ALGORITHM),
}
_SESSION_MEMBERS: Mapping[str, tuple[str, Callable[[Json], bool]]] = {
    "session": ("text", _is_text),
    "day": ("an integer of 0 or more", _is_count),
    "tz": ("the name of a time zone", _is_text),
    "date_local": ("a date such as 2026-11-22", _matches(_DATE)),
}
