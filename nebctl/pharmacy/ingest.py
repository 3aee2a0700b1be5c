"""Taking records in, once and in order, and countersigning what was committed; runs in the database's thread."""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

from nebctl.core.instant import NS_PER_S
from nebctl.core.ledger import envelope, head, tree
from nebctl.core.ledger.note import Vkey, assemble_note
from nebctl.core.ledger.signing import Signer, Verifier
from nebctl.pharmacy import outcomes
from nebctl.pharmacy.check import EVIDENCE, Known, Reason, Refused, Signed, read_body
from nebctl.pharmacy.cores import Ahead, Cores, Question
from nebctl.pharmacy.database import transaction
from nebctl.pharmacy.intake import Accepted, Duplicate, OutOfOrder, Register, Run, Taken, judge_run
from nebctl.pharmacy.known import Knowledge
from nebctl.pharmacy.unit_keys import note_spans

Place: TypeAlias = tuple[str, int, int]
"""Unit, epoch and sequence number."""


class Arrival(NamedTuple):
    """A `record` message as it came: the unit that its topic names, and what it carried."""

    unit: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockBehind:
    """No receipt now: the clock stands before the time of the last one. Unix seconds."""

    now_s: int
    last_s: int


Receipts: TypeAlias = dict[str, str | ClockBehind]
"""By unit, the countersigned head over all that is kept of it, or why there is none now."""


class Intake(NamedTuple):
    """What became of messages that were taken together: an answer for each, and the receipts for what was kept."""

    answers: list[Taken]
    receipts: Receipts


class Witness(NamedTuple):
    """By whom receipts are signed: the name of the key, and the key."""

    name: str
    signer: Signer


class _Branch:
    """The messages of one unit's epoch in a batch, with their places in it."""

    def __init__(self, known: Known | Refused) -> None:
        self.known = known
        self.places: list[int] = []
        self.records: list[Signed] = []
        self._newest = None if isinstance(known, Refused) else known.keys.ring.newest
        self._kid = self._newest and head.kid(self._newest)
        self._size = 0 if isinstance(known, Refused) else known.frontier.size

    def add(self, place: int, signed: Signed, ahead: Ahead) -> None:
        """Add a message, and ask for its signature where it may be a new record under the unit's newest key."""
        self.places.append(place)
        self.records.append(signed)
        record = signed.parsed
        if self._newest is not None and record.kid == self._kid and signed.entry.seq >= self._size:
            ahead.ask(Question(self._newest.public, record.signing_input, record.signature))


class _Reading:
    """Messages that were read and not judged yet: those that are no records, and the others by unit and epoch."""

    def __init__(self, arrivals: Sequence[Arrival], ahead: Ahead) -> None:
        self.arrivals = arrivals
        self.ahead = ahead
        self.answers: dict[int, Taken] = {}
        self.branches: dict[tuple[str, int], _Branch] = {}


class Ingest:
    """The register of records of one pharmacy; `simulated` says which kind of units it takes.

    `cores` check the signatures of large batches ahead; None: each is checked where it is needed. With a `witness`
    the receipt for what a call keeps is written down in the same transaction, so that one sync serves both.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        *,
        simulated: bool,
        verify: Verifier,
        cores: Cores | None = None,
        witness: Witness | None = None,
    ) -> None:
        self._db = db
        self._simulated = simulated
        self._cores = cores or Cores(verify, alone=True)
        self._witness = witness
        self._read_ahead: _Reading | None = None
        self._knowledge = Knowledge(db)

    def take(self, unit: str, body: bytes, at_ns: int) -> Taken:
        """Take one `record` message of `unit`; a record is kept only when all of it holds, and then durably."""
        (taken,) = self.take_all([Arrival(unit, body)], at_ns)
        return taken

    def take_all(self, arrivals: Sequence[Arrival], at_ns: int, following: Sequence[Arrival] = ()) -> list[Taken]:
        """Take messages that arrived together, and return an answer for each; otherwise as `take_in`."""
        return self.take_in(arrivals, at_ns, following).answers

    def take_in(self, arrivals: Sequence[Arrival], at_ns: int, following: Sequence[Arrival] = ()) -> Intake:
        """Take messages that arrived together, in one transaction; without a witness there are no receipts.

        `following` are those of the next call: where there are other cores, they check its signatures meanwhile.
        """
        reading, self._read_ahead = self._read_ahead, None
        if reading is None or reading.arrivals is not arrivals:
            reading = self._read(arrivals)
        else:  # others' commits came between
            for key, branch in reading.branches.items():
                branch.known = self._knowledge.of(*key)
        if self._cores.helps(len(following)):
            self._read_ahead = self._read(following)
        answers = reading.answers
        runs: dict[tuple[str, int], Run] = {}
        for (unit, epoch), branch in reading.branches.items():
            runs[unit, epoch] = run = self._judge(unit, epoch, branch, reading.ahead.verify)
            answers.update(zip(branch.places, run.answers, strict=True))
        taken = [answers[place] for place in range(len(arrivals))]
        remarks, receipts = self._write(runs, list(zip(arrivals, taken, strict=True)), at_ns)
        return Intake([_remarked(answer, remarks) for answer in taken] if remarks else taken, receipts)

    def _read(self, arrivals: Sequence[Arrival]) -> _Reading:
        """Read messages, and ask for the signatures of those that look new."""
        reading = _Reading(arrivals, self._cores.ahead(len(arrivals)))
        for place, arrival in enumerate(arrivals):
            signed = read_body(arrival.body)
            if isinstance(signed, Refused):
                reading.answers[place] = signed
                continue
            key = (arrival.unit, signed.entry.epoch)
            if key not in reading.branches:
                reading.branches[key] = _Branch(self._knowledge.of(*key))
            reading.branches[key].add(place, signed, reading.ahead)
        return reading

    def _judge(self, unit: str, epoch: int, branch: "_Branch", verify: Verifier) -> Run:
        known = branch.known
        if isinstance(known, Refused):
            return Run(answers=(known,) * len(branch.records), kept=(), frontier=tree.Frontier())

        def leaf_at(seq: int) -> bytes:
            query = "SELECT leaf FROM rec WHERE unit = ? AND ep = ? AND seq = ?"
            return bytes(self._db.execute(query, (unit, epoch, seq)).fetchone()[0])

        register = Register(unit=unit, known=known, simulated=self._simulated, verify=verify, leaf_at=leaf_at)
        return judge_run(branch.records, register)

    def _write(
        self, runs: Mapping[tuple[str, int], Run], taken: Sequence[tuple[Arrival, Taken]], at_ns: int
    ) -> tuple[dict[Place, str], Receipts]:
        """Commit what is kept and count what is not; return what there is to remark on kept records, and receipts."""
        remarks: dict[Place, str] = {}
        receipts: Receipts = {}
        grown = {place: run for place, run in runs.items() if run.kept}
        with transaction(self._db):
            for (unit, epoch), run in grown.items():
                self._keep(unit, epoch, run, at_ns)
                remarks |= self._note_records(unit, epoch, run)
                if self._witness is not None:
                    receipts |= self._receipts((unit,), *self._witness, at_ns)
            self._count(taken, at_ns)
        for (unit, epoch), run in grown.items():
            self._knowledge.note_growth(unit, epoch, None if run.spans else run.frontier)
        return remarks, receipts

    def _keep(self, unit: str, epoch: int, run: Run, at_ns: int) -> None:
        got_at = envelope.utc_text(at_ns)
        entries = [signed.entry for signed in run.kept]
        self._db.executemany(
            "INSERT INTO rec VALUES (?, ?, ?, ?, ?, ?)",
            [(unit, epoch, entry.seq, entry.leaf, entry.jws, got_at) for entry in entries],
        )
        self._db.executemany(
            "INSERT INTO disclosure VALUES (?, ?, ?, ?)",
            [(unit, epoch, entry.seq, disc) for entry in entries for disc in entry.disclosures],
        )
        self._db.execute(
            "INSERT INTO tip VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE"
            " SET size = excluded.size, frontier = excluded.frontier, head_line = excluded.head_line",
            (unit, epoch, run.frontier.size, b"".join(run.frontier.nodes), run.kept[-1].head_line),
        )
        note_spans(self._db, unit, epoch, run.spans)
        self._db.execute("UPDATE unit SET last_seen = ? WHERE unit = ?", (got_at, unit))

    def _note_records(self, unit: str, epoch: int, run: Run) -> dict[Place, str]:
        remarks = ((signed.entry.seq, outcomes.note_record(self._db, signed)) for signed in run.kept)
        return {(unit, epoch, seq): remark for seq, remark in remarks if remark}

    def _count(self, taken: Sequence[tuple[Arrival, Taken]], at_ns: int) -> None:
        """Count what was not kept, by unit and reason, and file what is evidence."""
        at = envelope.utc_text(at_ns)
        reasons = [(arrival, _reason(answer)) for arrival, answer in taken]
        counts = Counter((arrival.unit, reason) for arrival, reason in reasons if reason)
        for (unit, reason), count in counts.items():
            self._add_count(unit, reason, count, at)
        evidence = [(arrival.unit, reason.value, arrival.body, at) for arrival, reason in reasons if reason in EVIDENCE]
        self._db.executemany("INSERT INTO evidence VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", evidence)

    def refuse(self, unit: str, reason: Reason, at_ns: int) -> None:
        """Count a message that is no record and was not taken."""
        with transaction(self._db):
            self._add_count(unit, reason, 1, envelope.utc_text(at_ns))

    def _add_count(self, unit: str, reason: Reason, count: int, at: str) -> None:
        enrolled = self._db.execute("SELECT 1 FROM unit WHERE unit = ?", (unit,)).fetchone()
        counted = unit if enrolled else ""  # a stranger must not be able to grow the table
        self._db.execute(
            "INSERT INTO refusal VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE"
            " SET count = count + excluded.count, last_at = excluded.last_at",
            (counted, reason.value, count, at),
        )

    def countersign(self, unit: str, name: str, witness: Signer, at_ns: int) -> str | ClockBehind | None:
        """Return the receipt for all that is committed of the unit's newest epoch; None means nothing is."""
        return self.countersign_all((unit,), name, witness, at_ns).get(unit)

    def countersign_all(self, units: Iterable[str], name: str, witness: Signer, at_ns: int) -> Receipts:
        """Return the receipts of units by their names, each for all that is committed of the unit's newest epoch.

        A unit of which nothing is kept has none. All are written down before they are returned, in one transaction, and
        the time of each never lies before that of an earlier one.
        """
        with transaction(self._db):
            return self._receipts(units, name, witness, at_ns)

    def _receipts(self, units: Iterable[str], name: str, witness: Signer, at_ns: int) -> Receipts:
        found = ((unit, self._receipt(unit, name, witness, at_ns)) for unit in units)
        return {unit: receipt for unit, receipt in found if receipt is not None}

    def _receipt(self, unit: str, name: str, witness: Signer, at_ns: int) -> str | ClockBehind | None:
        row = self._db.execute(
            "SELECT k.ep, k.vkey, t.head_line FROM unit_key k JOIN tip t USING (unit, ep)"
            " WHERE unit = ? ORDER BY ep DESC LIMIT 1",
            (unit,),
        ).fetchone()
        if row is None:
            return None
        epoch, now_s = row[0], at_ns // NS_PER_S
        size, last_s, note = self._knowledge.countersigned(unit, epoch)
        frontier = self._knowledge.frontier(unit, epoch)
        if size == frontier.size:
            return note
        if now_s < last_s:
            return ClockBehind(now_s=now_s, last_s=last_s)
        checkpoint = head.Checkpoint(Vkey.parse(row[1]).name, frontier.size, frontier.root())
        return self._countersign(unit, epoch, checkpoint, row[2], head.cosign(checkpoint, now_s, name, witness), now_s)

    def _countersign(
        self, unit: str, epoch: int, checkpoint: head.Checkpoint, head_line: str, cosignature: str, now_s: int
    ) -> str:
        newest = head_line.rstrip().rpartition("\n")[2]  # over a `key` record two keys signed; a receipt names one
        note = assemble_note(checkpoint.text(), (f"{newest}\n", cosignature))
        self._db.execute(
            "INSERT INTO witness VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET size = excluded.size,"
            " root = excluded.root, note = excluded.note, cosigned_at = excluded.cosigned_at",
            (unit, epoch, checkpoint.size, checkpoint.root, note, now_s),
        )
        return note


def _reason(answer: Taken) -> Reason | None:
    match answer:
        case Refused():
            return answer.reason
        case Duplicate():
            return Reason.REPEATED
        case OutOfOrder():
            return Reason.EARLY
    return None


def _remarked(answer: Taken, remarks: Mapping[Place, str]) -> Taken:
    if not isinstance(answer, Accepted):
        return answer
    return replace(answer, remark=remarks.get((answer.unit, answer.epoch, answer.seq)))
