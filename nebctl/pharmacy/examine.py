"""Every check of one kept dose on its own: what was checked, whether it holds, and the values that were seen."""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from nebctl.core.ledger import disclosure, envelope, head, jws, tree
from nebctl.core.ledger.check import check_record
from nebctl.core.ledger.encoding import FormatError, b64
from nebctl.core.ledger.grammar import SessionGrammar, check_volumes
from nebctl.core.ledger.keyring import KeyRing
from nebctl.core.ledger.members import check_members
from nebctl.core.ledger.note import Vkey, parse_note
from nebctl.core.ledger.records import Entry, Json
from nebctl.core.ledger.signing import Verifier
from nebctl.core.units import format_volume
from nebctl.core.verify import Limits, judge
from nebctl.pharmacy.dose_facts import (
    Place,
    config_before,
    count_of,
    prescribed,
    read_facts,
    says_type,
    span,
    text_of,
)
from nebctl.pharmacy.unit_keys import keys_of

NOT_YET = "a receipt that covers this record; the unit gets one when it is online"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check: its name, whether it holds, and what was seen, as one line."""

    name: str
    good: bool
    seen: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Examiner:
    """By what doses are checked: the pharmacy's countersigning key, and the limits of its own rules."""

    pharmacy: Vkey
    limits: Limits
    verify: Verifier

    def examine(self, db: sqlite3.Connection, place: Place) -> tuple[Check, ...]:
        """Return every check of the dose that is kept at a place; each is made whatever became of the others.

        Raises: `LookupError` where no record is kept there.
        """
        case = _gather(db, place, self)
        return tuple(_made(name, check, case) for name, check in _CHECKS)


def _made(name: str, check: "Callable[[_Case], str]", case: "_Case") -> Check:
    try:
        return Check(name=name, good=True, seen=check(case))
    except FormatError as fault:
        return Check(name=name, good=False, seen=f"{fault.where}: saw {fault.seen}, expected {fault.expected}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """What the tables hold that speaks of one dose; nothing of it is believed."""

    by: Examiner
    place: Place
    text: str
    leaf: bytes
    disclosures: tuple[str, ...]
    texts: Mapping[int, str]
    leaves: tuple[bytes, ...]
    receipt: str | None
    keys: KeyRing
    config: tuple[int, bytes, str] | None

    @property
    def unit(self) -> Vkey:
        """Return the key that is valid at the record's place."""
        return self.keys.of_record(self.place.seq)

    @property
    def payload(self) -> Mapping[str, Json]:
        return jws.parse(self.text).payload

    @property
    def checkpoint(self) -> head.Checkpoint:
        checkpoint = head.Checkpoint.parse(parse_note(self.note).text)
        if checkpoint.size <= self.place.seq:
            raise FormatError("receipt", f"one over {checkpoint.size} records", NOT_YET)
        return checkpoint

    @property
    def note(self) -> str:
        if self.receipt is None:
            raise FormatError("receipt", "none", NOT_YET)
        return self.receipt


def _gather(db: sqlite3.Connection, place: Place, by: Examiner) -> _Case:
    log = db.execute("SELECT seq, leaf, jws FROM rec WHERE (unit, ep) = (?, ?) ORDER BY seq", place[:2]).fetchall()
    kept = {int(seq): (bytes(leaf), str(text)) for seq, leaf, text in log}
    keys = keys_of(db, place.unit, place.epoch)
    if place.seq not in kept or keys is None:
        raise LookupError(f"no record {place.seq} of {place.unit} epoch {place.epoch}")
    shown = "SELECT disc FROM disclosure WHERE (unit, ep, seq) = (?, ?, ?) ORDER BY disc"
    receipt = db.execute("SELECT note FROM witness WHERE (unit, ep) = (?, ?)", place[:2]).fetchone()
    leaf, text = kept[place.seq]
    return _Case(
        by=by,
        place=place,
        text=text,
        leaf=leaf,
        disclosures=tuple(str(disc) for (disc,) in db.execute(shown, place)),
        texts={seq: text for seq, (_, text) in kept.items()},
        leaves=tuple(leaf for leaf, _ in kept.values()),
        receipt=str(receipt[0]) if receipt else None,
        keys=keys.ring,
        config=config_before(db, place),
    )


def _text(case: _Case) -> str:
    payload = case.payload
    check_members(payload)
    return f"{len(case.text)} characters, {len(payload)} members, written the one way they can be"


def _signature(case: _Case) -> str:
    record = jws.parse(case.text)
    if record.kid != head.kid(case.unit):
        raise FormatError("key", record.kid, f"{head.kid(case.unit)}, the enrolled key of {case.unit.name}")
    if not case.by.verify(case.unit.public, record.signing_input, record.signature):
        raise FormatError("signature", "a bad signature", f"a good one by {case.unit.name}")
    return f"Ed25519, by {case.unit.name}, key {record.kid}"


def _names(case: _Case) -> str:
    payload, simulated = case.payload, head.Origin.parse(case.unit.name).simulated
    place = case.place
    expected = {"typ": "dose", "unit": place.unit, "ep": place.epoch, "seq": place.seq, "sim": simulated}
    for name, value in expected.items():
        if payload.get(name) != value:
            raise FormatError(f"member {name}", payload.get(name), f"{value}, by its place and its key")
    world = "simulated" if simulated else "real"
    return f"dose record {place.seq} of {place.unit}, epoch {place.epoch}, a {world} unit"


def _leaf(case: _Case) -> str:
    leaf = _leaf_of(case.text)
    if leaf != case.leaf:
        raise FormatError("leaf", case.leaf.hex(), leaf.hex())
    return f"SHA-256 {leaf.hex()}"


def _inclusion(case: _Case) -> str:
    checkpoint, seq = case.checkpoint, case.place.seq
    leaves = case.leaves[: checkpoint.size]
    if len(leaves) < checkpoint.size:
        raise FormatError("log", f"{len(leaves)} records", f"{checkpoint.size}, as the receipt says")
    path = tree.inclusion_path(leaves, seq)
    if not tree.verify_inclusion(_leaf_of(case.text), seq, checkpoint.size, path, checkpoint.root):
        raise FormatError("path", "another root", f"{b64(checkpoint.root)}, the countersigned one")
    return f"leaf {seq} of {checkpoint.size}, by {len(path)} hashes to root {b64(checkpoint.root)}"


def _head(case: _Case) -> str:
    size = case.checkpoint.size
    signer = case.keys.of_head(size)[-1]
    head.open_head(case.note, signer, case.by.verify)
    return f"tree of {size} records, signed by {signer.name}, key {head.kid(signer)}"


def _countersignature(case: _Case) -> str:
    _ = case.checkpoint  # a receipt over less than this record is none for it
    note, pharmacy = parse_note(case.note), case.by.pharmacy
    named = [line.name for line in note.lines]
    if named != [case.unit.name, pharmacy.name]:
        raise FormatError("receipt", f"lines by {', '.join(named)}", f"lines by {case.unit.name}, {pharmacy.name}")
    time_s = head.verify_cosignature(note.text, note.lines[1].text(), pharmacy, case.by.verify)
    if time_s is None:
        raise FormatError("countersignature", "a bad signature", f"a good one by {pharmacy.name}")
    return f"by {pharmacy.name}, key {head.kid(pharmacy)}, at {envelope.utc_text(time_s * 10**9)}"


def _private(case: _Case) -> str:
    payload = case.payload
    revealed = disclosure.check(payload, case.disclosures)
    promised = payload.get("_sd")
    count = len(promised) if isinstance(promised, list) else 0
    if len(revealed) != count:
        raise FormatError("private facts", f"{len(revealed)} kept", f"{count}, as the record promises")
    return f"{count} of {count} as they were signed: {', '.join(sorted(revealed))}" if count else "none"


def _verdict(case: _Case) -> str:
    payload = case.payload
    facts = read_facts(payload)
    check_volumes(payload)
    emitted, limits = facts.emitted, facts.limits
    verdict = judge(emitted, limits).value
    said = f"{verdict}, for {span(emitted.low_nl, emitted.high_nl)} against {_limits(limits)}"
    if facts.verdict != verdict:
        raise FormatError("verdict", facts.verdict, said)
    return said


def _prescribed(case: _Case) -> str:
    recorded, planned_nl = read_facts(case.payload).limits, count_of(case.payload, "planned_nl")
    if case.config is None:
        raise FormatError("config", "no config record before the dose", "the study protocol that the unit gave by")
    seq, leaf, text = case.config
    config = check_record(text, (), case.keys.of_record(seq), case.by.verify)
    if config.leaf != leaf:
        raise FormatError(f"leaf of record {seq}", leaf.hex(), config.leaf.hex())
    limits = prescribed(config.payload, planned_nl)
    if recorded != limits:
        raise FormatError("limits", _limits(recorded), f"{_limits(limits)}, by the texts in record {seq}")
    return f"{_limits(limits)}, by the texts in record {seq}"


def _own(case: _Case) -> str:
    limits = read_facts(case.payload).limits
    if limits != case.by.limits:
        raise FormatError("limits", _limits(limits), f"{_limits(case.by.limits)}, by the pharmacy's own rules")
    return f"{_limits(limits)}, as the pharmacy's own rules have it today"


def _session(case: _Case) -> str:
    payload = case.payload
    session, started = text_of(payload, "session"), count_of(payload, "start_seq")
    grammar = SessionGrammar()
    for entry in _session_records(case):
        try:
            grammar.take(entry)
        except FormatError:
            if entry.payload.get("session") == session:
                raise
    check_record(case.texts[started], (), case.keys.of_record(started), case.by.verify)
    return f"started by record {started}, one outcome, record {case.place.seq}"


def _session_records(case: _Case) -> Iterator[Entry]:
    """Yield what starts and ends sessions; a record that cannot be read stops no other session's check."""
    for text in case.texts.values():
        if says_type(text, "start", "dose", "abort"):
            with contextlib.suppress(FormatError):
                yield envelope.parse_entry(text)


def _leaf_of(text: str) -> bytes:
    return tree.leaf_hash(text.encode("utf-8", "surrogatepass"))


def _limits(limits: Limits) -> str:
    return f"{format_volume(limits.lower_nl)} to {format_volume(limits.upper_nl)}"


_CHECKS: tuple[tuple[str, Callable[[_Case], str]], ...] = (
    ("The text is canonical", _text),
    ("The unit signed the record", _signature),
    ("The record names its place", _names),
    ("The leaf is the text's hash", _leaf),
    ("The path leads to the countersigned root", _inclusion),
    ("The unit signed the head", _head),
    ("The pharmacy countersigned the head", _countersignature),
    ("The private facts are the signed ones", _private),
    ("The verdict follows from volume and limits", _verdict),
    ("The limits follow from the unit's study protocol and site rules", _prescribed),
    ("The limits are the pharmacy's", _own),
    ("The session started before, and ended once", _session),
)
