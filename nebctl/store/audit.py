"""Check a whole database: every record, head, receipt, disclosure and trace, derived again from what was signed."""

import contextlib
import dataclasses
import hashlib
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from nebctl.core.ledger import head, jws, note
from nebctl.core.ledger.chain import Chain
from nebctl.core.ledger.check import Finding
from nebctl.core.ledger.encoding import FormatError, b64, show
from nebctl.core.ledger.keyring import KeyRing, find_ring, open_receipt_by
from nebctl.core.ledger.note import Vkey
from nebctl.core.ledger.rows import Row
from nebctl.core.ledger.stretch import Authority, TraceClaim, check_stretch
from nebctl.core.reestimate import NotReplayed
from nebctl.keys import KeyFault
from nebctl.ports import Verifier
from nebctl.store import codec, schema
from nebctl.store.cores import Each
from nebctl.store.deep import check_told, gather
from nebctl.store.erased import untold
from nebctl.store.reader import UNREADABLE, LedgerFile, LogName, StoredHead, StoredReceipt


@dataclass(frozen=True, slots=True, kw_only=True)
class LogTally:
    """What was read of one log: records, good receipts and traces, the root over them, the key it was checked by.

    `key` is the one that is trusted from outside; those that it named in turn are in the log. `estimated` counts the
    doses whose volume was estimated again, `not_replayed` those whose estimator has no replay here, by its name.
    """

    log: LogName
    records: int
    receipts: int
    traces: int
    root: bytes
    key: Vkey
    estimated: int = 0
    not_replayed: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Auditor:
    """By what a database is checked: the trusted key of each unit and epoch, the pharmacy's, and the signature check.

    `unit_key` raises `KeyFault` where it trusts no key of that unit. `each` calls the check for each stretch of a log,
    here or on several cores. `watch` is told how many records more are done, as they are. `deep` asks that doses are
    estimated again from their traces.
    """

    unit_key: Callable[[str, int], Vkey]
    pharmacy: Vkey
    verify: Verifier
    each: Each = map
    watch: Callable[[int], None] = lambda _: None
    deep: bool = False

    def audit(self, file: LedgerFile) -> Iterator[Finding | LogTally]:
        """Yield every finding, and after each log its tally; no finding means that all of it holds."""
        try:
            logs = file.logs()
        except UNREADABLE as error:
            yield _unreadable(LogName("", 0), 0, error)
            return
        first = logs[0] if logs else LogName("", 1)
        if file.is_unit:
            for name in schema.altered(file.db):
                yield finding(first, 0, "guard", f"{name} changed or missing", "the tables and guards nebctl made")
        if not logs:
            yield finding(first, 0, "records", "none", "at least the first, genesis")
        tallies: list[LogTally] = []
        for log in logs:
            for result in self._audit_log(file, log):
                if isinstance(result, LogTally):
                    tallies.append(result)
                yield result
        if file.is_unit and len(tallies) == len(logs):
            stored, named = file.trace_count(), sum(tally.traces for tally in tallies)
            if stored != named:
                yield finding(first, 0, "trace", f"{stored} traces", f"{named}, those that dose records name")

    def _audit_log(self, file: LedgerFile, log: LogName) -> Iterator[Finding | LogTally]:
        try:
            key = self._key(log)
        except KeyFault as fault:
            yield finding(log, 0, f"trusted key {fault.path.name}", fault.seen, fault.expected)
            return
        except FormatError as error:
            yield finding(LogName(show(log.unit), log.epoch), 0, error.where, error.seen, error.expected)
            return
        walk = _LogWalk(self, file, log, key)
        try:
            yield from walk.run()
        except UNREADABLE as error:
            yield _unreadable(log, walk.next_seq, error)

    def _key(self, log: LogName) -> Vkey:
        if not head.UNIT.fullmatch(log.unit):
            raise FormatError("unit", log.unit, "a record that names its unit")
        key = self.unit_key(log.unit, log.epoch)
        owner = head.Origin.parse(key.name)
        if (owner.unit, owner.epoch) != (log.unit, log.epoch):
            raise FormatError("trusted key", key.name, f"a key of {log.unit} for epoch {log.epoch}")
        return key


class _LogWalk:
    """One log of a database, from its receipts through its records to its head."""

    def __init__(self, by: Auditor, file: LedgerFile, log: LogName, key: Vkey) -> None:
        self._by = by
        self._file = file
        self._log = log
        self._key = key
        self._traces = 0
        self._claims: list[TraceClaim] = []
        self._estimated = 0
        self._not_replayed: Counter[str] = Counter()
        self._fetched_back: list[range] | None = None
        self.next_seq = 0

    def run(self) -> Iterator[Finding | LogTally]:
        """Yield every finding of this log, and at last its tally."""
        size = self._file.count("log", self._log)
        ring = find_ring(self._key, size, partial(self._file.text_at, self._log), self._by.verify)
        receipts = yield from self._check_receipts(ring)
        chain = Chain(Authority(ring=ring, verify=self._by.verify, decode=codec.decode), self._by.pharmacy)
        for found in chain.take_receipts(receipts.values()):
            yield self._placed(found)
        yield from self._check_records(chain, ring, max(receipts, default=0))
        yield from self._check_head(chain, ring)
        yield from self._estimate_again()
        yield LogTally(
            log=self._log,
            records=chain.tree.size,
            receipts=len(receipts),
            traces=self._traces,
            root=chain.tree.root(),
            key=self._key,
            estimated=self._estimated,
            not_replayed=dict(self._not_replayed),
        )

    def _check_receipts(self, ring: KeyRing) -> Generator[Finding, None, dict[int, str]]:
        """Yield what is wrong with the receipts of a log, and return the good ones by their sizes."""
        receipts: dict[int, str] = {}
        for stored in self._file.receipts(self._log):
            try:
                self._check_receipt(ring, stored)
                receipts[stored.size] = stored.note
            except FormatError as error:
                yield finding(self._log, stored.size - 1, f"receipt, {error.where}", error.seen, error.expected)
        return receipts

    def _check_receipt(self, ring: KeyRing, stored: StoredReceipt) -> None:
        receipt = open_receipt_by(stored.note, ring, self._by.pharmacy, self._by.verify)
        checkpoint = receipt.checkpoint
        if stored.size != checkpoint.size:
            raise FormatError("size", stored.size, f"{checkpoint.size}, as its note says")
        if stored.root is not None and stored.root != checkpoint.root:
            raise FormatError("root", b64(stored.root), f"{b64(checkpoint.root)}, as its note says")
        if stored.time_s is not None and stored.time_s != receipt.time_s:
            raise FormatError("time", stored.time_s, f"{receipt.time_s}, as its note says")

    def _check_records(self, chain: Chain, ring: KeyRing, receipted: int) -> Iterator[Finding]:
        faults: list[Exception] = []
        rows = _until_fault(self._file.rows_beside(self._log), faults)
        stretches = chain.stretches(rows, receipted=receipted if self._file.is_unit else None)
        check = partial(check_stretch, by=Authority(ring=ring, verify=self._by.verify, decode=codec.decode))
        for checked in self._by.each(check, stretches):
            for found in chain.take(checked):
                yield self._placed(found)
            self.next_seq = chain.next_seq
            if self._file.is_unit:
                yield from self._check_traces(checked.traces)
            self._by.watch(checked.records)
        for fault in faults:
            raise fault
        for seq, seen in untold(self._file, self._log):
            yield finding(self._log, seq, "erasure", seen, "an access record that says so, and nothing left beside")
        yield from self._check_counts({"disclosure": chain.disclosures, "outbox": chain.waiting})

    def _check_traces(self, claims: list[TraceClaim]) -> Iterator[Finding]:
        for claim in claims:
            stored = self._file.trace(claim.session)
            if stored is None and self._was_fetched_back(claim.seq):
                continue
            try:
                self._check_trace(claim, stored)
            except FormatError as error:
                yield finding(self._log, claim.seq, error.where, error.seen, error.expected)
            else:
                self._claims += [claim] if self._by.deep else []

    def _estimate_again(self) -> Iterator[Finding]:
        """Estimate the doses again whose traces are there and have the right hash."""
        for found in self._by.each(check_told, gather(self._file, self._log, self._claims)):
            if isinstance(found, Finding):
                yield found
            elif isinstance(found, NotReplayed):
                self._not_replayed[found.estimator] += 1
            else:
                self._estimated += 1

    def _was_fetched_back(self, seq: int) -> bool:
        """Return whether a record was fetched back from the pharmacy: such a one has no trace."""
        if self._fetched_back is None:
            self._fetched_back = list(_fetched_back(self._file, self._log))
        return any(seq in places for places in self._fetched_back)

    def _check_trace(self, claim: TraceClaim, stored: tuple[str, str] | None) -> None:
        if stored is None:
            raise FormatError("trace", "none", f"the one with SHA-256 {claim.sha256}")
        self._traces += 1
        noted, csv = stored
        found = hashlib.sha256(csv.encode("utf-8", "surrogateescape")).hexdigest()
        for where, digest in (("trace", found), ("trace sha256", noted)):
            if digest != claim.sha256:
                raise FormatError(where, digest, f"{claim.sha256}, as the record says")

    def _check_counts(self, counted: dict[str, int]) -> Iterator[Finding]:
        """Look for what belongs to no record."""
        for table, count in counted.items():
            stored = self._file.count(table, self._log)
            if stored != count:
                yield finding(self._log, self.next_seq, table, f"{stored} rows", f"{count}, those of the records")

    def _check_head(self, chain: Chain, ring: KeyRing) -> Iterator[Finding]:
        stored = self._file.head(self._log, self._key.name)
        for found in chain.close(None if stored is None else stored.note):
            yield self._placed(found)
        size = chain.tree.size
        if stored is None or not size:
            yield finding(self._log, self.next_seq, "log", f"{size} records", "records under a signed head")
        else:
            yield from _check_stored_head(self._log, ring, stored)

    def _placed(self, found: Finding) -> Finding:
        """Place what no single record is to blame for where the record that should follow is missing."""
        return found if found.seq is not None else dataclasses.replace(found, seq=self.next_seq)


def finding(log: LogName, seq: int, what: str, seen: object, expected: str) -> Finding:
    """Return a finding about one place of a log."""
    return Finding(
        unit=log.unit or "unknown", epoch=log.epoch, seq=max(seq, 0), what=what, seen=show(seen), expected=expected
    )


def _fetched_back(file: LedgerFile, log: LogName) -> Iterator[range]:
    """Yield the places of records that the log says were lost and fetched back."""
    for row in file.rows(log):
        with contextlib.suppress(FormatError):
            payload = jws.parse(row.text).payload
            begin, end = payload.get("size"), payload.get("to_size")
            restored = (payload.get("typ"), payload.get("kind")) == ("incident", "restored")
            if restored and isinstance(begin, int) and isinstance(end, int):
                yield range(begin, end)


def _until_fault(rows: Iterator[Row], faults: list[Exception]) -> Iterator[Row]:
    """Yield the rows up to one that cannot be read, whose fault is kept: those before it are checked all the same."""
    try:
        yield from rows
    except UNREADABLE as error:
        faults.append(error)


def _unreadable(log: LogName, seq: int, error: Exception) -> Finding:
    """Return the finding about a row that could not be read to its end; what follows it in its log is not checked."""
    if isinstance(error, FormatError):
        return finding(log, seq, error.where, error.seen, error.expected)
    return finding(log, seq, "row", str(error) or type(error).__name__, "a row as nebctl writes it")


def _check_stored_head(log: LogName, ring: KeyRing, stored: StoredHead) -> Iterator[Finding]:
    try:
        parsed = note.parse_note(stored.note)
        checkpoint = head.Checkpoint.parse(parsed.text)
    except FormatError:
        return  # the chain has said so
    seq, signers = checkpoint.size - 1, ring.of_head(checkpoint.size)
    if len(parsed.lines) != len(signers):
        expected = f"{len(signers)}, by {signers[-1].name}"
        yield finding(log, seq, "head", f"{len(parsed.lines)} signature lines", expected)
    if stored.size != checkpoint.size:
        yield finding(log, seq, "head size", stored.size, f"{checkpoint.size}, as the signed head says")
    if stored.root != checkpoint.root:
        yield finding(log, seq, "head root", b64(stored.root), f"{b64(checkpoint.root)}, as the signed head says")
