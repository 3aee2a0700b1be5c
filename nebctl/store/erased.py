"""Whether what is gone from beside the records was erased by a record that says so."""

import contextlib
from collections.abc import Iterator

from nebctl.core.erasure import names
from nebctl.core.ledger import jws
from nebctl.core.ledger.encoding import FormatError
from nebctl.store.faults import StoreFault
from nebctl.store.reader import LedgerFile, LogName, Place

PHARMACY_LOG = "pharmacy-log.db"
"""The pharmacy says what it erased in its own log, which lies beside its database."""


def untold(file: LedgerFile, log: LogName) -> Iterator[tuple[int, str]]:
    """Yield the records of a log whose erasure no `access` record tells of, or is not whole, each with what was seen.

    The record that tells is not verified here: it stands in a log that is.
    """
    erased = file.erased(log)
    if not erased:
        return
    with contextlib.ExitStack() as stack:
        telling = file
        if not file.is_unit:
            try:
                telling = stack.enter_context(LedgerFile.open(file.path.with_name(PHARMACY_LOG)))
            except StoreFault as fault:
                yield min(erased), f"no {PHARMACY_LOG} beside it ({fault.seen})"
                return
        for seq, by in erased.items():
            if file.disclosures(log, seq):
                yield seq, "a disclosure"
            elif not _tells(telling, by, log, seq):
                yield seq, f"record {by[1]} of epoch {by[0]}"


def _tells(file: LedgerFile, by: Place, log: LogName, seq: int) -> bool:
    row = file.db.execute("SELECT jws FROM log WHERE ep = ? AND seq = ?", by).fetchone()
    try:
        return row is not None and names(jws.parse(str(row[0])).payload, log.unit, log.epoch, seq)
    except FormatError:
        return False
