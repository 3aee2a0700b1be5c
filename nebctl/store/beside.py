"""What stands beside the records of a log: disclosures and, in a unit's own database, the outbox and the traces."""

import contextlib
import hashlib
from collections.abc import Iterator

from nebctl.core.ledger import disclosure, envelope, head, tree
from nebctl.core.ledger.check import Finding
from nebctl.core.ledger.encoding import FormatError, show
from nebctl.core.ledger.note import Vkey
from nebctl.core.ledger.records import Entry
from nebctl.ports import Verifier
from nebctl.store.reader import LedgerFile, LogName, Row


def finding(log: LogName, seq: int, what: str, seen: object, expected: str) -> Finding:
    """Return a finding about one place of a log."""
    return Finding(
        unit=log.unit or "unknown", epoch=log.epoch, seq=max(seq, 0), what=what, seen=show(seen), expected=expected
    )


class Beside:
    """Watches the records of one log go by and collects what is wrong beside them.

    `receipted` is the size of the newest good receipt, 0 for none. Records that cannot be read are left to the chain.
    """

    def __init__(self, file: LedgerFile, log: LogName, key: Vkey, verify: Verifier, receipted: int) -> None:
        self._file = file
        self._log = log
        self._key = key
        self._verify = verify
        self._receipted = receipted
        self._counted = {"disclosure": 0, "outbox": 0}
        self._next = 0
        self.traces = 0
        self.tree = tree.Frontier()
        self.findings: list[Finding] = []

    def watch(self, rows: Iterator[Row]) -> Iterator[Row]:
        """Yield the rows as they are, having looked at what stands beside each."""
        for row in rows:
            _, seq, _, text = row
            self.tree = self.tree.append(tree.leaf_hash(text.encode("utf-8", "surrogatepass")))
            self._next = seq + 1
            self._look(seq, text)
            yield row

    @property
    def next_seq(self) -> int:
        """Return the sequence after the last record that went by."""
        return self._next

    def close(self) -> None:
        """Look for what belongs to no record."""
        for table, counted in self._counted.items():
            stored = self._file.count(table, self._log)
            if stored != counted:
                self._found(self._next, table, f"{stored} rows", f"{counted}, those of the records")

    def _look(self, seq: int, text: str) -> None:
        with self._collected(seq):
            shown = self._file.disclosures(self._log, seq)
            self._counted["disclosure"] += len(shown)
            self._look_beside(seq, text, shown)

    def _look_beside(self, seq: int, text: str, shown: tuple[str, ...]) -> None:
        try:
            entry = envelope.parse_entry(text)
        except FormatError:
            return
        with self._collected(seq):
            self._check_disclosures(entry, shown)
        if self._file.is_unit:
            with self._collected(seq):
                self._check_outbox(seq)
            with self._collected(seq):
                self._check_trace(entry)

    @contextlib.contextmanager
    def _collected(self, seq: int) -> Iterator[None]:
        try:
            yield
        except FormatError as error:
            self._found(seq, error.where, error.seen, error.expected)

    def _check_disclosures(self, entry: Entry, shown: tuple[str, ...]) -> None:
        disclosure.check(entry.payload, shown)
        promised = entry.payload["_sd"]
        count = len(promised) if isinstance(promised, list) else 0
        if len(shown) != count:
            raise FormatError("disclosures", len(shown), f"{count}, as the record promises")

    def _check_outbox(self, seq: int) -> None:
        line = self._file.outbox_line(self._log, seq)
        if line is None:
            if seq >= self._receipted:
                raise FormatError("outbox", "nothing waiting", f"the record, receipted are only {self._receipted}")
            return
        self._counted["outbox"] += 1
        if seq < self._receipted:
            raise FormatError("outbox", "a record that waits", f"nothing, {self._receipted} records are receipted")
        checkpoint = head.Checkpoint(self._key.name, self.tree.size, self.tree.root())
        # The line goes out as it is stored, so its newline counts too.
        if not line.endswith("\n") or not head.verify_head_line(checkpoint, line, self._key, self._verify):
            raise FormatError("outbox head line", line, f"the signature of {self._key.name} at this size")

    def _check_trace(self, entry: Entry) -> None:
        promised = entry.payload.get("trace")
        if entry.payload["typ"] != "dose" or not isinstance(promised, str):
            return
        stored = self._file.trace(str(entry.payload.get("session")))
        if stored is None:
            raise FormatError("trace", "none", f"the one with SHA-256 {promised}")
        self.traces += 1
        noted, csv = stored
        found = hashlib.sha256(csv.encode("utf-8", "surrogateescape")).hexdigest()
        for where, digest in (("trace", found), ("trace sha256", noted)):
            if digest != promised:
                raise FormatError(where, digest, f"{promised}, as the record says")

    def _found(self, seq: int, what: str, seen: object, expected: str) -> None:
        self.findings.append(finding(self._log, seq, what, seen, expected))
