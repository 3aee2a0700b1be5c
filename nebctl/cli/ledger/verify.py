"""`nebctl ledger verify`: check a database of records from end to end."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nebctl.cli.ledger.common import FILE, FOLDER, auditor_of, print_json, printable

if TYPE_CHECKING:
    from nebctl.core.ledger.check import Finding
    from nebctl.core.ledger.records import Json
    from nebctl.store.audit import Auditor, LogTally

_SHOWN_ROOTS = 4


@click.command()
@click.argument("db", type=FILE)
@click.option(
    "--trust", type=FOLDER, required=True, help="Folder of trusted keys: <unit>.pem/.vkey, pharmacy.pem/.vkey."
)
@click.option("--all", "every", is_flag=True, help="Report every finding, not the first alone.")
@click.option("--deep", is_flag=True, help="Estimate the doses in a unit's database again from their traces.")
@click.option("--jobs", type=click.IntRange(1, 256), help="Processes that check together.  [default: one a core]")
@click.option("--progress/--no-progress", default=None, help="Say how far it is.  [default: on a terminal]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify(
    db: Path, trust: Path, every: bool, deep: bool, jobs: int | None, progress: bool | None, as_json: bool
) -> None:
    """Check every record, head, receipt, disclosure and trace in DB.

    Exit code 0: all holds, in one line. 1: a finding, named by unit, epoch and sequence. 2: a wrong call.

    Example: nebctl ledger verify demo-data/units/neb-0001/unit.db --trust demo-data/trust
    """
    from nebctl.core.ledger.check import Finding
    from nebctl.store.faults import StoreFault

    auditor = replace(auditor_of(trust, jobs), deep=deep)
    findings: list[str] = []
    tallies: list[LogTally] = []
    shown = sys.stderr.isatty() if progress is None else progress
    try:
        for result in _audit(db, auditor, shown=shown):
            if not isinstance(result, Finding):
                tallies.append(result)
                continue
            findings.append(result.sentence())
            if not every:
                break
    except StoreFault as fault:
        findings.append(printable(str(fault)))
    if as_json:
        print_json({"verified": not findings, "findings": [*findings], "logs": [_tally_json(each) for each in tallies]})
    else:
        click.echo("\n".join(findings) or _summary(tallies))
        for line in _estimates(tallies) if deep else ():
            click.echo(line)
    for tally in tallies:
        click.echo(f"by key {tally.key.name} sha256 {tally.key.fingerprint()}", err=True)
    click.echo(f"by key {auditor.pharmacy.name} sha256 {auditor.pharmacy.fingerprint()}", err=True)
    raise SystemExit(1 if findings else 0)


def _audit(db: Path, auditor: "Auditor", *, shown: bool) -> "Iterator[Finding | LogTally]":
    from nebctl.cli.ledger.progress import Progress
    from nebctl.store.reader import LedgerFile

    with LedgerFile.open(db) as file:
        progress = Progress(file.size() if shown else 0, shown=shown)
        try:
            for result in replace(auditor, watch=progress.add).audit(file):
                progress.close()
                yield result
        finally:
            progress.close()


def _summary(tallies: "list[LogTally]") -> str:
    from nebctl.core.ledger.encoding import b64

    roots = [f"{each.log.unit}/{each.log.epoch} root {b64(each.root)}" for each in tallies[:_SHOWN_ROOTS]]
    if len(tallies) > _SHOWN_ROOTS:
        roots.append(f"{len(tallies) - _SHOWN_ROOTS} more with --json")
    counts = (
        _count(len({each.log.unit for each in tallies}), "unit"),
        _count(sum(each.records for each in tallies), "record"),
        _count(len(tallies), "head"),
        _count(sum(each.receipts for each in tallies), "receipt"),
    )
    return f"VERIFIED {', '.join(counts)}; {'; '.join(roots)}"


def _estimates(tallies: "list[LogTally]") -> "Iterator[str]":
    """Yield how many doses were estimated again, and which could not be."""
    for tally in tallies:
        log = f"{tally.log.unit}/{tally.log.epoch}"
        yield f"{log} {_count(tally.estimated, 'dose')} estimated again with the same volume"
        for estimator, count in sorted(tally.not_replayed.items()):
            why = f"this nebctl cannot replay the estimator {estimator}"
            yield f"{log} {_count(count, 'trace')} read, not estimated again: {why}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _tally_json(tally: "LogTally") -> "Json":
    from nebctl.core.ledger.encoding import b64

    return {
        "unit": tally.log.unit,
        "epoch": tally.log.epoch,
        "records": tally.records,
        "receipts": tally.receipts,
        "traces": tally.traces,
        "estimated": tally.estimated,
        "not_replayed": {**tally.not_replayed},
        "root": b64(tally.root),
        "key": {"name": tally.key.name, "sha256": tally.key.fingerprint()},
    }
