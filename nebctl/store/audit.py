"""Check a whole database: every record, head, receipt, disclosure and trace, derived again from what was signed."""

import dataclasses
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

from nebctl.core.ledger import head, note
from nebctl.core.ledger.check import Finding, check_chain
from nebctl.core.ledger.encoding import FormatError, b64, show
from nebctl.core.ledger.note import Vkey
from nebctl.keys import KeyFault
from nebctl.ports import Verifier
from nebctl.store import schema
from nebctl.store.beside import Beside, finding
from nebctl.store.reader import UNREADABLE, LedgerFile, LogName, StoredHead, StoredReceipt


@dataclass(frozen=True, slots=True, kw_only=True)
class LogTally:
    """What was read of one log: records, good receipts and traces, the root over them, the key it was checked by."""

    log: LogName
    records: int
    receipts: int
    traces: int
    root: bytes
    key: Vkey


@dataclass(frozen=True, slots=True, kw_only=True)
class Auditor:
    """By what a database is checked: the trusted key of each unit, the pharmacy's, and the signature check.

    `unit_key` raises `KeyFault` where it trusts no key of that name.
    """

    unit_key: Callable[[str], Vkey]
    pharmacy: Vkey
    verify: Verifier

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
        try:
            receipts = yield from self._check_receipts(file, log, key)
        except UNREADABLE as error:
            yield _unreadable(log, 0, error)
            return
        yield from self._check_records(file, log, key, receipts)

    def _check_receipts(self, file: LedgerFile, log: LogName, key: Vkey) -> Generator[Finding, None, dict[int, str]]:
        """Yield what is wrong with the receipts of a log, and return the good ones by their sizes."""
        receipts: dict[int, str] = {}
        for stored in file.receipts(log):
            try:
                self._check_receipt(key, stored)
                receipts[stored.size] = stored.note
            except FormatError as error:
                yield finding(log, stored.size - 1, f"receipt, {error.where}", error.seen, error.expected)
        return receipts

    def _key(self, log: LogName) -> Vkey:
        if not head.UNIT.fullmatch(log.unit):
            raise FormatError("unit", log.unit, "a record that names its unit")
        key = self.unit_key(log.unit)
        owner = head.Origin.parse(key.name)
        if (owner.unit, owner.epoch) != (log.unit, log.epoch):
            raise FormatError("trusted key", key.name, f"a key of {log.unit} for epoch {log.epoch}")
        return key

    def _check_receipt(self, key: Vkey, stored: StoredReceipt) -> None:
        receipt = head.open_receipt(stored.note, key, self.pharmacy, self.verify)
        checkpoint = receipt.checkpoint
        if stored.size != checkpoint.size:
            raise FormatError("size", stored.size, f"{checkpoint.size}, as its note says")
        if stored.root is not None and stored.root != checkpoint.root:
            raise FormatError("root", b64(stored.root), f"{b64(checkpoint.root)}, as its note says")
        if stored.time_s is not None and stored.time_s != receipt.time_s:
            raise FormatError("time", stored.time_s, f"{receipt.time_s}, as its note says")

    def _check_records(
        self, file: LedgerFile, log: LogName, key: Vkey, receipts: dict[int, str]
    ) -> Iterator[Finding | LogTally]:
        beside = Beside(file, log, key, self.verify, max(receipts, default=0))
        try:
            yield from self._check_chain(file, log, key, receipts, beside)
        except UNREADABLE as error:
            yield from beside.findings
            yield _unreadable(log, beside.next_seq, error)

    def _check_chain(
        self, file: LedgerFile, log: LogName, key: Vkey, receipts: dict[int, str], beside: Beside
    ) -> Iterator[Finding | LogTally]:
        stored = file.head(log, key.name)
        rows = beside.watch(file.rows(log))
        text = None if stored is None else stored.note
        chain = check_chain(rows, text, receipts.values(), unit=key, pharmacy=self.pharmacy, verify=self.verify)
        for found in chain:
            # What no single record is to blame for is placed where the record that should follow is missing.
            yield found if found.seq is not None else dataclasses.replace(found, seq=beside.next_seq)
        beside.close()
        yield from beside.findings
        if stored is None or not beside.tree.size:
            yield finding(log, beside.next_seq, "log", f"{beside.tree.size} records", "records under a signed head")
        else:
            yield from _check_head(log, key, stored)
        yield LogTally(
            log=log,
            records=beside.tree.size,
            receipts=len(receipts),
            traces=beside.traces,
            root=beside.tree.root(),
            key=key,
        )


def _unreadable(log: LogName, seq: int, error: Exception) -> Finding:
    """Return the finding about a row that could not be read to its end; what follows it in its log is not checked."""
    if isinstance(error, FormatError):
        return finding(log, seq, error.where, error.seen, error.expected)
    return finding(log, seq, "row", str(error) or type(error).__name__, "a row as nebctl writes it")


def _check_head(log: LogName, key: Vkey, stored: StoredHead) -> Iterator[Finding]:
    try:
        parsed = note.parse_note(stored.note)
        checkpoint = head.Checkpoint.parse(parsed.text)
    except FormatError:
        return  # the chain has said so
    seq = checkpoint.size - 1
    if len(parsed.lines) != 1:
        yield finding(log, seq, "head", f"{len(parsed.lines)} signature lines", f"one, by {key.name}")
    if stored.size != checkpoint.size:
        yield finding(log, seq, "head size", stored.size, f"{checkpoint.size}, as the signed head says")
    if stored.root != checkpoint.root:
        yield finding(log, seq, "head root", b64(stored.root), f"{b64(checkpoint.root)}, as the signed head says")
