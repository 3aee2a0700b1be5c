"""The members that every record carries, written one way and read strictly."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from nebctl.core.instant import NS_PER_MS, ClockState, Instant
from nebctl.core.ledger import disclosure, jws, tree
from nebctl.core.ledger.encoding import FormatError, b64url
from nebctl.core.ledger.members import UTC_TEXT, check_members
from nebctl.core.ledger.records import ENVELOPE, SESSION_FIELDS, VERSION, Draft, Entry, Json

_RESERVED = ENVELOPE | SESSION_FIELDS
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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
    if not UTC_TEXT.fullmatch(text):
        raise FormatError("utc", text, expected)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise FormatError("utc", text, expected) from None
    milliseconds = (moment - _EPOCH) // timedelta(milliseconds=1)
    if milliseconds < 0 or utc_text(milliseconds * NS_PER_MS) != text:
        raise FormatError("utc", text, expected)
    return milliseconds * NS_PER_MS


def instant_of(payload: Mapping[str, Json]) -> Instant:
    """Return the moment at which a record was made, its wall clock to the millisecond."""
    clock = payload["clk"]
    told = clock if isinstance(clock, dict) else {}
    max_us, source = told.get("max_us"), told.get("src")
    state = ClockState(
        sync=told.get("sync") is True,
        source=source if isinstance(source, int | str) else "",
        max_error_us=max_us if isinstance(max_us, int) else None,
    )
    wall_ns = parse_utc(str(payload["utc"]))
    return Instant(mono_ns=_integer(payload, "mono_ns"), wall_ns=wall_ns, boot=str(payload["boot"]), clock=state)


def _check_names(draft: Draft) -> None:
    for name in (*draft.facts, *draft.private):
        if name in _RESERVED or (name in draft.facts and name in draft.private):
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
