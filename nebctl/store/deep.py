"""Gather what a dose is estimated again from: its stored trace, the records of its session, and its calibration."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from nebctl.core.ledger import jws
from nebctl.core.ledger.check import Finding
from nebctl.core.ledger.encoding import FormatError
from nebctl.core.ledger.envelope import parse_entry
from nebctl.core.ledger.stretch import TraceClaim
from nebctl.core.reestimate import NotReplayed, check_again
from nebctl.store.reader import LedgerFile, LogName


@dataclass(frozen=True, slots=True)
class Told:
    """A dose's trace and the texts of its records in order, the dose last; all of it was verified before."""

    csv: str
    texts: tuple[str, ...]


def gather(file: LedgerFile, log: LogName, claims: Iterable[TraceClaim]) -> Iterator[Told]:
    """Yield what each dose is estimated from; `claims` are in order of their places.

    A session's records lie between the dose before it and its own.
    """
    before = 0
    for claim in claims:
        texts = [text for seq in range(before, claim.seq + 1) if _is_of(text := file.text_at(log, seq), claim.session)]
        before = claim.seq + 1
        stored = file.trace(claim.session)
        if stored is None or not texts:
            continue  # the check before has said so
        yield Told(stored[1], (*_calibration(file, log, texts[-1]), *texts))


def check_told(told: Told) -> Finding | NotReplayed | None:
    """Return what is wrong with a dose by its trace; None where the same volume comes out."""
    return check_again(told.csv, [parse_entry(text) for text in told.texts])


def _is_of(text: str, session: str) -> bool:
    try:
        return jws.parse(text).payload.get("session") == session
    except FormatError:
        return False


def _calibration(file: LedgerFile, log: LogName, dose: str) -> tuple[str, ...]:
    named = jws.parse(dose).payload.get("calibration")
    text = file.text_at(log, named) if isinstance(named, int) else ""
    return (text,) if text else ()
