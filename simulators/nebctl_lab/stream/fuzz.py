"""Messages that no well-behaved unit sends, handed to a pharmacy's register.

A seed decides everything. Nothing may raise, nothing may be kept that the unit's key did not sign, and whatever is not
kept must have been counted.
"""

import base64
import json
import random
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nebctl import keys
from nebctl.core.ledger import envelope, head, jws, tree
from nebctl.core.ledger.note import ED25519, Vkey
from nebctl.core.ledger.records import Draft
from nebctl.core.ledger.signing import Verifier
from nebctl.pharmacy.check import MOST_BYTES
from nebctl.pharmacy.database import own
from nebctl.pharmacy.enrolment import enrol_unit
from nebctl.pharmacy.ingest import Arrival, Ingest
from nebctl.pharmacy.intake import Accepted
from nebctl.publish.topics import format_record, parse_record
from nebctl_lab.bench.stream_intake import AT, CONFIG
from nebctl_lab.stream.site import SITE

MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
UNIT = "neb-0001"
SIGNER = keys.Ed25519Signer.from_seed(b"\x01" * 32)
FORGER = keys.Ed25519Signer.from_seed(b"\x02" * 32)
VKEY = Vkey(head.origin(SITE, UNIT, 1), ED25519, SIGNER.public)
TOKENS = (
    b"~",
    b"\n",
    b".",
    b"=",
    b"\x00",
    b"\xff",
    b"\xe2\x80\x94 ",
    b"{}",
    b"null",
    b"-0",
    b"1e9",
    b'"',
    b"\\u0000",
    b"A" * 99,
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 2**53, 2**64, "", "x", "\u2028", "x" * 5000, [], {}, [[]], {"": 0}),
    *("neb-0002", "dose", "key", "correction", "2026-02-30T00:00:00.000Z", "1969-12-31T23:59:59.999Z", "\ud800"),
    json.loads("[" * 60 + "]" * 60),
)


class Mutator:
    """Changes messages a little, the same way for the same seed."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._ways: tuple[Callable[[bytearray, Sequence[bytes]], None], ...] = (
            *(self._flip, self._cut, self._double, self._insert, self._truncate, self._splice, self._swap_lines),
        )

    def change(self, body: bytes, others: Sequence[bytes]) -> bytes:
        """Return the message with one to four changes; parts of the others may get into it."""
        changed = bytearray(body)
        for _ in range(self._chance.randint(1, 4)):
            self._chance.choice(self._ways)(changed, others)
        return bytes(changed[: 2 * MOST_BYTES])

    def _span(self, body: bytearray) -> slice:
        first = self._chance.randint(0, len(body))
        return slice(first, first + self._chance.choice((1, 1, 2, 8, 64, 400)))

    def _flip(self, body: bytearray, _: Sequence[bytes]) -> None:
        if body:
            body[self._chance.randrange(len(body))] ^= 1 << self._chance.randrange(8)

    def _cut(self, body: bytearray, _: Sequence[bytes]) -> None:
        del body[self._span(body)]

    def _double(self, body: bytearray, _: Sequence[bytes]) -> None:
        span = self._span(body)
        body[span.stop : span.stop] = body[span] * self._chance.choice((1, 2, 300))

    def _insert(self, body: bytearray, _: Sequence[bytes]) -> None:
        at = self._chance.randint(0, len(body))
        body[at:at] = self._chance.choice(TOKENS)

    def _truncate(self, body: bytearray, _: Sequence[bytes]) -> None:
        del body[self._chance.randint(0, len(body)) :]

    def _splice(self, body: bytearray, others: Sequence[bytes]) -> None:
        other = self._chance.choice(others)
        body[self._span(body)] = other[self._chance.randint(0, len(other)) :][: self._chance.choice((1, 40, 2000))]

    def _swap_lines(self, body: bytearray, _: Sequence[bytes]) -> None:
        lines = bytes(body).split(b"\n")
        self._chance.shuffle(lines)
        body[:] = b"\n".join(lines)


@dataclass
class Register:
    """A pharmacy's register in memory, the unit that writes to it, and all that the unit's key ever signed."""

    chance: random.Random
    db: Any  # a connection of the pharmacy's own making
    verify: Verifier = keys.verify
    frontier: tree.Frontier = field(default_factory=tree.Frontier)
    signed: set[str] = field(default_factory=set)
    """Its texts, those in the corpus among them: the first of these may come before all that are made here."""

    def __post_init__(self) -> None:
        enrol_unit(self.db, SITE, UNIT, VKEY, AT.wall_ns)
        self.ingest = Ingest(self.db, simulated=True, verify=self.verify)

    def payload(self) -> dict[str, Any]:
        """Return the members of a good next record without private facts."""
        stamp = envelope.Stamp(unit=UNIT, epoch=1, software="fuzz", config_sha256=CONFIG, simulated=True)
        draft = Draft(typ=self.chance.choice(("boot", "dose", "charge", "start", "alarm")), facts={"kit": "KIT-0401"})
        made, _ = envelope.build(
            draft, self.frontier.size, self.frontier.root(), AT, stamp, self.chance.randbytes(16), ()
        )
        return made

    def sign(self, payload: dict[str, Any], signer: keys.Ed25519Signer = SIGNER) -> bytes:
        """Return a message whose record carries these members, right or wrong, signed by the unit or by a forger."""
        data = json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        covered = jws.signing_input(head.kid(VKEY), data.encode("utf-8", "surrogatepass"))
        text = jws.assemble(covered, signer.sign(covered))
        if signer is SIGNER:
            self.signed.add(text)
        grown = self.frontier.append(tree.leaf_hash(text.encode()))
        line = head.head_line(head.Checkpoint(VKEY.name, grown.size, grown.root()), signer)
        return format_record(text, (), line)

    def take(self, arrivals: Sequence[Arrival]) -> None:
        """Hand messages in, and hold the register to its promises.

        Raises: `AssertionError` where one is broken; whatever the register raises, which is never right.
        """
        before = self._counted()
        answers = self.ingest.take_all(arrivals, AT.wall_ns)
        for arrival, answer in zip(arrivals, answers, strict=True):
            if isinstance(answer, Accepted):
                parts = parse_record(arrival.body)
                assert parts is not None, arrival.body
                assert parts.jws in self.signed, f"kept without the unit's signature: {arrival.body!r}"
        turned_away = sum(not isinstance(answer, Accepted) for answer in answers)
        assert self._counted() - before == turned_away, "something that was not kept was not counted"
        self._follow()

    def _counted(self) -> int:
        return int(self.db.execute("SELECT COALESCE(sum(count), 0) FROM refusal").fetchone()[0])

    def _follow(self) -> None:
        texts = [text for (text,) in self.db.execute("SELECT jws FROM rec ORDER BY seq")]
        for text in texts[self.frontier.size :]:
            assert jws.parse(text).payload["seq"] == self.frontier.size, "a gap in what is kept"
            self.frontier = self.frontier.append(tree.leaf_hash(text.encode()))
        row = self.db.execute("SELECT size FROM tip").fetchone()
        assert (row[0] if row else 0) == len(texts), "the tree is not that of the records"


@dataclass(frozen=True, slots=True)
class Tried:
    """How many messages were handed in, and how many records were kept."""

    messages: int
    kept: int


def fuzz(seed: int, batches: int, corpus: Sequence[bytes], verify: Verifier = keys.verify) -> Tried:
    """Hand in so many batches of good, changed, wrongly written, repeated and foreign messages.

    `verify` is how the register checks signatures; another one than ours shows what the target finds.

    Raises: `AssertionError` where a promise of the register's is broken; whatever it raises.
    """
    chance = random.Random(seed)  # noqa: S311 - the same twice
    mutator, messages = Mutator(chance), 0
    memory = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="nebctl-fuzz-", dir=memory) as name, own(Path(name) / "pharmacy.db") as db:
        register = Register(chance, db, verify, signed=_signed(corpus))
        known = list(corpus)
        for _ in range(batches):
            batch = [_arrival(chance, mutator, register, known) for _ in range(chance.choice((1, 1, 2, 5)))]
            register.take(batch)
            messages += len(batch)
        return Tried(messages, register.frontier.size)


def _signed(messages: Sequence[bytes]) -> set[str]:
    """Return the records among the messages that carry the signature which the unit's key gives to them."""
    texts = {parts.jws for parts in map(parse_record, messages) if parts is not None}
    covered = {text: text.rpartition(".")[0].encode() for text in texts}
    return {text for text in texts if text == jws.assemble(covered[text], SIGNER.sign(covered[text]))}


def _arrival(chance: random.Random, mutator: Mutator, register: Register, known: list[bytes]) -> Arrival:
    """Return the next message, and remember what it was made of."""
    way = chance.random()
    if way < 0.3:
        fresh = register.sign(register.payload())
        body = mutator.change(chance.choice((fresh, chance.choice(known))), known)
    elif way < 0.35:
        body = register.sign(register.payload(), FORGER)
    elif way < 0.5:
        body = register.sign(_misshape(chance, register.payload()))
    elif way < 0.7:
        body = register.sign(register.payload())
        known.append(body)
    else:
        body = chance.choice(known)
    unit = chance.choice((UNIT, UNIT, UNIT, UNIT, "neb-0002", "\x00", "ward/7", "x" * 300))
    return Arrival(unit, body)


def _misshape(chance: random.Random, payload: dict[str, Any]) -> dict[str, Any]:
    for _ in range(chance.choice((1, 1, 2))):
        name = chance.choice((*payload, "extra"))
        if chance.random() < 0.2:
            payload.pop(name, None)
        else:
            payload[name] = chance.choice(VALUES)
    return payload


def read_corpus(folder: Path) -> list[bytes]:
    """Return the messages of a corpus, one a file in base64, in the order of their names.

    Raises: `ValueError` where there is none.
    """
    files = sorted(folder.glob("*.b64"))
    if not files:
        raise ValueError(f"no *.b64 file in {folder}, expected the corpus of record messages")
    return [base64.b64decode(file.read_bytes(), validate=False) for file in files]
