"""The keys that a log was handed over to, each proven by the `key` record of the one before."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from nebctl.core.ledger.check import check_record
from nebctl.core.ledger.keyring import KeyRing, Span, find_ring
from nebctl.core.ledger.note import Vkey
from nebctl.keys import verify
from nebctl.store.reader import LedgerFile, LogName


def handovers(db: Path, first_key: Callable[[str, int], Vkey]) -> Iterator[tuple[LogName, Span]]:
    """Yield every key that took over in a log of a database, oldest first; `first_key` is trusted for unit and epoch.

    Raises: `StoreFault` where the database cannot be read; `FormatError` where a `key` record is not the old key's;
    and what `first_key` raises.
    """
    with LedgerFile.open(db) as file:
        for log in file.logs():
            text_of = partial(file.text_at, log)
            found = find_ring(first_key(log.unit, log.epoch), file.count("log", log), text_of, verify)
            ring = KeyRing.of(found.spans[0].vkey)
            for span in found.spans[1:]:
                entry = check_record(text_of(span.first - 1), (), ring.newest, verify)
                ring = ring.take(entry, verify)
                yield log, span
