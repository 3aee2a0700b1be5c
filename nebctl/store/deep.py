"""Gather what a dose is estimated again from: its stored trace, the records of its session, and its calibration."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from nebctl.core.ledger import jws
from nebctl.core.ledger.check import Finding
from nebctl.core.ledger.encoding import FormatError
from nebctl.core.ledger.envelope import parse_entry
from nebctl.core.ledger.records import Json
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

    A session's records lie between the dose before it and its own. Before them come the last `config` and the
    calibration that the dose names, where there are such.
    """
    before, config = 0, ""
    for claim in claims:
        texts: list[str] = []
        for seq in range(before, claim.seq + 1):
            text = file.text_at(log, seq)
            payload = _payload(text)
            config = text if payload.get("typ") == "config" else config
            texts += [text] if payload.get("session") == claim.session else []
        before = claim.seq + 1
        stored = file.trace(claim.session)
        if stored is not None and texts:  # else the check before has said so
            yield Told(stored[1], tuple(filter(None, (config, _calibration(file, log, texts[-1]), *texts))))


def check_told(told: Told) -> Finding | NotReplayed | None:
    """Return what is wrong with a dose by its trace; None where the same volume comes out."""
    return check_again(told.csv, [parse_entry(text) for text in told.texts])


def _payload(text: str) -> Mapping[str, Json]:
    try:
        return jws.parse(text).payload
    except FormatError:
        return {}


def _calibration(file: LedgerFile, log: LogName, dose: str) -> str:
    named = _payload(dose).get("calibration")
    return file.text_at(log, named) if isinstance(named, int) else ""
