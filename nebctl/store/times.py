"""When the records of a log were made, bounded by everything in the same database that tells of time."""

from nebctl.core.instant import NS_PER_S
from nebctl.core.ledger import corrected
from nebctl.core.ledger.corrected import Reading, Span
from nebctl.core.ledger.note import parse_note
from nebctl.store.prove import read
from nebctl.store.reader import LedgerFile, LogName, StoredReceipt


def spans_of(file: LedgerFile) -> dict[LogName, list[Span]]:
    """Return when each record of each log was made, in the log's order; neither records nor receipts are verified.

    Raises: `StoreFault` naming the record that cannot be read; `FormatError` where a receipt's row is none.
    """
    readings: dict[LogName, list[Reading]] = {}
    for log, entry in read(file):
        readings.setdefault(log, []).append(corrected.read(entry.payload))
    return {
        log: corrected.correct(of_log, [_existed(receipt) for receipt in file.receipts(log)])
        for log, of_log in readings.items()
    }


def _existed(receipt: StoredReceipt) -> tuple[int, int]:
    """Return how many records existed and by when: a countersignature counts whole seconds, rounded down."""
    time_s = receipt.time_s
    if time_s is None:
        time_s = int.from_bytes(parse_note(receipt.note).lines[-1].signature[:8], "big")
    return receipt.size, (time_s + 1) * NS_PER_S
